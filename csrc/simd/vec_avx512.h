// AVX-512 F, BW, DQ, VL: 32 registers of 64 bytes; masks make tails free.
#pragma once

#include <immintrin.h>

#include "core/types.h"

#define PYCONV_TARGET_NS avx512
namespace pyconv {
namespace avx512 {
namespace {
constexpr int kVectorBytes = 64;
constexpr int kRegisters = 32;
}  // namespace
}  // namespace avx512
}  // namespace pyconv

#include "simd/vec_types.h"

namespace pyconv {
namespace avx512 {
namespace {

PYCONV_INLINE V<float> MulAdd(V<float> a, V<float> b, V<float> c) { return _mm512_fmadd_ps(a, b, c); }
PYCONV_INLINE V<double> MulAdd(V<double> a, V<double> b, V<double> c) { return _mm512_fmadd_pd(a, b, c); }

template <class T>
PYCONV_INLINE void Accumulate(V<T>* sum, V<T> a, V<T> b) {
  *sum = MulAdd(a, b, *sum);
}

template <class T>
PYCONV_INLINE V<T> Max(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return _mm512_max_ps(a, b);
  else
    return _mm512_max_pd(a, b);
}
template <class T>
PYCONV_INLINE V<T> Min(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return _mm512_min_ps(a, b);
  else
    return _mm512_min_pd(a, b);
}

PYCONV_INLINE __mmask16 FirstN(Index n, int lanes) {
  return static_cast<__mmask16>(n >= lanes ? 0xffffu : (1u << static_cast<unsigned>(n)) - 1u);
}
PYCONV_INLINE V<float> LoadN(const float* p, Index n) { return _mm512_maskz_loadu_ps(FirstN(n, 16), p); }
PYCONV_INLINE V<double> LoadN(const double* p, Index n) {
  return _mm512_maskz_loadu_pd(static_cast<__mmask8>(FirstN(n, 8)), p);
}
PYCONV_INLINE void StoreN(V<float> v, float* p, Index n) { _mm512_mask_storeu_ps(p, FirstN(n, 16), v); }
PYCONV_INLINE void StoreN(V<double> v, double* p, Index n) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(FirstN(n, 8)), v);
}

PYCONV_INLINE V<float> LoadBeyond(V<float> v, const float* p, Index n) {
  return _mm512_mask_loadu_ps(v, static_cast<__mmask16>(~FirstN(n, 16)), p);
}
PYCONV_INLINE V<double> LoadBeyond(V<double> v, const double* p, Index n) {
  return _mm512_mask_loadu_pd(v, static_cast<__mmask8>(~FirstN(n, 8)), p);
}
PYCONV_INLINE void StoreBeyond(V<float> v, float* p, Index n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>(~FirstN(n, 16)), v);
}
PYCONV_INLINE void StoreBeyond(V<double> v, double* p, Index n) {
  _mm512_mask_storeu_pd(p, static_cast<__mmask8>(~FirstN(n, 8)), v);
}

PYCONV_INLINE void StoreStream(V<float> v, float* p) { _mm512_stream_ps(p, v); }
PYCONV_INLINE void StreamFence() { _mm_sfence(); }

// Markstein's division: the product with the rounded reciprocal is within one unit of the quotient, and its
// exact remainder corrects it. Where that may fail, in subnormal numbers, infinities and NaN, it is divided;
// a division of 16 floats keeps its unit busy for 10 cycles (average 3x3 stride 2, 8x256@14: 69 us, 61 so).
template <class T>
PYCONV_INLINE V<T> Quotient(V<T> x, V<T> divisor, V<T> reciprocal) {
  constexpr int kNoOrdinary = 0xb9;  // quiet NaN, +-infinity, subnormal, signalling NaN
  const V<T> near = x * reciprocal;
  if constexpr (sizeof(T) == 4) {
    if (_mm512_fpclass_ps_mask(near, kNoOrdinary) != 0) return x / divisor;
    return MulAdd(_mm512_fnmadd_ps(near, divisor, x), reciprocal, near);
  } else {
    if (_mm512_fpclass_pd_mask(near, kNoOrdinary) != 0) return x / divisor;
    return MulAdd(_mm512_fnmadd_pd(near, divisor, x), reciprocal, near);
  }
}

// A compare into a mask and a merging max: two instructions where generic masks take five.
template <class T>
PYCONV_INLINE V<T> MaxNan(V<T> acc, V<T> x) {
  if constexpr (sizeof(T) == 4)
    return _mm512_mask_max_ps(x, _mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x, acc);
  else
    return _mm512_mask_max_pd(x, _mm512_cmp_pd_mask(x, x, _CMP_ORD_Q), x, acc);
}

template <class T>
PYCONV_INLINE void ArgMaxNan(V<T>& best, Mask<T>& best_at, V<T> x, Mask<T> at) {
  if constexpr (sizeof(T) == 4) {
    const __mmask16 take = _mm512_cmp_ps_mask(x, best, _CMP_GT_OQ) | _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    best = _mm512_mask_mov_ps(best, take, x);
    best_at = (Mask<T>)_mm512_mask_mov_epi32((__m512i)best_at, take, (__m512i)at);
  } else {
    const __mmask8 take = _mm512_cmp_pd_mask(x, best, _CMP_GT_OQ) | _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q);
    best = _mm512_mask_mov_pd(best, take, x);
    best_at = (Mask<T>)_mm512_mask_mov_epi64((__m512i)best_at, take, (__m512i)at);
  }
}

}  // namespace
}  // namespace avx512
}  // namespace pyconv

#include "simd/vec_interleave.h"
