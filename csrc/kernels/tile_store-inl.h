// How the finished sums of a tile reach memory, whatever its strides: shared by the dense, depthwise and
// grouped kernels. The contract is TileOutput in tile_output.h.
#pragma once

#include "kernels/tile_output.h"
#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

template <class T, int kM, int kN>
PYCONV_INLINE void ClampAll(const TileOutput<T>& args, V<T> (&sum)[kM][kN]) {
  const V<T> lo = Set(args.lo), hi = Set(args.hi);
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 12
    for (int n = 0; n < kN; ++n) sum[m][n] = Clamp<T>(sum[m][n], lo, hi);
}

// Finishes a tile whose n is contiguous in memory (channels-last by channels, channels-first by pixels).
// Residual and clamp are passes of their own, skipped as a whole where there is nothing to do: a short tile
// notices.
template <class T, int kM, int kN>
PYCONV_INLINE void StoreRows(const TileOutput<T>& args, V<T> (&sum)[kM][kN], Index first = 0) {
  const Index last_valid = args.n_valid - (kN - 1) * kLanes<T>;
  if (args.residual) {
#pragma GCC unroll 14
    for (int m = 0; m < kM; ++m)
#pragma GCC unroll 12
      for (int n = 0; n < kN; ++n) {
        const T* residual = args.residual + first + m * args.out_m_stride + n * kLanes<T>;
        sum[m][n] = sum[m][n] + (n + 1 < kN ? LoadU(residual) : LoadN(residual, last_valid));
      }
  }
  if (args.clamped) ClampAll<T, kM, kN>(args, sum);
  const bool full = last_valid == kLanes<T>;
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m) {
    T* out = args.out + first + m * args.out_m_stride;
#pragma GCC unroll 12
    for (int n = 0; n + 1 < kN; ++n) StoreU<T>(sum[m][n], out + n * kLanes<T>);
    if (full)
      StoreU<T>(sum[m][kN - 1], out + (kN - 1) * kLanes<T>);
    else
      StoreN(sum[m][kN - 1], out + (kN - 1) * kLanes<T>, last_valid);
  }
}

// Finishes a tile whose m is contiguous: transposed in registers, kLanes x kLanes at a time. `tile` is rows x
// vectors, spilled by the caller so that this code exists once and not once per tile shape.
template <class T>
__attribute__((noinline)) void StoreColumns(const TileOutput<T>& args, const T* tile, int rows, int vectors) {
  const V<T> lo = Set(args.lo), hi = Set(args.hi);
  for (int n = 0; n < vectors; ++n) {
    const Index lanes_valid = args.n_valid - n * kLanes<T>;
    for (int m0 = 0; m0 < rows; m0 += kLanes<T>) {
      const int rows_left = rows - m0 < kLanes<T> ? rows - m0 : kLanes<T>;
      V<T> block[kLanes<T>];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes<T>; ++i)
        block[i] = i < rows_left ? LoadU(tile + ((m0 + i) * vectors + n) * kLanes<T>) : Zero<T>();
      Transpose<T>(block);
      for (int i = 0; i < kLanes<T> && i < lanes_valid; ++i) {
        const Index at = m0 + (n * kLanes<T> + i) * args.out_n_stride;
        V<T> v = block[i];
        if (args.residual) v = v + LoadN(args.residual + at, rows_left);
        StoreN(Clamp<T>(v, lo, hi), args.out + at, rows_left);
      }
    }
  }
}

// Finishes a tile with arbitrary output strides (`out=` views, phases of a transposed convolution).
template <class T>
__attribute__((noinline)) void StoreScattered(const TileOutput<T>& args, const T* tile, int rows,
                                              int vectors) {
  for (int m = 0; m < rows; ++m) {
    for (Index n = 0; n < args.n_valid; ++n) {
      const Index at = m * args.out_m_stride + n * args.out_n_stride;
      T v = tile[m * vectors * kLanes<T> + n];
      if (args.residual) v = v + args.residual[at];
      v = args.lo > v ? args.lo : v;
      args.out[at] = args.hi < v ? args.hi : v;
    }
  }
}

// `first`: of the tile's elements, counted from those that `args` has.
template <class T, int kM, int kN>
PYCONV_INLINE void Finish(const TileOutput<T>& args, V<T> (&sum)[kM][kN], Index first = 0) {
  if (args.out_n_stride == 1) return StoreRows<T, kM, kN>(args, sum, first);
  V<T> spilled[kM][kN];
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m)
#pragma GCC unroll 12
    for (int n = 0; n < kN; ++n) spilled[m][n] = sum[m][n];
  const T* tile = reinterpret_cast<const T*>(&spilled[0][0]);
  // Its address may get about; what a kernel made for itself stays in registers.
  TileOutput<T> copy = args;
  copy.out += first;
  if (copy.residual) copy.residual += first;
  if (args.out_m_stride == 1) return StoreColumns<T>(copy, tile, kM, kN);
  StoreScattered<T>(copy, tile, kM, kN);
}

// -0 becomes +0. A bias is never -0, and is +0 where there is none: so a sum that underflowed to -0 ends as
// +0, whether or not taps in padding, which a kernel may leave out, have added their +0 (promise 1).
template <class T>
PYCONV_INLINE V<T> PositiveZero(V<T> v) {
  return v + Zero<T>();
}

// The lines a tile will store to: their misses are over before its sums are. Every other line, its neighbour
// comes along (1x1 64>256@56 channels-first: 85 % of the peak, every line 84 %, one line further 80 %).
template <class T, int kM, int kN>
PYCONV_INLINE void PrefetchOutput(const TileOutput<T>& args, Index first) {
  if (args.out_n_stride != 1) return;
#pragma GCC unroll 14
  for (int m = 0; m < kM; ++m) {
    const char* row = reinterpret_cast<const char*>(args.out + first + m * args.out_m_stride);
#pragma GCC unroll 12
    for (int n = 0; n < kN * kVectorBytes; n += 128) __builtin_prefetch(row + n, 1);
  }
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
