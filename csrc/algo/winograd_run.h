// Execution of a Winograd plan: tiles are transformed into panels, each panel is a dense product over the
// input channels (the microkernel of direct), and the products are transformed back with the epilogue.
#pragma once

#include "algo/algorithm.h"
#include "algo/dense.h"
#include "algo/winograd_tiles.h"

namespace pyconv {

// The plan's request is permuted (winograd_scheme.h).
template <class T>
void run_winograd(const ConvPlan& plan, const ConvOperands& operands, WinogradFamily family);

extern template void run_winograd<float>(const ConvPlan&, const ConvOperands&, WinogradFamily);
extern template void run_winograd<double>(const ConvPlan&, const ConvOperands&, WinogradFamily);

// Where h alone is transformed, the transforms of w do it: with h and w exchanged in what they are told.
inline bool exchanged(const TileGrid& grid) { return !grid.w.transformed(); }

template <class T>
const WinogradTransforms<T>& winograd_transforms(const KernelTable& table, const TileGrid& grid) {
  const WinogradKernels<T>& kernels = winograd_kernels<T>(*table.winograd);
  if (exchanged(grid)) return kernels.w[static_cast<int>(grid.h.filter)];
  return (grid.h.transformed() ? kernels.hw : kernels.w)[static_cast<int>(grid.w.filter)];
}

}  // namespace pyconv
