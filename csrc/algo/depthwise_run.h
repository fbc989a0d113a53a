// Execution of a depthwise plan: tiles of vectors of channels or of pixels, read in place or from a copy.
#pragma once

#include "algo/algorithm.h"

namespace pyconv {

template <class T>
void run_depthwise(const ConvPlan& plan, const ConvOperands& operands, double expected_us);

extern template void run_depthwise<float>(const ConvPlan&, const ConvOperands&, double);
extern template void run_depthwise<double>(const ConvPlan&, const ConvOperands&, double);

}  // namespace pyconv
