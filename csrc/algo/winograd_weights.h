// The weights of a Winograd plan, transformed into the layout of WinogradWeights (winograd_tiles.h).
#pragma once

#include "algo/winograd_scheme.h"

namespace pyconv {

template <class T>
void transform_weights(const ConvPlan& plan, WinogradFamily family, const T* weight, T* packed);

extern template void transform_weights<float>(const ConvPlan&, WinogradFamily, const float*, float*);
extern template void transform_weights<double>(const ConvPlan&, WinogradFamily, const double*, double*);

}  // namespace pyconv
