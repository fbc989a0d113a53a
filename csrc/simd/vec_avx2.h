// AVX2 + FMA: 16 registers of 32 bytes; tails through vmaskmov.
#pragma once

#include <immintrin.h>

#include "core/types.h"

#define PYCONV_TARGET_NS avx2
namespace pyconv {
namespace avx2 {
namespace {
constexpr int kVectorBytes = 32;
constexpr int kRegisters = 16;
}  // namespace
}  // namespace avx2
}  // namespace pyconv

#include "simd/vec_types.h"

namespace pyconv {
namespace avx2 {
namespace {

PYCONV_INLINE V<float> MulAdd(V<float> a, V<float> b, V<float> c) { return _mm256_fmadd_ps(a, b, c); }
PYCONV_INLINE V<double> MulAdd(V<double> a, V<double> b, V<double> c) { return _mm256_fmadd_pd(a, b, c); }

// Written out, because with 15 of 16 registers taken gcc 12 chooses among the three operand orders of vfmadd
// so that a sum goes through memory in every step of the dense loop:
// 78 instead of 85 % of the peak on 1x1 64>256@56.
template <class T>
PYCONV_INLINE void Accumulate(V<T>* sum, V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    asm("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(a), "x"(b));
  else
    asm("vfmadd231pd %2, %1, %0" : "+x"(*sum) : "x"(a), "x"(b));
}

template <class T>
PYCONV_INLINE V<T> Max(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return _mm256_max_ps(a, b);
  else
    return _mm256_max_pd(a, b);
}
template <class T>
PYCONV_INLINE V<T> Min(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return _mm256_min_ps(a, b);
  else
    return _mm256_min_pd(a, b);
}

// All ones in the first n lanes, read from a sliding window over eight ones and eight zeros.
PYCONV_INLINE __m256i FirstN32(Index n) {
  alignas(64) static const std::int32_t kWindow[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                       0,  0,  0,  0,  0,  0,  0,  0};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kWindow + 8 - (n < 8 ? n : 8)));
}
PYCONV_INLINE __m256i FirstN64(Index n) {
  alignas(64) static const std::int64_t kWindow[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kWindow + 4 - (n < 4 ? n : 4)));
}
PYCONV_INLINE V<float> LoadN(const float* p, Index n) { return _mm256_maskload_ps(p, FirstN32(n)); }
PYCONV_INLINE V<double> LoadN(const double* p, Index n) { return _mm256_maskload_pd(p, FirstN64(n)); }
PYCONV_INLINE void StoreN(V<float> v, float* p, Index n) { _mm256_maskstore_ps(p, FirstN32(n), v); }
PYCONV_INLINE void StoreN(V<double> v, double* p, Index n) { _mm256_maskstore_pd(p, FirstN64(n), v); }

PYCONV_INLINE void StoreStream(V<float> v, float* p) { _mm256_stream_ps(p, v); }
PYCONV_INLINE void StreamFence() { _mm_sfence(); }

// Unpacks work inside 16-byte halves; one half exchange each makes them whole-register.
template <class T>
PYCONV_INLINE V<T> InterleaveLower(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
  else
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x20);
}
template <class T>
PYCONV_INLINE V<T> InterleaveUpper(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
  else
    return _mm256_permute2f128_pd(_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b), 0x31);
}

// Even and odd elements: picked inside 16-byte halves, then one quarter exchange.
template <class T>
PYCONV_INLINE V<T> ConcatEven(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return (V<T>)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps(a, b, 0x88), 0xd8);
  else
    return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xd8);
}
template <class T>
PYCONV_INLINE V<T> ConcatOdd(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4)
    return (V<T>)_mm256_permute4x64_pd((__m256d)_mm256_shuffle_ps(a, b, 0xdd), 0xd8);
  else
    return _mm256_permute4x64_pd(_mm256_unpackhi_pd(a, b), 0xd8);
}

template <class T>
PYCONV_INLINE V<T> EvenElements(V<T> a, V<T> b) {
  if constexpr (sizeof(T) == 4) {
    const __m256d pairs =
        _mm256_castps_pd(_mm256_shuffle_ps(a, b, 0x88));  // halves a0 a2 b0 b2 | a4 a6 b4 b6
    return _mm256_castpd_ps(_mm256_permute4x64_pd(pairs, 0xd8));
  } else {
    return _mm256_permute4x64_pd(_mm256_unpacklo_pd(a, b), 0xd8);
  }
}

}  // namespace
}  // namespace avx2
}  // namespace pyconv

#include "simd/vec_generic.h"
