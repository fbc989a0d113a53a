// Copies, transposes and gathers of a 2-D block: how input rows, im2col panels and weights reach a packed
// buffer.
#pragma once

#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <class T>
PYCONV_INLINE void CopyRow(T* dst, const T* src, Index count) {
  Index j = 0;
  for (; j + kLanes<T> <= count; j += kLanes<T>) StoreU<T>(LoadU(src + j), dst + j);
  for (; j < count; ++j) dst[j] = src[j];
}

// dst[i][j] = src[i + j * src_j_stride], blocks of kLanes x kLanes through registers.
template <class T>
void TransposeBlocks(T* dst, Index dst_stride, const T* src, Index src_j_stride, Index rows, Index cols) {
  for (Index i = 0; i < rows; i += kLanes<T>) {
    const Index block_rows = rows - i < kLanes<T> ? rows - i : kLanes<T>;
    for (Index j = 0; j < cols; j += kLanes<T>) {
      const Index block_cols = cols - j < kLanes<T> ? cols - j : kLanes<T>;
      V<T> block[kLanes<T>];
#pragma GCC unroll 16
      for (int c = 0; c < kLanes<T>; ++c) {
        const T* column = src + i + (j + c) * src_j_stride;
        block[c] = c >= block_cols           ? Zero<T>()
                   : block_rows == kLanes<T> ? LoadU(column)
                                             : LoadN(column, block_rows);
      }
      Transpose<T>(block);
      T* out = dst + i * dst_stride + j;
#pragma GCC unroll 16
      for (int r = 0; r < kLanes<T>; ++r) {
        if (r >= block_rows) break;
        if (block_cols == kLanes<T>)
          StoreU<T>(block[r], out + r * dst_stride);
        else
          StoreN(block[r], out + r * dst_stride, block_cols);
      }
    }
  }
}

template <class T>
void Gather2d(T* dst, Index dst_stride, const T* src, Index src_i_stride, Index src_j_stride, Index rows,
              Index cols) {
  if (src_j_stride == 1) {
    if (src_i_stride == cols && dst_stride == cols) return CopyRow(dst, src, rows * cols);
    for (Index i = 0; i < rows; ++i) CopyRow(dst + i * dst_stride, src + i * src_i_stride, cols);
  } else if (src_i_stride == 1 && rows > 1 && cols > 1) {
    TransposeBlocks(dst, dst_stride, src, src_j_stride, rows, cols);
  } else {
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < cols; ++j) dst[i * dst_stride + j] = src[i * src_i_stride + j * src_j_stride];
  }
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
