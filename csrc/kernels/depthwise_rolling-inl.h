// Depthwise kernels of 3x3 taps whose lines are as far apart as their rows of taps: the sums of three lines
// wait in registers, and every input row, loaded once, goes to the lines that read it. Bound by the FMAs (7x7
// pixels: 8.3 cycles a vector of outputs from L1, 8.9 from L2; line by line, each row loaded three
// times, 12.5 and 13.4). Contract: depthwise_args.h.
#pragma once

#include "kernels/depthwise-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <int kPixels>
constexpr int kRollingColumns = kPixels + kRollingTaps - 1;

// A row of a tile's input, of one vector of channels.
template <class T, int kPixels>
struct RollingRow {
  const ChannelVectorArgs<T>& args;
  const T* weights;
  bool first_inside, last_inside;  // of the columns
  V<T> x[kRollingColumns<kPixels>];

  RollingRow(const ChannelVectorArgs<T>& tile, Index channel)
      : args(tile),
        weights(tile.weights + channel),
        first_inside(tile.first_column <= 0),
        last_inside(tile.end_column >= kRollingColumns<kPixels>) {}

  bool inside(int column) const {
    return column == 0 ? first_inside : column < kRollingColumns<kPixels> - 1 || last_inside;
  }
  void load(const T* pixel) {
#pragma GCC unroll 9
    for (int j = 0; j < kRollingColumns<kPixels>; ++j, pixel += args.w_tap)
      x[j] = inside(j) ? LoadU(pixel) : Zero<T>();
  }
  // To the sums of the line that reads it with row of taps `tap`.
  void add(int tap, V<T> (&sum)[kPixels][1]) const {
    const T* taps = weights + tap * args.weights_h;
#pragma GCC unroll 3
    for (int k = 0; k < kRollingTaps; ++k, taps += args.weights_w) {
      const V<T> w = LoadU(taps);
#pragma GCC unroll 7
      for (int p = 0; p < kPixels; ++p)
        if (inside(p + k)) Accumulate<T>(&sum[p][0], x[p + k], w);
    }
  }
};

// [t]: of the line that reads the next row with row of taps t.
template <class T, int kPixels>
using RollingSums = V<T>[kRollingTaps][kPixels][1];

template <class T, int kPixels>
PYCONV_INLINE void Roll(RollingSums<T, kPixels>& sum) {
#pragma GCC unroll 7
  for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 2
    for (int t = kRollingTaps - 1; t > 0; --t) sum[t][p][0] = sum[t - 1][p][0];
    sum[0][p][0] = Zero<T>();
  }
}

template <class T, int kPixels>
void RollingTile(const ChannelVectorArgs<T>& args, Index channel) {
  constexpr int kLast = kRollingTaps - 1;
  TileOutput<T> output = args;
  NextLine(&output, channel * args.out_n_stride);
  output.n_valid = args.n_valid - channel < kLanes<T> ? args.n_valid - channel : kLanes<T>;
  const V<T> bias = args.bias ? PositiveZero<T>(LoadN(args.bias + channel, output.n_valid)) : Zero<T>();
  RollingSums<T, kPixels> sum{};
  const auto finish = [&](Index line) {
    Ask<T, false>(args.ahead_input, line, channel);
    Ask<T, true>(args.ahead_output, line, channel);
#pragma GCC unroll 7
    for (int p = 0; p < kPixels; ++p) sum[kLast][p][0] = sum[kLast][p][0] + bias;
    Finish<T, kPixels, 1>(output, sum[kLast]);
    NextLine(&output, args.out_line_step);
  };
  RollingRow<T, kPixels> row(args, channel);
  const T* input = args.input + channel;
  if (args.first_row <= 0) row.load(input), row.add(0, sum[0]);
  // What the lines before the first and behind the last get of these rows is never stored.
  for (Index line = -1; line < args.lines - 1; ++line) {
    Roll<T, kPixels>(sum);
    row.load(input += args.h_tap);
#pragma GCC unroll 3
    for (int t = 0; t < kRollingTaps; ++t) row.add(t, sum[t]);
    if (line >= 0) finish(line);
  }
  Roll<T, kPixels>(sum);
  if (args.end_row > args.lines + 1) row.load(input + args.h_tap), row.add(kLast, sum[kLast]);
  finish(args.lines - 1);
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
