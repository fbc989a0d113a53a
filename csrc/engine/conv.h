// The facade: choose, plan, pack if needed, execute.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "engine/select.h"
#include "runtime/aligned_buffer.h"

namespace pyconv {

// The packed forms of one layer's weights, keyed by form and kernel table, never by an image's shape; each is
// built on first use. Safe to share between threads.
class PackedWeights {
 public:
  const void* get(const ConvPlan& plan, const void* weight);
  std::size_t bytes() const;

 private:
  using Key = std::pair<PackedForm, const KernelTable*>;
  mutable std::mutex mutex_;
  std::map<Key, AlignedBuffer> forms_;
};

// `algorithm` is what select_conv gave for the request's problem.
ConvPlan plan_conv(const Request& request, const ConvAlgorithm& algorithm);

// `cache` may be null: then weights are packed into scratch for this call alone.
void run_conv(const ConvPlan& plan, const ConvOperands& operands, PackedWeights* cache);

}  // namespace pyconv
