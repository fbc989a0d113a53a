// Operations that are the same compiler-vector expression on every target, built on vec_<target>.h.
#pragma once

#include "simd/vec_types.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <class T>
PYCONV_INLINE V<T> Set(T x) {
  return x - V<T>{};  // broadcast; x - 0 keeps -0 and NaN
}

template <class T>
PYCONV_INLINE V<T> Zero() {
  return V<T>{};
}

template <class T>
PYCONV_INLINE V<T> LoadU(const T* p) {
  struct Unaligned {
    V<T> v;
  } __attribute__((packed, may_alias));
  return reinterpret_cast<const Unaligned*>(p)->v;
}

template <class T>
PYCONV_INLINE void StoreU(V<T> v, T* p) {
  struct Unaligned {
    V<T> v;
  } __attribute__((packed, may_alias));
  reinterpret_cast<Unaligned*>(p)->v = v;
}

template <class T>
PYCONV_INLINE V<T> IfThenElse(Mask<T> mask, V<T> yes, V<T> no) {
  return mask ? yes : no;
}

template <class T, int... I>
PYCONV_INLINE Mask<T> IotaOf(IndexList<I...>) {
  return Mask<T>{I...};
}
template <class T>
PYCONV_INLINE Mask<T> Iota() {
  return IotaOf<T>(MakeIndexList<kLanes<T>>{});
}

template <class T>
PYCONV_INLINE V<T> Permute(V<T> v, Mask<T> source) {
#if defined(__clang__)
  V<T> result;
  for (int i = 0; i < kLanes<T>; ++i) result[i] = v[source[i]];
  return result;
#else
  return __builtin_shuffle(v, source);
#endif
}

template <class T>
PYCONV_INLINE V<T> FillBeyond(V<T> v, Index n, T fill) {
  using Int = typename IntegerOf<T>::type;
  return Iota<T>() < (Mask<T>{} + static_cast<Int>(n < kLanes<T> ? n : kLanes<T>)) ? v : Set(fill);
}

template <class T>
PYCONV_INLINE V<T> Clamp(V<T> v, V<T> lo, V<T> hi) {
  return Min<T>(hi, Max<T>(lo, v));  // NaN is the second operand each time, so it comes through
}

// Transposes a kLanes x kLanes block in registers: log2(kLanes) perfect shuffles of the rows.
template <class T>
PYCONV_INLINE void Transpose(V<T> (&rows)[kLanes<T>]) {
  constexpr int kN = kLanes<T>;
#pragma GCC unroll 8
  for (int round = 1; round < kN; round *= 2) {
    V<T> shuffled[kN];
#pragma GCC unroll 16
    for (int i = 0; i < kN / 2; ++i) {
      shuffled[2 * i] = InterleaveLower<T>(rows[i], rows[i + kN / 2]);
      shuffled[2 * i + 1] = InterleaveUpper<T>(rows[i], rows[i + kN / 2]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) rows[i] = shuffled[i];
  }
}

// Puts the elements Step * i that vector number Next holds into their lanes; `taken` has those before.
template <int Step, int Next, class Vec, int... I>
PYCONV_INLINE Vec TakeFrom(Vec taken, Vec next, IndexList<I...>) {
  constexpr int kCount = sizeof...(I);
  const auto lane = [](int i) constexpr {
    const int vector = i * Step / kCount, at = i * Step % kCount;
    return vector == Next ? kCount + at : vector == 0 && Next == 1 ? at : i;
  };
  return __builtin_shufflevector(taken, next, lane(I)...);
}
template <class T, int Step, int Last = Step - 1>
PYCONV_INLINE V<T> EveryElement(const V<T>* vectors) {
  if constexpr (Last == 0)
    return vectors[0];
  else
    return TakeFrom<Step, Last>(EveryElement<T, Step, Last - 1>(vectors), vectors[Last],
                                MakeIndexList<kLanes<T>>{});
}

// Puts element n / Count of vector n % Count, where that is Next, into its lane of vector Out of the result,
// whose first lane is n = Out * lanes; `taken` has those of the vectors before.
template <int Count, int Out, int Next, class Vec, int... I>
PYCONV_INLINE Vec InterleaveFrom(Vec taken, Vec next, IndexList<I...>) {
  constexpr int kLanesHere = sizeof...(I);
  const auto lane = [](int i) constexpr {
    const int n = Out * kLanesHere + i, vector = n % Count, at = n / Count;
    return vector == Next ? kLanesHere + at : vector == 0 && Next == 1 ? at : i;
  };
  return __builtin_shufflevector(taken, next, lane(I)...);
}
// Vector Out of the elements of Count vectors in turn: the first of each, the second of each, and so on.
template <class T, int Count, int Out, int Last = Count - 1>
PYCONV_INLINE V<T> Interleaved(const V<T>* vectors) {
  if constexpr (Last == 0)
    return vectors[0];
  else
    return InterleaveFrom<Count, Out, Last>(Interleaved<T, Count, Out, Last - 1>(vectors), vectors[Last],
                                            MakeIndexList<kLanes<T>>{});
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
