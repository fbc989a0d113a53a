// Depthwise kernels whose lines are as far apart as their rows of taps, or twice as far: the sums of the
// lines that read the next row of input wait in registers, so that it is loaded once. Of volumes depths are
// rolled instead of lines: a sum takes the planes in order. Bound by the FMAs (3x3 on Zen 4: 7x7 pixels 8.3
// cycles a vector of outputs from L1, 8.9 from L2; line by line, each row loaded three times, 12.5 and 13.4;
// 14x14 to 7x7 9.8 and 13.0, line by line 15.1 and 16.6). Contract: depthwise_args.h.
#pragma once

#include "kernels/depthwise-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// kRollingShapes[kShape] with so many pixels.
template <int kShape, int kPixels>
struct RollingSizes {
  static constexpr RollingShape kOf = kRollingShapes[kShape];
  static constexpr int kColumns = (kPixels - 1) * kOf.column_stride + kOf.columns;
  static constexpr int kEdge = kOf.columns / 2;                   // columns at either end that may be outside
  static constexpr int kLines = (kOf.taps - 1) / kOf.stride + 1;  // that read one row
  static constexpr int kRowsBefore = kOf.taps - kOf.stride;       // of a line, read by lines before it, too
};

// A row of a tile's input, of one vector of channels.
template <class T, int kShape, int kPixels>
struct RollingRow {
  using Sizes = RollingSizes<kShape, kPixels>;
  static constexpr RollingShape kOf = Sizes::kOf;
  using Sums = V<T>[Sizes::kLines][kPixels][1];

  const ChannelVectorArgs<T>& args;
  const T* weights;
  Index first_column, end_column;  // inside
  Index valid;                     // lanes before the last channel: beyond them are the first channels
  V<T> x[Sizes::kColumns];

  RollingRow(const ChannelVectorArgs<T>& tile, Index channel)
      : args(tile),
        weights(tile.weights + channel),
        first_column(tile.first_column),
        end_column(tile.end_column),
        valid(tile.n_valid - channel) {}

  bool inside(int column) const {
    if (column < Sizes::kEdge) return column >= first_column;
    return column < Sizes::kColumns - Sizes::kEdge || column < end_column;
  }
  void load(const T* pixel) {
    if (valid < kLanes<T>) {
#pragma GCC unroll 15
      for (int j = 0; j < Sizes::kColumns; ++j, pixel += args.w_tap)
        x[j] = inside(j) ? LoadBeyond(LoadN(pixel, valid), pixel - args.n_valid, valid) : Zero<T>();
      return;
    }
#pragma GCC unroll 15
    for (int j = 0; j < Sizes::kColumns; ++j, pixel += args.w_tap)
      x[j] = inside(j) ? LoadU(pixel) : Zero<T>();
  }
  // To the sums of the lines from that one on which reads it with row of taps `tap`.
  void add(int tap, const T* plane_weights, Sums& sum) const {
#pragma GCC unroll 7
    for (int line = 0; line < Sizes::kLines; ++line, tap -= kOf.stride) {
      if (tap < 0) break;
      const T* taps = plane_weights + tap * args.weights_h;
#pragma GCC unroll 7
      for (int k = 0; k < kOf.columns; ++k, taps += args.weights_w) {
        const V<T> w = LoadU(taps);
#pragma GCC unroll 7
        for (int p = 0; p < kPixels; ++p) {
          const int column = p * kOf.column_stride + k;
          if (inside(column)) Accumulate<T>(&sum[line][p][0], x[column], w);
        }
      }
    }
  }
  // The same of all rows of a plane, where there are planes.
  void add_all(const T* input, int tap, Sums& sum) {
    const T* of_row = weights;
    const Index rows = kOf.planes ? args.kernel[kD] : 1;
    for (Index i = 0; i < rows; ++i, input += args.d_tap, of_row += args.weights_d) {
      load(input);
      add(tap, of_row, sum);
    }
  }
};

// Of a vector whose lanes from output.n_valid on hold the tile's first channels, `channels` before.
template <class T, int kPixels>
PYCONV_INLINE void FinishWrapped(const TileOutput<T>& output, Index channels, V<T> (&sum)[kPixels][1]) {
  const Index valid = output.n_valid;
#pragma GCC unroll 7
  for (int p = 0; p < kPixels; ++p) {
    if (!output.residual) break;
    const T* residual = output.residual + p * output.out_m_stride;
    sum[p][0] = sum[p][0] + LoadBeyond(LoadN(residual, valid), residual - channels, valid);
  }
  if (output.clamped) ClampAll<T, kPixels, 1>(output, sum);
#pragma GCC unroll 7
  for (int p = 0; p < kPixels; ++p) {
    T* out = output.out + p * output.out_m_stride;
    StoreN(sum[p][0], out, valid);
    StoreBeyond(sum[p][0], out - channels, valid);
  }
}

// `nth`: of the channels that the tile's vectors begin at, counted from the first of them.
template <class T, int kShape, int kPixels>
PYCONV_INLINE void RollingVector(const ChannelVectorArgs<T>& args, Index channel, Index nth) {
  using Sizes = RollingSizes<kShape, kPixels>;
  constexpr RollingShape kOf = Sizes::kOf;
  TileOutput<T> output = args;
  NextLine(&output, channel * args.out_n_stride);
  output.n_valid = args.n_valid - channel < kLanes<T> ? args.n_valid - channel : kLanes<T>;
  const bool wraps = output.n_valid < kLanes<T>;
  V<T> bias = Zero<T>();
  if (args.bias) bias = LoadN(args.bias + channel, output.n_valid);
  if (args.bias && wraps) bias = LoadBeyond(bias, args.bias + channel - args.n_valid, output.n_valid);
  bias = PositiveZero<T>(bias);
  const Index first_row = args.first_row, end_row = args.end_row;  // in registers: stores might change args
  RollingRow<T, kShape, kPixels> row(args, channel);
  V<T> sum[Sizes::kLines][kPixels][1] = {};
  const T* input = args.input + channel;
#pragma GCC unroll 6
  for (int r = 0; r < Sizes::kRowsBefore; ++r, input += args.h_tap)
    if (r >= first_row && r < end_row) row.add_all(input, r, sum);
  for (Index line = 0; line < args.lines; ++line) {
#pragma GCC unroll 2
    for (int r = Sizes::kRowsBefore; r < kOf.taps; ++r, input += args.h_tap)
      if (line * kOf.stride + r >= first_row && line * kOf.stride + r < end_row) row.add_all(input, r, sum);
    Ask<T, false>(args.ahead_input, line, 0, nth);
    Ask<T, true>(args.ahead_output, line, 0, nth);
#pragma GCC unroll 7
    for (int p = 0; p < kPixels; ++p) sum[0][p][0] = sum[0][p][0] + bias;
    if (wraps)
      FinishWrapped<T, kPixels>(output, args.n_valid, sum[0]);
    else
      Finish<T, kPixels, 1>(output, sum[0]);
    NextLine(&output, args.out_line_step);
#pragma GCC unroll 7
    for (int p = 0; p < kPixels; ++p) {
#pragma GCC unroll 6
      for (int l = 0; l + 1 < Sizes::kLines; ++l) sum[l][p][0] = sum[l + 1][p][0];
      sum[Sizes::kLines - 1][p][0] = Zero<T>();
    }
  }
}

template <class T, int kShape, int kPixels>
void RollingTile(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  EachVector<T>(
      range, [&](Index channel) { RollingVector<T, kShape, kPixels>(args, channel, channel - range.first); });
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
