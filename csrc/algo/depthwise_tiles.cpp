#include "algo/depthwise_tiles.h"

#include "kernels/depthwise_args.h"
#include "runtime/cpu.h"

namespace pyconv {
namespace {

// A single output line needs only the rows its taps read; several share all rows between them. So with
// depths.
void choose_rows(const ConvProblem& p, Index depths, Index lines, DepthwiseWindow* w) {
  const auto copied = [&](int dim, Index outputs) {
    return outputs == 1 ? p.kernel[dim]
                        : (outputs - 1) * p.stride[dim] + window_extent(p.kernel[dim], p.dilation[dim]);
  };
  w->planes = copied(kD, depths);
  w->plane_step = depths == 1 ? p.dilation[kD] : 1;
  w->rows = copied(kH, lines);
  w->row_step = lines == 1 ? p.dilation[kH] : 1;
}

Index take_digit(Index* number, Index base) {
  const Index digit = *number % base;
  *number /= base;
  return digit;
}

DepthwiseWindow channel_window(const ConvProblem& p, Index depths, Index lines, Index pixels,
                               Index channels) {
  DepthwiseWindow w;
  choose_rows(p, depths, lines, &w);
  w.cols = (pixels - 1) * p.stride[kW] + window_extent(p.kernel[kW], p.dilation[kW]);
  w.pixel = channels;
  w.row = w.cols * channels;
  w.plane = w.rows * w.row;
  return w;
}

DepthwiseWindow pixel_window(const ConvProblem& p, Index depths, Index lines, Index pixels, Index lanes) {
  DepthwiseWindow w;
  choose_rows(p, depths, lines, &w);
  const Index reach = (p.kernel[kW] - 1) * p.dilation[kW] / p.stride[kW];
  w.cols = pixels + reach;
  const Index stretch = round_up(round_up(pixels, lanes) + reach, lanes);
  w.w_offset.reserve(static_cast<std::size_t>(p.kernel[kW]));
  for (Index kw = 0; kw < p.kernel[kW]; ++kw) {
    const Index phase = kw * p.dilation[kW] % p.stride[kW];
    std::size_t slot = 0;
    while (slot < w.phases.size() && w.phases[slot] != phase) ++slot;
    if (slot == w.phases.size()) w.phases.push_back(phase);
    w.w_offset.push_back(static_cast<Index>(slot) * stretch + kw * p.dilation[kW] / p.stride[kW]);
  }
  w.pixel = 1;
  w.row = stretch * static_cast<Index>(w.phases.size());
  w.plane = w.rows * w.row;
  return w;
}

Index lanes_of(const ConvPlan& plan) { return vector_lanes(plan.request.problem, *plan.request.table); }

}  // namespace

// What vectors take of neighbouring pixels are stretches of memory (docs/decisions/0043-wide-vectors.md), and
// so many loads do not count yet (Emerald Rapids, us: 2x2 256@56 443 -> 303, 1x3 192@20 batch 8 294 and 240,
// 4x4 96@56 193 and 176, 2x2x2 96@8x28x28 307 and 260; 6x6 345 and 378, in L2 3x5 96@28 34 and 45).
bool waits_for_pixels(const ConvProblem& p) {
  constexpr Index kFewTaps = 16;
  const std::size_t l2 = cache_sizes().l2;
  return p.taps() <= kFewTaps && l2 > kL2Bytes && asks_for_memory(p, l2 / 2);
}

DepthwiseWindow depthwise_window(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  if (!by_channel(plan)) return pixel_window(p, b.depths, b.rows, b.cols, lanes_of(plan));
  DepthwiseWindow window = channel_window(p, b.depths, b.rows, b.cols, b.pitch);
  window.beyond = max_of(0, lanes_of(plan) - b.pitch);
  return window;
}

int rolling_shape(const ConvProblem& p) {
  const int rolled = rolled_dim(p);
  const bool planes = rolled == kH && p.pad_begin[kD] + p.pad_end[kD] > 0;
  if (planes || p.in_ch_per_group() != 1 || p.out[rolled] == 1) return 0;
  if (rolled == kD && p.dilation[kD] > 1) return 0;  // only lines are taken by phases
  if (max_of(p.pad_begin[kW], p.pad_end[kW]) > p.kernel[kW] / 2 * p.dilation[kW]) return 0;
  const auto taps_apart = [&](int dim) -> Index {
    const Index dilation = p.dilation[dim], stride = p.stride[dim];
    return dilation % stride == 0 ? 1 : stride == 2 * dilation ? 2 : 0;
  };
  for (int shape = 1; shape < kRollingShapeCount; ++shape) {
    const RollingShape& s = kRollingShapes[shape];
    if (s.planes == (rolled == kD) && p.kernel[rolled] == s.taps && p.kernel[kW] == s.columns &&
        taps_apart(rolled) == s.stride && taps_apart(kW) == s.column_stride)
      return shape;
  }
  return 0;
}

DepthwiseGrid depthwise_grid(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  const Index phases = b.in_place ? min_of(p.out[kH], output_phases(p, kH)) : 1;
  // Read in place, the last strip takes the channels that would fill no vector.
  const Index spare = b.in_place ? lanes_of(plan) - 1 : 0;
  return {phases, phases * ceil_div(ceil_div(p.out[kH], phases), b.rows), ceil_div(p.out[kW], b.cols),
          ceil_div(p.out_ch - spare, b.oc_per_chunk), b.oc_per_chunk};
}

Index depthwise_tile_count(const ConvPlan& plan, const DepthwiseGrid& g) {
  const ConvProblem& p = plan.request.problem;
  return p.batch * ceil_div(p.out[kD], plan.blocking.depths) * g.row_bands * g.col_bands * g.strips;
}

DepthwiseTile decode_tile(const ConvPlan& plan, const DepthwiseGrid& g, Index number) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  DepthwiseTile t;
  const bool channels_inner = by_channel(plan) && !b.in_place;
  const bool depth_inner = by_channel(plan) && p.kernel[kD] > 1;
  Index strip = channels_inner ? take_digit(&number, g.strips) : 0;
  const Index depth_bands = ceil_div(p.out[kD], b.depths);
  t.od = depth_inner ? take_digit(&number, depth_bands) * b.depths : 0;
  const Index band = take_digit(&number, g.row_bands), bands_of_phase = g.row_bands / g.row_phases;
  t.ow0 = take_digit(&number, g.col_bands) * b.cols;
  if (!channels_inner) strip = take_digit(&number, g.strips);
  if (!depth_inner) t.od = take_digit(&number, depth_bands) * b.depths;
  t.depths = min_of(b.depths, p.out[kD] - t.od);
  t.image = number;
  t.pixels = min_of(b.cols, p.out[kW] - t.ow0);
  t.line_step = g.row_phases;
  t.oh0 = band / bands_of_phase + band % bands_of_phase * b.rows * t.line_step;
  t.lines = max_of(0, min_of(b.rows, ceil_div(p.out[kH] - t.oh0, t.line_step)));
  t.channel0 = strip * g.channels_per_strip;
  t.channels = strip + 1 < g.strips ? g.channels_per_strip : p.out_ch - t.channel0;
  return t;
}

}  // namespace pyconv
