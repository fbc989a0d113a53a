// Pooling with vectors along the channels of channels-last arrays: a window's columns are reduced over rows
// and planes in registers, and columns that neighbouring windows share stay in registers.
#pragma once

#include "kernels/pool-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Up to four vectors of channels. The last vector of a ragged block starts earlier instead of being masked
// (the same bits are stored twice); only fewer channels than lanes need the mask, `partial` lanes then.
template <class T, int kVectors>
struct ChannelBlock {
  Index offset[kVectors];
  Index partial;  // 0: all lanes

  PYCONV_INLINE ChannelBlock Of(Index begin, Index end) {
    ChannelBlock b{};
    for (int v = 0; v < kVectors; ++v) b.offset[v] = Smaller(begin + v * kLanes<T>, end - kLanes<T>);
    if (end - begin < kLanes<T> && kVectors == 1) b = {{begin}, end - begin};
    return b;
  }
  V<T> Load(const T* p, int v) const {
    return partial == 0 ? LoadU(p + offset[v]) : LoadN(p + offset[v], partial);
  }
  void Store(V<T> x, T* p, int v) const {
    if (partial == 0)
      StoreU<T>(x, p + offset[v]);
    else
      StoreN(x, p + offset[v], partial);
  }
};

template <class T, int kVectors>
struct PixelColumn {
  V<T> v[kVectors];
};

template <class Op, class T, int kVectors>
PYCONV_INLINE PixelColumn<T, kVectors> ReduceColumn(const WindowRows<T>& w,
                                                    const ChannelBlock<T, kVectors>& block, const T* p) {
  PixelColumn<T, kVectors> acc;
  for (Index h = 0; h < w.rows; ++h, p += w.row_stride) {
    PixelColumn<T, kVectors> plane;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) plane.v[v] = block.Load(p, v);
    const T* q = p;
    for (Index d = 1; d < w.planes; ++d) {
      q += w.plane_stride;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) plane.v[v] = Op::Combine(plane.v[v], block.Load(q, v));
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc.v[v] = h == 0 ? plane.v[v] : Op::Combine(acc.v[v], plane.v[v]);
  }
  return acc;
}

template <class Op, class T, int kVectors>
PYCONV_INLINE void StorePixel(const PixelColumn<T, kVectors>& acc, const ChannelBlock<T, kVectors>& block,
                              T divisor, T* out) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v)
    if constexpr (Op::kDivides)
      block.Store(acc.v[v] / Set(divisor), out, v);
    else
      block.Store(acc.v[v], out, v);
}

template <class Op, class T, int kVectors>
PYCONV_INLINE void Combine(PixelColumn<T, kVectors>& acc, const PixelColumn<T, kVectors>& x) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) acc.v[v] = Op::Combine(acc.v[v], x.v[v]);
}
template <class Op, class T, int kVectors>
PYCONV_INLINE void Start(PixelColumn<T, kVectors>& acc) {
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) acc.v[v] = Op::Start(acc.v[v]);
}

// What one output row needs: input rows from column 0 on, where outputs go, and its divisor.
template <class T>
struct PixelRow {
  WindowRows<T> rows;
  bool empty;
  T* out;
  T divisor;
};

// Any window, taps outside skipped: outputs [begin, end).
template <class Op, class T, int kVectors>
void PixelsAny(const PoolArgs<T>& a, const PixelRow<T>& r, const ChannelBlock<T, kVectors>& block,
               Index begin, Index end) {
  const Index in_step = a.in_stride.spatial[kW] * a.dilation[kW];
  for (Index o = begin; o < end; ++o) {
    const TapRange taps = ValidTaps(a, kW, o);
    PixelColumn<T, kVectors> acc;
    for (int v = 0; v < kVectors; ++v) acc.v[v] = Set(Op::kFill);
    if (!r.empty && taps.count > 0) {
      const T* p =
          r.rows.first + (WindowStart(a, kW, o) + taps.first * a.dilation[kW]) * a.in_stride.spatial[kW];
      acc = ReduceColumn<Op>(r.rows, block, p);
      Start<Op>(acc);
      for (Index j = 1; j < taps.count; ++j) Combine<Op>(acc, ReduceColumn<Op>(r.rows, block, p += in_step));
    }
    StorePixel<Op>(acc, block, r.divisor * (Op::kDivides ? ColumnDivisor(a, o) : T(1)),
                   r.out + o * a.out_stride.spatial[kW]);
  }
}

// Windows of three columns wholly inside the input, dilation 1, stride 1 or 2: shared columns are reduced
// once.
template <class Op, class T, int kVectors, int kStride>
void PixelsOfThree(const PoolArgs<T>& a, const PixelRow<T>& r, const ChannelBlock<T, kVectors>& block,
                   Index begin, Index end) {
  if (begin >= end) return;
  const Index in_step = a.in_stride.spatial[kW];
  const T divisor = r.divisor * (Op::kDivides ? ColumnDivisor(a, begin) : T(1));
  const T* p = r.rows.first + WindowStart(a, kW, begin) * in_step;
  T* out = r.out + begin * a.out_stride.spatial[kW];
  PixelColumn<T, kVectors> first = ReduceColumn<Op>(r.rows, block, p), second;
  if constexpr (kStride == 1) second = ReduceColumn<Op>(r.rows, block, p += in_step);
  for (Index o = begin; o < end; ++o, out += a.out_stride.spatial[kW]) {
    if constexpr (kStride == 2) second = ReduceColumn<Op>(r.rows, block, p += in_step);
    const PixelColumn<T, kVectors> third = ReduceColumn<Op>(r.rows, block, p += in_step);
    PixelColumn<T, kVectors> acc = first;
    Start<Op>(acc);
    Combine<Op>(acc, second);
    Combine<Op>(acc, third);
    StorePixel<Op>(acc, block, divisor, out);
    first = kStride == 1 ? second : third;
    second = third;
  }
}

// Outputs of the columns range whose windows lie wholly inside the width.
struct ColumnRange {
  Index begin, end;
};
template <class T>
ColumnRange InnerColumns(const PoolArgs<T>& a) {
  const Index begin = Larger(DivideUp(a.pad[kW], a.stride[kW]), a.col_begin);
  const Index room = a.in_size[kW] + a.pad[kW] - ((a.kernel[kW] - 1) * a.dilation[kW] + 1);
  const Index end = room < 0 ? begin : Smaller(room / a.stride[kW] + 1, a.col_end);
  return {Smaller(begin, a.col_end), Larger(end, Smaller(begin, a.col_end))};
}

template <class Op, class T, int kVectors>
void PixelsOfRow(const PoolArgs<T>& a, const PixelRow<T>& r, Index channel, Index channel_end) {
  const auto block = ChannelBlock<T, kVectors>::Of(channel, channel_end);
  const Index stride = a.stride[kW];
  const bool share = a.kernel[kW] == 3 && a.dilation[kW] == 1 && stride <= 2 && !r.empty;
  if (!share) return PixelsAny<Op>(a, r, block, a.col_begin, a.col_end);
  const ColumnRange inner = InnerColumns(a);
  PixelsAny<Op>(a, r, block, a.col_begin, inner.begin);
  if (stride == 1)
    PixelsOfThree<Op, T, kVectors, 1>(a, r, block, inner.begin, inner.end);
  else
    PixelsOfThree<Op, T, kVectors, 2>(a, r, block, inner.begin, inner.end);
  PixelsAny<Op>(a, r, block, inner.end, a.col_end);
}

template <class Op, class T>
void PoolPixels(const PoolArgs<T>& a) {
  constexpr Index kL = kLanes<T>;
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  RowCursor<T> c = RowCursor<T>::At(a, a.plane_begin, a.row_begin);
  for (Index row = 0; row < total; ++row, c.Next()) {
    const PixelRow<T> r{c.Rows(0), c.Empty(), c.Output(a.out, a.out_stride, 0),
                        Op::kDivides ? c.Divisor() : T(1)};
    Index channel = a.channel_begin;
    for (; a.channel_end - channel > 3 * kL; channel += 4 * kL) {
      const Index end = Smaller(channel + 4 * kL, a.channel_end);
      PixelsOfRow<Op, T, 4>(a, r, channel, end);
    }
    if (a.channel_end - channel > 2 * kL)
      PixelsOfRow<Op, T, 3>(a, r, channel, a.channel_end);
    else if (a.channel_end - channel > kL)
      PixelsOfRow<Op, T, 2>(a, r, channel, a.channel_end);
    else if (a.channel_end > channel && a.channel_end - a.channel_begin >= kL)
      PixelsOfRow<Op, T, 1>(a, r, a.channel_end - kL, a.channel_end);
    else if (a.channel_end > channel)
      PixelsOfRow<Op, T, 1>(a, r, channel, a.channel_end);
  }
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
