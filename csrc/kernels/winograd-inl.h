// The transforms of Winograd's minimal filtering F(2, 3), F(3, 2) and F(4, 3), with real points or with
// complex ones, nested for two dimensions.
// Matrices, their source and their error: docs/algorithms-winograd.md. The products between them are dense
// tiles. Every element is computed by the same operations in the same order whatever its lane, so results do
// not depend on the vector width.
#pragma once

#include "kernels/winograd_args.h"
#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// One dimension of the transforms, in place: kIn inputs, or kTaps taps, become kIn numbers, and kIn numbers
// kOut outputs.
template <class T, WinogradFilter kFilter>
struct WinogradAxis;
template <WinogradFilter kFilter>
struct WinogradSizes {
  static constexpr WinogradFilter kKind = kFilter;
  static constexpr int kOut = filter_outputs(kFilter), kIn = filter_inputs(kFilter),
                       kTaps = filter_taps(kFilter);
};

// A dimension that is not transformed.
template <class T>
struct WinogradAxis<T, WinogradFilter::kNone> : WinogradSizes<WinogradFilter::kNone> {
  PYCONV_INLINE void Input(V<T> (&)[kIn]) {}
  PYCONV_INLINE void Weight(const V<T> (&g)[kTaps], V<T> (&u)[kIn]) { u[0] = g[0]; }
  PYCONV_INLINE void Output(const V<T> (&m)[kIn], V<T> (&y)[kOut]) { y[0] = m[0]; }
};

// F(2, 3), points 0, 1, -1, infinity (Lavin & Gray 2016): only powers of two, hence exact on small integers.
template <class T>
struct WinogradAxis<T, WinogradFilter::kF23> : WinogradSizes<WinogradFilter::kF23> {
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

// F(3, 2) has the points and therefore the inputs of F(2, 3).
template <class T>
struct WinogradAxis<T, WinogradFilter::kF32> : WinogradSizes<WinogradFilter::kF32> {
  PYCONV_INLINE void Input(V<T> (&d)[kIn]) { WinogradAxis<T, WinogradFilter::kF23>::Input(d); }
  PYCONV_INLINE void Weight(const V<T> (&g)[kTaps], V<T> (&u)[kIn]) {
    const V<T> half = Set<T>(T(0.5));
    u[0] = g[0];
    u[1] = half * (g[0] + g[1]);
    u[2] = half * (g[0] - g[1]);
    u[3] = g[1];
  }
  PYCONV_INLINE void Output(const V<T> (&m)[kIn], V<T> (&y)[kOut]) {
    const V<T> sum = m[1] + m[2];
    y[0] = m[0] + sum;
    y[1] = m[1] - m[2];
    y[2] = sum - m[3];
  }
};

// F(4, 3), points 0, +-a, +-b, infinity with a = 3/4, b = 3/2: the constants of the input and output
// transforms are exact, those of the weights have denominators 81 and 243.
template <class T>
struct WinogradAxis<T, WinogradFilter::kF43> : WinogradSizes<WinogradFilter::kF43> {
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

// F(4, 3), points 0, 1, -1, i, -i, infinity (Meng & Brothers 2019). All factors are units or, in the weights,
// powers of two: exact on small integers. A real filter's product at -i is the conjugate of that at i; their
// sum is twice the real part, and that two is in the weights.
template <class T>
struct WinogradAxis<T, WinogradFilter::kF43Complex> : WinogradSizes<WinogradFilter::kF43Complex> {
  PYCONV_INLINE void Input(V<T> (&d)[kIn]) {
    const V<T> d1 = d[1], d2 = d[2], even = d[4] + d2, odd = d[3] + d1, real = d[4] - d2,
               imaginary = d[3] - d1;
    d[0] = d[0] - d[4];
    d[1] = even + odd;
    d[2] = even - odd;
    d[3] = real;
    d[4] = imaginary;
    d[5] = d[5] - d1;
  }
  PYCONV_INLINE void Weight(const V<T> (&g)[kTaps], V<T> (&u)[kIn]) {
    const V<T> half = Set<T>(T(0.5)), quarter = Set<T>(T(0.25));
    const V<T> even = g[0] + g[2];
    u[0] = g[0];
    u[1] = quarter * (even + g[1]);
    u[2] = quarter * (even - g[1]);
    u[3] = half * (g[0] - g[2]);
    u[4] = half * g[1];
    u[5] = g[2];
  }
  PYCONV_INLINE void Output(const V<T> (&m)[kIn], V<T> (&y)[kOut]) {
    const V<T> sum = m[1] + m[2], difference = m[1] - m[2];
    y[0] = m[0] + (sum + m[3]);
    y[1] = difference - m[4];
    y[2] = sum - m[3];
    y[3] = (difference + m[4]) + m[5];
  }
};

// Calls what a panel, or the panels of a complex number, are made of, in the order of winograd_panels():
// Real(panel, a, b) of element (a, b); Pair(panel, a, b, a', b') of a real part and its imaginary part;
// Corner(panel, a, b) of both parts of both dimensions. Every number is known when it is compiled.
template <class AxisH, class AxisW, class Visitor>
PYCONV_INLINE void VisitPanels(Visitor& visitor) {
  int panel = 0;
#pragma GCC unroll 6
  for (int a = 0; a < AxisH::kIn; ++a) {
#pragma GCC unroll 6
    for (int b = 0; b < AxisW::kIn; ++b) {
      const int panels = panels_at(AxisH::kKind, a, AxisW::kKind, b);
      if (panels == 1) visitor.Real(panel, a, b);
      if (panels == 3) {
        const bool of_h = is_real_part(AxisH::kKind, a);
        visitor.Pair(panel, a, b, of_h ? a + 1 : a, of_h ? b : b + 1);
      }
      if (panels == 6) visitor.Corner(panel, a, b);
      panel += panels;
    }
  }
}

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

// Stores what a transformed tile, or transformed taps, have at each panel. Gauss's products: (x + iy)(u + iv)
// = k1 - k3 + i (k1 + k2) with k1 = u (x + y), k2 = x (v - u), k3 = y (u + v); Sink knows which side it is.
template <class AxisH, class AxisW, class Sink>
struct GridPanels : Sink {
  using Vector = typename Sink::Vector;
  Vector (&grid)[AxisH::kIn][AxisW::kIn];
  int points_h, points_w;

  PYCONV_MEMBER_INLINE GridPanels(const Sink& sink, Vector (&from)[AxisH::kIn][AxisW::kIn], int points_of_h,
                                  int points_of_w)
      : Sink(sink), grid(from), points_h(points_of_h), points_w(points_of_w) {}

  PYCONV_MEMBER_INLINE bool Has(int a, int b) const { return a < points_h && b < points_w; }
  PYCONV_MEMBER_INLINE void Real(int panel, int a, int b) {
    if (Has(a, b)) this->Store(panel, grid[a][b]);
  }
  PYCONV_MEMBER_INLINE void Pair(int panel, int a, int b, int a2, int b2) {
    if (Has(a, b)) this->Complex(panel, grid[a][b], grid[a2][b2]);
  }
  PYCONV_MEMBER_INLINE void Corner(int panel, int a, int b) {
    const Vector rr = grid[a][b], ii = grid[a + 1][b + 1], ri = grid[a][b + 1], ir = grid[a + 1][b];
    this->Complex(panel, this->OfBoth(rr - ii), this->OfBoth(ri + ir));
    this->Complex(panel + 3, this->OfBoth(rr + ii), this->OfBoth(ir - ri));
  }
};

template <class T, bool kTail>
struct InputSink {
  using Vector = V<T>;
  T* panels;
  const Index* offset;
  Index valid;

  PYCONV_MEMBER_INLINE void Store(int panel, V<T> v) {
    StoreLanes<T, kTail>(v, panels + offset[panel], valid);
  }
  PYCONV_MEMBER_INLINE void Complex(int panel, V<T> x, V<T> y) {
    Store(panel, x + y);
    Store(panel + 1, x);
    Store(panel + 2, y);
  }
  PYCONV_MEMBER_INLINE V<T> OfBoth(V<T> v) const { return v; }
};

template <class T>
struct WeightSink {
  using Vector = V<T>;
  T* panels;
  const Index* offset;

  PYCONV_MEMBER_INLINE void Store(int panel, V<T> v) { StoreU<T>(v, panels + offset[panel]); }
  PYCONV_MEMBER_INLINE void Complex(int panel, V<T> u, V<T> v) {
    Store(panel, u);
    Store(panel + 1, v - u);
    Store(panel + 2, u + v);
  }
  // Both dimensions have doubled these.
  PYCONV_MEMBER_INLINE V<T> OfBoth(V<T> v) const { return Set<T>(T(0.5)) * v; }
};

template <class T, WinogradFilter kH, WinogradFilter kW, bool kTail>
PYCONV_INLINE void WinogradInputLanes(const WinogradInputArgs<T>& args, Index at, Index valid, T* panels) {
  using AxisH = WinogradAxis<T, kH>;
  using AxisW = WinogradAxis<T, kW>;
  V<T> grid[AxisH::kIn][AxisW::kIn];
#pragma GCC unroll 6
  for (int w = 0; w < AxisW::kIn; ++w) {
    V<T> column[AxisH::kIn];
#pragma GCC unroll 6
    for (int h = 0; h < AxisH::kIn; ++h)
      column[h] = LoadLanes<T, kTail>(args.pixels[h * AxisW::kIn + w] + at, valid);
    AxisH::Input(column);
#pragma GCC unroll 6
    for (int h = 0; h < AxisH::kIn; ++h) grid[h][w] = column[h];
  }
#pragma GCC unroll 6
  for (int h = 0; h < AxisH::kIn; ++h) AxisW::Input(grid[h]);
  using Sink = InputSink<T, kTail>;
  GridPanels<AxisH, AxisW, Sink> to(Sink{panels, args.panel_offset, valid}, grid, args.points_h,
                                    args.points_w);
  VisitPanels<AxisH, AxisW>(to);
}

template <class T, WinogradFilter kH, WinogradFilter kW>
void WinogradInput(const WinogradInputArgs<T>& args) {
  T* panels = args.panels;
  for (Index t = 0; t < args.tiles; ++t, panels += args.panel_step) {
    const Index at = t * args.tile_step;
    Index c = 0;
    for (; c + kLanes<T> <= args.channels; c += kLanes<T>)
      WinogradInputLanes<T, kH, kW, false>(args, at + c, kLanes<T>, panels + c);
    if (c < args.channels) WinogradInputLanes<T, kH, kW, true>(args, at + c, args.channels - c, panels + c);
  }
}

template <class T, WinogradFilter kH, WinogradFilter kW>
PYCONV_INLINE void WinogradWeightLanes(const WinogradWeightArgs<T>& args, const T* taps, T* panels) {
  using AxisH = WinogradAxis<T, kH>;
  using AxisW = WinogradAxis<T, kW>;
  V<T> columns[AxisH::kIn][AxisW::kTaps], grid[AxisH::kIn][AxisW::kIn];
#pragma GCC unroll 3
  for (int w = 0; w < AxisW::kTaps; ++w) {
    V<T> column[AxisH::kTaps], transformed[AxisH::kIn];
#pragma GCC unroll 3
    for (int h = 0; h < AxisH::kTaps; ++h)
      column[h] =
          h < args.taps_h && w < args.taps_w ? LoadU(taps + h * args.tap_row + w * args.tap_col) : Zero<T>();
    AxisH::Weight(column, transformed);
#pragma GCC unroll 6
    for (int h = 0; h < AxisH::kIn; ++h) columns[h][w] = transformed[h];
  }
#pragma GCC unroll 6
  for (int h = 0; h < AxisH::kIn; ++h) AxisW::Weight(columns[h], grid[h]);
  using Sink = WeightSink<T>;
  GridPanels<AxisH, AxisW, Sink> to(Sink{panels, args.panel_offset}, grid, args.points_h, args.points_w);
  VisitPanels<AxisH, AxisW>(to);
}

template <class T, WinogradFilter kH, WinogradFilter kW>
void WinogradWeight(const WinogradWeightArgs<T>& args) {
  for (Index k = 0; k < args.channels; ++k)
    for (Index lane = 0; lane < args.width; lane += kLanes<T>)
      WinogradWeightLanes<T, kH, kW>(args, args.taps + k * args.channel_step + lane,
                                     args.panels + k * args.width + lane);
}

// The products of all panels as numbers of the two dimensions.
template <class T, class AxisH, class AxisW, bool kTail>
struct ProductPanels {
  V<T> (&grid)[AxisH::kIn][AxisW::kIn];
  const T* products;
  Index stride, valid;

  PYCONV_MEMBER_INLINE V<T> Load(int panel) const {
    return LoadLanes<T, kTail>(products + panel * stride, valid);
  }
  PYCONV_MEMBER_INLINE void Complex(int panel, V<T>* real, V<T>* imaginary) const {
    const V<T> common = Load(panel);
    *real = common - Load(panel + 2);
    *imaginary = common + Load(panel + 1);
  }
  PYCONV_MEMBER_INLINE void Real(int panel, int a, int b) { grid[a][b] = Load(panel); }
  PYCONV_MEMBER_INLINE void Pair(int panel, int a, int b, int a2, int b2) {
    Complex(panel, &grid[a][b], &grid[a2][b2]);
  }
  PYCONV_MEMBER_INLINE void Corner(int panel, int a, int b) {
    V<T> x, y, x2, y2;
    Complex(panel, &x, &y);
    Complex(panel + 3, &x2, &y2);
    grid[a][b] = x + x2;
    grid[a + 1][b + 1] = x2 - x;
    grid[a][b + 1] = y - y2;
    grid[a + 1][b] = y + y2;
  }
};

// Returns the fault of each lane: 0, or NaN where an output is not finite.
template <class T, WinogradFilter kH, WinogradFilter kW, bool kTail>
PYCONV_INLINE V<T> WinogradOutputLanes(const WinogradOutputArgs<T>& args, Index channel, Index valid) {
  using AxisH = WinogradAxis<T, kH>;
  using AxisW = WinogradAxis<T, kW>;
  V<T> products[AxisH::kIn][AxisW::kIn], grid[AxisH::kOut][AxisW::kIn];
  ProductPanels<T, AxisH, AxisW, kTail> from{products, args.products + channel, args.panel_stride, valid};
  VisitPanels<AxisH, AxisW>(from);
#pragma GCC unroll 6
  for (int w = 0; w < AxisW::kIn; ++w) {
    V<T> column[AxisH::kIn], transformed[AxisH::kOut];
#pragma GCC unroll 6
    for (int h = 0; h < AxisH::kIn; ++h) column[h] = products[h][w];
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

template <class T, WinogradFilter kH, WinogradFilter kW>
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

// F(3, 2) shares F(2, 3)'s code for inputs.
constexpr WinogradFilter SameInputs(WinogradFilter filter) {
  return filter == WinogradFilter::kF32 ? WinogradFilter::kF23 : filter;
}

template <class T, WinogradFilter kH, WinogradFilter kW>
constexpr WinogradTransforms<T> MakeWinogradTransforms() {
  return {&WinogradInput<T, SameInputs(kH), SameInputs(kW)>, &WinogradWeight<T, kH, kW>,
          &WinogradOutput<T, kH, kW>};
}

template <class T>
constexpr WinogradKernels<T> MakeWinograd() {
  using F = WinogradFilter;
  return {{{},
           MakeWinogradTransforms<T, F::kNone, F::kF23>(),
           MakeWinogradTransforms<T, F::kNone, F::kF32>(),
           MakeWinogradTransforms<T, F::kNone, F::kF43>(),
           MakeWinogradTransforms<T, F::kNone, F::kF43Complex>()},
          {{},
           MakeWinogradTransforms<T, F::kF23, F::kF23>(),
           MakeWinogradTransforms<T, F::kF32, F::kF32>(),
           MakeWinogradTransforms<T, F::kF43, F::kF43>(),
           MakeWinogradTransforms<T, F::kF43Complex, F::kF43Complex>()}};
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
