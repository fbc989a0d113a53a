#include "algo/registry.h"

namespace pyconv {

AlgorithmList conv_algorithms() {
  static const ConvAlgorithm* const kAll[] = {&kWinogradF4, &kWinogradF2, &kDirect, &kIm2col,
                                              &kDepthwise,  &kGrouped,    &kNaive};
  return {kAll, sizeof(kAll) / sizeof(kAll[0])};
}

}  // namespace pyconv
