// What the transforms of Winograd's algorithm are asked for: the part of the kernel table that
// winograd-inl.h implements.
#pragma once

#include "core/types.h"

namespace pyconv {

// The transforms of one size of Winograd's algorithm (docs/algorithms-winograd.md). A tile has out_h x out_w
// outputs, reads in_h x in_w inputs and becomes in_h * in_w panels; out_h = in_h = taps_h = 1 where only w is
// transformed. Lanes are channels, whose stride is 1 everywhere.
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
  int out_h, out_w, in_h, in_w, taps_h, taps_w;
  // pixels: in_h * in_w pointers to channel 0; panel p of channel c goes to panels[p * panel_stride + c].
  void (*input)(const T* const* pixels, Index channels, T* panels, Index panel_stride);
  // taps[k * channel_step + tap * tap_step + lane], k < channels, lane < width (whole vectors), becomes
  // panels[p * panel_stride + k * width + lane].
  void (*weight)(const T* taps, Index channel_step, Index tap_step, Index channels, Index width, T* panels,
                 Index panel_stride);
  // False if any fault was written.
  bool (*output)(const WinogradOutputArgs<T>&);
};

template <class T>
struct WinogradKernels {
  WinogradTransforms<T> f2_w, f2_hw, f4_w, f4_hw;
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
