// The transforms of Winograd's minimal filtering F(m, 3) for m = 2 and 4, nested for two dimensions.
// Matrices, their source and their error: docs/algorithms-winograd.md. The products between them are dense
// tiles. Every element is computed by the same operations in the same order whatever its lane, so results do
// not depend on the vector width.
#pragma once

#include "kernels/winograd_args.h"
#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// One dimension of the transforms: kOut outputs from kIn inputs and kTaps taps.
template <class T, int kOutputs>
struct WinogradAxis;

// A dimension that is not transformed.
template <class T>
struct WinogradAxis<T, 1> {
  static constexpr int kOut = 1, kIn = 1, kTaps = 1;
  PYCONV_INLINE void Input(V<T> (&)[kIn]) {}
  PYCONV_INLINE void Weight(const V<T> (&g)[kTaps], V<T> (&u)[kIn]) { u[0] = g[0]; }
  PYCONV_INLINE void Output(const V<T> (&m)[kIn], V<T> (&y)[kOut]) { y[0] = m[0]; }
};

// F(2, 3), points 0, 1, -1, infinity (Lavin & Gray 2016): only powers of two, hence exact on small integers.
template <class T>
struct WinogradAxis<T, 2> {
  static constexpr int kOut = 2, kIn = 4, kTaps = 3;
  PYCONV_INLINE void Input(V<T> (&d)[kIn]) {
    const V<T> d1 = d[1], d2 = d[2];
    d[0] = d[0] - d2;
    d[1] = d1 + d2;
    d[2] = d2 - d1;
    d[3] = d1 - d[3];
  }
  PYCONV_INLINE void Weight(const V<T> (&g)[kTaps], V<T> (&u)[kIn]) {
    const V<T> half = Set<T>(T(0.5));
    const V<T> even = g[0] + g[2];
    u[0] = g[0];
    u[1] = half * (even + g[1]);
    u[2] = half * (even - g[1]);
    u[3] = g[2];
  }
  PYCONV_INLINE void Output(const V<T> (&m)[kIn], V<T> (&y)[kOut]) {
    y[0] = m[0] + (m[1] + m[2]);
    y[1] = (m[1] - m[2]) - m[3];
  }
};

// F(4, 3), points 0, +-a, +-b, infinity with a = 3/4, b = 3/2: the constants of the input and output
// transforms are exact, those of the weights have denominators 81 and 243.
template <class T>
struct WinogradAxis<T, 4> {
  static constexpr int kOut = 4, kIn = 6, kTaps = 3;
  static constexpr T kA = T(0.75), kB = T(1.5);
  static constexpr T kA2 = kA * kA, kB2 = kB * kB, kA3 = kA2 * kA, kB3 = kB2 * kB;

  PYCONV_INLINE void Input(V<T> (&d)[kIn]) {
    const V<T> a = Set(kA), b = Set(kB), minus_a = Set(-kA), minus_b = Set(-kB), minus_a2 = Set(-kA2),
               minus_b2 = Set(-kB2);
    const V<T> minus_sum = Set(-(kA2 + kB2)), product = Set(kA2 * kB2);
    const V<T> even_a = MulAdd(minus_b2, d[2], d[4]), odd_a = MulAdd(minus_b2, d[1], d[3]);
    const V<T> even_b = MulAdd(minus_a2, d[2], d[4]), odd_b = MulAdd(minus_a2, d[1], d[3]);
    d[0] = MulAdd(product, d[0], MulAdd(minus_sum, d[2], d[4]));
    d[5] = MulAdd(product, d[1], MulAdd(minus_sum, d[3], d[5]));
    d[1] = MulAdd(a, odd_a, even_a);
    d[2] = MulAdd(minus_a, odd_a, even_a);
    d[3] = MulAdd(b, odd_b, even_b);
    d[4] = MulAdd(minus_b, odd_b, even_b);
  }

  PYCONV_INLINE void Weight(const V<T> (&g)[kTaps], V<T> (&u)[kIn]) {
    // 1 / N'(p) for N(x) = x (x^2 - a^2) (x^2 - b^2) and the points p = 0, a, b.
    const V<T> at_0 = Set(T(64.0 / 81)), at_a = Set(T(-128.0 / 243)), at_b = Set(T(32.0 / 243));
    const V<T> a = Set(kA), b = Set(kB), minus_a = Set(-kA), minus_b = Set(-kB);
    const V<T> even_a = MulAdd(Set(kA2), g[2], g[0]), even_b = MulAdd(Set(kB2), g[2], g[0]);
    u[0] = at_0 * g[0];
    u[1] = at_a * MulAdd(a, g[1], even_a);
    u[2] = at_a * MulAdd(minus_a, g[1], even_a);
    u[3] = at_b * MulAdd(b, g[1], even_b);
    u[4] = at_b * MulAdd(minus_b, g[1], even_b);
    u[5] = g[2];
  }

  PYCONV_INLINE void Output(const V<T> (&m)[kIn], V<T> (&y)[kOut]) {
    const V<T> sum_a = m[1] + m[2], sum_b = m[3] + m[4], diff_a = m[1] - m[2], diff_b = m[3] - m[4];
    y[0] = m[0] + (sum_a + sum_b);
    y[1] = MulAdd(Set(kB), diff_b, Set(kA) * diff_a);
    y[2] = MulAdd(Set(kB2), sum_b, Set(kA2) * sum_a);
    y[3] = MulAdd(Set(kB3), diff_b, MulAdd(Set(kA3), diff_a, m[5]));
  }
};

template <class T, bool kTail>
PYCONV_INLINE V<T> LoadLanes(const T* p, Index valid) {
  return kTail ? LoadN(p, valid) : LoadU(p);
}
template <class T, bool kTail>
PYCONV_INLINE void StoreLanes(V<T> v, T* p, Index valid) {
  if (kTail)
    StoreN(v, p, valid);
  else
    StoreU<T>(v, p);
}

template <class T, int kH, int kW, bool kTail>
PYCONV_INLINE void WinogradInputLanes(const T* const* pixels, Index channel, Index valid, T* panels,
                                      Index panel_stride) {
  using AxisH = WinogradAxis<T, kH>;
  using AxisW = WinogradAxis<T, kW>;
  V<T> grid[AxisH::kIn][AxisW::kIn];
#pragma GCC unroll 6
  for (int w = 0; w < AxisW::kIn; ++w) {
    V<T> column[AxisH::kIn];
#pragma GCC unroll 6
    for (int h = 0; h < AxisH::kIn; ++h)
      column[h] = LoadLanes<T, kTail>(pixels[h * AxisW::kIn + w] + channel, valid);
    AxisH::Input(column);
#pragma GCC unroll 6
    for (int h = 0; h < AxisH::kIn; ++h) grid[h][w] = column[h];
  }
#pragma GCC unroll 6
  for (int h = 0; h < AxisH::kIn; ++h) {
    AxisW::Input(grid[h]);
#pragma GCC unroll 6
    for (int w = 0; w < AxisW::kIn; ++w)
      StoreLanes<T, kTail>(grid[h][w], panels + (h * AxisW::kIn + w) * panel_stride + channel, valid);
  }
}

template <class T, int kH, int kW>
void WinogradInput(const T* const* pixels, Index channels, T* panels, Index panel_stride) {
  Index c = 0;
  for (; c + kLanes<T> <= channels; c += kLanes<T>)
    WinogradInputLanes<T, kH, kW, false>(pixels, c, kLanes<T>, panels, panel_stride);
  if (c < channels) WinogradInputLanes<T, kH, kW, true>(pixels, c, channels - c, panels, panel_stride);
}

template <class T, int kH, int kW>
void WinogradWeight(const T* taps, Index channel_step, Index tap_step, Index channels, Index width, T* panels,
                    Index panel_stride) {
  using AxisH = WinogradAxis<T, kH>;
  using AxisW = WinogradAxis<T, kW>;
  for (Index k = 0; k < channels; ++k)
    for (Index lane = 0; lane < width; lane += kLanes<T>) {
      V<T> grid[AxisH::kIn][AxisW::kTaps];
#pragma GCC unroll 3
      for (int w = 0; w < AxisW::kTaps; ++w) {
        V<T> column[AxisH::kTaps], transformed[AxisH::kIn];
#pragma GCC unroll 3
        for (int h = 0; h < AxisH::kTaps; ++h)
          column[h] = LoadU(taps + k * channel_step + (h * AxisW::kTaps + w) * tap_step + lane);
        AxisH::Weight(column, transformed);
#pragma GCC unroll 6
        for (int h = 0; h < AxisH::kIn; ++h) grid[h][w] = transformed[h];
      }
      T* at = panels + k * width + lane;
#pragma GCC unroll 6
      for (int h = 0; h < AxisH::kIn; ++h) {
        V<T> row[AxisW::kIn];
        AxisW::Weight(grid[h], row);
#pragma GCC unroll 6
        for (int w = 0; w < AxisW::kIn; ++w) StoreU<T>(row[w], at + (h * AxisW::kIn + w) * panel_stride);
      }
    }
}

// Returns the fault of each lane: 0, or NaN where an output is not finite.
template <class T, int kH, int kW, bool kTail>
PYCONV_INLINE V<T> WinogradOutputLanes(const WinogradOutputArgs<T>& args, Index channel, Index valid) {
  using AxisH = WinogradAxis<T, kH>;
  using AxisW = WinogradAxis<T, kW>;
  V<T> grid[AxisH::kOut][AxisW::kIn];
#pragma GCC unroll 6
  for (int w = 0; w < AxisW::kIn; ++w) {
    V<T> column[AxisH::kIn], transformed[AxisH::kOut];
#pragma GCC unroll 6
    for (int h = 0; h < AxisH::kIn; ++h)
      column[h] =
          LoadLanes<T, kTail>(args.products + (h * AxisW::kIn + w) * args.panel_stride + channel, valid);
    AxisH::Output(column, transformed);
#pragma GCC unroll 4
    for (int h = 0; h < AxisH::kOut; ++h) grid[h][w] = transformed[h];
  }
  const V<T> lo = Set(args.lo), hi = Set(args.hi);
  const V<T> bias = args.bias ? LoadLanes<T, kTail>(args.bias + channel, valid) : Zero<T>();
  V<T> fault = Zero<T>();
#pragma GCC unroll 4
  for (int h = 0; h < AxisH::kOut; ++h) {
    if (h >= args.rows) break;
    V<T> row[AxisW::kOut];
    AxisW::Output(grid[h], row);
#pragma GCC unroll 4
    for (int w = 0; w < AxisW::kOut; ++w) {
      if (w >= args.cols) break;
      V<T> v = row[w];
      fault = MulAdd(v, Zero<T>(), fault);
      if (args.bias) v = v + bias;
      if (args.residual)
        v = v + LoadLanes<T, kTail>(args.residual + h * args.residual_row + w * args.residual_pixel + channel,
                                    valid);
      StoreLanes<T, kTail>(Clamp<T>(v, lo, hi), args.out + h * args.out_row + w * args.out_pixel + channel,
                           valid);
    }
  }
  StoreLanes<T, kTail>(fault, args.faults + channel, valid);
  return fault;
}

template <class T, int kH, int kW>
bool WinogradOutput(const WinogradOutputArgs<T>& args) {
  V<T> fault = Zero<T>();
  Index c = 0;
  for (; c + kLanes<T> <= args.channels; c += kLanes<T>)
    fault = fault + WinogradOutputLanes<T, kH, kW, false>(args, c, kLanes<T>);
  if (c < args.channels) fault = fault + WinogradOutputLanes<T, kH, kW, true>(args, c, args.channels - c);
  T sum = fault[0];
  for (int i = 1; i < kLanes<T>; ++i) sum = sum + fault[i];
  return sum == T(0);
}

template <class T, int kH, int kW>
constexpr WinogradTransforms<T> MakeWinogradTransforms() {
  using AxisH = WinogradAxis<T, kH>;
  using AxisW = WinogradAxis<T, kW>;
  return {kH,
          kW,
          AxisH::kIn,
          AxisW::kIn,
          AxisH::kTaps,
          AxisW::kTaps,
          &WinogradInput<T, kH, kW>,
          &WinogradWeight<T, kH, kW>,
          &WinogradOutput<T, kH, kW>};
}

template <class T>
constexpr WinogradKernels<T> MakeWinograd() {
  return {MakeWinogradTransforms<T, 1, 2>(), MakeWinogradTransforms<T, 2, 2>(),
          MakeWinogradTransforms<T, 1, 4>(), MakeWinogradTransforms<T, 4, 4>()};
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
