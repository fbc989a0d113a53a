// Plans, packed weights and execution of convolutions with few channels a group, by vectors of channels or of
// pixels: what `depthwise` and `grouped` have in common.
#pragma once

#include "algo/algorithm.h"

namespace pyconv {

constexpr Index kWidestDepthwiseLanes = 16;  // of any instruction set

// Bytes of the window that `lines` x `pixels` outputs of `lanes` channels (one, for pixel vectors) read.
double depthwise_window_bytes(const ConvProblem& problem, TileKind kind, Index lines, Index pixels,
                              Index lanes);

ConvPlan plan_channelwise(const ConvAlgorithm& algorithm, const Request& request);
void pack_channelwise(const ConvPlan& plan, const void* weight, void* packed);
void run_channelwise(const ConvPlan& plan, const ConvOperands& operands, double expected_us);

}  // namespace pyconv
