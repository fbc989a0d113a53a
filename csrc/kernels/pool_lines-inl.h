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
constexpr Index kLineGroup = 64;  // lines at a time, if they fit

template <class T>
struct LineScratch {
  static constexpr Index kSize =
      kLineColumns<T> + 8 * kLanes<T>;  // kernels load and store whole vectors past ends
  alignas(64) T line[kSize];
  alignas(64) T phases[kSize];
  alignas(64) T result[kSize];
  alignas(64) T divisor[kSize];
  alignas(64) T column_divisor[kSize];
  alignas(64) typename IntegerOf<T>::type at[kSize];
  Index offset[kLineTaps];
};

// --- step 1: rows into a line
// ---------------------------------------------------------------------------------

template <class T>
PYCONV_INLINE V<T> LoadStrided(const T* p, Index stride, Index n) {
  V<T> v = Zero<T>();
  for (int i = 0; i < kLanes<T>; ++i)
    if (i < n) v[i] = p[i * stride];
  return v;
}

// How a line's columns are read: all lanes or the first n, neighbours or `stride` apart.
enum class LineLoad : unsigned char { kWhole, kPartial, kStrided };

// A vector of the window's columns at p. kRows 0: any rows and planes.
template <class Op, class T, int kRows, LineLoad kLoad>
PYCONV_INLINE V<T> ReduceColumns(const WindowRows<T>& w, const T* p, Index stride, Index n) {
  const auto load = [&](const T* q) -> V<T> {
    if constexpr (kLoad == LineLoad::kWhole)
      return LoadU(q);
    else if constexpr (kLoad == LineLoad::kPartial)
      return LoadN(q, n);
    else
      return LoadStrided(q, stride, n);
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
  if constexpr (kLoad != LineLoad::kWhole && Op::kFill != T(0)) acc = FillBeyond(acc, n, Op::kFill);
  return acc;
}

// Where a line goes: `even` alone, or columns 0, 2, ... to `even` and 1, 3, ... to `odd`.
template <class T>
struct LineTarget {
  T *even, *odd;
};

// The rows that come next, while these are computed: rows of a plane are too short for the hardware to
// follow.
template <class T>
PYCONV_INLINE void Prefetch(const WindowRows<T>& w, const T* p, int vectors) {
  if (w.ahead == 0) return;
  const T* q = p + w.ahead;
  for (Index d = 0; d < w.planes; ++d, q += w.plane_stride)
    for (int v = 0; v < vectors; ++v) {
      __builtin_prefetch(q + v * kLanes<T>);
      __builtin_prefetch(q + w.row_stride + v * kLanes<T>);
    }
}

// Stores whole vectors: lanes past n get Op's fill.
template <class Op, class T, int kRows, bool kUnit, bool kHalves>
void ReduceLine(const WindowRows<T>& w, Index stride, Index n, const LineTarget<T>& to) {
  constexpr int kL = kLanes<T>;
  constexpr LineLoad kWhole = kUnit ? LineLoad::kWhole : LineLoad::kStrided;
  constexpr LineLoad kPartial = kUnit ? LineLoad::kPartial : LineLoad::kStrided;
  const T* p = w.first;
  const Index step = kUnit ? kL : kL * stride;
  Index i = 0;
  if constexpr (kHalves) {
    const auto store = [&](V<T> a, V<T> b) {
      StoreU<T>(ConcatEven<T>(a, b), to.even + i / 2);
      StoreU<T>(ConcatOdd<T>(a, b), to.odd + i / 2);
    };
    for (; i + 2 * kL <= n; i += 2 * kL, p += 2 * step) {
      Prefetch(w, p, 2);
      store(ReduceColumns<Op, T, kRows, kWhole>(w, p, stride, kL),
            ReduceColumns<Op, T, kRows, kWhole>(w, p + step, stride, kL));
    }
    if (i + kL < n)
      store(ReduceColumns<Op, T, kRows, kWhole>(w, p, stride, kL),
            ReduceColumns<Op, T, kRows, kPartial>(w, p + step, stride, n - i - kL));
    else if (i < n)
      store(ReduceColumns<Op, T, kRows, kPartial>(w, p, stride, n - i), Set(Op::kFill));
  } else {
    for (; i + kL <= n; i += kL, p += step) {
      Prefetch(w, p, 1);
      StoreU<T>(ReduceColumns<Op, T, kRows, kWhole>(w, p, stride, kL), to.even + i);
    }
    if (i < n) StoreU<T>(ReduceColumns<Op, T, kRows, kPartial>(w, p, stride, n - i), to.even + i);
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

// Taps [first_tap, first_tap + taps) of outputs [first_col, first_col + cols), `lines` lines at a time: loads
// that straddle two stores wait until these have left the store buffer, so a line is read long after it was
// written.
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
  y.lines = share ? Larger(Smaller(kLineColumns<T> / (y.Pitch() * a.inner), kLineGroup), 1) : 1;
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
    const WindowRows<T> nothing{&fill, 1, 0, 1, 0, 0};
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
__attribute__((noinline)) void SplitPhases(const LineLayout<T>& y, LineScratch<T>& s) {
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

// dst[v] for v < n and on to the end of the last vector.
template <class Op, class T, int kTaps>
void CombineLine(const LineTaps<T>& t, T* dst, Index n) {
  for (Index v = 0; v < n; v += kLanes<T>) StoreU<T>(CombineTaps<Op, T, kTaps>(t, t.read + v, v), dst + v);
}

template <class Op, class T>
PYCONV_INLINE void CombineLineAnyTaps(const LineTaps<T>& t, T* dst, Index n) {
  if (t.taps == 2)
    CombineLine<Op, T, 2>(t, dst, n);
  else if (t.taps == 3)
    CombineLine<Op, T, 3>(t, dst, n);
  else
    CombineLine<Op, T, 0>(t, dst, n);
}

// kStepped: `inner` elements per output, stored whole over what the next output will write.
template <class Op, class T>
void CombineStepped(const LineTaps<T>& t, const LineLayout<T>& y, Index inner, T* dst) {
  for (Index o = 0; o < y.cols; ++o)
    for (Index c = 0; c < inner; c += kLanes<T>)
      StoreU<T>(CombineTaps<Op, T, 0>(t, t.read + o * y.step * inner + c, o * inner + c),
                dst + o * inner + c);
}

// Rows of `n` from the result, `pitch` apart, to `to`, one after the other. Each is stored whole where the
// next rows of this very call mend what lies past it.
template <class T>
void StoreDense(const T* from, Index pitch, Index n, Index rows, T* to) {
  constexpr int kL = kLanes<T>;
  for (Index r = 0; r < rows; ++r, from += pitch, to += n)
    for (Index i = 0; i < n; i += kL)
      if (n - i >= kL || (rows - 1 - r) * n >= i + kL - n)
        StoreU<T>(LoadU(from + i), to + i);
      else
        StoreN(LoadU(from + i), to + i, n - i);
}

template <class T>
void StoreStrided(const T* from, Index n, T* to, Index stride) {
  if (stride == 1) return CopyRow(to, from, n);
  for (Index i = 0; i < n; ++i) to[i * stride] = from[i];
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

// Whether the output rows of a part follow each other without a gap.
template <class T>
bool HasDenseOutput(const PoolArgs<T>& a, const LineLayout<T>& y) {
  const ActivationStrides& s = a.out_stride;
  const Index row = a.out_size[kW] * a.inner, rows = a.out_size[kD] * a.out_size[kH];
  const bool rows_dense = y.cols == a.out_size[kW] && s.spatial[kW] == a.inner && s.spatial[kH] == row &&
                          (a.out_size[kD] == 1 || s.spatial[kD] == row * a.out_size[kH]);
  if (!rows_dense || a.plane_end - a.plane_begin == 1) return rows_dense;
  const bool planes_dense = a.channels == 1 || s.channel == row * rows;
  return planes_dense && a.row_end - a.row_begin == rows && s.batch == row * rows * a.channels;
}

// Step 2 of `lines` prepared lines, ending in s.result, rows y.out_pitch * inner apart.
template <class Op, class T>
void CombineShared(const PoolArgs<T>& a, const LineLayout<T>& y, LineScratch<T>& s, Index lines) {
  const LineTaps<T> taps{y.taps_read, s.offset, y.taps, nullptr, s.divisor, T(1)};
  if (y.split != LineSplit::kStepped)
    return CombineLineAnyTaps<Op, T>(taps, s.result, lines * y.out_pitch * a.inner);
  LineTaps<T> line = taps;
  for (Index g = 0; g < lines; ++g) {
    const Index at = g * y.out_pitch * a.inner;
    line.read = taps.read + at * y.step, line.divisor = taps.divisor + at;
    CombineStepped<Op, T>(line, y, a.inner, s.result + at);
  }
}

// Lines at a time, as one long line; what lies between them in the result is thrown away.
template <class Op, class T>
void PoolSharedLines(const PoolArgs<T>& a, const LineLayout<T>& y, LineScratch<T>& s) {
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  const Index n = y.cols * a.inner, pitch = y.out_pitch * a.inner;
  const bool dense = HasDenseOutput(a, y);
  RowCursor<T> in = RowCursor<T>::At(a, a.plane_begin, a.row_begin), out = in;
  T* to = out.Output(a.out, a.out_stride, y.first_col);
  for (Index done = 0; done < total; done += y.lines) {
    const Index lines = Smaller(y.lines, total - done);
    for (Index g = 0; g < lines; ++g, in.Next()) {
      PrepareLine<Op, T>(in, y, s, g, in.Rows(y.in_col), in.Empty());
      if constexpr (Op::kDivides) {
        const V<T> scale = Set(in.Divisor());
        for (Index o = 0; o < n; o += kLanes<T>)
          StoreU<T>(scale * LoadU(s.column_divisor + o), s.divisor + g * pitch + o);
      }
    }
    if (y.split == LineSplit::kPhases) SplitPhases(y, s);
    CombineShared<Op, T>(a, y, s, lines);
    if (dense) {
      StoreDense(s.result, pitch, n, lines, to + done * n);
      continue;
    }
    for (Index g = 0; g < lines; ++g, out.Next())
      StoreStrided(s.result + g * pitch, n, out.Output(a.out, a.out_stride, y.first_col),
                   a.inner > 1 ? 1 : a.out_stride.spatial[kW]);
  }
}

// One line whose taps do not fit the buffer at once; `first` and `last` of its tap blocks.
template <class Op, class T>
void PoolTapBlock(const RowCursor<T>& c, const LineLayout<T>& y, LineScratch<T>& s, bool first, bool last) {
  const PoolArgs<T>& a = c.a;
  PrepareLine<Op, T>(c, y, s, 0, c.Rows(y.in_col), c.Empty());
  if (y.split == LineSplit::kPhases) SplitPhases(y, s);
  const bool divide = Op::kDivides && last;
  const LineTaps<T> taps{y.taps_read,
                         s.offset,
                         y.taps,
                         first ? nullptr : s.result,
                         divide ? s.column_divisor : nullptr,
                         divide ? c.Divisor() : T(1)};
  CombineLineAnyTaps<Op, T>(taps, s.result, y.cols);
  if (last)
    StoreStrided(s.result, y.cols, c.Output(a.out, a.out_stride, y.first_col), a.out_stride.spatial[kW]);
}

template <class Op, class T>
void PoolColumns(const PoolArgs<T>& a, LineScratch<T>& s, Index first_col, Index cols, Index taps_per_block) {
  const Index taps = a.kernel[kW];
  if constexpr (Op::kDivides)
    for (Index o = 0; o < cols; ++o)
      for (Index c = 0; c < a.inner; ++c) s.column_divisor[o * a.inner + c] = ColumnDivisor(a, first_col + o);
  if (taps <= taps_per_block) {
    const LineLayout<T> y = MakeLayout(a, s, first_col, cols, 0, taps, true);
    FillBuffers(y, s, a.inner, Op::kFill);
    return PoolSharedLines<Op, T>(a, y, s);
  }
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  RowCursor<T> c = RowCursor<T>::At(a, a.plane_begin, a.row_begin);
  for (Index line = 0; line < total; ++line, c.Next())
    for (Index j = 0; j < taps; j += taps_per_block) {
      const LineLayout<T> y = MakeLayout(a, s, first_col, cols, j, Smaller(taps - j, taps_per_block), false);
      FillBuffers(y, s, 1, Op::kFill);
      PoolTapBlock<Op, T>(c, y, s, j == 0, j + taps_per_block >= taps);
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
