// The only list of algorithms: the one that takes everything first, so that a call asks the others only
// whether they are cheaper; the readable one last.
#pragma once

#include <cstddef>

#include "algo/algorithm.h"

namespace pyconv {

extern const ConvAlgorithm kWinogradF2;
extern const ConvAlgorithm kWinogradF4;
extern const ConvAlgorithm kWinogradC4;
extern const ConvAlgorithm kDirect;
extern const ConvAlgorithm kIm2col;
extern const ConvAlgorithm kDepthwise;
extern const ConvAlgorithm kGrouped;
extern const ConvAlgorithm kKn2row;
extern const ConvAlgorithm kNaive;

struct AlgorithmList {
  const ConvAlgorithm* const* first;
  std::size_t count;
  const ConvAlgorithm* const* begin() const { return first; }
  const ConvAlgorithm* const* end() const { return first + count; }
};
AlgorithmList conv_algorithms();

}  // namespace pyconv
