// Depthwise convolution (one input channel a group, any multiplier): tiles of output are computed by vectors
// of channels or by vectors of pixels, from the input in place or from a padded copy of the tile's window
// that stays in L1. Which of them depends on layout and sizes and cannot change a bit.
#include "algo/accumulation.h"
#include "algo/cost_model.h"
#include "algo/depthwise_plan.h"
#include "algo/registry.h"

namespace pyconv {
namespace {

bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  if (p.in_ch_per_group() != 1)
    return why.refuse("depthwise means one input channel per group, this has ", p.in_ch_per_group());
  return channelwise_window_fits(p, TileKind::kPixelVector, why);
}

double cost(const ConvProblem& image) { return depthwise_cost_us(image); }

ErrorBound bound(const ConvProblem& p) { return {true, direct_error_factor(p), true}; }

ConvPlan plan(const Request& request) { return plan_channelwise(kDepthwise, request); }

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  run_channelwise(plan, operands, depthwise_cost_us(plan.request.problem));
}

}  // namespace

const ConvAlgorithm kDepthwise = {"depthwise",
                                  "vectors of channels or pixels, one input channel per group",
                                  supports,
                                  cost,
                                  bound,
                                  plan,
                                  pack_channelwise,
                                  execute};

}  // namespace pyconv
