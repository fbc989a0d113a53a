// Grouped convolution with few channels a group: depthwise's vectors of channels, which span several groups;
// a tap is as many products as a group has channels, in the order of direct: the same bits. So direct
// executes what it is better at.
#include "algo/accumulation.h"
#include "algo/cost_model.h"
#include "algo/depthwise_plan.h"
#include "algo/packed_weights.h"
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
  return channelwise_window_fits(p, TileKind::kOcVector, why) && kDirect.supports(p, why);
}

double cost(const ConvProblem& image) { return grouped_cost_us(image); }

ErrorBound bound(const ConvProblem& p) { return {true, direct_error_factor(p), true}; }

// Vectors that span no groups have nothing to share (groups of 8 channels, Zen 3, AVX2: direct 1.5 times as
// fast), and channels-first, vectors of pixels need nothing transposed (128@56 in 32 groups: 2380 us, direct
// 910; with AVX-512 768 and 453).
bool direct_is_better(const ConvPlan& direct) {
  const ConvProblem& p = direct.request.problem;
  return vector_lanes(p, *direct.request.table) <= p.in_ch_per_group() ||
         (direct.request.in.channel != 1 && direct.blocking.kind == TileKind::kPixelVector);
}

ConvPlan plan(const Request& request) {
  const ConvPlan direct = plan_by(kDirect, kGrouped, request);
  return direct_is_better(direct) ? direct : plan_channelwise(kGrouped, request);
}

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
