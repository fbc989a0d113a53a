// Execution of a Winograd plan: tiles are transformed into panels, each panel is a dense product over the
// input channels (the microkernel of direct), and the products are transformed back with the epilogue.
#pragma once

#include "algo/algorithm.h"
#include "algo/dense.h"
#include "algo/winograd_tiles.h"

namespace pyconv {

// `outputs` is 2 or 4, the outputs of a tile in each transformed dimension. The plan's request is permuted
// (winograd_tiles.h) and its kernel is 3 wide in h where h is transformed.
template <class T>
void run_winograd(const ConvPlan& plan, const ConvOperands& operands, Index outputs);

extern template void run_winograd<float>(const ConvPlan&, const ConvOperands&, Index);
extern template void run_winograd<double>(const ConvPlan&, const ConvOperands&, Index);

// Whether h is transformed, for a permuted problem.
inline bool transforms_h(const ConvProblem& permuted) { return permuted.kernel[kH] == 3; }

template <class T>
const WinogradTransforms<T>& winograd_transforms(const KernelTable& table, bool two_dims, Index outputs) {
  const WinogradKernels<T>& kernels = winograd_kernels<T>(*table.winograd);
  if (outputs == 2) return two_dims ? kernels.f2_hw : kernels.f2_w;
  return two_dims ? kernels.f4_hw : kernels.f4_w;
}

}  // namespace pyconv
