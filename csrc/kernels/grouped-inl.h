// Grouped convolution with few channels a group: a vector of output channels spans several groups, and the
// vector whose lane c is channel j of c's group is made in a register, once for all taps of a row, and a
// vector of weights is read once for several strips of outputs. Sums wait in memory between the rows of taps.
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

// Outputs are computed in so many strips at once, whole lines or parts of one: a single line alone waits for
// its own sums, and takes as long as four (Emerald Rapids, us: 128@56 in 32 groups, stride 2, whose last
// lines are one and two, 271, in strips 174; 440@7 in 55 groups 76 and 60).
constexpr int kStrips = kRegisters == 32 ? 4 : 2;

// Of `lines` lines of `pixels`, each cut into strips of equal length; the last ones overlap.
struct LineStrips {
  Index lines, pixels;

  Index per_line() const { return kStrips / lines; }
  Index length() const { return (pixels + per_line() - 1) / per_line(); }
  Index line(Index strip) const { return strip / per_line(); }
  // Its first pixel, and how many of its pixels are the strip's before it.
  Index start(Index strip) const {
    const Index even = strip % per_line() * length(), last = pixels - length();
    return even < last ? even : last;
  }
  Index overlap(Index strip) const { return strip % per_line() * length() - start(strip); }
};

// A row of taps of the strips.
template <class T>
struct GroupRow {
  Columns<T> columns[kStrips];
  Index pixels;  // of a strip
  const T* weights;
  V<T>* sums;  // [kStrips][kMostGroupPixels]
};

// kTaps taps of a row, kStride apart from output to output: columns are met in order, the last outputs they
// reach stay in registers.
template <class T, int kTaps, int kStride>
void AddSharedTaps(const ChannelVectorArgs<T>& args, const GroupChannels<T>& channels,
                   const GroupRow<T>& row) {
  constexpr int kBehind = (kTaps - 1) / kStride;  // earlier outputs that a column still reaches
  V<T> sum[kBehind + 1][kStrips];
#pragma GCC unroll 3
  for (int i = 0; i <= kBehind; ++i)
#pragma GCC unroll 4
    for (int l = 0; l < kStrips; ++l) sum[i][l] = Zero<T>();
  for (Index p = 0; p < row.pixels + kBehind; ++p) {
    if (p < row.pixels)
#pragma GCC unroll 4
      for (int l = 0; l < kStrips; ++l) sum[0][l] = row.sums[l * kMostGroupPixels + p];
#pragma GCC unroll 2
    for (int r = 0; r < kStride; ++r) {
      if (r >= kTaps) break;
      V<T> pixel[kStrips];
      const Index column = p * kStride + r;
#pragma GCC unroll 4
      for (int l = 0; l < kStrips; ++l) {
        const Columns<T>& c = row.columns[l];
        pixel[l] = channels.Read(c.row + column * c.w_tap, column >= c.begin && column < c.end);
      }
      const T* weights = row.weights + r * args.weights_w;
#pragma GCC unroll 1  // gcc knows that a group has at most 8 channels and would write all of them out
      for (Index j = 0; j < args.group; ++j, weights += args.weights_j) {
        V<T> x[kStrips];
#pragma GCC unroll 4
        for (int l = 0; l < kStrips; ++l) x[l] = channels.Of(pixel[l], j);
#pragma GCC unroll 3
        for (int i = 0; i <= kBehind; ++i) {
          if (r + i * kStride >= kTaps) break;
          const V<T> w = LoadU(weights + i * kStride * args.weights_w);
#pragma GCC unroll 4
          for (int l = 0; l < kStrips; ++l) Accumulate<T>(&sum[i][l], x[l], w);
        }
      }
    }
    if (p >= kBehind)
#pragma GCC unroll 4
      for (int l = 0; l < kStrips; ++l) row.sums[l * kMostGroupPixels + p - kBehind] = sum[kBehind][l];
#pragma GCC unroll 2
    for (int i = kBehind; i > 0; --i)
#pragma GCC unroll 4
      for (int l = 0; l < kStrips; ++l) sum[i][l] = sum[i - 1][l];
  }
}

// One tap of outputs that share no columns: four at a time, the last ones twice.
template <class T>
void AddTap(const ChannelVectorArgs<T>& args, const GroupChannels<T>& channels, const GroupRow<T>& row) {
  constexpr int kPixels = 4;
  for (Index p = 0; p < row.pixels; p += kPixels) {
    V<T> sum[kPixels][kStrips];
    V<T> pixel[kPixels][kStrips];
    Index at[kPixels];
#pragma GCC unroll 4
    for (int i = 0; i < kPixels; ++i) {
      at[i] = p + i < row.pixels ? p + i : row.pixels - 1;
#pragma GCC unroll 4
      for (int l = 0; l < kStrips; ++l) {
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
        for (int l = 0; l < kStrips; ++l) Accumulate<T>(&sum[i][l], channels.Of(pixel[i][l], j), w);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kPixels; ++i)
#pragma GCC unroll 4
      for (int l = 0; l < kStrips; ++l) row.sums[l * kMostGroupPixels + at[i]] = sum[i][l];
  }
}

template <class T, int kStride>
void AddRow(const ChannelVectorArgs<T>& args, const GroupChannels<T>& channels, GroupRow<T> row) {
  for (Index left = args.kernel[kW]; left > 0;) {
    Index taps = left == 4 ? 2 : left < 3 ? left : 3;
    if constexpr (kStride == 0) {
      taps = 1;
      AddTap<T>(args, channels, row);
    } else if (taps == 3) {
      AddSharedTaps<T, 3, kStride>(args, channels, row);
    } else if (taps == 2) {
      AddSharedTaps<T, 2, kStride>(args, channels, row);
    } else {
      AddSharedTaps<T, 1, kStride>(args, channels, row);
    }
#pragma GCC unroll 4
    for (int l = 0; l < kStrips; ++l) row.columns[l].skip(taps);
    row.weights += taps * args.weights_w;
    left -= taps;
  }
}

// Bias, residual, clamp and store of `pixels` neighbours; `output` is the vector's first pixel.
template <class T>
void FinishPixels(const TileOutput<T>& output, V<T> bias, Index pixels, V<T>* sums) {
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

// Lines [line, line + lines): 1, 2 or kStrips of them.
template <class T>
void GroupLines(const ChannelVectorArgs<T>& args, Index channel, Index line, Index lines,
                const GroupChannels<T>& channels, const TileOutput<T>& output) {
  const LineStrips strips{lines, args.pixels};
  // Columns from output to output, 0 where they share none.
  const Index stride = args.pixel_step == args.w_tap ? 1 : args.pixel_step == 2 * args.w_tap ? 2 : 0;
  V<T> sums[kStrips][kMostGroupPixels];
  for (int s = 0; s < kStrips; ++s)
    for (Index p = 0; p < strips.length(); ++p) sums[s][p] = Zero<T>();
  for (Index l = line; l < line + lines; ++l) {
    Ask<T, false>(args.ahead_input, l, 0, channel);
    Ask<T, true>(args.ahead_output, l, 0, channel);
  }
  for (Index kd = 0; kd < args.kernel[kD]; ++kd)
    for (Index kh = 0; kh < args.kernel[kH]; ++kh) {
      GroupRow<T> row{
          {}, strips.length(), args.weights + channel + kd * args.weights_d + kh * args.weights_h, sums[0]};
      const T* const input = args.input + channel + kd * args.d_tap + kh * args.h_tap;
      for (int s = 0; s < kStrips; ++s) {
        const Index start = strips.start(s), column = start * stride;
        row.columns[s] = {input + (line + strips.line(s)) * args.line_step + start * args.pixel_step,
                          args.w_tap, args.first_column - column, args.end_column - column};
      }
      if (stride == 1)
        AddRow<T, 1>(args, channels, row);
      else if (stride == 2)
        AddRow<T, 2>(args, channels, row);
      else
        AddRow<T, 0>(args, channels, row);
    }
  const V<T> bias = args.bias ? PositiveZero<T>(LoadN(args.bias + channel, output.n_valid)) : Zero<T>();
  for (int s = 0; s < kStrips; ++s) {
    const Index done = strips.overlap(s);
    if (done >= strips.length()) continue;
    TileOutput<T> strip = output;
    NextLine(&strip, (line + strips.line(s)) * args.out_line_step +
                         (strips.start(s) + done) * args.out_m_stride + channel * args.out_n_stride);
    FinishPixels<T>(strip, bias, strips.length() - done, sums[s] + done);
  }
}

template <class T>
void GroupTile(const ChannelVectorArgs<T>& args, Index channel) {
  const GroupChannels<T> channels(args.group);
  TileOutput<T> output = args;
  output.n_valid = args.n_valid - channel < kLanes<T> ? args.n_valid - channel : kLanes<T>;
  for (Index line = 0, lines; line < args.lines; line += lines) {
    const Index left = args.lines - line;
    lines = left >= kStrips ? kStrips : left >= 2 ? 2 : 1;
    GroupLines<T>(args, channel, line, lines, channels, output);
  }
}

template <class T>
void GroupVector(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  if constexpr (2 < kLanes<T>)  // a vector of two spans no groups
    EachVector<T>(range, [&](Index channel) { GroupTile<T>(args, channel); });
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
