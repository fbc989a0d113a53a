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

ConvPlan plan_conv(const Request& request, const ConvChoice& choice) {
  const ConvAlgorithm& algorithm = select_conv(request.problem, choice.precision, choice.algorithm);
  Request sized = request;
  if (request.problem.flops() < kSerialFlops) sized.threads = 1;
  return algorithm.plan(sized);
}

void run_conv(const ConvPlan& plan, const ConvOperands& operands, PackedWeights* cache) {
  if (plan.packed_bytes == 0) return plan.algorithm->execute(plan, operands);
  ConvOperands with_packed = operands;
  if (cache != nullptr) {
    with_packed.packed = cache->get(plan, operands.weight);
    return plan.algorithm->execute(plan, with_packed);
  }
  if (plan.blocking.packs_tiles) return plan.algorithm->execute(plan, operands);
  ScratchBlock packed(plan.packed_bytes);
  plan.algorithm->pack(plan, operands.weight, packed.data());
  with_packed.packed = packed.data();
  plan.algorithm->execute(plan, with_packed);
}

}  // namespace pyconv
