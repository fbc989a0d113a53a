// Vector types from the target's register width. Included by each vec_<target>.h after kVectorBytes.
#pragma once

#include "core/types.h"

#define PYCONV_INLINE static inline __attribute__((always_inline))
#define PYCONV_MEMBER_INLINE inline __attribute__((always_inline))

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// Not a template alias of an attribute: gcc drops vector_size on dependent aliases outside a struct.
template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using V = typename VectorOf<T>::type;

template <class T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
  using type = std::int32_t;
};
template <>
struct IntegerOf<double> {
  using type = std::int64_t;
};
// What a comparison of V<T> gives: all ones where true.
template <class T>
using Mask = V<typename IntegerOf<T>::type>;

// 0, 1, ..., N - 1 as a parameter pack (kernel units use no STL).
template <int... I>
struct IndexList {};
template <int N, int... I>
struct IndexListMaker : IndexListMaker<N - 1, N - 1, I...> {};
template <int... I>
struct IndexListMaker<0, I...> {
  using type = IndexList<I...>;
};
template <int N>
using MakeIndexList = typename IndexListMaker<N>::type;

// Keeps the compiler from seeing how a value came about: from turning "base + m * stride" into one register
// per m.
template <class P>
PYCONV_INLINE P Opaque(P p) {
  asm("" : "+r"(p));
  return p;
}

// A loaded vector that is used more than once. gcc 12 would make an AVX-512 load of each use, and loads are
// the limit of tiles of few output channels (2 rows by 12 vectors: 4.2 -> 2.4 cycles a vector).
template <class T>
PYCONV_INLINE V<T> InRegister(V<T> v) {
#if defined(PYCONV_TARGET_AVX512)
  asm("" : "+v"(v));
#endif
  return v;
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
