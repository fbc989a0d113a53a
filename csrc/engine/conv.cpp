#include "engine/conv.h"

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
  const std::size_t element = whole.dtype == DType::kFloat32 ? sizeof(float) : sizeof(double);
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

}  // namespace

void run_conv(const ConvPlan& plan, const ConvOperands& operands, PackedWeights* cache) {
  if (cache != nullptr && plan.packed_bytes > 0) {
    ConvOperands with_packed = operands;
    with_packed.packed = cache->get(plan, operands.weight);
    return plan.executor->execute(plan, with_packed);
  }
  const bool slabs = plan.packed_bytes > 2 * (plan.request.problem.groups > 1 ? kGroupSlabBytes : kSlabBytes);
  (slabs && !plan.blocking.packs_tiles ? run_slabs : pack_and_run)(plan, operands);
}

}  // namespace pyconv
