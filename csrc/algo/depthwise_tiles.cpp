#include "algo/depthwise_tiles.h"

namespace pyconv {
namespace {

// A single output line needs only the rows its taps read; several share all rows between them.
void choose_rows(const ConvProblem& p, Index lines, DepthwiseWindow* w) {
  w->planes = p.kernel[kD];
  w->rows =
      lines == 1 ? p.kernel[kH] : (lines - 1) * p.stride[kH] + window_extent(p.kernel[kH], p.dilation[kH]);
  w->row_step = lines == 1 ? p.dilation[kH] : 1;
}

Index take_digit(Index* number, Index base) {
  const Index digit = *number % base;
  *number /= base;
  return digit;
}

}  // namespace

DepthwiseWindow channel_window(const ConvProblem& p, Index lines, Index pixels, Index channels) {
  DepthwiseWindow w;
  choose_rows(p, lines, &w);
  w.cols = (pixels - 1) * p.stride[kW] + window_extent(p.kernel[kW], p.dilation[kW]);
  w.pixel = channels;
  w.row = w.cols * channels;
  w.plane = w.rows * w.row;
  return w;
}

DepthwiseWindow pixel_window(const ConvProblem& p, Index lines, Index pixels, Index lanes) {
  DepthwiseWindow w;
  choose_rows(p, lines, &w);
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

DepthwiseGrid depthwise_grid(const ConvPlan& plan, Index missing) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  return {ceil_div(p.out[kH], b.rows), ceil_div(p.out[kW], b.cols),
          ceil_div(p.out_ch + missing, b.oc_per_chunk), b.oc_per_chunk, missing};
}

Index depthwise_tile_count(const ConvPlan& plan, const DepthwiseGrid& g) {
  const ConvProblem& p = plan.request.problem;
  return p.batch * p.out[kD] * g.row_bands * g.col_bands * g.strips;
}

DepthwiseTile decode_tile(const ConvPlan& plan, const DepthwiseGrid& g, Index number) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  DepthwiseTile t;
  Index strip = 0;
  if (by_channel(plan)) strip = take_digit(&number, g.strips);
  t.ow0 = take_digit(&number, g.col_bands) * b.cols;
  if (by_channel(plan)) t.od = take_digit(&number, p.out[kD]);
  t.oh0 = take_digit(&number, g.row_bands) * b.rows;
  if (!by_channel(plan)) t.od = take_digit(&number, p.out[kD]);
  if (!by_channel(plan)) strip = take_digit(&number, g.strips);
  t.image = number;
  t.pixels = min_of(b.cols, p.out[kW] - t.ow0);
  t.lines = min_of(b.rows, p.out[kH] - t.oh0);
  const Index channel = strip * g.channels_per_strip - g.missing;
  t.channel0 = max_of(0, channel);
  t.channels = min_of(p.out_ch, channel + g.channels_per_strip) - t.channel0;
  return t;
}

}  // namespace pyconv
