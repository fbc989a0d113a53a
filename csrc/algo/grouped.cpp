// Grouped convolution with few channels a group: depthwise's vectors of channels, which span several groups;
// a tap is as many products as a group has channels, in the order of direct: the same bits.
#include "algo/accumulation.h"
#include "algo/cost_model.h"
#include "algo/depthwise_plan.h"
#include "algo/registry.h"

namespace pyconv {
namespace {

bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  const Index channels = p.in_ch_per_group();
  if (p.groups == 1 || channels != p.out_ch_per_group() || (channels != 2 && channels != 4 && channels != 8))
    return why.refuse("it is for groups of 2, 4 or 8 input and as many output channels; this has ", p.groups,
                      p.groups == 1 ? " group of " : " groups of ", channels, " and ", p.out_ch_per_group());
  if (chains_of(p).count > 1) return why.refuse("the sum of one output has more than one chain");
  return channelwise_window_fits(p, TileKind::kOcVector, why);
}

double cost(const ConvProblem& image) { return grouped_cost_us(image); }

ErrorBound bound(const ConvProblem& p) { return {true, direct_error_factor(p), true}; }

ConvPlan plan(const Request& request) { return plan_channelwise(kGrouped, request); }

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  run_channelwise(plan, operands, grouped_cost_us(plan.request.problem));
}

}  // namespace

const ConvAlgorithm kGrouped = {"grouped",
                                "vectors of channels across groups of few channels",
                                supports,
                                cost,
                                bound,
                                plan,
                                pack_channelwise,
                                execute};

}  // namespace pyconv
