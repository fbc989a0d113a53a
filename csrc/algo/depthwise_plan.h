// Plans, packed weights and execution of convolutions with few channels a group, by vectors of channels or of
// pixels: what `depthwise` and `grouped` have in common.
#pragma once

#include "algo/algorithm.h"

namespace pyconv {

// Whether one output's window of the widest vectors fits the scratch of a thread; if not, `why` says so.
bool channelwise_window_fits(const ConvProblem& problem, TileKind kind, Reason why);

ConvPlan plan_channelwise(const ConvAlgorithm& algorithm, const Request& request);
void pack_channelwise(const ConvPlan& plan, const void* weight, void* packed);
void run_channelwise(const ConvPlan& plan, const ConvOperands& operands, double expected_us);

}  // namespace pyconv
