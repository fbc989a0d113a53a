#include "engine/conv.h"

#include "runtime/workspace.h"

namespace pyconv {

const void* PackedWeights::get(const ConvPlan& plan, const void* weight) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Key key{plan.form, plan.request.table};
  const auto found = forms_.find(key);
  if (found != forms_.end()) return found->second.data();
  AlignedBuffer buffer(plan.packed_bytes);
  plan.algorithm->pack(plan, weight, buffer.data());
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
  ConvOperands with_packed = operands;
  const ScratchBlock packed(plan.packed_bytes);
  plan.algorithm->pack(plan, operands.weight, packed.data());
  with_packed.packed = packed.data();
  plan.algorithm->execute(plan, with_packed);
}

const void* advance(const void* data, Index elements, std::size_t element) {
  return data == nullptr ? nullptr : static_cast<const char*>(data) + elements * static_cast<Index>(element);
}

// One slab of output channels after the other; an output element does not see how many there are.
void run_slabs(const ConvPlan& plan, const ConvOperands& operands) {
  constexpr Index kGranule = 64;  // a multiple of every tile's output channels
  const Request& whole = plan.request;
  const Index out_ch = whole.problem.out_ch;
  const auto slabs = static_cast<Index>(plan.packed_bytes / kSlabBytes);
  const Index largest = round_up(ceil_div(out_ch, slabs), kGranule);
  const std::size_t element = whole.problem.dtype == DType::kFloat32 ? sizeof(float) : sizeof(double);
  for (Index oc = 0; oc < out_ch; oc += largest) {
    Request slab = whole;
    slab.problem.out_ch = min_of(largest, out_ch - oc);
    ConvOperands part = operands;
    part.weight = advance(operands.weight, oc * whole.weight.out_ch, element);
    part.bias = advance(operands.bias, oc, element);
    part.residual = advance(operands.residual, oc * whole.out.channel, element);
    part.out = const_cast<void*>(advance(operands.out, oc * whole.out.channel, element));
    pack_and_run(plan.algorithm->plan(slab), part);
  }
}

}  // namespace

void run_conv(const ConvPlan& plan, const ConvOperands& operands, PackedWeights* cache) {
  if (plan.packed_bytes == 0) return plan.algorithm->execute(plan, operands);
  if (cache != nullptr) {
    ConvOperands with_packed = operands;
    with_packed.packed = cache->get(plan, operands.weight);
    return plan.algorithm->execute(plan, with_packed);
  }
  if (plan.blocking.packs_tiles) return plan.algorithm->execute(plan, operands);
  if (plan.packed_bytes > 2 * kSlabBytes && plan.request.problem.groups == 1)
    return run_slabs(plan, operands);
  pack_and_run(plan, operands);
}

}  // namespace pyconv
