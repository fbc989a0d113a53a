// Execution of a depthwise plan: rows of pixels straight from channels-last input (blocking.in_place), or
// tiles of vectors of channels or of pixels from a copy of their window.
#pragma once

#include "algo/algorithm.h"

namespace pyconv {

template <class T>
void run_depthwise(const ConvPlan& plan, const ConvOperands& operands, double expected_us);

template <class T>
void run_depthwise_rows(const ConvPlan& plan, const ConvOperands& operands, double expected_us);

extern template void run_depthwise<float>(const ConvPlan&, const ConvOperands&, double);
extern template void run_depthwise<double>(const ConvPlan&, const ConvOperands&, double);
extern template void run_depthwise_rows<float>(const ConvPlan&, const ConvOperands&, double);
extern template void run_depthwise_rows<double>(const ConvPlan&, const ConvOperands&, double);

}  // namespace pyconv
