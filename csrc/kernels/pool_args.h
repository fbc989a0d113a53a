// What a pooling kernel is given: one problem's geometry, two strided arrays and the part to compute. The
// order of every reduction is fixed (docs/decisions/0010), so the parts a problem is cut into never change a
// bit:
//   column(w) = over kernel rows h, in order: (over kernel planes d, in order: in[d][h][w]);   out = over w:
//   column(w).
#pragma once

#include "core/types.h"

namespace pyconv {

template <class T>
struct PoolArgs {
  Spatial in_size, kernel, stride, dilation, pad, out_size;  // pad: before the input

  // Averages divide by fixed_divisor, or, where it is 0, by the number of taps inside the input (or, with
  // count_pad, before counted_end = input size + padding after it).
  Spatial counted_end;
  bool count_pad;
  T fixed_divisor;

  const T* in;
  T* out;
  Index* indices;  // the arg-max kernels only: flat position in the channel's (d, h, w)
  ActivationStrides in_stride, out_stride, index_stride;
  Index channels;

  // The part to compute. "rows" counts out_d * out_h; "lines" reads planes of batch * channels, "pixels"
  // images of batch and [channel_begin, channel_end).
  Index plane_begin, plane_end;
  Index row_begin, row_end;
  Index col_begin, col_end;
  Index channel_begin, channel_end;

  // Elements ahead of a window's rows to prefetch from while they are read; 0 where everything fits a cache.
  Index prefetch;
  bool from_memory;  // whether the input is more than a cache can be taken to hold

  // lines only: every column holds this many neighbouring elements (channels of a small channels-last image,
  // whose rows are then dense; channels == 1). 1 otherwise.
  Index inner;
};

template <class T>
using PoolFn = void (*)(const PoolArgs<T>&);

// lines: vectors along the width; any strides. pixels: vectors along channels, whose strides must be 1.
// A relative position must fit the index lanes of argmax_lines and argmax_pixels; argmax_any takes any size.
// Scratch is the stack's: about kPoolStackBytes.
template <class T>
struct PoolKernels {
  int lanes;
  PoolFn<T> max_lines, average_lines, argmax_lines;
  PoolFn<T> max_pixels, average_pixels, argmax_pixels;
  PoolFn<T> argmax_any;
};

struct PoolTable {
  PoolKernels<float> f32;
  PoolKernels<double> f64;
};
template <class T>
const PoolKernels<T>& pool_kernels(const PoolTable& table) {
  if constexpr (sizeof(T) == 4)
    return table.f32;
  else
    return table.f64;
}

constexpr Index kPoolLineBytes = 8192;
constexpr Index kPoolStackBytes = 6 * kPoolLineBytes;

}  // namespace pyconv
