// Pooling with vectors along the width. Each output row is made in two steps: the input rows under it are
// reduced into one padded line buffer, then the line's taps are combined. Strides above 1 split the line into
// phases (phase p holds columns p, p + stride, ...), so that every tap is a plain vector load at a fixed
// offset. Rows too short for a vector share one buffer, several rows or channels at a time.
#pragma once

#include "kernels/gather-inl.h"
#include "kernels/pool-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// 8 KB lines: input, phases and results stay in L1 together, and wide images are cut by columns anyway.
template <class T>
constexpr Index kLineColumns = kPoolLineBytes / static_cast<Index>(sizeof(T));
constexpr Index kLineTaps = 256;

template <class T>
struct LineScratch {
  static constexpr Index kSize =
      kLineColumns<T> + 8 * kLanes<T>;  // kernels load and store whole vectors past ends
  alignas(64) T line[kSize];
  alignas(64) T phases[kSize];
  alignas(64) T result[kSize];
  alignas(64) T divisor[kSize];
  alignas(64) typename IntegerOf<T>::type at[kSize];
  Index offset[kLineTaps];
  T column_divisor[kLanes<T>];
};

// --- step 1: rows into a line
// ---------------------------------------------------------------------------------

template <class T>
PYCONV_INLINE V<T> LoadStrided(const T* p, Index stride, Index n, T fill) {
  V<T> v = Set(fill);
  for (int i = 0; i < kLanes<T>; ++i)
    if (i < n) v[i] = p[i * stride];
  return v;
}

// The first n lanes of the window's columns at p; the others are Op's fill. kRows 0: any rows and planes.
template <class Op, class T, int kRows, bool kUnit>
PYCONV_INLINE V<T> ReduceColumns(const WindowRows<T>& w, const T* p, Index stride, Index n) {
  const auto load = [&](const T* q) -> V<T> {
    if constexpr (!kUnit)
      return LoadStrided(q, stride, n, Op::kFill);
    else
      return n >= kLanes<T> ? LoadU(q) : LoadNOr(q, n, Op::kFill);
  };
  const auto over_planes = [&](const T* q) {
    V<T> acc = load(q);
    if constexpr (kRows == 0)
      for (Index d = 1; d < w.planes; ++d) acc = Op::Combine(acc, load(q += w.plane_stride));
    return acc;
  };
  V<T> acc = over_planes(p);
  const Index rows = kRows == 0 ? w.rows : kRows;
#pragma GCC unroll 4
  for (Index h = 1; h < rows; ++h) acc = Op::Combine(acc, over_planes(p += w.row_stride));
  return acc;
}

// Where a line goes: `even` alone, or columns 0, 2, ... to `even` and 1, 3, ... to `odd`.
template <class T>
struct LineTarget {
  T *even, *odd;
};

// Stores whole vectors: lanes past n get Op's fill.
template <class Op, class T, int kRows, bool kUnit, bool kHalves>
void ReduceLine(const WindowRows<T>& w, Index stride, Index n, const LineTarget<T>& to) {
  constexpr int kL = kLanes<T>;
  const T* p = w.first;
  const Index step = kUnit ? kL : kL * stride;
  if constexpr (kHalves) {
    Index i = 0;
    for (; i + 2 * kL <= n; i += 2 * kL, p += 2 * step) {
      const V<T> a = ReduceColumns<Op, T, kRows, kUnit>(w, p, stride, kL);
      const V<T> b = ReduceColumns<Op, T, kRows, kUnit>(w, p + step, stride, kL);
      StoreU<T>(ConcatEven<T>(a, b), to.even + i / 2);
      StoreU<T>(ConcatOdd<T>(a, b), to.odd + i / 2);
    }
    if (i == n) return;
    const V<T> a = ReduceColumns<Op, T, kRows, kUnit>(w, p, stride, n - i);
    const V<T> b =
        n - i > kL ? ReduceColumns<Op, T, kRows, kUnit>(w, p + step, stride, n - i - kL) : Set(Op::kFill);
    StoreU<T>(ConcatEven<T>(a, b), to.even + i / 2);
    StoreU<T>(ConcatOdd<T>(a, b), to.odd + i / 2);
  } else {
    Index i = 0;
    for (; i + kL <= n; i += kL, p += step)
      StoreU<T>(ReduceColumns<Op, T, kRows, kUnit>(w, p, stride, kL), to.even + i);
    if (i < n) StoreU<T>(ReduceColumns<Op, T, kRows, kUnit>(w, p, stride, n - i), to.even + i);
  }
}

template <class Op, class T, bool kHalves>
void ReduceLineAnyRows(const WindowRows<T>& w, Index stride, Index n, const LineTarget<T>& to) {
  if (stride != 1) return ReduceLine<Op, T, 0, false, kHalves>(w, stride, n, to);
  switch (w.planes == 1 ? w.rows : 0) {
    case 1:
      return ReduceLine<Op, T, 1, true, kHalves>(w, 1, n, to);
    case 2:
      return ReduceLine<Op, T, 2, true, kHalves>(w, 1, n, to);
    case 3:
      return ReduceLine<Op, T, 3, true, kHalves>(w, 1, n, to);
    default:
      return ReduceLine<Op, T, 0, true, kHalves>(w, 1, n, to);
  }
}

// --- the layout of lines in the buffers
// -------------------------------------------------------------------------

enum class LineSplit : unsigned char {
  kNone,     // one phase: the taps read `line`
  kHalves,   // two phases, written by step 1
  kPhases,   // `step` phases, transposed out of `line` after step 1
  kStepped,  // inner > 1: the outputs of a line are taken one by one
};

// Taps [first_tap, first_tap + taps) of outputs [first_col, first_col + cols), `lines` lines at a time.
template <class T>
struct LineLayout {
  Index first_col, cols, first_tap, taps;
  LineSplit split;
  Index step;       // columns from one output to the next
  Index out_pitch;  // outputs from one line to the next, those between lines included
  Index lines;
  Index phase_length, phases;
  Index in_col, lead, length;  // input columns [in_col, in_col + length) go to buffer column `lead` of a line
  const T* taps_read;

  Index Pitch() const { return out_pitch * step; }
};

template <class T>
LineLayout<T> MakeLayout(const PoolArgs<T>& a, LineScratch<T>& s, Index first_col, Index cols,
                         Index first_tap, Index taps, bool share) {
  LineLayout<T> y{};
  const Index dilation = a.dilation[kW], extent = (taps - 1) * dilation + 1;
  y.first_col = first_col, y.cols = cols, y.first_tap = first_tap, y.taps = taps;
  y.step = cols == 1 ? extent : a.stride[kW];
  y.out_pitch = cols - 1 + DivideUp(extent, y.step);
  y.split = y.step == 1   ? LineSplit::kNone
            : a.inner > 1 ? LineSplit::kStepped
            : y.step == 2 ? LineSplit::kHalves
                          : LineSplit::kPhases;
  const bool short_lines = cols * 2 <= kLanes<T> || (y.split == LineSplit::kPhases && cols <= kLanes<T>);
  y.lines = share && a.inner == 1 && short_lines ? Larger(kLineColumns<T> / y.Pitch(), 1) : 1;
  y.phases = Smaller(y.step, extent);
  y.phase_length = y.lines * y.out_pitch + (y.split == LineSplit::kHalves ? 2 * kLanes<T> : 0);
  const Index start = WindowStart(a, kW, first_col) + first_tap * dilation;
  const Index end = Smaller(start + (cols - 1) * a.stride[kW] + extent, a.in_size[kW]);
  y.in_col = Larger(start, 0);
  y.length = Larger(end - y.in_col, 0);
  y.lead = y.length == 0 ? 0 : y.in_col - start;
  const bool in_phases = y.split == LineSplit::kHalves || y.split == LineSplit::kPhases;
  y.taps_read = in_phases ? s.phases : s.line;
  for (Index j = 0; j < taps; ++j)
    s.offset[j] =
        in_phases ? j * dilation % y.step * y.phase_length + j * dilation / y.step : j * dilation * a.inner;
  return y;
}

template <class T>
PYCONV_INLINE LineTarget<T> TargetOf(const LineLayout<T>& y, LineScratch<T>& s, Index line, Index inner) {
  const Index at = line * y.Pitch() + y.lead;
  if (y.split != LineSplit::kHalves) return {s.line + at * inner, nullptr};
  T *even = s.phases + (at + 1) / 2, *odd = s.phases + y.phase_length + at / 2;
  return at % 2 == 0 ? LineTarget<T>{even, odd} : LineTarget<T>{odd, even};
}

template <class T>
void FillBuffers(const LineLayout<T>& y, LineScratch<T>& s, Index inner, T fill) {
  T* buffer = y.split == LineSplit::kHalves ? s.phases : s.line;
  const Index used = y.split == LineSplit::kHalves ? 2 * y.phase_length : y.lines * y.Pitch() * inner;
  for (Index i = 0; i < used; i += kLanes<T>) StoreU(Set(fill), buffer + i);
}

// Step 1 for the line under the cursor.
template <class Op, class T>
PYCONV_INLINE void PrepareLine(const RowCursor<T>& c, const LineLayout<T>& y, LineScratch<T>& s, Index line,
                               const WindowRows<T>& rows, bool empty) {
  const PoolArgs<T>& a = c.a;
  const LineTarget<T> to = TargetOf(y, s, line, a.inner);
  const Index n = y.length * a.inner;
  if (empty) {
    // One row of fills, read with stride 0.
    const T fill = Op::kFill;
    const WindowRows<T> nothing{&fill, 1, 0, 1, 0};
    if (y.split == LineSplit::kHalves)
      ReduceLine<Op, T, 0, false, true>(nothing, 0, n, to);
    else
      ReduceLine<Op, T, 0, false, false>(nothing, 0, n, to);
  } else if (y.split == LineSplit::kHalves) {
    ReduceLineAnyRows<Op, T, true>(rows, a.in_stride.spatial[kW], n, to);
  } else {
    ReduceLineAnyRows<Op, T, false>(rows, a.inner > 1 ? 1 : a.in_stride.spatial[kW], n, to);
  }
}

template <class T>
PYCONV_INLINE void SplitPhases(const LineLayout<T>& y, LineScratch<T>& s) {
  if (y.split == LineSplit::kPhases)
    Gather2d(s.phases, y.phase_length, s.line, 1, y.step, y.phases, y.phase_length);
}

// --- step 2: taps of a line
// -------------------------------------------------------------------------------------

template <class T>
struct LineTaps {
  const T* read;
  const Index* offset;
  Index taps;
  const T* carry;    // the chain so far, or null
  const T* divisor;  // per output, times `scale`; null: the chain goes on, or nothing divides
  T scale;
};

template <class Op, class T, int kTaps>
PYCONV_INLINE V<T> CombineTaps(const LineTaps<T>& t, const T* p, Index v) {
  const V<T> first = LoadU(p + t.offset[0]);
  V<T> acc = t.carry == nullptr ? Op::Start(first) : Op::Combine(LoadU(t.carry + v), first);
  const Index taps = kTaps == 0 ? t.taps : kTaps;
#pragma GCC unroll 4
  for (Index j = 1; j < taps; ++j) acc = Op::Combine(acc, LoadU(p + t.offset[j]));
  if constexpr (Op::kDivides)
    if (t.divisor != nullptr) acc = acc / (Set(t.scale) * LoadU(t.divisor + v));
  return acc;
}

// dst[v] for v < n; with `whole` also up to the end of the last vector, otherwise nothing else is touched.
template <class Op, class T, int kTaps>
void CombineLine(const LineTaps<T>& t, T* dst, Index n, bool whole) {
  constexpr int kL = kLanes<T>;
  const Index end = whole ? DivideUp(n, kL) * kL : n;
  Index v = 0;
  for (; v + kL <= end; v += kL) StoreU<T>(CombineTaps<Op, T, kTaps>(t, t.read + v, v), dst + v);
  if (v == end) return;
  // The last vector again, ending at n: the same bits, and cheaper than a masked store.
  if (n >= kL)
    StoreU<T>(CombineTaps<Op, T, kTaps>(t, t.read + n - kL, n - kL), dst + n - kL);
  else
    StoreN(CombineTaps<Op, T, kTaps>(t, t.read + v, v), dst + v, n - v);
}

template <class Op, class T>
PYCONV_INLINE void CombineLineAnyTaps(const LineTaps<T>& t, T* dst, Index n, bool whole) {
  if (t.taps == 2)
    CombineLine<Op, T, 2>(t, dst, n, whole);
  else if (t.taps == 3)
    CombineLine<Op, T, 3>(t, dst, n, whole);
  else
    CombineLine<Op, T, 0>(t, dst, n, whole);
}

// kStepped: `inner` elements per output, stored whole over what the next output will write.
template <class Op, class T>
void CombineStepped(const LineTaps<T>& t, const LineLayout<T>& y, Index inner, T* dst) {
  for (Index o = 0; o < y.cols; ++o)
    for (Index c = 0; c < inner; c += kLanes<T>)
      StoreU<T>(CombineTaps<Op, T, 0>(t, t.read + o * y.step * inner + c, o * inner + c),
                dst + o * inner + c);
}

template <class T>
PYCONV_INLINE void CopyOut(const T* src, Index n, T* dst, Index stride) {
  if (stride == 1) return CopyRow(dst, src, n);
  for (Index i = 0; i < n; ++i) dst[i * stride] = src[i];
}

// --- the kernels
// ------------------------------------------------------------------------------------------------

struct LineBlocking {
  Index cols, taps;  // outputs of a line and taps of a window that fit the buffers
};
template <class T>
LineBlocking BlockLines(const PoolArgs<T>& a) {
  const Index columns = kLineColumns<T> / a.inner;
  const Index taps = Smaller(Smaller(a.kernel[kW], kLineTaps), (columns / 2 - 1) / a.dilation[kW] + 1);
  const Index extent = (taps - 1) * a.dilation[kW] + 1;
  const Index cols = columns / a.stride[kW] - DivideUp(extent, a.stride[kW]) + 1;
  return {Larger(cols, 1), taps};
}

template <class T>
void FillDivisors(const PoolArgs<T>& a, LineScratch<T>& s, Index first_col, Index cols) {
  for (Index o = 0; o < cols; ++o) {
    const T divisor = ColumnDivisor(a, first_col + o);
    if (o < kLanes<T>) s.column_divisor[o] = divisor;
    for (Index c = 0; c < a.inner; ++c) s.divisor[o * a.inner + c] = divisor;
  }
}

// Several short lines at a time; what lies between them in the result is thrown away.
template <class Op, class T>
void PoolSharedLines(const PoolArgs<T>& a, const LineLayout<T>& y, LineScratch<T>& s) {
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  const Index stride = a.out_stride.spatial[kW];
  RowCursor<T> in = RowCursor<T>::At(a, a.plane_begin, a.row_begin), out = in;
  for (Index done = 0; done < total; done += y.lines) {
    const Index lines = Smaller(y.lines, total - done);
    for (Index g = 0; g < lines; ++g, in.Next()) {
      PrepareLine<Op, T>(in, y, s, g, in.Rows(y.in_col), in.Empty());
      if constexpr (Op::kDivides) {
        const T scale = in.Divisor();
        for (Index o = 0; o < y.cols; ++o) s.divisor[g * y.out_pitch + o] = scale * s.column_divisor[o];
      }
    }
    SplitPhases(y, s);
    const LineTaps<T> taps{y.taps_read, s.offset, y.taps, nullptr, s.divisor, T(1)};
    CombineLineAnyTaps<Op, T>(taps, s.result, lines * y.out_pitch, true);
    for (Index g = 0; g < lines; ++g, out.Next()) {
      T* row = out.Output(a.out, a.out_stride, y.first_col);
      for (Index o = 0; o < y.cols; ++o) row[o * stride] = s.result[g * y.out_pitch + o];
    }
  }
}

// One line; `first` and `last` of its tap blocks.
template <class Op, class T>
PYCONV_INLINE void PoolOneLine(const RowCursor<T>& c, const LineLayout<T>& y, LineScratch<T>& s, bool first,
                               bool last) {
  const PoolArgs<T>& a = c.a;
  PrepareLine<Op, T>(c, y, s, 0, c.Rows(y.in_col), c.Empty());
  SplitPhases(y, s);
  const bool divide = Op::kDivides && last;
  const LineTaps<T> taps{y.taps_read,
                         s.offset,
                         y.taps,
                         first ? nullptr : s.result,
                         divide ? s.divisor : nullptr,
                         divide ? c.Divisor() : T(1)};
  T* row = c.Output(a.out, a.out_stride, y.first_col);
  const Index n = y.cols * a.inner, stride = a.inner > 1 ? 1 : a.out_stride.spatial[kW];
  const bool in_place = last && stride == 1 && y.split != LineSplit::kStepped;
  if (y.split == LineSplit::kStepped)
    CombineStepped<Op, T>(taps, y, a.inner, s.result);
  else
    CombineLineAnyTaps<Op, T>(taps, in_place ? row : s.result, n, !in_place);
  if (last && !in_place) CopyOut(s.result, n, row, stride);
}

template <class Op, class T>
void PoolColumns(const PoolArgs<T>& a, LineScratch<T>& s, Index first_col, Index cols, Index taps_per_block) {
  const Index taps = a.kernel[kW];
  const bool one_block = taps <= taps_per_block;
  LineLayout<T> y = MakeLayout(a, s, first_col, cols, 0, Smaller(taps, taps_per_block), one_block);
  FillBuffers(y, s, a.inner, Op::kFill);
  if constexpr (Op::kDivides) FillDivisors(a, s, first_col, cols);
  if (y.lines > 1) return PoolSharedLines<Op, T>(a, y, s);
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  RowCursor<T> c = RowCursor<T>::At(a, a.plane_begin, a.row_begin);
  for (Index line = 0; line < total; ++line, c.Next()) {
    if (one_block) {
      PoolOneLine<Op, T>(c, y, s, true, true);
      continue;
    }
    for (Index j = 0; j < taps; j += taps_per_block) {
      y = MakeLayout(a, s, first_col, cols, j, Smaller(taps - j, taps_per_block), false);
      FillBuffers(y, s, a.inner, Op::kFill);
      PoolOneLine<Op, T>(c, y, s, j == 0, j + taps_per_block >= taps);
    }
  }
}

template <class Op, class T>
void PoolLines(const PoolArgs<T>& a) {
  LineScratch<T> s;
  const LineBlocking block = BlockLines(a);
  for (Index col = a.col_begin; col < a.col_end; col += block.cols)
    PoolColumns<Op, T>(a, s, col, Smaller(block.cols, a.col_end - col), block.taps);
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
