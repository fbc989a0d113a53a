// Pooling: what lines (channels-first) and pixels (channels-last) share: the reductions, and which taps of a
// window lie inside the input.
#pragma once

#include "kernels/pool_args.h"
#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// A reduction: Start opens the chain over columns, kFill is what a tap outside the input adds.
template <class T>
struct MaxOf {
  static constexpr bool kDivides = false;
  static constexpr T kFill = -static_cast<T>(__builtin_inf());
  PYCONV_INLINE V<T> Start(V<T> x) { return x; }
  PYCONV_INLINE V<T> Combine(V<T> acc, V<T> x) { return MaxNan<T>(acc, x); }
};

// The chain over columns starts at +0, which makes it blind to the sign of zero columns: skipping a padded
// tap and adding a zero for it give the same bits.
template <class T>
struct SumOf {
  static constexpr bool kDivides = true;
  static constexpr T kFill = T(0);
  PYCONV_INLINE V<T> Start(V<T> x) { return Zero<T>() + x; }
  PYCONV_INLINE V<T> Combine(V<T> acc, V<T> x) { return acc + x; }
};

PYCONV_INLINE Index Smaller(Index a, Index b) { return a < b ? a : b; }
PYCONV_INLINE Index Larger(Index a, Index b) { return a > b ? a : b; }
PYCONV_INLINE Index DivideUp(Index a, Index b) { return b == 1 ? a : (a + b - 1) / b; }

// Taps [first, first + count) of the window of output `o` lie inside the input.
struct TapRange {
  Index first, count;
};
template <class T>
PYCONV_INLINE Index WindowStart(const PoolArgs<T>& a, int dim, Index o) {
  return o * a.stride[dim] - a.pad[dim];
}
template <class T>
PYCONV_INLINE TapRange ValidTaps(const PoolArgs<T>& a, int dim, Index o) {
  const Index start = WindowStart(a, dim, o);
  const Index first = start >= 0 ? 0 : DivideUp(-start, a.dilation[dim]);
  const Index fitting = start >= a.in_size[dim] ? 0 : DivideUp(a.in_size[dim] - start, a.dilation[dim]);
  return {first, Larger(Smaller(fitting, a.kernel[dim]) - first, 0)};
}

// How many taps an average counts along one dimension; 1 instead of 0, whose sum is 0 as well.
template <class T>
PYCONV_INLINE Index CountedTaps(const PoolArgs<T>& a, int dim, Index o) {
  if (!a.count_pad) return Larger(ValidTaps(a, dim, o).count, 1);
  const Index before_end = a.counted_end[dim] - WindowStart(a, dim, o);
  return Larger(Smaller(DivideUp(Larger(before_end, 0), a.dilation[dim]), a.kernel[dim]), 1);
}
template <class T>
PYCONV_INLINE T ColumnDivisor(const PoolArgs<T>& a, Index col) {
  return a.fixed_divisor != T(0) ? a.fixed_divisor : static_cast<T>(CountedTaps(a, kW, col));
}
template <class T>
PYCONV_INLINE T RowDivisor(const PoolArgs<T>& a, Index d, Index h) {
  return a.fixed_divisor != T(0) ? T(1) : static_cast<T>(CountedTaps(a, kD, d) * CountedTaps(a, kH, h));
}

// The input rows under one window: `rows` of each of `planes`, all inside the input.
template <class T>
struct WindowRows {
  const T* first;
  Index rows, row_stride, planes, plane_stride;
  Index ahead;  // elements from these rows to those to prefetch; 0: none
};

// Walks the (plane, output row) pairs of a part in order.
template <class T>
struct RowCursor {
  const PoolArgs<T>& a;
  Index image, channel, row, d, h;
  TapRange taps_d, taps_h;

  PYCONV_INLINE RowCursor At(const PoolArgs<T>& a, Index plane, Index row) {
    RowCursor c{a, plane / a.channels, plane % a.channels, row, 0, 0, {}, {}};
    c.FindRow();
    return c;
  }
  void FindRow() {
    d = row / a.out_size[kH];
    h = row % a.out_size[kH];
    taps_d = ValidTaps(a, kD, d);
    taps_h = ValidTaps(a, kH, h);
  }
  void Next() {
    if (++row == a.row_end) {
      row = a.row_begin;
      if (++channel == a.channels) channel = 0, ++image;
      if (a.row_end - a.row_begin > 1) FindRow();
    } else if (++h == a.out_size[kH]) {
      FindRow();
    } else {
      taps_h = ValidTaps(a, kH, h);
    }
  }
  Index FirstPlane() const { return WindowStart(a, kD, d) + taps_d.first * a.dilation[kD]; }
  Index FirstRow() const { return WindowStart(a, kH, h) + taps_h.first * a.dilation[kH]; }
  bool Empty() const { return taps_d.count == 0 || taps_h.count == 0; }

  // Input rows of the window from input column `col` on.
  WindowRows<T> Rows(Index col) const {
    const ActivationStrides& s = a.in_stride;
    const T* first = a.in + image * s.batch + channel * s.channel + FirstPlane() * s.spatial[kD] +
                     FirstRow() * s.spatial[kH] + col * s.spatial[kW];
    return {
        first,     taps_h.count, s.spatial[kH] * a.dilation[kH], taps_d.count, s.spatial[kD] * a.dilation[kD],
        a.prefetch};
  }
  template <class P>
  P* Output(P* base, const ActivationStrides& s, Index col) const {
    return base + image * s.batch + channel * s.channel + d * s.spatial[kD] + h * s.spatial[kH] +
           col * s.spatial[kW];
  }
  T Divisor() const { return RowDivisor(a, d, h); }
};

// For arg-max: the flat position in (d, h, w) of the first row inside the window; some row where there is
// none.
template <class T>
PYCONV_INLINE Index FirstRowPosition(const RowCursor<T>& c) {
  const PoolArgs<T>& a = c.a;
  const Index d = Larger(Smaller(c.FirstPlane(), a.in_size[kD] - 1), 0);
  const Index h = Larger(Smaller(c.FirstRow(), a.in_size[kH] - 1), 0);
  return (d * a.in_size[kH] + h) * a.in_size[kW];
}
// The first column inside the window of output `col`, relative to the window's start.
template <class T>
PYCONV_INLINE Index FirstColumnOffset(const PoolArgs<T>& a, Index col) {
  const Index start = WindowStart(a, kW, col);
  const Index first = start + ValidTaps(a, kW, col).first * a.dilation[kW];
  return Larger(Smaller(first, a.in_size[kW] - 1), 0) - start;
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
