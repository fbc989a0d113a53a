// What the transforms of Winograd's algorithm are asked for: the part of the kernel table that
// winograd-inl.h implements.
#pragma once

#include "core/types.h"

namespace pyconv {

// F(m, r) in one dimension: m outputs of an r-tap filter from m + r - 1 inputs. kF43Complex has the points 0,
// 1, -1, i, -i and infinity: inputs become as many numbers, of which the fourth and fifth are the real and
// the imaginary part at i (at -i is their conjugate).
enum class WinogradFilter : unsigned char { kNone, kF23, kF32, kF43, kF43Complex };
constexpr int kWinogradFilters = 5;
constexpr int kRealPart = 3;

constexpr int filter_outputs(WinogradFilter f) {
  constexpr int kOutputs[kWinogradFilters] = {1, 2, 3, 4, 4};
  return kOutputs[static_cast<int>(f)];
}
constexpr int filter_taps(WinogradFilter f) {
  constexpr int kTaps[kWinogradFilters] = {1, 3, 2, 3, 3};
  return kTaps[static_cast<int>(f)];
}
constexpr int filter_inputs(WinogradFilter f) { return filter_outputs(f) + filter_taps(f) - 1; }
constexpr bool is_real_part(WinogradFilter f, int point) {
  return f == WinogradFilter::kF43Complex && point == kRealPart;
}
constexpr bool is_imaginary_part(WinogradFilter f, int point) {
  return f == WinogradFilter::kF43Complex && point == kRealPart + 1;
}

// A panel is a product at a point of each dimension. A product of complex numbers takes three (Gauss), and of
// the points (+-i, +-i) two are conjugates of the others.
constexpr int panels_at(WinogradFilter h, int a, WinogradFilter w, int b) {
  if (is_imaginary_part(h, a) || is_imaginary_part(w, b)) return 0;
  if (is_real_part(h, a) && is_real_part(w, b)) return 6;
  return is_real_part(h, a) || is_real_part(w, b) ? 3 : 1;
}

constexpr int kMaxPanels = 46;

struct WinogradPanels {
  int count = 0;
  unsigned char h[kMaxPanels] = {}, w[kMaxPanels] = {};  // the points
};

// All panels in their order: by the points of h, then of w.
constexpr WinogradPanels winograd_panels(WinogradFilter h, WinogradFilter w) {
  WinogradPanels panels;
  for (int a = 0; a < filter_inputs(h); ++a)
    for (int b = 0; b < filter_inputs(w); ++b)
      for (int i = 0; i < panels_at(h, a, w, b); ++i) {
        panels.h[panels.count] = static_cast<unsigned char>(a);
        panels.w[panels.count++] = static_cast<unsigned char>(b);
      }
  return panels;
}

// The transforms of F(m, r) in one dimension or two (docs/algorithms-winograd.md). A tile has m outputs in
// each transformed dimension, sees m + r - 1 inputs and has as many points; a panel is a point of each
// dimension, w fastest. Lanes are channels, whose stride is 1 everywhere. What has fewer points than the tile
// leaves out the last one.
template <class T>
struct WinogradWeightArgs {
  // Channel k, tap (h, w), lane n: taps[k * channel_step + h * tap_row + w * tap_col + n], n < width (whole
  // vectors), h < taps_h and w < taps_w; further taps are 0.
  const T* taps;
  Index channel_step, tap_row, tap_col;
  int taps_h, taps_w;
  Index channels, width;
  T* panels;  // becomes panels[panel_offset[panel] + k * width + n]
  const Index* panel_offset;
  int points_h, points_w;
};

// Channel c of tile t's inputs, row by row: pixels[input][t * tile_step + c]; its panels become
// panels[panel_offset[panel] + t * panel_step + c].
template <class T>
struct WinogradInputArgs {
  const T* const* pixels;
  Index channels, tiles, tile_step, panel_step;
  T* panels;
  const Index* panel_offset;
  int points_h, points_w;
};

template <class T>
struct WinogradOutputArgs {
  const T* products;  // channel c of panel p: products[p * panel_stride + c]
  Index panel_stride, channels;
  // The finished outputs [0, rows) x [0, cols) go to out[row * out_row + col * out_pixel + channel].
  T* out;
  Index out_row, out_pixel;
  Index rows, cols;
  const T* bias;      // or null
  const T* residual;  // or null; strides of its own
  Index residual_row, residual_pixel;
  T lo, hi;
  T* faults;  // [channels]: 0, or NaN where one of these outputs was not finite before the epilogue
};

template <class T>
struct WinogradTransforms {
  void (*input)(const WinogradInputArgs<T>&);
  void (*weight)(const WinogradWeightArgs<T>&);
  // False if any fault was written.
  bool (*output)(const WinogradOutputArgs<T>&);
};

// By filter; w: along w alone, hw: along both. Those of kNone are null.
template <class T>
struct WinogradKernels {
  WinogradTransforms<T> w[kWinogradFilters], hw[kWinogradFilters];
};

struct WinogradTable {
  WinogradKernels<float> f32;
  WinogradKernels<double> f64;
};

template <class T>
const WinogradKernels<T>& winograd_kernels(const WinogradTable& table) {
  if constexpr (sizeof(T) == 4)
    return table.f32;
  else
    return table.f64;
}

}  // namespace pyconv
