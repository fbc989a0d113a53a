// The contracts of the depthwise kernels. Each tile computes `lines` output rows of a few pixels; every
// output is one chain of FMAs from +0 over the taps (k_d, k_h, k_w) in order: the bits of the dense tiles
// (docs/decisions/0005).
#pragma once

#include "core/types.h"
#include "kernels/tile_output.h"

namespace pyconv {

// A vector of channels a pixel; output m = pixels, n = channels. Element (line, pixel) at tap (kd, kh, kw)
// reads input[line * line_step + pixel * pixel_step + kd * d_tap + kh * h_tap + kw * w_tap + n]: a whole
// vector, of which n_valid channels count. The tap's weights are kLanes elements from weights + kd *
// weights_d + kh * weights_h + kw * weights_w, so that a part of the taps can be taken.
template <class T>
struct ChannelVectorArgs : TileOutput<T> {
  const T* input;
  Spatial kernel;
  Index d_tap, h_tap, w_tap;
  Index pixel_step;
  const T* weights;
  Index weights_d, weights_h, weights_w;
  Index lines, line_step, out_line_step;
  // While line i is computed, the first of the elements ahead[(i * ahead_rows + r) * ahead_row + p *
  // ahead_pixel], r < ahead_rows, p < ahead_pixels are asked for: what the next tile will read.
  const T* ahead;
  Index ahead_rows, ahead_row, ahead_pixels, ahead_pixel;
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
};

constexpr int kMaxDepthwisePixels = 14;
constexpr int kMaxDepthwiseVectors = 4;

template <class T>
struct DepthwiseKernels {
  int max_pixels, max_vectors;
  void (*channel_vector[kMaxDepthwisePixels + 1])(const ChannelVectorArgs<T>&);  // [pixels of the tile]
  void (*pixel_vector[kMaxDepthwiseVectors + 1])(const PixelVectorArgs<T>&);     // [vectors of the tile]
  // dst[position][j][lane] = src[position * src_pitch + lane / group * group + j] for j < group <= 8, which
  // divides kLanes; whole vectors are read.
  void (*expand_groups)(T* dst, const T* src, Index src_pitch, Index positions, Index group);
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
