#include "engine/conv.h"

#include <utility>

#include "algo/dense.h"
#include "algo/packed_weights.h"
#include "algo/registry.h"
#include "runtime/workspace.h"

namespace pyconv {

const void* PackedWeights::get(const ConvPlan& plan, const void* weight) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Key key{plan.form, plan.request.table};
  const auto found = forms_.find(key);
  if (found != forms_.end()) return found->second.data();
  AlignedBuffer buffer(plan.packed_bytes);
  plan.executor->pack(plan, weight, buffer.data());
  return forms_.emplace(key, std::move(buffer)).first->second.data();
}

std::size_t PackedWeights::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::size_t total = 0;
  for (const auto& [key, buffer] : forms_) total += buffer.size();
  return total;
}

namespace {

// Below this much work a second thread costs more than it brings: waking a sleeping worker takes about 50 us
// (kernels.md, section 6). In operations: 30 us of one core's peak. Flat between 2e6 and 6e6.
constexpr double kSerialFlops = 3e6;

}  // namespace

ConvPlan plan_conv(const Request& request, const ConvAlgorithm& algorithm) {
  Request sized = request;
  if (request.problem.flops() < kSerialFlops) sized.threads = 1;
  return algorithm.plan(sized);
}

namespace {

// Weights packed for one call stay in a block of this size, so that they are still in a cache when they are
// read and their pages are recycled: 512 > 512 channels at F(4, 3) need 38 MB at once.
constexpr std::size_t kSlabBytes = std::size_t{4} << 20;

void pack_and_run(const ConvPlan& plan, const ConvOperands& operands) {
  if (plan.packed_bytes == 0 || plan.blocking.packs_tiles) return plan.executor->execute(plan, operands);
  ConvOperands with_packed = operands;
  const ScratchBlock packed(plan.packed_bytes);
  plan.executor->pack(plan, operands.weight, packed.data());
  with_packed.packed = packed.data();
  plan.executor->execute(plan, with_packed);
}

const void* advance(const void* data, Index elements, std::size_t element) {
  return data == nullptr ? nullptr : static_cast<const char*>(data) + elements * static_cast<Index>(element);
}

// Of groups, whose slabs share no input, smaller ones: 720 > 720 in 6 groups at 28x28, 3x3 stride 2,
// 4.2 ms at once and 3.2 in slabs.
constexpr std::size_t kGroupSlabBytes = std::size_t{2} << 20;

// Part of a call: so many groups, or of a single one so many output channels, from output channel `oc` on.
void run_slab(const ConvPlan& plan, const ConvOperands& operands, Index groups, Index oc, Index out_ch) {
  const ConvProblem& whole = plan.request.problem;
  const std::size_t element = element_bytes(whole);
  Request slab = plan.request;
  slab.problem.groups = groups;
  slab.problem.in_ch = groups * whole.in_ch_per_group();
  slab.problem.out_ch = out_ch;
  const Index ic = oc / whole.out_ch_per_group() * whole.in_ch_per_group();
  ConvOperands part = operands;
  part.input = advance(operands.input, ic * slab.in.channel, element);
  part.weight = advance(operands.weight, oc * slab.weight.out_ch, element);
  part.bias = advance(operands.bias, oc, element);
  part.residual = advance(operands.residual, oc * slab.out.channel, element);
  part.out = const_cast<void*>(advance(operands.out, oc * slab.out.channel, element));
  pack_and_run(plan.algorithm->plan(slab), part);
}

// One slab after the other; an output element does not see how many there are.
void run_slabs(const ConvPlan& plan, const ConvOperands& operands) {
  constexpr Index kGranule = 64;  // a multiple of every tile's output channels
  const ConvProblem& p = plan.request.problem;
  if (p.groups > 1) {
    const Index slabs = min_of(p.groups, static_cast<Index>(plan.packed_bytes / kGroupSlabBytes));
    const EvenSplit split(p.groups, ceil_div(p.groups, slabs));
    for (Index i = 0, group = 0; i < split.pieces; group += split.size(i++))
      run_slab(plan, operands, split.size(i), group * p.out_ch_per_group(),
               split.size(i) * p.out_ch_per_group());
    return;
  }
  const auto slabs = static_cast<Index>(plan.packed_bytes / kSlabBytes);
  const Index largest = round_up(ceil_div(p.out_ch, slabs), kGranule);
  for (Index oc = 0; oc < p.out_ch; oc += largest)
    run_slab(plan, operands, 1, oc, min_of(largest, p.out_ch - oc));
}

// A pointwise layer of few pixels uses each weight that often, and to pack it takes longer than its products.
// These are the same with the operands exchanged: the weights are an image of out_ch pixels, whose vectors
// the kernels make as they go, and the pixels are its output channels (Emerald Rapids, us: 1024 > 400@1 103,
// 61 so; of eight pixels 121 and 116; docs/decisions/0042-few-pixels.md).
constexpr Index kFewPixels = 4;

bool exchanges_operands(const ConvPlan& plan, const ConvOperands& operands) {
  const Request& r = plan.request;
  const ConvProblem& p = r.problem;
  const Index lanes = vector_lanes(p, *r.table);
  const bool few = p.batch == 1 && p.out.product() == p.out[kW] && p.out[kW] <= kFewPixels;
  const bool wide = p.in_ch >= lanes && p.out_ch >= lanes;
  // A residual stands in for the bias, whose elements would be those of a row now.
  const bool finishes =
      operands.bias == nullptr || (operands.residual == nullptr && p.out[kW] == 1 && r.out.channel == 1);
  return plan.executor == &kDirect && few && wide && finishes && p.groups == 1 && p.taps() == 1 &&
         !p.is_padded() && r.weight.in_ch == 1;
}

void run_exchanged(const ConvPlan& plan, const ConvOperands& operands) {
  const Request& r = plan.request;
  Request exchanged = r;
  exchanged.in = {0, r.weight.in_ch, Spatial{{0, 0, r.weight.out_ch}}};
  exchanged.weight = {r.in.spatial[kW], r.in.channel, spatial_of(0)};
  exchanged.out = {0, r.out.spatial[kW], Spatial{{0, 0, r.out.channel}}};
  exchanged.problem.out_ch = r.problem.out[kW];
  exchanged.problem.in = exchanged.problem.out = Spatial{{1, 1, r.problem.out_ch}};
  ConvOperands swapped = operands;
  std::swap(swapped.input, swapped.weight);
  swapped.bias = nullptr;
  if (operands.bias != nullptr) swapped.residual = operands.bias;
  pack_and_run(kDirect.plan(exchanged), swapped);
}

}  // namespace

void run_conv(const ConvPlan& plan, const ConvOperands& given, PackedWeights* cache) {
  ConvOperands operands = given;
  operands.input = advance(given.input, plan.request.input_origin, element_bytes(plan.request.problem));
  if (cache != nullptr && plan.packed_bytes > 0) {
    operands.packed = cache->get(plan, operands.weight);
    return plan.executor->execute(plan, operands);
  }
  if (exchanges_operands(plan, operands)) return run_exchanged(plan, operands);
  const bool slabs = plan.packed_bytes > 2 * (plan.request.problem.groups > 1 ? kGroupSlabBytes : kSlabBytes);
  (slabs && !plan.blocking.packs_tiles ? run_slabs : pack_and_run)(plan, operands);
}

}  // namespace pyconv
