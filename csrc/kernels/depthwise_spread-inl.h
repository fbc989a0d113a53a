// Depthwise convolution with a channel multiplier, by vectors of output channels: a pixel's channels are read
// once and spread in a register, each over as many lanes as outputs read it. Contract: depthwise_args.h.
#pragma once

#include "kernels/depthwise-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// The input channels of one vector of output channels, which begins so many outputs behind the first of its
// first input channel.
template <class T>
struct SpreadPixel {
  Mask<T> source;
  Index inputs;

  SpreadPixel(Index behind, Index multiplier) {
    using Int = typename IntegerOf<T>::type;
    constexpr Int kOne = Int(1) << 16;
    const Mask<T> lane = Iota<T>() + (Mask<T>{} + static_cast<Int>(behind));
    const auto m = static_cast<Int>(multiplier);
    // lane / m: of small numbers by a multiplication that is exact, else one channel or two.
    source = m < kLanes<T> ? (lane * (Mask<T>{} + (kOne / m + 1))) >> 16 : -(lane >= (Mask<T>{} + m));
    inputs = static_cast<Index>(source[kLanes<T> - 1]) + 1;
  }
  V<T> operator()(const T* pixel) const { return Permute<T>(LoadN(pixel, inputs), source); }
};

template <class T, int kPixels, bool kShares>
PYCONV_INLINE void SpreadTaps(const TapGrid& grid, const T* input, const T* weights,
                              const SpreadPixel<T>& spread, V<T> (&acc)[kPixels][1]) {
#pragma GCC unroll 16
  for (int p = 0; p < kPixels; ++p) acc[p][0] = Zero<T>();
  for (Index kd = 0; kd < grid.kernel[kD]; ++kd, input += grid.d_tap, weights += grid.weights_d) {
    const T *row = input, *row_weights = weights;
    for (Index kh = 0; kh < grid.kernel[kH]; ++kh, row += grid.h_tap, row_weights += grid.weights_h) {
      if constexpr (kShares)
        AnyRow<T, kPixels, 1, 0>(Columns<T>{row, grid.w_tap, 0, 0}, grid.kernel[kW], row_weights,
                                 grid.weights_w, acc, spread);
      else
        StridedRow<T, kPixels>(grid, row, row_weights, acc, spread);
    }
  }
}

template <class T, int kPixels, bool kShares>
__attribute__((noinline)) void SpreadLines(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  const TapGrid grid = args;
  TileOutput<T> line_output = args;
  const T* line_input = args.input;
  for (Index line = 0; line < args.lines; ++line, line_input += args.line_step) {
    TileOutput<T> block_output = line_output;
    const T* input = line_input;
    for (Index block = 0; block < args.blocks; ++block, input += kPixels * grid.pixel_step) {
      EachVector<T>(range, [&](Index channel) {
        const Index first = args.channel0 + channel, from = first / args.multiplier;
        const SpreadPixel<T> spread(first - from * args.multiplier, args.multiplier);
        V<T> acc[kPixels][1];
        SpreadTaps<T, kPixels, kShares>(grid, input + from, args.weights + channel, spread, acc);
        FinishVectors<T, kPixels, 1>(block_output, channel, acc);
      });
      NextLine(&block_output, kPixels * block_output.out_m_stride);
    }
    NextLine(&line_output, args.out_line_step);
  }
}

template <class T, int kPixels>
void SpreadTile(const ChannelVectorArgs<T>& args, const ChannelRange& range) {
  if (args.pixel_step == args.w_tap)
    SpreadLines<T, kPixels, true>(args, range);
  else
    SpreadLines<T, kPixels, false>(args, range);
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
