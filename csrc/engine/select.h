// The choice of an algorithm: a pure function of ONE image's problem and of the precision (promise 1). It
// sees neither batch nor threads, layout, instruction set or whether weights are packed.
#pragma once

#include <string>
#include <vector>

#include "algo/registry.h"

namespace pyconv {

Precision precision_from_name(const std::string& name);

// The cheapest supported row for "auto"; otherwise the named one, or ValueError with its reason for no.
const ConvAlgorithm& select_conv(const ConvProblem& problem, Precision precision,
                                 const std::string& algorithm);

// What select_conv saw, one entry per registry row.
struct Candidate {
  const ConvAlgorithm* algorithm;
  double cost_us;       // of one image
  std::string refusal;  // "" if it could run
};
std::vector<Candidate> conv_candidates(const ConvProblem& problem, Precision precision);

}  // namespace pyconv
