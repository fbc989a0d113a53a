// What AVX-512 has its own, faster forms of.
#pragma once

#include "simd/vec_types.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <class T>
PYCONV_INLINE V<T> MaxNan(V<T> acc, V<T> x) {
  return (V<T>)((Mask<T>)Max<T>(x, acc) | (x != x));  // all ones is a NaN, and Max keeps one in acc
}

template <class T>
PYCONV_INLINE void ArgMaxNan(V<T>& best, Mask<T>& best_at, V<T> x, Mask<T> at) {
  const Mask<T> take = (x > best) | (x != x);
  best = take ? x : best;
  best_at = take ? at : best_at;
}

template <class T>
PYCONV_INLINE V<T> LoadBeyond(V<T> v, const T* p, Index n) {
  for (int i = 0; i < kLanes<T>; ++i)
    if (i >= n) v[i] = p[i];
  return v;
}
template <class T>
PYCONV_INLINE void StoreBeyond(V<T> v, T* p, Index n) {
  for (int i = 0; i < kLanes<T>; ++i)
    if (i >= n) p[i] = v[i];
}

template <class T>
PYCONV_INLINE V<T> Quotient(V<T> x, V<T> divisor, V<T> /*reciprocal*/) {
  return x / divisor;
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
