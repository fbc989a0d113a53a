// Reading padded input: the one place below the problem that turns positions outside the input into pad
// values.
#pragma once

#include "algo/algorithm.h"

namespace pyconv {

// Where element (batch, first channel) of a group starts, and how the padded input is read from there.
template <class T>
struct InputImage {
  const T* data;
  const ConvProblem* problem;
  ActivationStrides strides;

  // The row at padded-grid position (d, h) (0 = first input row; may be negative), or null where it is
  // padding.
  const T* row(Index d, Index h) const {
    const Index from_d = source_index(d, problem->in[kD], problem->pad_mode);
    const Index from_h = source_index(h, problem->in[kH], problem->pad_mode);
    if (from_d == kOutside || from_h == kOutside) return nullptr;
    return data + from_d * strides.spatial[kD] + from_h * strides.spatial[kH];
  }
};

// Which index of the destination is contiguous.
enum class RowOrder : unsigned char { kChannelsInner, kPixelsInner };

// Where a row is copied to, kChannelsInner: dst[pixel * pitch + channel]; kPixelsInner: dst[channel * pitch +
// pixel]. Of several groups, kChannelsInner only, the channels of each lie group_pitch apart.
template <class T>
struct RowCopy {
  RowOrder order;
  T* dst;
  Index pitch;
  Index groups = 1, group_pitch = 0;
};

// Copies `channels` channels (of each group) of the pixels first, first + step, ... (`count` of them) of a
// row. Pixels outside the row are what the padding mode says; a null row is all padding.
template <class T>
void read_row(const InputImage<T>& image, const DenseKernels<T>& kernels, const T* row, Index channels,
              Index first, Index step, Index count, const RowCopy<T>& copy);

// `rows` x `cols` positions of one channel's padded grid at depth d, h_step and w_step apart.
struct PlaneBlock {
  Index d, first_h, h_step, rows;
  Index first_w, w_step, cols;
};

// Copies the block to dst[row * pitch + col]. `borders_hold`: dst holds another channel's copy of the same
// block, so its constant padding is there already.
template <class T>
void read_plane(const InputImage<T>& image, const DenseKernels<T>& kernels, const PlaneBlock& block, T* dst,
                Index pitch, bool borders_hold);

}  // namespace pyconv
