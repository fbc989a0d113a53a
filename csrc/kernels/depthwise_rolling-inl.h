// Depthwise kernels of 3x3 taps whose lines are as far apart as their rows of taps, or twice as far: the sums
// of the lines that read the next row of input wait in registers, so that it is loaded once. Bound by the
// FMAs (7x7 pixels: 8.3 cycles a vector of outputs from L1, 8.9 from L2; line by line, each row loaded three
// times, 12.5 and 13.4; 14x14 to 7x7 9.8 and 13.0, line by line 15.1 and 16.6). Contract: depthwise_args.h.
#pragma once

#include "kernels/depthwise-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <int kPixels, int kStride>
constexpr int kRollingColumns = (kPixels - 1) * kStride + kRollingTaps;
// Lines that read one row.
template <int kStride>
constexpr int kRollingLines = (kRollingTaps - 1) / kStride + 1;

// A row of a tile's input, of one vector of channels.
template <class T, int kPixels, int kStride>
struct RollingRow {
  static constexpr int kColumns = kRollingColumns<kPixels, kStride>;

  const ChannelVectorArgs<T>& args;
  const T* weights;
  bool first_inside, last_inside;  // of the columns
  V<T> x[kColumns];

  RollingRow(const ChannelVectorArgs<T>& tile, Index channel)
      : args(tile),
        weights(tile.weights + channel),
        first_inside(tile.first_column <= 0),
        last_inside(tile.end_column >= kColumns) {}

  bool inside(int column) const { return column == 0 ? first_inside : column < kColumns - 1 || last_inside; }
  void load(const T* pixel) {
#pragma GCC unroll 15
    for (int j = 0; j < kColumns; ++j, pixel += args.w_tap) x[j] = inside(j) ? LoadU(pixel) : Zero<T>();
  }
  // To the sums of the lines from that one on which reads it with row of taps `tap`.
  void add(int tap, V<T> (&sum)[kRollingLines<kStride>][kPixels][1]) const {
#pragma GCC unroll 3
    for (int line = 0; line < kRollingLines<kStride>; ++line, tap -= kStride) {
      if (tap < 0) break;
      const T* taps = weights + tap * args.weights_h;
#pragma GCC unroll 3
      for (int k = 0; k < kRollingTaps; ++k, taps += args.weights_w) {
        const V<T> w = LoadU(taps);
#pragma GCC unroll 7
        for (int p = 0; p < kPixels; ++p)
          if (inside(p * kStride + k)) Accumulate<T>(&sum[line][p][0], x[p * kStride + k], w);
      }
    }
  }
};

template <class T, int kPixels, int kStride>
void RollingTile(const ChannelVectorArgs<T>& args, Index channel) {
  constexpr int kLines = kRollingLines<kStride>;
  constexpr int kRowsBefore = kRollingTaps - kStride;  // of a line, read by the lines before it, too
  TileOutput<T> output = args;
  NextLine(&output, channel * args.out_n_stride);
  output.n_valid = args.n_valid - channel < kLanes<T> ? args.n_valid - channel : kLanes<T>;
  const V<T> bias = args.bias ? PositiveZero<T>(LoadN(args.bias + channel, output.n_valid)) : Zero<T>();
  const bool last_inside = args.end_row >= (args.lines - 1) * kStride + kRollingTaps;
  RollingRow<T, kPixels, kStride> row(args, channel);
  V<T> sum[kLines][kPixels][1] = {};
  const T* input = args.input + channel;
#pragma GCC unroll 2
  for (int r = 0; r < kRowsBefore; ++r, input += args.h_tap)
    if (r > 0 || args.first_row <= 0) row.load(input), row.add(r, sum);
  for (Index line = 0; line < args.lines; ++line) {
#pragma GCC unroll 2
    for (int r = kRowsBefore; r < kRollingTaps; ++r, input += args.h_tap)
      if (r + 1 < kRollingTaps || line + 1 < args.lines || last_inside) row.load(input), row.add(r, sum);
    Ask<T, false>(args.ahead_input, line, channel);
    Ask<T, true>(args.ahead_output, line, channel);
#pragma GCC unroll 7
    for (int p = 0; p < kPixels; ++p) sum[0][p][0] = sum[0][p][0] + bias;
    Finish<T, kPixels, 1>(output, sum[0]);
    NextLine(&output, args.out_line_step);
#pragma GCC unroll 7
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
      for (int l = 0; l + 1 < kLines; ++l) sum[l][p][0] = sum[l + 1][p][0];
      sum[kLines - 1][p][0] = Zero<T>();
    }
  }
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
