// The contracts of the depthwise kernels. Each call computes `lines` output rows of a few pixels; every
// output is one chain of FMAs from +0 over the taps (k_d, k_h, k_w) in order: the bits of the dense tiles
// (docs/decisions/0005).
#pragma once

#include "core/types.h"
#include "kernels/tile_output.h"

namespace pyconv {

// What a later call will read or write. While line i of block b of the vector at `channel` is computed,
// elements first[i * line_step + b * block_step + r * row_step + v * vector_step + channel * channel_step]
// are asked for, r < rows, v < vectors.
template <class T>
struct AskAhead {
  const T* first;
  Index line_step, rows, row_step, vectors, vector_step, block_step, channel_step;
};

constexpr int kMaxDepthwisePixels = 14;
constexpr int kMaxDepthwiseVectors = 4;
constexpr int kMostGroupPixels = 32;
constexpr int kMostGroupChannels = 8;
constexpr int kMostRollingPixels = 7;  // of any shape

// What a rolling kernel is made for: `taps` rows of taps, lines `stride` rows apart, and rows of `columns`
// taps, pixels `column_stride` taps apart. So many pixels at most, that sums and columns fit 32 registers.
// `planes`: a row of taps is a plane of them.
struct RollingShape {
  int taps, stride, columns, column_stride, pixels;
  bool planes;
};
constexpr RollingShape kRollingShapes[] = {{},  // none: line by line
                                           {3, 1, 3, 1, 7, false},
                                           {3, 2, 3, 2, 7, false},
                                           {3, 1, 3, 1, 7, true},
                                           {3, 1, 3, 2, 5, true},
                                           {3, 2, 3, 2, 7, true},
                                           {5, 1, 1, 1, 5, false},
                                           {5, 1, 5, 1, 4, false},
                                           {5, 2, 5, 2, 5, false},
                                           {7, 1, 7, 1, 3, false}};
constexpr int kRollingShapeCount = sizeof(kRollingShapes) / sizeof(kRollingShapes[0]);

// Which taps a tile of channel vectors has, and how far apart they and the pixels are (below): what a kernel
// copies, because its stores might change the arguments.
struct TapGrid {
  Spatial kernel;
  Index d_tap, h_tap, w_tap;
  Index weights_d, weights_h, weights_w;
  Index pixel_step;
  Index first_column, end_column;
};

// Vectors of channels; output m = `pixels`, n = channels. Element (line, pixel, n) at tap (kd, kh, kw) reads
// input[line * line_step + pixel * pixel_step + kd * d_tap + kh * h_tap + kw * w_tap + n] and the weight at
// weights[kd * weights_d + kh * weights_h + kw * weights_w + n], so that a part of the taps can be taken.
// n_valid may be any number of channels: a call computes a range of vectors of them, and reads each whole.
// Where outputs are as far apart as taps or, of kernels that are not `wide`, twice as far, the columns of a
// row, w_tap apart from the first pixel's first tap on, are zeros before first_column and from end_column on.
// `wide`: several vectors of channels at once, columns are not shared, and none is outside.
// `blocks` of `pixels` pixels lie side by side, each with such columns; the kernels that roll and those of
// groups take one.
// The rolling kernels roll the sums of the lines over the input's rows, which are h_tap apart: lines are
// `stride` of them apart (line_step == stride * h_tap). Where depths are rolled, they are the lines, planes
// the rows, and the plane's rows of taps, kernel[kD] of them d_tap apart, are added in order. Rows that count
// are [first_row, end_row), and columns [first_column, end_column): all but half of a row's taps at most at
// either end. In a group of several channels (2, 4 or 8, in as many as out) a tap has the
// products with channels j of the input in order, whose weights are weights_j apart; vectors, wider than
// a group, begin at a multiple of it.
// With a channel multiplier, output channel n of the tile, which begins with channel0 of the image, reads
// input channel (channel0 + n) / multiplier, and input[...] above is that of the image's channel 0; there are
// no columns outside, and all taps are of the input.
template <class T>
struct ChannelVectorArgs : TileOutput<T>, TapGrid {
  Index pixels, blocks;
  Index multiplier, channel0;
  bool wide;
  Index group, weights_j;
  const T* input;
  const T* weights;
  Index lines, line_step, out_line_step;
  Index first_row, end_row;
  AskAhead<T> ahead_input, ahead_output;
};

// A vector of pixels of one channel; output m = lines, n = pixels. Element (line, pixel) at tap (kd, kh, kw)
// reads input[line * line_step + pixel + kd * d_tap + kh * h_tap + w_offset[kw]]; n_valid rounded up to whole
// vectors is read. Weights are [k_d][k_h][k_w].
template <class T>
struct PixelVectorArgs : TileOutput<T> {
  const T* input;
  Spatial kernel;
  Index d_tap, h_tap;
  const Index* w_offset;
  const T* weights;
  Index lines, line_step, out_line_step;
  Index lines_ahead;  // output is asked for so many lines ahead, below `lines`; 0: not at all
};

// Vectors of channels: one begins at `first`, one at `second`, then side by side; the last begins at `last`,
// and where that is in the middle of the one before it, what both have is computed twice. A tile that rolls
// has a whole vector at least; one that goes beyond n_valid wraps: the lanes left have the channels from 0
// on, as their weights do, which follow the last channel's (docs/decisions/0053-wrapped-vectors.md); outputs
// are channels-last then.
struct ChannelRange {
  Index first, second, last;
};

template <class T>
using ChannelVectorFn = void (*)(const ChannelVectorArgs<T>&, const ChannelRange&);

template <class T>
struct DepthwiseKernels {
  int max_pixels, max_vectors;
  ChannelVectorFn<T> channel_vector[kMaxDepthwisePixels + 1];                 // [pixels], group == 1
  ChannelVectorFn<T> spread_vector[kMaxDepthwisePixels + 1];                  // the same, multiplier > 1
  ChannelVectorFn<T> group_vector;                                            // up to kMostGroupPixels
  void (*pixel_vector[kMaxDepthwiseVectors + 1])(const PixelVectorArgs<T>&);  // [vectors of the tile]

  bool wide;  // has kernels of several vectors of channels at once, also for outputs not as far apart as taps
  bool rolls;  // whether there are such kernels
  ChannelVectorFn<T> rolling_vector[kRollingShapeCount][kMostRollingPixels + 1];  // [shape][pixels]

  // rolling: a shape's number, 0 line by line.
  Index most_pixels(Index group, int rolling) const {
    return rolling > 0 ? kRollingShapes[rolling].pixels : group == 1 ? max_pixels : kMostGroupPixels;
  }
  ChannelVectorFn<T> vector(Index group, Index multiplier, Index pixels, int rolling) const {
    if (rolling > 0) return rolling_vector[rolling][pixels];
    if (multiplier > 1) return spread_vector[pixels];
    return group == 1 ? channel_vector[pixels] : group_vector;
  }
};

struct DepthwiseTable {
  DepthwiseKernels<float> f32;
  DepthwiseKernels<double> f64;
};

template <class T>
const DepthwiseKernels<T>& depthwise_kernels(const DepthwiseTable& table) {
  if constexpr (sizeof(T) == 4)
    return table.f32;
  else
    return table.f64;
}

}  // namespace pyconv
