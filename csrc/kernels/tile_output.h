// Where the finished sums of a tile go: shared by the kernels that end in the same store.
#pragma once

#include "core/types.h"

namespace pyconv {

// Where a tile of m x n finished sums goes: element (m, n) to out[m * out_m_stride + n * out_n_stride], for
// n < n_valid, which lies in the tile's last vector; nothing else is touched. It becomes clamp(sum + bias +
// residual, lo, hi), NaN passing through. residual (or null) has out's strides; bias (or null) is indexed by
// the tile's output channel.
template <class T>
struct TileOutput {
  T* out;
  Index out_m_stride, out_n_stride;
  Index n_valid;
  const T* bias;
  const T* residual;
  T lo, hi;
  bool clamped;  // false: lo and hi are infinite
};

}  // namespace pyconv
