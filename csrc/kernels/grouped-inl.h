// Grouped convolution with few channels a group: a vector of output channels spans several groups, and the
// vector whose lane c is channel j of c's group is made in a register, once for all taps of a row, and a
// vector of weights is read once for several output lines. Sums wait in memory between the rows of taps.
// Contract: depthwise_args.h.
#pragma once

#include "kernels/depthwise-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Channel j of each lane's group, of one pixel. A group as wide as the vector or wider needs a broadcast.
template <class T, bool kBroadcast>
struct GroupChannels {
  Mask<T> source[kMostGroupChannels];
  Index back;  // from the vector's first channel to its group's

  GroupChannels(Index group, Index channel) : back(channel % group) {
    for (Index j = 0; j < group; ++j)
      for (int lane = 0; lane < kLanes<T>; ++lane) source[j][lane] = lane / group * group + j;
  }

  struct Pixel {
    const T* first;
    V<T> channels;
  };
  Pixel Read(const T* pixel, bool inside) const {
    alignas(kVectorBytes) static const T zeros[kLanes<T> + kMostGroupChannels] = {};
    if constexpr (kBroadcast) return {inside ? pixel - back : zeros, Zero<T>()};
    return {nullptr, LoadU(inside ? pixel : zeros)};
  }
  V<T> Of(const Pixel& pixel, Index j) const {
    if constexpr (kBroadcast) return Set(pixel.first[j]);
    return Permute<T>(pixel.channels, source[j]);
  }
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
template <class T, int kTaps, int kStride, int kLines, bool kBroadcast>
void AddSharedTaps(const ChannelVectorArgs<T>& args, const GroupChannels<T, kBroadcast>& channels,
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
      typename GroupChannels<T, kBroadcast>::Pixel pixel[kLines];
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
template <class T, int kLines, bool kBroadcast>
void AddTap(const ChannelVectorArgs<T>& args, const GroupChannels<T, kBroadcast>& channels,
            const GroupRow<T, kLines>& row) {
  constexpr int kPixels = 4;
  for (Index p = 0; p < args.pixels; p += kPixels) {
    V<T> sum[kPixels][kLines];
    typename GroupChannels<T, kBroadcast>::Pixel pixel[kPixels][kLines];
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

template <class T, int kStride, int kLines, bool kBroadcast>
void AddRow(const ChannelVectorArgs<T>& args, const GroupChannels<T, kBroadcast>& channels,
            GroupRow<T, kLines> row) {
  for (Index left = args.kernel[kW]; left > 0;) {
    Index taps = left == 4 ? 2 : left < 3 ? left : 3;
    if constexpr (kStride == 0) {
      taps = 1;
      AddTap<T, kLines, kBroadcast>(args, channels, row);
    } else if (taps == 3) {
      AddSharedTaps<T, 3, kStride, kLines, kBroadcast>(args, channels, row);
    } else if (taps == 2) {
      AddSharedTaps<T, 2, kStride, kLines, kBroadcast>(args, channels, row);
    } else {
      AddSharedTaps<T, 1, kStride, kLines, kBroadcast>(args, channels, row);
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

template <class T, int kLines, bool kBroadcast>
void GroupLines(const ChannelVectorArgs<T>& args, Index channel, Index line,
                const GroupChannels<T, kBroadcast>& channels, TileOutput<T> output) {
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
        AddRow<T, 1, kLines, kBroadcast>(args, channels, row);
      else if (args.pixel_step == 2 * args.w_tap)
        AddRow<T, 2, kLines, kBroadcast>(args, channels, row);
      else
        AddRow<T, 0, kLines, kBroadcast>(args, channels, row);
    }
  const V<T> bias = args.bias ? PositiveZero<T>(LoadN(args.bias + channel, output.n_valid)) : Zero<T>();
  NextLine(&output, line * args.out_line_step + channel * args.out_n_stride);
#pragma GCC unroll 4
  for (int l = 0; l < kLines; ++l, NextLine(&output, args.out_line_step))
    FinishLine<T>(output, bias, args.pixels, sums[l]);
}

template <class T, bool kBroadcast>
void GroupTile(const ChannelVectorArgs<T>& args, Index channel) {
  const GroupChannels<T, kBroadcast> channels(args.group, channel);
  TileOutput<T> output = args;
  output.n_valid = args.n_valid - channel < kLanes<T> ? args.n_valid - channel : kLanes<T>;
  Index line = 0;
  if constexpr (kRegisters == 32)
    for (; line + 4 <= args.lines; line += 4)
      GroupLines<T, 4, kBroadcast>(args, channel, line, channels, output);
  for (; line + 2 <= args.lines; line += 2)
    GroupLines<T, 2, kBroadcast>(args, channel, line, channels, output);
  if (line < args.lines) GroupLines<T, 1, kBroadcast>(args, channel, line, channels, output);
}

// --- groups as wide as the vector or wider, 16 registers

// Every product takes a broadcast, which few outputs share. So kPixels outputs stay in registers through all
// taps: 1.1 loads a product, and chains enough to fill both FMAs, as two lines are not (6 groups of 8, 3x3
// stride 2, 112x112, batch 8, AVX2: 13.8 -> 10.0 ms).
template <class T, int kPixels>
void BroadcastPixels(const ChannelVectorArgs<T>& args, const T* input, const T* weights, Index pixel,
                     V<T> (&sum)[kPixels][1]) {
  alignas(kVectorBytes) static const T zeros[kMostGroupChannels] = {};
  const Index shared = args.pixel_step == args.w_tap ? 1 : args.pixel_step == 2 * args.w_tap ? 2 : 0;
  const Index step = args.pixel_step;
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) sum[i][0] = Zero<T>();
  for (Index kd = 0; kd < args.kernel[kD]; ++kd)
    for (Index kh = 0; kh < args.kernel[kH]; ++kh)
      for (Index kw = 0; kw < args.kernel[kW]; ++kw) {
        const T* const tap = input + kd * args.d_tap + kh * args.h_tap + kw * args.w_tap + pixel * step;
        const T* w = weights + kd * args.weights_d + kh * args.weights_h + kw * args.weights_w;
        const Index column = pixel * shared + kw, last = column + (kPixels - 1) * shared;
        if (shared == 0 || (column >= args.first_column && last < args.end_column)) {
          const T* x = tap;
#pragma GCC unroll 1
          for (Index j = 0; j < args.group; ++j, ++x, w += args.weights_j) {
            const V<T> of_lanes = LoadU(w);
            const T* const fourth = Opaque(x + 3 * step);  // or every pixel takes a register for its address
#pragma GCC unroll 8
            for (int i = 0; i < kPixels; ++i)
              Accumulate<T>(&sum[i][0], Set(i < 3 ? x[i * step] : fourth[(i - 3) * step]), of_lanes);
          }
          continue;
        }
        const T* at[kPixels];
#pragma GCC unroll 8
        for (int i = 0; i < kPixels; ++i) {
          const Index c = column + i * shared;
          at[i] = c >= args.first_column && c < args.end_column ? tap + i * step : zeros;
        }
#pragma GCC unroll 1
        for (Index j = 0; j < args.group; ++j, w += args.weights_j) {
          const V<T> of_lanes = LoadU(w);
#pragma GCC unroll 8
          for (int i = 0; i < kPixels; ++i) Accumulate<T>(&sum[i][0], Set(at[i][j]), of_lanes);
        }
      }
}

template <class T, int kPixels>
PYCONV_INLINE void BroadcastLine(const ChannelVectorArgs<T>& args, const T* input, const T* weights,
                                 Index pixel, Index count, V<T> bias, TileOutput<T> output) {
  if constexpr (kPixels > 1)
    if (count < kPixels)
      return BroadcastLine<T, kPixels - 1>(args, input, weights, pixel, count, bias, output);
  V<T> sum[kPixels][1];
  BroadcastPixels<T, kPixels>(args, input, weights, pixel, sum);
#pragma GCC unroll 8
  for (int i = 0; i < kPixels; ++i) sum[i][0] = sum[i][0] + bias;
  NextLine(&output, pixel * output.out_m_stride);
  Finish<T, kPixels, 1>(output, sum);
}

template <class T>
void BroadcastTile(const ChannelVectorArgs<T>& args, Index channel) {
  constexpr int kPixels = 8;
  TileOutput<T> output = args;
  NextLine(&output, channel * args.out_n_stride);
  output.n_valid = args.n_valid - channel < kLanes<T> ? args.n_valid - channel : kLanes<T>;
  const V<T> bias = args.bias ? PositiveZero<T>(LoadN(args.bias + channel, output.n_valid)) : Zero<T>();
  const T* input = args.input + channel / args.group * args.group;
  const Index pieces = (args.pixels + kPixels - 1) / kPixels;
  for (Index line = 0; line < args.lines; ++line, input += args.line_step) {
    Ask<T, false>(args.ahead_input, line, 0, channel);
    Ask<T, true>(args.ahead_output, line, 0, channel);
    for (Index i = 0, pixel = 0; i < pieces; ++i) {
      const Index count = (args.pixels - pixel + pieces - i - 1) / (pieces - i);
      BroadcastLine<T, kPixels>(args, input, args.weights + channel, pixel, count, bias, output);
      pixel += count;
    }
    NextLine(&output, args.out_line_step);
  }
}

template <class T>
void GroupVector(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  constexpr bool kFits = kLanes<T> <= kMostGroupChannels;
  EachVector<T>(range, [&](Index channel) {
    if constexpr (kLanes < T >> 2) {
      if (args.group < kLanes<T>) return GroupTile<T, false>(args, channel);
    }
    if constexpr (kFits && kRegisters == 32)
      GroupTile<T, true>(args, channel);
    else if constexpr (kFits)
      BroadcastTile<T>(args, channel);
  });
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
