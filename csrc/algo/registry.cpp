#include "algo/registry.h"

namespace pyconv {

AlgorithmList conv_algorithms() {
  static const ConvAlgorithm* const kAll[] = {&kDirect, &kWinogradF2, &kWinogradC4, &kWinogradF4, &kIm2col,
                                              &kKn2row, &kDepthwise,  &kGrouped,    &kNaive};
  return {kAll, sizeof(kAll) / sizeof(kAll[0])};
}

}  // namespace pyconv
