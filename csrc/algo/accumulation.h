// The accumulation order every direct-family algorithm shares, so that they share bits (docs/decisions/0005):
// input channels are cut into blocks; within a block one chain of FMAs runs over (k_d, k_h, k_w, channel)
// from +0; chain sums are added in order.
#pragma once

#include "core/math.h"
#include "problem/conv_problem.h"

namespace pyconv {

struct Chains {
  Index block;  // input channels per chain
  Index count;
  Index last_block;  // input channels of the last chain
};

// A chain has about 512 terms (256 to 768): long enough to amortise the addition of its sum, short enough to
// keep rounding errors from growing with the number of channels. Depends on the problem alone.
inline Chains chains_of(Index channels, Index taps) {
  constexpr Index kTerms = 512;
  constexpr Index kGranule = 16;  // a vector of channels
  // taps * channels may be huge for absurd kernels; both fit 64 bits (checked by the problem).
  const Index wanted = max_of(1, (taps * channels + kTerms / 2) / kTerms);
  Index block = ceil_div(channels, min_of(wanted, channels));
  if (wanted > 1 && taps <= kTerms / kGranule) block = min_of(round_up(block, kGranule), channels);
  const Index count = ceil_div(channels, block);
  return {block, count, channels - (count - 1) * block};
}

inline Chains chains_of(const ConvProblem& p) { return chains_of(p.in_ch_per_group(), p.taps()); }

// Longest chain + additions of chain sums + bias + residual, in units of eps * sum|x||w|.
inline double direct_error_factor(const ConvProblem& p) {
  const Chains chains = chains_of(p);
  return static_cast<double>(chains.block * p.taps() + chains.count + 2);
}

}  // namespace pyconv
