// Copies, transposes and gathers of a 2-D block: how input rows, im2col panels and weights reach a packed
// buffer.
#pragma once

#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Where masks are registers, tails are one masked access; elsewhere (vmaskmov) a few scalars are cheaper.
constexpr bool kMaskedTails = kVectorBytes == 64;

template <class T>
PYCONV_INLINE void CopyRow(T* dst, const T* src, Index count) {
  Index j = 0;
  for (; j + kLanes<T> <= count; j += kLanes<T>) StoreU<T>(LoadU(src + j), dst + j);
  if (kMaskedTails && j < count) return StoreN(LoadN(src + j, count - j), dst + j, count - j);
  for (; j < count; ++j) dst[j] = src[j];
}

// One block of at most kLanes x kLanes through registers. Pointers run from line to line: as base + c *
// stride, gcc keeps 16 offsets, on the stack (1x1 256 > 2 on 16x16 pixels in cache: 15.4 us, 13.4 without).
template <class T, bool kFull>
PYCONV_INLINE void TransposeBlock(T* dst, Index dst_stride, const T* src, Index src_j_stride, Index rows,
                                  Index cols) {
  V<T> block[kLanes<T>];
#pragma GCC unroll 16
  for (int c = 0; c < kLanes<T>; ++c, src = Opaque(src + src_j_stride)) {
    __builtin_prefetch(src + kLanes<T> * src_j_stride);
    block[c] = kFull ? LoadU(src) : c < cols ? LoadN(src, rows) : Zero<T>();
  }
  Transpose<T>(block);
#pragma GCC unroll 16
  for (int r = 0; r < kLanes<T>; ++r, dst = Opaque(dst + dst_stride)) {
    if (kFull)
      StoreU<T>(block[r], dst);
    else if (r < rows)
      StoreN(block[r], dst, cols);
  }
}

// dst[i][j] = src[i + j * src_j_stride]. The source is swept along its contiguous lines and asked for one
// block of lines ahead: the other order met a new page at every load (1x1 256 > 2 channels at 128x128,
// channels-last: 28 ms instead of 14).
template <class T>
void TransposeBlocks(T* dst, Index dst_stride, const T* src, Index src_j_stride, Index rows, Index cols) {
  for (Index j = 0; j < cols; j += kLanes<T>)
    for (Index i = 0; i < rows; i += kLanes<T>) {
      T* to = dst + i * dst_stride + j;
      const T* from = src + i + j * src_j_stride;
      const Index block_rows = rows - i < kLanes<T> ? rows - i : kLanes<T>;
      const Index block_cols = cols - j < kLanes<T> ? cols - j : kLanes<T>;
      if (block_rows == kLanes<T> && block_cols == kLanes<T>)
        TransposeBlock<T, true>(to, dst_stride, from, src_j_stride, block_rows, block_cols);
      else
        TransposeBlock<T, false>(to, dst_stride, from, src_j_stride, block_rows, block_cols);
    }
}

// dst[j] = src[kStep * j] for whole vectors; returns how many. Never reads past the last element asked for.
template <class T, int kStep>
PYCONV_INLINE Index TakeEvery(T* dst, const T* src, Index count) {
  static_assert(kStep == 2 || kStep == 4, "even elements of even elements");
  Index j = 0;
  for (; j + kLanes<T> < count; j += kLanes<T>) {
    const T* from = src + kStep * j;
    V<T> even = EvenElements<T>(LoadU(from), LoadU(from + kLanes<T>));
    if constexpr (kStep == 4)
      even = EvenElements<T>(even, EvenElements<T>(LoadU(from + 2 * kLanes<T>), LoadU(from + 3 * kLanes<T>)));
    StoreU<T>(even, dst + j);
  }
  return j;
}

// The same of all elements, where one instruction permutes two whole registers.
constexpr bool kTakesAnyStep = kVectorBytes == 64;
constexpr Index kLongestStep = 8;

// A few lines, one element of each in turn: pixels of an image's channels, which no transposed block fills.
constexpr bool kInterleaves = kVectorBytes >= 32;
constexpr Index kMostInterleaved = 4;

template <class T, int kCount, int kOut = 0>
PYCONV_INLINE void StoreInterleaved(T* dst, const V<T> (&lines)[kCount], Index left) {
  if constexpr (kOut < kCount) {
    const V<T> v = Interleaved<T, kCount, kOut>(lines);
    if (left <= kLanes<T>) return StoreN(v, dst, left);
    StoreU<T>(v, dst);
    StoreInterleaved<T, kCount, kOut + 1>(dst + kLanes<T>, lines, left - kLanes<T>);
  }
}

// dst[i * kCount + j] = src[i + j * src_j_stride]
template <class T, int kCount>
void Interleave(T* dst, const T* src, Index src_j_stride, Index rows) {
  V<T> lines[kCount];
  for (; rows > 0; rows -= kLanes<T>, src += kLanes<T>, dst += kCount * kLanes<T>) {
    const bool whole = rows >= kLanes<T>;
#pragma GCC unroll 4
    for (int j = 0; j < kCount; ++j)
      lines[j] = whole ? LoadU(src + j * src_j_stride) : LoadN(src + j * src_j_stride, rows);
    StoreInterleaved<T, kCount>(dst, lines, kCount * (whole ? kLanes<T> : rows));
  }
}

// Whether it is so few lines; then they are interleaved.
template <class T>
PYCONV_INLINE bool InterleavesFew(T* dst, const T* src, Index src_j_stride, Index rows, Index cols) {
  if (cols == 2) Interleave<T, 2>(dst, src, src_j_stride, rows);
  if (cols == 3) Interleave<T, 3>(dst, src, src_j_stride, rows);
  if (cols == 4) Interleave<T, 4>(dst, src, src_j_stride, rows);
  return cols >= 2 && cols <= kMostInterleaved;
}

template <class T, int kStep>
PYCONV_INLINE void TakeAll(T* dst, const T* src, Index count) {
  V<T> from[kStep];
  for (; count > kLanes<T>; count -= kLanes<T>, src += kStep * kLanes<T>, dst += kLanes<T>) {
#pragma GCC unroll 8
    for (int v = 0; v < kStep; ++v) from[v] = LoadU(src + v * kLanes<T>);
    StoreU<T>(EveryElement<T, kStep>(from), dst);
  }
  Index left = (count - 1) * kStep + 1;
#pragma GCC unroll 8
  for (int v = 0; v < kStep; ++v, left -= kLanes<T>)
    from[v] = left >= kLanes<T> ? LoadU(src + v * kLanes<T>)
              : left > 0        ? LoadN(src + v * kLanes<T>, left)
                                : Zero<T>();
  StoreN(EveryElement<T, kStep>(from), dst, count);
}

template <class T, int kStep>
PYCONV_INLINE bool TakeSteps(T* dst, const T* src, Index step, Index count) {
  if (step == kStep) {
    TakeAll<T, kStep>(dst, src, count);
    return true;
  }
  if constexpr (kStep < kLongestStep)
    return TakeSteps<T, kStep + 1>(dst, src, step, count);
  else
    return false;
}

// Whether it knows the step. Not inlined: with this inside, GatherRow is not, for the steps of two that most
// rows have (channels-first, 3x3 stride 2 8@112 27 us, 29 so).
template <class T>
__attribute__((noinline)) bool TakeAnyStep(T* dst, const T* src, Index step, Index count) {
  return TakeSteps<T, 3>(dst, src, step, count);
}

template <class T>
void GatherRow(T* dst, const T* src, Index stride, Index count) {
  Index j = 0;
  if (stride == 2) j = TakeEvery<T, 2>(dst, src, count);
  if (kMaskedTails && stride == 2 && j < count) {
    const Index span = 2 * (count - j) - 1;
    const V<T> first = LoadN(src + 2 * j, span);
    const V<T> second = span > kLanes<T> ? LoadN(src + 2 * j + kLanes<T>, span - kLanes<T>) : Zero<T>();
    return StoreN(EvenElements<T>(first, second), dst + j, count - j);
  }
  if constexpr (kTakesAnyStep) {
    if (stride > 2 && count > 1 && TakeAnyStep(dst, src, stride, count)) return;
  } else if (stride == 4) {
    j = TakeEvery<T, 4>(dst, src, count);
  }
  for (; j < count; ++j) dst[j] = src[j * stride];
}

// Short pixels: their few channels are taken one after the other, rather than by transposing blocks that are
// nearly empty.
PYCONV_INLINE bool TakesChannels(Index channels, Index pixel) {
  return kTakesAnyStep && pixel > 1 && pixel <= kLongestStep && channels * pixel <= 32;
}

template <class T>
void Gather2d(T* dst, Index dst_stride, const T* src, Index src_i_stride, Index src_j_stride, Index rows,
              Index cols) {
  if (src_j_stride == 1) {
    if (src_i_stride == cols && dst_stride == cols) return CopyRow(dst, src, rows * cols);
    for (Index i = 0; i < rows; ++i) CopyRow(dst + i * dst_stride, src + i * src_i_stride, cols);
  } else if (kInterleaves && src_i_stride == 1 && dst_stride == cols && rows > cols &&
             InterleavesFew(dst, src, src_j_stride, rows, cols)) {
    return;
  } else if (src_i_stride == 1 && rows > 1 && cols > 1 && !TakesChannels(rows, src_j_stride)) {
    TransposeBlocks(dst, dst_stride, src, src_j_stride, rows, cols);
  } else {
    for (Index i = 0; i < rows; ++i)
      GatherRow(dst + i * dst_stride, src + i * src_i_stride, src_j_stride, cols);
  }
}

// One channel block of contiguous (out_ch, in_ch, taps) weights in the order tiles read them:
//   dst[(tap * channels + channel) * dst_stride + oc] = src[oc * src_stride + channel * taps + tap].
// Weights run along (channel, tap), so kLanes output channels x kLanes of those are transposed in registers
// and each resulting vector goes where its (tap, channel) belongs.
template <class T>
void PackTaps(T* dst, Index dst_stride, const T* src, Index src_stride, Index channels, Index taps,
              Index out_ch) {
  for (Index oc = 0; oc < out_ch; oc += kLanes<T>) {
    const Index width = out_ch - oc < kLanes<T> ? out_ch - oc : kLanes<T>;
    Index channel = 0, tap = 0;
    for (Index e = 0; e < channels * taps; e += kLanes<T>) {
      const Index valid = channels * taps - e < kLanes<T> ? channels * taps - e : kLanes<T>;
      V<T> block[kLanes<T>];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes<T>; ++i) {
        const T* row = src + (oc + i) * src_stride + e;
        block[i] = i >= width ? Zero<T>() : valid == kLanes<T> ? LoadU(row) : LoadN(row, valid);
      }
      Transpose<T>(block);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes<T>; ++i) {
        if (i >= valid) break;
        T* to = dst + (tap * channels + channel) * dst_stride + oc;
        if (width == kLanes<T>)
          StoreU<T>(block[i], to);
        else
          StoreN(block[i], to, width);
        if (++tap == taps) {
          tap = 0;
          ++channel;
        }
      }
    }
  }
}

template <class T>
void AddRows(T* dst, const T* src, Index src_step, Index rows, Index cols) {
  for (Index j = 0; j < cols; j += kLanes<T>) {
    const Index valid = cols - j < kLanes<T> ? cols - j : kLanes<T>;
    const bool whole = valid == kLanes<T>;
    const T* from = src + j;
    V<T> sum = whole ? LoadU(dst + j) : LoadN(dst + j, valid);
    for (Index r = 0; r < rows; ++r, from += src_step) sum = sum + (whole ? LoadU(from) : LoadN(from, valid));
    if (whole)
      StoreU<T>(sum, dst + j);
    else
      StoreN(sum, dst + j, valid);
  }
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
