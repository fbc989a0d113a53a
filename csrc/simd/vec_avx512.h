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

}  // namespace
}  // namespace avx512
}  // namespace pyconv

#include "simd/vec_interleave.h"
