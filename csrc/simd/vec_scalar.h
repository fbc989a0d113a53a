// Every machine: 16-byte compiler vectors (SSE2 on x86-64) and no fused multiply-add; never libm's fma, which
// is a slow function call where the instruction is missing.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "core/types.h"

#define PYCONV_TARGET_NS baseline
namespace pyconv {
namespace baseline {
namespace {
constexpr int kVectorBytes = 16;
constexpr int kRegisters = 16;
}  // namespace
}  // namespace baseline
}  // namespace pyconv

#include "simd/vec_types.h"

namespace pyconv {
namespace baseline {
namespace {

PYCONV_INLINE V<float> MulAdd(V<float> a, V<float> b, V<float> c) { return a * b + c; }
PYCONV_INLINE V<double> MulAdd(V<double> a, V<double> b, V<double> c) { return a * b + c; }

template <class T>
PYCONV_INLINE void Accumulate(V<T>* sum, V<T> a, V<T> b) {
  *sum = MulAdd(a, b, *sum);
}

template <class T>
PYCONV_INLINE V<T> Max(V<T> a, V<T> b) {
  return a > b ? a : b;
}
template <class T>
PYCONV_INLINE V<T> Min(V<T> a, V<T> b) {
  return a < b ? a : b;
}

template <class T>
PYCONV_INLINE V<T> LoadN(const T* p, Index n) {
  V<T> v{};
  for (int i = 0; i < kLanes<T>; ++i)
    if (i < n) v[i] = p[i];
  return v;
}
template <class T>
PYCONV_INLINE void StoreN(V<T> v, T* p, Index n) {
  for (int i = 0; i < kLanes<T>; ++i)
    if (i < n) p[i] = v[i];
}

#if defined(__SSE2__)
PYCONV_INLINE void StoreStream(V<float> v, float* p) { _mm_stream_ps(p, v); }
PYCONV_INLINE void StreamFence() { _mm_sfence(); }
#else
PYCONV_INLINE void StoreStream(V<float> v, float* p) { *reinterpret_cast<V<float>*>(p) = v; }
PYCONV_INLINE void StreamFence() {}
#endif

}  // namespace
}  // namespace baseline
}  // namespace pyconv

#include "simd/vec_generic.h"
#include "simd/vec_interleave.h"
