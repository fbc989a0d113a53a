// Every constant of the choice between algorithms: predicted microseconds of one image on one thread, from
// the problem alone (promise 1: no layout, threads, ISA or caches). Rates were fitted on an AMD Zen 4 core at
// 3.7 GHz; only their ratios matter.
#pragma once

#include "core/math.h"
#include "problem/conv_problem.h"

namespace pyconv {

constexpr double kCallUs = 1.0;

// A tile of the dense kernels needs about this many output channels per group to be full.
constexpr double kDenseChannels = 16;
constexpr double kDenseFlopsPerUs = 1.0e5;

inline double dense_cost_us(const ConvProblem& p) {
  const double channels = static_cast<double>(p.out_ch_per_group());
  const double filled = channels < kDenseChannels ? channels / kDenseChannels : 1.0;
  return kCallUs + p.flops() / (kDenseFlopsPerUs * filled);
}

// Every element passes once through the cache, and each output channel reads the input anew.
constexpr double kDepthwiseFlopsPerUs = 6.0e4;
constexpr double kDepthwiseElementsPerUs = 1.0e4;

inline double depthwise_cost_us(const ConvProblem& p) {
  const double elements =
      static_cast<double>(p.batch * p.out_ch) * static_cast<double>(p.in.product() + p.out.product());
  return kCallUs + p.flops() / kDepthwiseFlopsPerUs + elements / kDepthwiseElementsPerUs;
}

}  // namespace pyconv
