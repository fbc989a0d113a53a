// Every constant of the choice between algorithms: predicted microseconds of one image on one thread, from
// the problem alone (promise 1: no layout, threads, ISA or caches). Only ratios matter. For an AMD Zen 4
// core at 3.7 GHz: depthwise's are estimates; Winograd's, and what direct reads from memory, were fitted to
// 215 layers of ../shared/data/layers.csv of all kernels and strides, float32, layer and plain function in
// both memory formats alike (docs/decisions/0017): there the choice took 1.008 times as long as the best one,
// geometric mean, and 1.32 times at worst. What weights cost is between Zen 4, Zen 5 and Emerald Rapids
// (docs/decisions/0024 and 0038), what few channels cost is Emerald Rapids' (0044).
#pragma once

#include <algorithm>
#include <limits>

#include "core/math.h"
#include "problem/conv_problem.h"

namespace pyconv {

constexpr double kCallUs = 1.0;
constexpr double kNotSupportedUs = std::numeric_limits<double>::infinity();

constexpr double kDenseFlopsPerUs = 1.0e5;
// The dense kernels' tiles take output channels of a group by vectors of so many bytes, or pixels by vectors
// with at least a quarter of the rate, as long as one group fills them.
constexpr Index kDenseVectorBytes = 64;
constexpr double kDenseLeastFilled = 0.25;
// Several output channels, but fewer than a vector of them, of several input channels: vectors of pixels keep
// up with more than their share (docs/decisions/0044-few-channels.md). In groups, of more channels than those
// that have kernels of their own.
constexpr double kDenseFilledBySome = 0.5, kDensePartlyFilled = 1.7;
constexpr Index kDenseGroupChannels = 9;
// Groups of one input channel: sums are of a kernel's taps alone, and what a tile costs besides shows. So
// many outputs, channels padded to vectors (Emerald Rapids, docs/decisions/0047-channel-multipliers.md).
constexpr double kDenseLoneOutputsPerUs = 5.3e3;
// Weights that L2 does not hold come from L3, those that no cache holds from memory.
constexpr double kWeightsInL2 = 2.5e5, kWeightsInL3 = 1.0e6;
constexpr double kWeightsFromL3PerUs = 1.0e4, kWeightsFromMemoryPerUs = 4.5e3;

inline Index dense_lanes(const ConvProblem& p) {
  return kDenseVectorBytes / (p.dtype == DType::kFloat32 ? 4 : 8);
}

inline double padded_out_ch(const ConvProblem& p) {
  return static_cast<double>(round_up(p.out_ch_per_group(), dense_lanes(p)));
}

inline double weights_read_us(double elements) {
  double us = 0;
  if (elements > kWeightsInL2) us += (min_of(elements, kWeightsInL3) - kWeightsInL2) / kWeightsFromL3PerUs;
  if (elements > kWeightsInL3) us += (elements - kWeightsInL3) / kWeightsFromMemoryPerUs;
  return us;
}

inline double dense_cost_us(const ConvProblem& p) {
  const double out_ch = padded_out_ch(p), weights = static_cast<double>(p.in_ch * p.taps()) * out_ch;
  double filled = static_cast<double>(p.out_ch_per_group()) / out_ch;
  const Index least_in = p.groups == 1 ? 2 : kDenseGroupChannels;
  const bool some =
      p.in_ch_per_group() >= least_in && p.out_ch_per_group() > 1 && p.out_ch_per_group() < dense_lanes(p);
  if (some)
    filled = std::min(1.0, std::max(kDensePartlyFilled * filled, kDenseFilledBySome));
  else if (p.groups == 1)
    filled = std::max(filled, kDenseLeastFilled);
  const bool lone = p.groups > 1 && p.in_ch_per_group() == 1;
  const double padded = static_cast<double>(p.batch * p.groups * p.out.product()) * out_ch;
  return kCallUs + p.flops_inside() / (kDenseFlopsPerUs * filled) + weights_read_us(weights) +
         (lone ? padded / kDenseLoneOutputsPerUs : 0.0);
}

// Besides the products, an output is read and written for every tap. In dense_cost_us' money, which for one
// output channel is 1.7 times what direct takes on large maps (on small ones less than it takes):
// measured 7.6e4 operations and 2.6e3 additions a microsecond, of 20 layers of 4 to 512 channels. Additions
// are taken a third dearer, for channels-last 1-D layers (24 > 1, 7 taps, would take 1.3 times direct's
// time).
constexpr double kKn2rowFlopsPerUs = 4.5e4;
constexpr double kKn2rowAddsPerUs = 1.15e3;

inline double kn2row_cost_us(const ConvProblem& p) {
  const double taps = static_cast<double>(p.out_elements()) * static_cast<double>(p.taps());
  return kCallUs + p.flops() / kKn2rowFlopsPerUs + taps / kKn2rowAddsPerUs;
}

// Every element that a window covers passes once through the cache, and each output channel reads the input
// anew. With a multiplier vectors are permuted.
constexpr double kDepthwiseFlopsPerUs = 6.0e4, kMultipliedFlopsPerUs = 4.0e4;
constexpr double kDepthwiseElementsPerUs = 1.0e4;

inline double depthwise_cost_us(const ConvProblem& p) {
  double elements = 1;
  for (int dim = kD; dim <= kW; ++dim)
    elements *= static_cast<double>(min_of(p.in[dim], p.out[dim] * p.kernel[dim]));
  elements = static_cast<double>(p.batch * p.out_ch) * (elements + static_cast<double>(p.out.product()));
  const double flops_per_us = p.out_ch > p.in_ch ? kMultipliedFlopsPerUs : kDepthwiseFlopsPerUs;
  return kCallUs + p.flops_inside() / flops_per_us + elements / kDepthwiseElementsPerUs;
}

// Grouped: besides the products, a vector is permuted for every channel of a group, once for a row of taps.
constexpr double kGroupedFlopsPerUs = 1.0e5;
constexpr double kGroupedPermutedPerUs = 4.0e4;

inline double grouped_cost_us(const ConvProblem& p) {
  const double columns = static_cast<double>(p.batch * p.out_ch * p.in_ch_per_group()) *
                         static_cast<double>(p.out.product()) * static_cast<double>(p.stride[kW]);
  return kCallUs + p.flops() / kGroupedFlopsPerUs +
         columns * static_cast<double>(p.kernel[kD] * p.kernel[kH]) / kGroupedPermutedPerUs;
}

constexpr double kWinogradFlopsPerUs = 1.0e5;    // products, as direct's
constexpr double kWinogradCallTerms = 4;         // a microkernel call costs as much as so many terms
constexpr double kWinogradInputsPerUs = 4.6e3;   // elements of transformed inputs,
constexpr double kWinogradOutputsPerUs = 1.0e4;  // of products transformed back,
constexpr double kWinogradApartPerUs = 6.0e3;    // of both, besides, where a row's tiles are not neighbours
constexpr double kWinogradWeightsPerUs = 2.5e4;  // and of transformed weights, once a call
constexpr double kWinogradTilesPerUs = 28;       // what a tile costs besides
constexpr int kWinogradLanes = 16;               // channels that are transformed together
// Of fewer channels a pixel is read by masks, in lines that hold several: transformed inputs cost a
// multiple, of fewer than a vector of them a smaller one.
constexpr double kWinogradLeastChannels = 8;
constexpr double kWinogradFewChannels = 5.0, kWinogradSomeChannels = 1.5;
// Few channels with parts side by side, transforms of inputs and of outputs: vectors are hardly filled, and
// sums short (Emerald Rapids, docs/decisions/0046).
constexpr double kWinogradSideBySide = 2.5;
// Strided along both dimensions, with complex points or with sixteen parts, transforms and products take
// longer (Emerald Rapids, docs/decisions/0050-strided-parts.md).
constexpr double kWinogradStrided = 1.25, kWinogradManyParts = 16;

struct WinogradWork {
  double groups, in_ch, out_ch;  // of a group; output channels as they are padded
  double vectors;                // of transformed inputs of a tile, all panels
  double outer_taps, taps;       // summed over inside the products; all of the kernel's
  double panels, products;       // of a tile: products transformed back; products per channel, parts included
  double tiles;                  // of one image at all output depths
  double input_planes;           // transformed per output depth
  bool side_by_side;
  bool apart;          // neighbouring tiles lie apart: w is dilated, or is not the innermost dimension
  bool strided_parts;  // of both dimensions, with complex points or many of them
};

// The plain function transforms the weights every call, the layer never, and the choice is one: a seventh of
// the transform's price (3.5e3 elements a microsecond), as far as it exceeds the packing that direct needs as
// well, serves both best (docs/decisions/0038).
inline double winograd_cost_us(const WinogradWork& w) {
  const double pairs = w.in_ch * w.out_ch, terms = w.in_ch * w.outer_taps * w.products / w.panels;
  const double products =
      2.0 * w.tiles * w.products * w.outer_taps * pairs * (1.0 + kWinogradCallTerms / terms);
  const double price = w.side_by_side                     ? kWinogradSideBySide
                       : w.in_ch < kWinogradLeastChannels ? kWinogradFewChannels
                       : w.in_ch < kWinogradLanes         ? kWinogradSomeChannels
                                                          : 1;
  const double inputs = w.tiles * w.input_planes * w.vectors * kWinogradLanes * price;
  const double outputs = w.tiles * w.panels * w.out_ch * (w.side_by_side ? kWinogradSideBySide : 1);
  const double weights = pairs * w.products * w.outer_taps;
  return kCallUs + weights_read_us(w.groups * weights) +
         (w.strided_parts ? kWinogradStrided : 1.0) * w.groups *
             (products / kWinogradFlopsPerUs + inputs / kWinogradInputsPerUs +
              outputs / kWinogradOutputsPerUs + w.tiles / kWinogradTilesPerUs +
              (w.apart ? (inputs + outputs) / kWinogradApartPerUs : 0.0) +
              (weights - pairs * w.taps) / kWinogradWeightsPerUs);
}

}  // namespace pyconv
