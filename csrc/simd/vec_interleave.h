// InterleaveLower/Upper and ConcatEven/Odd as compiler shuffles, for targets with a whole-register two-source
// permute (or 16-byte registers). AVX2 has its own: gcc 12 sends these through memory there.
#pragma once

#include "simd/vec_types.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Index i of the result is a's or b's element (i / 2 + from).
template <int From, class Vec, int... I>
PYCONV_INLINE Vec InterleaveFrom(Vec a, Vec b, IndexList<I...>) {
  return __builtin_shufflevector(a, b, (From + I / 2 + (I % 2) * static_cast<int>(sizeof...(I)))...);
}
template <class T>
PYCONV_INLINE V<T> InterleaveLower(V<T> a, V<T> b) {
  return InterleaveFrom<0>(a, b, MakeIndexList<kLanes<T>>{});
}
template <class T>
PYCONV_INLINE V<T> InterleaveUpper(V<T> a, V<T> b) {
  return InterleaveFrom<kLanes<T> / 2>(a, b, MakeIndexList<kLanes<T>>{});
}

// Index i of the result is element 2 * i + from of a followed by b.
template <int From, class Vec, int... I>
PYCONV_INLINE Vec EverySecond(Vec a, Vec b, IndexList<I...>) {
  return __builtin_shufflevector(a, b, (2 * I + From)...);
}
template <class T>
PYCONV_INLINE V<T> ConcatEven(V<T> a, V<T> b) {
  return EverySecond<0>(a, b, MakeIndexList<kLanes<T>>{});
}
template <class T>
PYCONV_INLINE V<T> ConcatOdd(V<T> a, V<T> b) {
  return EverySecond<1>(a, b, MakeIndexList<kLanes<T>>{});
}

template <class Vec, int... I>
PYCONV_INLINE Vec EvenOf(Vec a, Vec b, IndexList<I...>) {
  return __builtin_shufflevector(a, b, (2 * I)...);
}
template <class T>
PYCONV_INLINE V<T> EvenElements(V<T> a, V<T> b) {
  return EvenOf(a, b, MakeIndexList<kLanes<T>>{});
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
