// AArch64 NEON: 32 registers of 16 bytes, fused multiply-add.
#pragma once

#include <arm_neon.h>

#include "core/types.h"

#define PYCONV_TARGET_NS neon
namespace pyconv {
namespace neon {
namespace {
constexpr int kVectorBytes = 16;
constexpr int kRegisters = 32;
}  // namespace
}  // namespace neon
}  // namespace pyconv

#include "simd/vec_types.h"

namespace pyconv {
namespace neon {
namespace {

PYCONV_INLINE V<float> MulAdd(V<float> a, V<float> b, V<float> c) {
  return (V<float>)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
PYCONV_INLINE V<double> MulAdd(V<double> a, V<double> b, V<double> c) {
  return (V<double>)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}

template <class T>
PYCONV_INLINE void Accumulate(V<T>* sum, V<T> a, V<T> b) {
  *sum = MulAdd(a, b, *sum);
}

// Not vmaxq/vminq: they return NaN whichever side it is on, and order -0 below +0.
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

// The pair store without allocation has no intrinsic.
PYCONV_INLINE void StoreStream(V<float> v, float* p) { vst1q_f32(p, (float32x4_t)v); }
PYCONV_INLINE void StreamFence() {}

}  // namespace
}  // namespace neon
}  // namespace pyconv

#include "simd/vec_generic.h"
#include "simd/vec_interleave.h"
