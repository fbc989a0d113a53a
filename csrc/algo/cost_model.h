// Every constant of the choice between algorithms: predicted microseconds of one image on one thread, from
// the problem alone (promise 1: no layout, threads, ISA or caches). Only ratios matter. For an AMD Zen 4
// core at 3.7 GHz: Winograd's rates were fitted by hand to about 20 layers, depthwise's and the share of a
// full tile that few channels fill are estimates. Regret against the best single choice a problem allows, 45
// of the set's rows at one thread: geometric mean 1.008, worst 1.211 (`benchmarks/regret.py`, before
// grouped's rates and depthwise's kernels were changed by decision 0016).
#pragma once

#include "core/math.h"
#include "problem/conv_problem.h"

namespace pyconv {

constexpr double kCallUs = 1.0;

// A tile of the dense kernels needs about this many bytes of output channels per group to be full.
constexpr double kDenseChannelBytes = 64;
constexpr double kDenseFlopsPerUs = 1.0e5;

inline double dense_cost_us(const ConvProblem& p) {
  const double element = p.dtype == DType::kFloat32 ? 4 : 8;
  const double bytes = static_cast<double>(p.out_ch_per_group()) * element;
  const double filled = bytes < kDenseChannelBytes ? bytes / kDenseChannelBytes : 1.0;
  return kCallUs + p.flops_inside() / (kDenseFlopsPerUs * filled);
}

// Every element passes once through the cache, and each output channel reads the input anew.
constexpr double kDepthwiseFlopsPerUs = 6.0e4;
constexpr double kDepthwiseElementsPerUs = 1.0e4;

inline double depthwise_cost_us(const ConvProblem& p) {
  const double elements =
      static_cast<double>(p.batch * p.out_ch) * static_cast<double>(p.in.product() + p.out.product());
  return kCallUs + p.flops() / kDepthwiseFlopsPerUs + elements / kDepthwiseElementsPerUs;
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

// Winograd, measured on that core with float32, layer and plain function, both
// memory formats, 8 to 512 channels on 7x7 to 224x224 maps.
constexpr double kWinogradFlopsPerUs = 1.0e5;    // products, as direct's
constexpr double kWinogradCallTerms = 6;         // a microkernel call costs as much as so many terms
constexpr double kWinogradSweepTiles = 8;        // reading weights costs what multiplying so many tiles does
constexpr double kWinogradInputsPerUs = 8.0e3;   // elements of transformed inputs,
constexpr double kWinogradOutputsPerUs = 1.2e4;  // of products transformed back,
constexpr double kWinogradWeightsPerUs = 4.0e3;  // and of transformed weights, once a call
constexpr double kWinogradTilesPerUs = 25;       // what a tile costs besides
constexpr double kWinogradLanes = 16;            // channels that are transformed together

struct WinogradWork {
  double groups, in_ch, out_ch;  // of a group
  double outer_taps, taps;       // summed over inside the products; all of the kernel's
  double panels, tiles;          // tiles of one image at all output depths
  double input_planes;           // transformed per output depth
};

// The plain function transforms the weights every call; it may not lose by a choice that is the layer's too,
// so their transform counts, as far as it exceeds the packing that direct needs as well.
inline double winograd_cost_us(const WinogradWork& w) {
  const auto in_lanes = [](double channels) {
    return kWinogradLanes * static_cast<double>(ceil_div(static_cast<Index>(channels), 16));
  };
  const double pairs = w.in_ch * in_lanes(w.out_ch), terms = w.in_ch * w.outer_taps;
  const double rows = w.tiles > kWinogradSweepTiles ? w.tiles : kWinogradSweepTiles;
  const double products = 2.0 * rows * w.panels * w.outer_taps * pairs * (1.0 + kWinogradCallTerms / terms);
  const double inputs = w.tiles * w.panels * w.input_planes * in_lanes(w.in_ch);
  const double outputs = w.tiles * w.panels * in_lanes(w.out_ch);
  const double weights = pairs * (w.panels * w.outer_taps - w.taps);
  return kCallUs + w.groups * (products / kWinogradFlopsPerUs + inputs / kWinogradInputsPerUs +
                               outputs / kWinogradOutputsPerUs + w.tiles / kWinogradTilesPerUs +
                               weights / kWinogradWeightsPerUs);
}

}  // namespace pyconv
