#include "algo/winograd_scheme.h"

#include <algorithm>
#include <type_traits>

namespace pyconv {
namespace {

using Filter = WinogradFilter;

// The panels of a filter along w, or along both dimensions, and how many of them have which points at
// infinity.
struct PanelSet {
  WinogradPanels panels;
  Index finite = 0, infinite_h = 0, infinite_w = 0, infinite = 0;

  constexpr PanelSet(Filter h, Filter w) : panels(winograd_panels(h, w)) {
    for (int i = 0; i < panels.count; ++i) {
      const bool last_h = panels.h[i] == filter_inputs(h) - 1, last_w = panels.w[i] == filter_inputs(w) - 1;
      ++(last_h ? last_w ? infinite : infinite_h : last_w ? infinite_w : finite);
    }
  }
};

// Which of h and w are transformed.
enum class Along : unsigned char { kH, kW, kBoth };

const PanelSet& panel_set(Filter filter, Along along) {
  static constexpr PanelSet kAlongH[] = {{Filter::kNone, Filter::kNone},
                                         {Filter::kF23, Filter::kNone},
                                         {Filter::kF32, Filter::kNone},
                                         {Filter::kF43, Filter::kNone},
                                         {Filter::kF43Complex, Filter::kNone}};
  static constexpr PanelSet kAlongW[] = {{Filter::kNone, Filter::kNone},
                                         {Filter::kNone, Filter::kF23},
                                         {Filter::kNone, Filter::kF32},
                                         {Filter::kNone, Filter::kF43},
                                         {Filter::kNone, Filter::kF43Complex}};
  static constexpr PanelSet kAlongBoth[] = {{Filter::kNone, Filter::kNone},
                                            {Filter::kF23, Filter::kF23},
                                            {Filter::kF32, Filter::kF32},
                                            {Filter::kF43, Filter::kF43},
                                            {Filter::kF43Complex, Filter::kF43Complex}};
  const PanelSet* const sets = along == Along::kBoth ? kAlongBoth : along == Along::kH ? kAlongH : kAlongW;
  return sets[static_cast<int>(filter)];
}

// How many parts a kernel has along a dimension, and how many of r taps; none if it cannot be done. Every
// call of the library asks this several times, hence no more than counting.
struct PartCount {
  Index all, full;
};

template <Index kTaps>
PartCount count_parts(const ConvProblem& p, int dim) {
  constexpr PartCount kNone{0, 0};
  const Index kernel = p.kernel[dim], stride = p.stride[dim];
  if (kernel < kTaps || kernel > kMaxParts * kTaps || stride > kMaxParts) return kNone;
  // With both, the inputs of neighbouring outputs and of neighbouring taps do not fall together.
  if (stride > 1 && p.dilation[dim] > 1) return kNone;
  PartCount count{0, 0};
  for (Index phase = 0; phase < min_of(stride, kernel); ++phase) {
    const auto taps = static_cast<unsigned>(kernel - phase + stride - 1) / static_cast<unsigned>(stride);
    if (taps == 1 && kTaps == 3) return kNone;  // would read an input that no output of the tile reads
    count.full += taps / kTaps;
    count.all += (taps + kTaps - 1) / kTaps;
  }
  return count.full > 0 && count.all <= kMaxParts ? count : kNone;
}

AxisScheme transformed_axis(const ConvProblem& p, int dim, Filter filter) {
  const Index kernel = p.kernel[dim], stride = p.stride[dim], taps = filter_taps(filter);
  AxisScheme axis;
  axis.filter = filter;
  axis.outputs = filter_outputs(filter);
  axis.inputs = filter_inputs(filter);
  axis.spacing = p.dilation[dim];
  axis.step = stride;
  axis.parts = axis.full = 0;
  // Outputs at stride s see every s-th tap in a phase of the input of their own.
  for (Index phase = 0; phase < min_of(stride, kernel); ++phase) {
    Index left = ceil_div(kernel - phase, stride), first = phase;
    // A part that is more than one tap short comes first: then no part reads inputs that no output of the
    // tile reads.
    for (Index count; left > 0; left -= count) {
      const Index rest = left % taps;
      count = rest == 0 || rest == taps - 1 ? min_of(left, taps) : rest;
      axis.part[axis.parts++] = {first, count, count == taps ? axis.inputs : axis.inputs - 1};
      axis.full += count == taps ? 1 : 0;
      first += count * stride;
    }
  }
  // Neighbours are transformed together (winograd_tiles.h).
  std::sort(axis.part, axis.part + axis.parts,
            [](const KernelPart& a, const KernelPart& b) { return a.first < b.first; });
  return axis;
}

// Places of the problem's dimensions, in order of preference: where one dimension is transformed, w is the
// innermost one of the problem, so that neighbouring tiles are neighbours in memory in either format.
struct Places {
  int dim[kMaxSpatial];
  Along along;
};
constexpr Places kPlaces[] = {{{kD, kH, kW}, Along::kBoth}, {{kH, kD, kW}, Along::kBoth},
                              {{kW, kD, kH}, Along::kBoth}, {{kD, kH, kW}, Along::kW},
                              {{kH, kD, kW}, Along::kW},    {{kD, kH, kW}, Along::kH},
                              {{kH, kD, kW}, Along::kH}};

bool keeps_order(const ConvProblem& p, const Places& places) {
  int last = -1;
  for (int dim : places.dim) {
    if (p.kernel[dim] == 1) continue;
    if (dim < last) return false;
    last = dim;
  }
  return true;
}

}  // namespace

Index AxisScheme::reach(Index tiles) const {
  Index last = 0;
  for (Index i = 0, count; i < parts; i += count) {
    count = neighbours(i);
    last = max_of(last, part[i].first + count - 1 + step * ((tiles - 1) * outputs + points(i) - 1));
  }
  return last + 1;
}

Index AxisScheme::parts_before(Index number, Index point) const {
  Index count = 0;
  for (Index i = 0; i < number; ++i) count += part[i].points > point ? 1 : 0;
  return count;
}

WinogradScheme winograd_scheme(const ConvProblem& p, WinogradFamily family) {
  WinogradScheme scheme;
  if (p.taps() == 1) return scheme;
  const Places* best = nullptr;
  Filter best_filter = Filter::kNone;
  double fewest = static_cast<double>(p.taps());  // of direct, per output
  const auto try_filter = [&](auto constant) {
    constexpr Filter kFilter = decltype(constant)::value;
    constexpr Index kOutputs = filter_outputs(kFilter);
    PartCount parts[kMaxSpatial];
    for (int dim = 0; dim < kMaxSpatial; ++dim) parts[dim] = count_parts<filter_taps(kFilter)>(p, dim);
    for (const Places& places : kPlaces) {
      const int dim_h = places.dim[kH], dim_w = places.dim[kW];
      const auto count_of = [&](int dim, bool transformed) {
        return transformed ? parts[dim] : p.kernel[dim] == 1 ? PartCount{1, 1} : PartCount{0, 0};
      };
      const PartCount h = count_of(dim_h, places.along != Along::kW),
                      w = count_of(dim_w, places.along != Along::kH);
      if (w.all == 0 || h.all == 0) continue;
      const PanelSet& set = panel_set(kFilter, places.along);
      const Index products = set.finite * h.all * w.all + set.infinite_h * h.full * w.all +
                             set.infinite_w * h.all * w.full + set.infinite * h.full * w.full;
      const double per_output =
          static_cast<double>(p.kernel[places.dim[kD]] * products) /
          static_cast<double>(places.along == Along::kBoth ? kOutputs * kOutputs : kOutputs);
      if (per_output >= fewest || !keeps_order(p, places)) continue;
      fewest = per_output;
      best = &places;
      best_filter = kFilter;
      scheme.products = products;
    }
  };
  if (family == WinogradFamily::kF2) {
    try_filter(std::integral_constant<Filter, Filter::kF23>());
    try_filter(std::integral_constant<Filter, Filter::kF32>());
  } else if (family == WinogradFamily::kF4) {
    try_filter(std::integral_constant<Filter, Filter::kF43>());
  } else {
    try_filter(std::integral_constant<Filter, Filter::kF43Complex>());
  }
  if (best == nullptr) return scheme;
  scheme.possible = true;
  std::copy_n(best->dim, kMaxSpatial, scheme.dim);
  const auto axis = [&](int dim, bool transformed) {
    AxisScheme untransformed;
    untransformed.step = p.stride[dim];
    return transformed ? transformed_axis(p, dim, best_filter) : untransformed;
  };
  scheme.h = axis(scheme.dim[kH], best->along != Along::kW);
  scheme.w = axis(scheme.dim[kW], best->along != Along::kH);
  scheme.panels = &panel_set(best_filter, best->along).panels;
  return scheme;
}

ConvProblem permuted(const ConvProblem& problem, const WinogradScheme& scheme) {
  ConvProblem p = problem;
  for (int i = 0; i < kMaxSpatial; ++i) {
    const int from = scheme.dim[i];
    p.in[i] = problem.in[from];
    p.kernel[i] = problem.kernel[from];
    p.stride[i] = problem.stride[from];
    p.dilation[i] = problem.dilation[from];
    p.pad_begin[i] = problem.pad_begin[from];
    p.pad_end[i] = problem.pad_end[from];
    p.out[i] = problem.out[from];
  }
  return p;
}

Request permuted(const Request& request, const WinogradScheme& scheme) {
  Request r = request;
  r.problem = permuted(request.problem, scheme);
  for (int i = 0; i < kMaxSpatial; ++i) {
    const int from = scheme.dim[i];
    r.in.spatial[i] = request.in.spatial[from];
    r.out.spatial[i] = request.out.spatial[from];
    r.weight.kernel[i] = request.weight.kernel[from];
  }
  return r;
}

}  // namespace pyconv
