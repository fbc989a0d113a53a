// Max pooling with indices, torch's way: taps in row-major order, the first of equal values wins, the last
// NaN wins, and a window of -inf alone still names its first element. Value and index are kept side by side;
// the index lanes hold the position relative to the window's first row and first column.
#pragma once

#include "kernels/pool_lines-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <class T>
using IndexLane = typename IntegerOf<T>::type;
template <class T>
PYCONV_INLINE Mask<T> SetIndex(Index x) {
  return Mask<T>{} + static_cast<IndexLane<T>>(x);
}

// --- lines: vectors along the width
// -----------------------------------------------------------------------------

// One input row's taps into the line's running maxima. `row_at`: the row's position relative to the window's
// first.
template <class T, int kTaps>
void ArgMaxRow(const LineLayout<T>& y, LineScratch<T>& s, Index row_at, Index dilation) {
  const Index taps = kTaps == 0 ? y.taps : kTaps;
  for (Index v = 0; v < y.cols; v += kLanes<T>) {
    V<T> best = LoadU(s.result + v);
    Mask<T> at = LoadU(s.at + v);
#pragma GCC unroll 4
    for (Index j = 0; j < taps; ++j)
      ArgMaxNan<T>(best, at, LoadU(y.taps_read + v + s.offset[j]),
                   SetIndex<T>(row_at + (y.first_tap + j) * dilation));
    StoreU<T>(best, s.result + v);
    StoreU(at, s.at + v);
  }
}

template <class T>
PYCONV_INLINE void ArgMaxRowAnyTaps(const LineLayout<T>& y, LineScratch<T>& s, Index row_at, Index dilation) {
  if (y.taps == 2)
    ArgMaxRow<T, 2>(y, s, row_at, dilation);
  else if (y.taps == 3)
    ArgMaxRow<T, 3>(y, s, row_at, dilation);
  else
    ArgMaxRow<T, 0>(y, s, row_at, dilation);
}

template <class T>
void ArgMaxLine(const RowCursor<T>& c, LineScratch<T>& s, Index first_col, Index cols, Index taps_per_block,
                bool one_block, LineLayout<T> y) {
  const PoolArgs<T>& a = c.a;
  for (Index o = 0; o < cols; o += kLanes<T>) StoreU(Set(MaxOf<T>::kFill), s.result + o);
  for (Index o = 0; o < cols; ++o) s.at[o] = static_cast<IndexLane<T>>(FirstColumnOffset(a, first_col + o));
  for (Index d = 0; d < c.taps_d.count; ++d)
    for (Index h = 0; h < c.taps_h.count; ++h)
      for (Index j = 0; j < a.kernel[kW]; j += taps_per_block) {
        if (!one_block) {
          y = MakeLayout(a, s, first_col, cols, j, Smaller(a.kernel[kW] - j, taps_per_block), false);
          FillBuffers(y, s, 1, MaxOf<T>::kFill);
        }
        WindowRows<T> row = c.Rows(y.in_col);
        row.first += d * row.plane_stride + h * row.row_stride;
        row.rows = row.planes = 1;
        PrepareLine<MaxOf<T>, T>(c, y, s, 0, row, false);
        if (y.split == LineSplit::kPhases) SplitPhases(y, s);
        const Index row_at = (d * a.dilation[kD] * a.in_size[kH] + h * a.dilation[kH]) * a.in_size[kW];
        ArgMaxRowAnyTaps(y, s, row_at, a.dilation[kW]);
      }
}

template <class T>
void StoreIndices(const RowCursor<T>& c, const LineScratch<T>& s, Index first_col, Index cols) {
  const PoolArgs<T>& a = c.a;
  Index* to = c.Output(a.indices, a.index_stride, first_col);
  const Index first = FirstRowPosition(c) + WindowStart(a, kW, first_col);
  const Index step = a.stride[kW], stride = a.index_stride.spatial[kW];
  if (stride == 1)
    for (Index o = 0; o < cols; ++o) to[o] = first + o * step + s.at[o];
  else
    for (Index o = 0; o < cols; ++o) to[o * stride] = first + o * step + s.at[o];
}

template <class T>
void ArgMaxLines(const PoolArgs<T>& a) {
  LineScratch<T> s;
  const LineBlocking block = BlockLines(a);
  const bool one_block = a.kernel[kW] <= block.taps;
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  for (Index col = a.col_begin; col < a.col_end; col += block.cols) {
    const Index cols = Smaller(block.cols, a.col_end - col);
    const LineLayout<T> y = MakeLayout(a, s, col, cols, 0, Smaller(a.kernel[kW], block.taps), false);
    FillBuffers(y, s, 1, MaxOf<T>::kFill);
    RowCursor<T> c = RowCursor<T>::At(a, a.plane_begin, a.row_begin);
    for (Index line = 0; line < total; ++line, c.Next()) {
      ArgMaxLine(c, s, col, cols, block.taps, one_block, y);
      StoreStrided(s.result, cols, c.Output(a.out, a.out_stride, col), a.out_stride.spatial[kW]);
      StoreIndices(c, s, col, cols);
    }
  }
}

// --- pixels: vectors along channels
// -----------------------------------------------------------------------------

// Channels [channel, channel + n) of the output pixel under the cursor at column `col`.
template <class T, int kVectors>
void ArgMaxPixel(const RowCursor<T>& c, Index col, Index channel, Index n, bool partial) {
  const PoolArgs<T>& a = c.a;
  const TapRange taps = ValidTaps(a, kW, col);
  const Index start = WindowStart(a, kW, col), column_step = a.in_stride.spatial[kW] * a.dilation[kW];
  const WindowRows<T> rows = c.Rows(start + taps.first * a.dilation[kW]);
  V<T> best[kVectors];
  Mask<T> at[kVectors];
  for (int v = 0; v < kVectors; ++v)
    best[v] = Set(MaxOf<T>::kFill), at[v] = SetIndex<T>(FirstColumnOffset(a, col));
  for (Index d = 0; d < rows.planes; ++d)
    for (Index h = 0; h < rows.rows; ++h)
      for (Index j = 0; j < taps.count; ++j) {
        const T* p = rows.first + d * rows.plane_stride + h * rows.row_stride + j * column_step + channel;
        const Mask<T> here =
            SetIndex<T>((d * a.dilation[kD] * a.in_size[kH] + h * a.dilation[kH]) * a.in_size[kW] +
                        (taps.first + j) * a.dilation[kW]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v)
          ArgMaxNan<T>(best[v], at[v], partial ? LoadN(p, n) : LoadU(p + v * kLanes<T>), here);
      }
  T* out = c.Output(a.out, a.out_stride, col) + channel;
  Index* indices = c.Output(a.indices, a.index_stride, col) + channel;
  const Index first = FirstRowPosition(c) + start;
  alignas(64) IndexLane<T> lanes[kLanes<T>];
  for (int v = 0; v < kVectors; ++v) {
    if (partial)
      StoreN(best[v], out, n);
    else
      StoreU<T>(best[v], out + v * kLanes<T>);
    StoreU(at[v], lanes);
    const Index count = Smaller(n - v * kLanes<T>, kLanes<T>);
    for (Index i = 0; i < count; ++i) indices[v * kLanes<T> + i] = first + lanes[i];
  }
}

template <class T>
void ArgMaxPixels(const PoolArgs<T>& a) {
  constexpr Index kWide = 4 * kLanes<T>;
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  RowCursor<T> c = RowCursor<T>::At(a, a.plane_begin, a.row_begin);
  for (Index row = 0; row < total; ++row, c.Next())
    for (Index col = a.col_begin; col < a.col_end; ++col) {
      Index channel = a.channel_begin;
      for (; channel + kWide <= a.channel_end; channel += kWide)
        ArgMaxPixel<T, 4>(c, col, channel, kWide, false);
      for (; channel < a.channel_end; channel += kLanes<T>) {
        const Index n = Smaller(kLanes<T>, a.channel_end - channel);
        ArgMaxPixel<T, 1>(c, col, channel, n, n < kLanes<T>);
      }
    }
}

// --- any: one element at a time, positions in 64 bits
// -----------------------------------------------------------

template <class T>
void ArgMaxElement(const RowCursor<T>& c, Index col) {
  const PoolArgs<T>& a = c.a;
  const TapRange taps = ValidTaps(a, kW, col);
  const Index start = WindowStart(a, kW, col), column_step = a.in_stride.spatial[kW] * a.dilation[kW];
  const WindowRows<T> rows = c.Rows(start + taps.first * a.dilation[kW]);
  T best = MaxOf<T>::kFill;
  Index at = FirstColumnOffset(a, col);
  for (Index d = 0; d < rows.planes; ++d)
    for (Index h = 0; h < rows.rows; ++h)
      for (Index j = 0; j < taps.count; ++j) {
        const T x = rows.first[d * rows.plane_stride + h * rows.row_stride + j * column_step];
        if (!(x > best) && x == x) continue;
        best = x;
        at = (d * a.dilation[kD] * a.in_size[kH] + h * a.dilation[kH]) * a.in_size[kW] +
             (taps.first + j) * a.dilation[kW];
      }
  *c.Output(a.out, a.out_stride, col) = best;
  *c.Output(a.indices, a.index_stride, col) = FirstRowPosition(c) + start + at;
}

// Planes too large for the index lanes.
template <class T>
void ArgMaxAny(const PoolArgs<T>& a) {
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  RowCursor<T> c = RowCursor<T>::At(a, a.plane_begin, a.row_begin);
  for (Index row = 0; row < total; ++row, c.Next())
    for (Index col = a.col_begin; col < a.col_end; ++col) ArgMaxElement(c, col);
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
