// Grouped convolution with few channels a group: a vector of output channels spans several groups, and the
// vector whose lane c is channel j of c's group is made in a register, once for all taps of a row, and a
// vector of weights is read once for several output lines. Sums wait in memory between the rows of taps.
// Contract: depthwise_args.h.
#pragma once

#include "kernels/depthwise-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Channel j of each lane's group, of one pixel.
template <class T>
struct GroupChannels {
  Mask<T> source[kMostGroupChannels];

  explicit GroupChannels(Index group) {
    for (Index j = 0; j < group; ++j)
      for (int lane = 0; lane < kLanes<T>; ++lane) source[j][lane] = lane / group * group + j;
  }

  V<T> Read(const T* pixel, bool inside) const {
    alignas(kVectorBytes) static const T zeros[kLanes<T>] = {};
    return LoadU(inside ? pixel : zeros);
  }
  V<T> Of(V<T> pixel, Index j) const { return Permute<T>(pixel, source[j]); }
};

// A row of taps of kLines output lines.
template <class T, int kLines>
struct GroupRow {
  Columns<T> columns[kLines];
  const T* weights;
  V<T>* sums;  // [kLines][kMostGroupPixels]
};

// kTaps taps of a row, kStride apart from output to output: columns are met in order, the last outputs they
// reach stay in registers.
template <class T, int kTaps, int kStride, int kLines>
void AddSharedTaps(const ChannelVectorArgs<T>& args, const GroupChannels<T>& channels,
                   const GroupRow<T, kLines>& row) {
  constexpr int kBehind = (kTaps - 1) / kStride;  // earlier outputs that a column still reaches
  V<T> sum[kBehind + 1][kLines];
#pragma GCC unroll 3
  for (int i = 0; i <= kBehind; ++i)
#pragma GCC unroll 4
    for (int l = 0; l < kLines; ++l) sum[i][l] = Zero<T>();
  for (Index p = 0; p < args.pixels + kBehind; ++p) {
    if (p < args.pixels)
#pragma GCC unroll 4
      for (int l = 0; l < kLines; ++l) sum[0][l] = row.sums[l * kMostGroupPixels + p];
#pragma GCC unroll 2
    for (int r = 0; r < kStride; ++r) {
      if (r >= kTaps) break;
      V<T> pixel[kLines];
      const Index column = p * kStride + r;
#pragma GCC unroll 4
      for (int l = 0; l < kLines; ++l) {
        const Columns<T>& c = row.columns[l];
        pixel[l] = channels.Read(c.row + column * c.w_tap, column >= c.begin && column < c.end);
      }
      const T* weights = row.weights + r * args.weights_w;
#pragma GCC unroll 1  // gcc knows that a group has at most 8 channels and would write all of them out
      for (Index j = 0; j < args.group; ++j, weights += args.weights_j) {
        V<T> x[kLines];
#pragma GCC unroll 4
        for (int l = 0; l < kLines; ++l) x[l] = channels.Of(pixel[l], j);
#pragma GCC unroll 3
        for (int i = 0; i <= kBehind; ++i) {
          if (r + i * kStride >= kTaps) break;
          const V<T> w = LoadU(weights + i * kStride * args.weights_w);
#pragma GCC unroll 4
          for (int l = 0; l < kLines; ++l) Accumulate<T>(&sum[i][l], x[l], w);
        }
      }
    }
    if (p >= kBehind)
#pragma GCC unroll 4
      for (int l = 0; l < kLines; ++l) row.sums[l * kMostGroupPixels + p - kBehind] = sum[kBehind][l];
#pragma GCC unroll 2
    for (int i = kBehind; i > 0; --i)
#pragma GCC unroll 4
      for (int l = 0; l < kLines; ++l) sum[i][l] = sum[i - 1][l];
  }
}

// One tap of outputs that share no columns: four at a time, the last ones twice.
template <class T, int kLines>
void AddTap(const ChannelVectorArgs<T>& args, const GroupChannels<T>& channels,
            const GroupRow<T, kLines>& row) {
  constexpr int kPixels = 4;
  for (Index p = 0; p < args.pixels; p += kPixels) {
    V<T> sum[kPixels][kLines];
    V<T> pixel[kPixels][kLines];
    Index at[kPixels];
#pragma GCC unroll 4
    for (int i = 0; i < kPixels; ++i) {
      at[i] = p + i < args.pixels ? p + i : args.pixels - 1;
#pragma GCC unroll 4
      for (int l = 0; l < kLines; ++l) {
        pixel[i][l] = channels.Read(row.columns[l].row + at[i] * args.pixel_step, true);
        sum[i][l] = row.sums[l * kMostGroupPixels + at[i]];
      }
    }
    const T* weights = row.weights;
#pragma GCC unroll 1
    for (Index j = 0; j < args.group; ++j, weights += args.weights_j) {
      const V<T> w = LoadU(weights);
#pragma GCC unroll 4
      for (int i = 0; i < kPixels; ++i)
#pragma GCC unroll 4
        for (int l = 0; l < kLines; ++l) Accumulate<T>(&sum[i][l], channels.Of(pixel[i][l], j), w);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kPixels; ++i)
#pragma GCC unroll 4
      for (int l = 0; l < kLines; ++l) row.sums[l * kMostGroupPixels + at[i]] = sum[i][l];
  }
}

template <class T, int kStride, int kLines>
void AddRow(const ChannelVectorArgs<T>& args, const GroupChannels<T>& channels, GroupRow<T, kLines> row) {
  for (Index left = args.kernel[kW]; left > 0;) {
    Index taps = left == 4 ? 2 : left < 3 ? left : 3;
    if constexpr (kStride == 0) {
      taps = 1;
      AddTap<T, kLines>(args, channels, row);
    } else if (taps == 3) {
      AddSharedTaps<T, 3, kStride, kLines>(args, channels, row);
    } else if (taps == 2) {
      AddSharedTaps<T, 2, kStride, kLines>(args, channels, row);
    } else {
      AddSharedTaps<T, 1, kStride, kLines>(args, channels, row);
    }
#pragma GCC unroll 4
    for (int l = 0; l < kLines; ++l) row.columns[l].skip(taps);
    row.weights += taps * args.weights_w;
    left -= taps;
  }
}

// Bias, residual, clamp and store of one line; `output` is the vector's first pixel.
template <class T>
void FinishLine(const TileOutput<T>& output, V<T> bias, Index pixels, V<T>* sums) {
  for (Index p = 0; p < pixels; ++p) sums[p] = sums[p] + bias;
  const T* tile = reinterpret_cast<const T*>(sums);
  const int rows = static_cast<int>(pixels);
  if (output.out_n_stride != 1)
    return output.out_m_stride == 1 ? StoreColumns<T>(output, tile, rows, 1)
                                    : StoreScattered<T>(output, tile, rows, 1);
  TileOutput<T> pixel = output;
  for (Index p = 0; p < pixels; ++p, NextLine(&pixel, output.out_m_stride)) {
    V<T> sum[1][1] = {{sums[p]}};
    StoreRows<T, 1, 1>(pixel, sum);
  }
}

template <class T, int kLines>
void GroupLines(const ChannelVectorArgs<T>& args, Index channel, Index line, const GroupChannels<T>& channels,
                TileOutput<T> output) {
  V<T> sums[kLines][kMostGroupPixels];
#pragma GCC unroll 4
  for (int l = 0; l < kLines; ++l) {
    for (Index p = 0; p < args.pixels; ++p) sums[l][p] = Zero<T>();
    Ask<T, false>(args.ahead_input, line + l, 0, channel);
    Ask<T, true>(args.ahead_output, line + l, 0, channel);
  }
  for (Index kd = 0; kd < args.kernel[kD]; ++kd)
    for (Index kh = 0; kh < args.kernel[kH]; ++kh) {
      GroupRow<T, kLines> row{
          {}, args.weights + channel + kd * args.weights_d + kh * args.weights_h, sums[0]};
#pragma GCC unroll 4
      for (int l = 0; l < kLines; ++l)
        row.columns[l] = {
            args.input + channel + (line + l) * args.line_step + kd * args.d_tap + kh * args.h_tap,
            args.w_tap, args.first_column, args.end_column};
      if (args.pixel_step == args.w_tap)
        AddRow<T, 1, kLines>(args, channels, row);
      else if (args.pixel_step == 2 * args.w_tap)
        AddRow<T, 2, kLines>(args, channels, row);
      else
        AddRow<T, 0, kLines>(args, channels, row);
    }
  const V<T> bias = args.bias ? PositiveZero<T>(LoadN(args.bias + channel, output.n_valid)) : Zero<T>();
  NextLine(&output, line * args.out_line_step + channel * args.out_n_stride);
#pragma GCC unroll 4
  for (int l = 0; l < kLines; ++l, NextLine(&output, args.out_line_step))
    FinishLine<T>(output, bias, args.pixels, sums[l]);
}

template <class T>
void GroupTile(const ChannelVectorArgs<T>& args, Index channel) {
  const GroupChannels<T> channels(args.group);
  TileOutput<T> output = args;
  output.n_valid = args.n_valid - channel < kLanes<T> ? args.n_valid - channel : kLanes<T>;
  Index line = 0;
  if constexpr (kRegisters == 32)
    for (; line + 4 <= args.lines; line += 4) GroupLines<T, 4>(args, channel, line, channels, output);
  for (; line + 2 <= args.lines; line += 2) GroupLines<T, 2>(args, channel, line, channels, output);
  if (line < args.lines) GroupLines<T, 1>(args, channel, line, channels, output);
}

template <class T>
void GroupVector(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  if constexpr (2 < kLanes<T>)  // a vector of two spans no groups
    EachVector<T>(range, [&](Index channel) { GroupTile<T>(args, channel); });
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
