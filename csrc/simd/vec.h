// The vector types and ~25 operations every kernel is written with, under Highway's names. This header picks
// the instruction set of the unit being compiled (CMake defines exactly one PYCONV_TARGET_*); everything
// lives in an anonymous namespace inside PYCONV_TARGET_NS, so that no two instruction sets can ever share a
// symbol.
//
// Contract, identical on every target:
//   V<T>                    a full vector of kLanes<T> elements
//   Zero, Set(x)            all lanes 0 / x
//   LoadU, StoreU           unaligned; LoadN, StoreN touch the first n lanes only (LoadN zeroes the rest)
//   LoadBeyond(v, p, n)     the first n lanes of v, the others from p; StoreBeyond: those others only
//   a + b, a - b, a * b, a / b     IEEE, each rounded once
//   Quotient(x, d, 1 / d)   x / d of whole 0 < d < 2^22 and of x that is no -0
//   MulAdd(a, b, c)         a * b + c rounded once; twice on the no-FMA baseline, outside promise 1
//   Accumulate(&sum, a, b)  sum = MulAdd(a, b, sum), for loops that fill the register file
//   Max(a, b), Min(a, b)    a > b ? a : b and a < b ? a : b: b where either is NaN or both are equal
//   a > b, a == b ...       compiler masks (integer vectors); IfThenElse(mask, yes, no)
//   MaxNan(acc, x)          x if x > acc or x is NaN, else acc: torch's max, the first of equal values wins
//   ArgMaxNan(best, at, x, x_at)   the same choice for a value and its index
//   InterleaveLower/Upper   whole-vector interleave of the lower / upper halves of a and b
//   EvenElements(a, b)      elements 0, 2, 4, ... of a, then of b
//   EveryElement<T, Step>(vectors)   lane i is element Step * i of Step vectors, one after the other
//   ConcatEven/Odd(a, b)    the even / odd elements of a, then those of b
//   Permute(v, source)      lane i is v[source[i]]
//   Iota                    0, 1, 2, ... as integers of T's size
//   FillBeyond(v, n, fill)  the first n lanes of v, the others `fill`
//   StoreStream(v, p)       a store past the caches; p is aligned to a vector
//   StreamFence             orders StoreStream before every later store
#pragma once

#include "core/types.h"

#if defined(PYCONV_TARGET_AVX512)
#include "simd/vec_avx512.h"
#elif defined(PYCONV_TARGET_AVX2)
#include "simd/vec_avx2.h"
#elif defined(PYCONV_TARGET_NEON)
#include "simd/vec_neon.h"
#elif defined(PYCONV_TARGET_BASELINE)
#include "simd/vec_scalar.h"
#else
#error "a kernel unit must be compiled for one target"
#endif

#include "simd/vec_common.h"
