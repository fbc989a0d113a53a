// Pooling with vectors along the channels of channels-last arrays: a window's columns are reduced over rows
// and planes in registers, and columns that neighbouring windows share stay in registers.
#pragma once

#include "kernels/pool-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Bytes ahead of every load that are asked for. Into L2 alone, average 2x2 stride 2 of 8x256@28 from memory
// took 657 us on Zen 4, 424 with it (2 KB 602, 8 KB 442); before pixels were met in order 804 (torch 434).
// Into L1, Zen 5: that from L3 90 -> 78 us, max 3x3 stride 2 of 8x64@112 1230 -> 910, average 3x3 8x256@14
// float64 96 -> 81. What is in L2 already loses 8 % (3x3 1280@8).
constexpr Index kPixelAhead = 4096;

// Where vectors are half a line nothing is asked for, but for windows of 2x2 from memory: they are taken in
// the order memory lies in, and prefetchers follow.
constexpr bool kPixelAsks = kVectorBytes >= 64;

// Neighbouring vectors of channels; kPartial: fewer channels than lanes.
template <class T, int kVectors, bool kPartial, bool kAsks = kPixelAsks>
struct ChannelBlock {
  static constexpr int kCount = kVectors;
  Index first, partial;

  V<T> Load(const T* p, int v) const {
    p += first + v * kLanes<T>;
    if (kAsks && v * kVectorBytes % 64 == 0)
      __builtin_prefetch(p + kPixelAhead / static_cast<Index>(sizeof(T)), 0, 3);
    if constexpr (kPartial)
      return LoadN(p, partial);
    else
      return LoadU(p);
  }
  void Store(V<T> x, T* p, int v) const {
    p += first + v * kLanes<T>;
    if constexpr (kPartial)
      StoreN(x, p, partial);
    else
      StoreU<T>(x, p);
  }
};

// f(block) for blocks of up to kVectors vectors that cover channels [channel, end). Where fewer are left than
// a block takes, it starts earlier, but not before `begin`: the same bits are stored twice.
template <class T, int kVectors, bool kAsks = kPixelAsks, class F>
PYCONV_INLINE void EachBlock(Index begin, Index channel, Index end, const F& f) {
  constexpr Index kWhole = kVectors * kLanes<T>;
  constexpr Index kLeast = kVectors > 1 ? kWhole / 2 : 0;  // so many left are a narrower block's
  if (end - begin >= kWhole)
    for (; end - channel > kLeast; channel += kWhole)
      f(ChannelBlock<T, kVectors, false, kAsks>{Smaller(channel, end - kWhole), kLanes<T>});
  if constexpr (kVectors > 1)
    if (channel < end) EachBlock<T, kVectors / 2, kAsks>(begin, channel, end, f);
}

template <class T, int kVectors>
struct PixelColumn {
  V<T> v[kVectors];
};

// kRows > 0: of so many rows and one plane.
template <class Op, int kRows = 0, class T, class Block>
PYCONV_INLINE PixelColumn<T, Block::kCount> ReduceColumn(const WindowRows<T>& w, const Block& block,
                                                         const T* p) {
  constexpr int kVectors = Block::kCount;
  if (kRows > 0 || w.planes == 1) {
    const Index rows = kRows > 0 ? kRows : w.rows;
    PixelColumn<T, kVectors> acc;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc.v[v] = block.Load(p, v);
    for (Index h = 1; h < rows; ++h) {
      p += w.row_stride;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) acc.v[v] = Op::Combine(acc.v[v], block.Load(p, v));
    }
    return acc;
  }
  PixelColumn<T, kVectors> acc;
  for (Index h = 0; h < w.rows; ++h, p += w.row_stride) {
    PixelColumn<T, kVectors> plane;
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) plane.v[v] = block.Load(p, v);
    const T* q = p;
    for (Index d = 1; d < w.planes; ++d) {
      q += w.plane_stride;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) plane.v[v] = Op::Combine(plane.v[v], block.Load(q, v));
    }
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) acc.v[v] = h == 0 ? plane.v[v] : Op::Combine(acc.v[v], plane.v[v]);
  }
  return acc;
}

// Divisors are whole numbers; by a power of two, multiplying by the reciprocal gives the quotient's bits.
PYCONV_INLINE bool IsPowerOfTwo(double divisor) {
  const auto whole = static_cast<Index>(divisor);
  return whole > 0 && (whole & (whole - 1)) == 0 && static_cast<double>(whole) == divisor;
}

// f(v) for every vector of the block is stored.
template <class T, class Block, class F>
PYCONV_INLINE void StoreEach(const Block& block, T* out, const F& f) {
#pragma GCC unroll 8
  for (int v = 0; v < Block::kCount; ++v) block.Store(f(v), out, v);
}

// What the sum of one output is divided by, in the cheapest way that gives the quotient's bits.
template <class Op, class T>
struct PixelDivisor {
  enum class By { kReciprocal, kQuotient, kDivision };

  explicit PixelDivisor(T divisor)
      : divisor(divisor),
        reciprocal(T(1) / divisor),
        by(IsPowerOfTwo(divisor)                 ? By::kReciprocal
           : divisor > 0 && divisor < T(1 << 22) ? By::kQuotient
                                                 : By::kDivision) {}
  // Of column `o`.
  PixelDivisor(const PoolArgs<T>& a, T of_row, Index o)
      : PixelDivisor(of_row * (Op::kDivides ? ColumnDivisor(a, o) : T(1))) {}

  T divisor, reciprocal;
  By by;
};

template <class Op, class T, class Block>
PYCONV_INLINE void StorePixel(const PixelColumn<T, Block::kCount>& acc, const Block& block,
                              const PixelDivisor<Op, T>& d, T* out) {
  using By = typename PixelDivisor<Op, T>::By;
  if (!Op::kDivides) return StoreEach<T>(block, out, [&](int v) { return acc.v[v]; });
  const V<T> divisor = Set(d.divisor), reciprocal = Set(d.reciprocal);
  if (d.by == By::kReciprocal)
    StoreEach<T>(block, out, [&](int v) { return acc.v[v] * reciprocal; });
  else if (d.by == By::kQuotient)
    StoreEach<T>(block, out, [&](int v) { return Quotient<T>(acc.v[v], divisor, reciprocal); });
  else
    StoreEach<T>(block, out, [&](int v) { return acc.v[v] / divisor; });
}

template <class Op, class T, int kVectors>
PYCONV_INLINE void Combine(PixelColumn<T, kVectors>& acc, const PixelColumn<T, kVectors>& x) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) acc.v[v] = Op::Combine(acc.v[v], x.v[v]);
}
template <class Op, class T, int kVectors>
PYCONV_INLINE void Start(PixelColumn<T, kVectors>& acc) {
#pragma GCC unroll 8
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

// Any window, taps outside skipped: output `o` of the row.
template <class Op, class T, class Block>
PYCONV_INLINE void AnyPixel(const PoolArgs<T>& a, const PixelRow<T>& r, const Block& block,
                            const TapRange& taps, const PixelDivisor<Op, T>& divisor, Index o) {
  T* const out = r.out + o * a.out_stride.spatial[kW];
  if (r.empty || taps.count == 0) {
    PixelColumn<T, Block::kCount> fill;
#pragma GCC unroll 8
    for (int v = 0; v < Block::kCount; ++v) fill.v[v] = Set(Op::kFill);
    return StorePixel(fill, block, divisor, out);
  }
  const Index in_step = a.in_stride.spatial[kW] * a.dilation[kW];
  const T* p = r.rows.first + (WindowStart(a, kW, o) + taps.first * a.dilation[kW]) * a.in_stride.spatial[kW];
  PixelColumn<T, Block::kCount> acc = ReduceColumn<Op>(r.rows, block, p);
  Start<Op>(acc);
  for (Index j = 1; j < taps.count; ++j) Combine<Op>(acc, ReduceColumn<Op>(r.rows, block, p += in_step));
  StorePixel(acc, block, divisor, out);
}

// Outputs [begin, end) of one block of channels.
template <class Op, class T, class Block>
void PixelsAny(const PoolArgs<T>& a, const PixelRow<T>& r, const Block& block, Index begin, Index end) {
  for (Index o = begin; o < end; ++o)
    AnyPixel<Op>(a, r, block, ValidTaps(a, kW, o), PixelDivisor<Op, T>(a, r.divisor, o), o);
}

// Overlapping windows: wide blocks of channels, of which what windows share stays near; rows of a window lie
// far apart, and each visit costs a page walk.
template <class Op, class T>
void PixelBlocks(const PoolArgs<T>& a, const PixelRow<T>& r, Index begin, Index end) {
  EachBlock<T, 8>(a.channel_begin, a.channel_begin, a.channel_end,
                  [&](const auto& block) { PixelsAny<Op>(a, r, block, begin, end); });
}

// One output after the other, all channels of each.
template <class Op, class T>
void PixelsInTurn(const PoolArgs<T>& a, const PixelRow<T>& r, Index begin, Index end) {
  for (Index o = begin; o < end; ++o) {
    const TapRange taps = ValidTaps(a, kW, o);
    const PixelDivisor<Op, T> divisor(a, r.divisor, o);
    EachBlock<T, 4>(a.channel_begin, a.channel_begin, a.channel_end,
                    [&](const auto& block) { AnyPixel<Op>(a, r, block, taps, divisor, o); });
  }
}

// Windows of three columns wholly inside the input, dilation 1, stride 1 or 2: shared columns are reduced
// once.
template <class Op, class T, int kStride, class Block>
void PixelsOfThree(const PoolArgs<T>& a, const PixelRow<T>& r, const Block& block,
                   const PixelDivisor<Op, T>& divisor, Index begin, Index end) {
  constexpr int kVectors = Block::kCount;
  const Index in_step = a.in_stride.spatial[kW];
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
    StorePixel(acc, block, divisor, out);
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

// How many windows of three columns one block of channels takes before the next one does, where vectors are
// half a line: memory is met nearly in order (Zen 3, max 3x3 stride 2 64@400 from memory 3990 us, 2570 so;
// 96@71 103 and 73). Fewer where pixels share cache sets (8x256@56 4360 us, 4950 with four, 3440 with two).
template <class T, int kStride>
Index OutputsInTurn(const PoolArgs<T>& a) {
  if (kPixelAsks) return a.col_end;
  constexpr Index kFewSets = 1024;  // bytes apart
  const bool shares_sets = a.in_stride.spatial[kW] * static_cast<Index>(sizeof(T)) % kFewSets == 0;
  if (kStride == 1) return shares_sets ? 4 : 12;
  return shares_sets ? 2 : 4;
}

// One output row, windows of three columns.
template <class Op, class T, int kStride>
void RowOfThree(const PoolArgs<T>& args, const PixelRow<T>& row) {
  const PoolArgs<T> a = args;  // copies: stores might change what they are of
  const PixelRow<T> r = row;
  const ColumnRange inner = InnerColumns(a);
  PixelsInTurn<Op>(a, r, a.col_begin, inner.begin);
  const PixelDivisor<Op, T> divisor(a, r.divisor, inner.begin);
  const Index in_turn = OutputsInTurn<T, kStride>(a);
  for (Index o = inner.begin; o < inner.end; o += in_turn) {
    const Index end = Smaller(o + in_turn, inner.end);
    EachBlock<T, 4>(a.channel_begin, a.channel_begin, a.channel_end,
                    [&](const auto& block) { PixelsOfThree<Op, T, kStride>(a, r, block, divisor, o, end); });
  }
  PixelsInTurn<Op>(a, r, inner.end, a.col_end);
}

// Runs that prefetchers follow: global averages by columns (measured with 1280 to 8192 bytes); windows of 2x2
// by eight vectors of half a line, where shorter pixels are faster by two (average of 8x256@28 among other
// arrays 0.98 of torch's speed, 1.11 so, 8x512@14 67.5 us and 65, but max of 64@224 378 and 444).
constexpr Index kLongPixel = 1024;
template <class T>
bool HasLongPixels(const PoolArgs<T>& a) {
  return (a.channel_end - a.channel_begin) * static_cast<Index>(sizeof(T)) >= kLongPixel;
}

// Windows wholly inside the width that share no column, one by one, so that memory is met in the order it
// lies in. kSide 2: 2x2 windows, written out (average of 8x256@28 from L3 148 us, 118 so); 0: any. Blocks are
// of kVectors.
template <class Op, class T, int kSide, int kVectors, bool kAsks = kPixelAsks>
void PixelsApart(const PoolArgs<T>& a, const PixelRow<T>& r, const ColumnRange& inner) {
  if (inner.begin >= inner.end) return;
  const Index pixel = a.in_stride.spatial[kW], in_step = a.dilation[kW] * pixel;
  const Index columns = kSide > 0 ? kSide : a.kernel[kW];
  const PixelDivisor<Op, T> divisor(a, r.divisor, inner.begin);
  const T* window = r.rows.first + WindowStart(a, kW, inner.begin) * pixel;
  T* out = r.out + inner.begin * a.out_stride.spatial[kW];
  for (Index o = inner.begin; o < inner.end; ++o) {
    EachBlock<T, kVectors, kAsks>(a.channel_begin, a.channel_begin, a.channel_end, [&](const auto& block) {
      const T* p = window;
      auto acc = ReduceColumn<Op, kSide>(r.rows, block, p);
      Start<Op>(acc);
      for (Index j = 1; j < columns; ++j)
        Combine<Op>(acc, ReduceColumn<Op, kSide>(r.rows, block, p += in_step));
      StorePixel(acc, block, divisor, out);
    });
    window += a.stride[kW] * pixel;
    out += a.out_stride.spatial[kW];
  }
}

// A window that is read as its rows lie in memory: column by column, of each all channels, into a buffer
// (average of 8x1000@7 from memory 124 us, 103 so, from a cache 33 and 28). Not of two columns, which stay in
// registers (2x2 stride 2 of 8x256@28 from L3 108 us so, 90 without).
template <class T>
struct WindowColumns {
  static constexpr Index kBytes = 64 << 10;  // whole rows of 2048 channels at 7x7 (8x2048@7: 32 KB 66 us, 56)
  alignas(64) T sum[kBytes / sizeof(T)];     // [column][channel]
};

template <class T>
bool ReadsByColumns(const PoolArgs<T>& a) {
  return a.kernel[kW] > 2 && HasLongPixels(a) && a.kernel[kW] * kLongPixel <= WindowColumns<T>::kBytes;
}

template <class Op, int kCount, class T, class Block>
PYCONV_INLINE void CombineRows(PixelColumn<T, Block::kCount>& acc, const WindowRows<T>& w, const Block& block,
                               const T** p) {
#pragma GCC unroll 6
  for (int h = 0; h < kCount; ++h) {
    *p += w.row_stride;
#pragma GCC unroll 4
    for (int v = 0; v < Block::kCount; ++v) acc.v[v] = Op::Combine(acc.v[v], block.Load(*p, v));
  }
}

// Written out for seven rows, as classifiers have them: each block's loop over the rows ends by a branch that
// is mispredicted, and what is on its way from memory runs dry (8x1000@7 from L3 22.1 us, 18.6 so).
template <class Op, class T, class Block>
PYCONV_INLINE void SumColumn(const WindowRows<T>& rows, const Block& block, const T* p, T* sum) {
  constexpr Index kWrittenOut = 6;
  PixelColumn<T, Block::kCount> acc;
  if (rows.planes > 1) {
    acc = ReduceColumn<Op>(rows, block, p);
  } else {
#pragma GCC unroll 4
    for (int v = 0; v < Block::kCount; ++v) acc.v[v] = block.Load(p, v);
    Index left = rows.rows - 1;
    for (; left >= kWrittenOut; left -= kWrittenOut) CombineRows<Op, kWrittenOut>(acc, rows, block, &p);
    for (; left > 0; --left) CombineRows<Op, 1>(acc, rows, block, &p);
  }
#pragma GCC unroll 4
  for (int v = 0; v < Block::kCount; ++v) block.Store(acc.v[v], sum, v);
}

template <class Op, class T, class Block>
PYCONV_INLINE void StoreColumns(const Block& block, const T* sum, Index step, Index count,
                                const PixelDivisor<Op, T>& divisor, T* out) {
  PixelColumn<T, Block::kCount> acc, column;
#pragma GCC unroll 4
  for (int v = 0; v < Block::kCount; ++v) acc.v[v] = block.Load(sum, v);
  Start<Op>(acc);
#pragma GCC unroll 2
  for (Index j = 1; j < count; ++j) {
#pragma GCC unroll 4
    for (int v = 0; v < Block::kCount; ++v) column.v[v] = block.Load(sum + j * step, v);
    Combine<Op>(acc, column);
  }
  StorePixel(acc, block, divisor, out);
}

// Elements [0, length) behind p of every row: columns, one after the other, or a part of one. A function of
// its own, so that its loop keeps its pointers in registers (8x1000@7 19.0 us, 18.0 so).
template <class Op, class T>
__attribute__((noinline)) void SumStretch(const WindowRows<T>& window, const T* p, Index length, T* sum) {
  const WindowRows<T> rows = window;  // in registers
  // What is read in order needs no asking.
  EachBlock<T, 4, false>(0, 0, length, [&](const auto& block) { SumColumn<Op>(rows, block, p, sum); });
}

// Channels [begin, end) of output `o` of a row that is not empty.
template <class Op, class T>
void PixelByColumns(const PoolArgs<T>& a, const PixelRow<T>& r, Index o, Index begin, Index end,
                    WindowColumns<T>* columns) {
  const TapRange taps = ValidTaps(a, kW, o);
  const Index channels = end - begin, step = a.dilation[kW] * a.in_stride.spatial[kW];
  const Index first = WindowStart(a, kW, o) + taps.first * a.dilation[kW];
  const T* p = r.rows.first + first * a.in_stride.spatial[kW] + begin;
  if (step == channels)
    SumStretch<Op>(r.rows, p, taps.count * channels, columns->sum);
  else
    for (Index j = 0; j < taps.count; ++j)
      SumStretch<Op>(r.rows, p + j * step, channels, columns->sum + j * channels);
  const PixelDivisor<Op, T> divisor(a, r.divisor, o);
  T* const out = r.out + o * a.out_stride.spatial[kW] + begin;
  EachBlock<T, 4, false>(0, 0, channels, [&](const auto& block) {
    StoreColumns<Op>(block, columns->sum, channels, taps.count, divisor, out);
  });
}

// As many channels at a time as the buffer takes, in even parts.
template <class Op, class T>
void PixelsByColumns(const PoolArgs<T>& a, const PixelRow<T>& r) {
  WindowColumns<T> columns;
  const Index most = WindowColumns<T>::kBytes / static_cast<Index>(sizeof(T)) / a.kernel[kW];
  const Index channels = a.channel_end - a.channel_begin, parts = DivideUp(channels, most);
  for (Index col = a.col_begin; col < a.col_end; ++col) {
    if (ValidTaps(a, kW, col).count == 0) {
      PixelsInTurn<Op>(a, r, col, col + 1);
      continue;
    }
    for (Index part = 0; part < parts; ++part)
      PixelByColumns<Op>(a, r, col, a.channel_begin + channels * part / parts,
                         a.channel_begin + channels * (part + 1) / parts, &columns);
  }
}

template <class Op, class T>
void PoolPixelRow(const PoolArgs<T>& a, const PixelRow<T>& r) {
  const Index begin = a.channel_begin, end = a.channel_end;
  if (end - begin < kLanes<T>)
    return PixelsAny<Op>(a, r, ChannelBlock<T, 1, true>{begin, end - begin}, a.col_begin, a.col_end);
  if (a.kernel[kW] == 3 && a.dilation[kW] == 1 && a.stride[kW] <= 2 && !r.empty) {
    if (a.stride[kW] == 1) return RowOfThree<Op, T, 1>(a, r);
    return RowOfThree<Op, T, 2>(a, r);
  }
  // Global pooling has any stride.
  const bool apart = a.out_size[kW] == 1 || (a.kernel[kW] - 1) * a.dilation[kW] < a.stride[kW];
  if (!apart || r.empty) return PixelBlocks<Op>(a, r, a.col_begin, a.col_end);
  if (ReadsByColumns(a)) return PixelsByColumns<Op>(a, r);
  const ColumnRange inner = InnerColumns(a);
  PixelsInTurn<Op>(a, r, a.col_begin, inner.begin);
  if (a.kernel[kW] != 2 || r.rows.rows != 2 || r.rows.planes != 1)
    PixelsApart<Op, T, 0, 8>(a, r, inner);
  else if (kPixelAsks || !HasLongPixels(a))
    PixelsApart<Op, T, 2, 2>(a, r, inner);
  else if (a.from_memory)
    PixelsApart<Op, T, 2, 8, true>(a, r, inner);
  else
    PixelsApart<Op, T, 2, 8>(a, r, inner);
  PixelsInTurn<Op>(a, r, inner.end, a.col_end);
}

template <class Op, class T>
void PoolPixels(const PoolArgs<T>& a) {
  const Index total = (a.plane_end - a.plane_begin) * (a.row_end - a.row_begin);
  RowCursor<T> c = RowCursor<T>::At(a, a.plane_begin, a.row_begin);
  for (Index row = 0; row < total; ++row, c.Next())
    PoolPixelRow<Op>(a, PixelRow<T>{c.Rows(0), c.Empty(), c.Output(a.out, a.out_stride, 0),
                                    Op::kDivides ? c.Divisor() : T(1)});
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
