#include "algo/winograd_tiles.h"

#include "algo/dense.h"

namespace pyconv {
namespace {

bool is_unit(const ConvProblem& p, int dim) {
  return p.kernel[dim] == 1 && p.in[dim] == 1 && p.out[dim] == 1;
}

bool is_three(const ConvProblem& p, int dim) { return p.kernel[dim] == 3 && p.stride[dim] == 1; }

Index line(const ConvProblem& p) { return 64 / static_cast<Index>(element_bytes(p)); }

// Distances that are a multiple of 1 KB fall into few cache sets; one line moves them apart.
Index apart(const ConvProblem& p, Index elements) {
  return elements * static_cast<Index>(element_bytes(p)) % 1024 == 0 ? elements + line(p) : elements;
}

}  // namespace

WinogradAxes winograd_axes(const ConvProblem& p) {
  if (is_three(p, kH) && is_three(p, kW)) return {true, true, {kD, kH, kW}};
  if (is_three(p, kW) && is_unit(p, kH)) return {true, false, {kD, kH, kW}};
  if (is_three(p, kW) && is_unit(p, kD)) return {true, false, {kH, kD, kW}};
  // Taps across w would be summed in another order than direct sums them.
  if (is_three(p, kH) && is_unit(p, kD) && p.kernel[kW] == 1) return {true, false, {kW, kD, kH}};
  return {false, false, {kD, kH, kW}};
}

ConvProblem permuted(const ConvProblem& problem, const WinogradAxes& axes) {
  ConvProblem p = problem;
  for (int i = 0; i < kMaxSpatial; ++i) {
    const int from = axes.dim[i];
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

Request permuted(const Request& request, const WinogradAxes& axes) {
  Request r = request;
  r.problem = permuted(request.problem, axes);
  for (int i = 0; i < kMaxSpatial; ++i) {
    const int from = axes.dim[i];
    r.in.spatial[i] = request.in.spatial[from];
    r.out.spatial[i] = request.out.spatial[from];
    r.weight.kernel[i] = request.weight.kernel[from];
  }
  return r;
}

TileGrid::TileGrid(const ConvProblem& p, bool two_dims, Index outputs)
    : out_h(two_dims ? outputs : 1),
      out_w(outputs),
      in_h(two_dims ? outputs + 2 : 1),
      in_w(outputs + 2),
      phases_h(two_dims ? min_of(p.dilation[kH], p.out[kH]) : 1),
      phases_w(min_of(p.dilation[kW], p.out[kW])),
      tiles_h(ceil_div(ceil_div(p.out[kH], phases_h), out_h)),
      tiles_w(ceil_div(ceil_div(p.out[kW], phases_w), out_w)) {}

Index block_count(const ConvPlan& plan, const TileGrid& grid) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  return p.groups * ceil_div(p.out[kD], b.rows) * ceil_div(p.batch * grid.per_image(), b.cols) *
         ceil_div(p.out_ch_per_group(), b.oc_per_chunk);
}

WinogradBlock decode_block(const ConvPlan& plan, const TileGrid& grid, Index number) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  WinogradBlock block;
  const Index oc_chunks = ceil_div(p.out_ch_per_group(), b.oc_per_chunk);
  block.oc0 = number % oc_chunks * b.oc_per_chunk;
  block.oc = min_of(b.oc_per_chunk, p.out_ch_per_group() - block.oc0);
  block.inputs = number /= oc_chunks;
  const Index tiles = p.batch * grid.per_image(), tile_blocks = ceil_div(tiles, b.cols);
  block.tile0 = number % tile_blocks * b.cols;
  block.tiles = min_of(b.cols, tiles - block.tile0);
  number /= tile_blocks;
  const Index depth_blocks = ceil_div(p.out[kD], b.rows);
  block.depth0 = number % depth_blocks * b.rows;
  block.depths = min_of(b.rows, p.out[kD] - block.depth0);
  block.group = number / depth_blocks;
  return block;
}

WinogradScratch::WinogradScratch(const ConvProblem& p, const TileGrid& grid, const Blocking& b) {
  const Index channels = p.in_ch_per_group(), lines = line(p);
  pitch = apart(p, round_up(channels, lines));
  panel = planes_of(p, b.rows) * b.cols * pitch + lines;
  out_pitch = round_up(b.oc_per_chunk, lines);
  out_panel = b.rows * b.cols * out_pitch + lines;
  const Index tiles = min_of(min_of(b.cols, grid.tiles_w), kTilesPerBand);
  const Index band_pixels = grid.in_h * (tiles * grid.out_w + 2);
  // The band stays in L1's neighbourhood; 32 channels fill half a row of transposed blocks at least.
  const Index fitting = static_cast<Index>(kL2Bytes / 8 / element_bytes(p)) / band_pixels;
  band_channels = min_of(channels, max_of(32, fitting / 16 * 16));
  band_pitch = apart(p, round_up(band_channels, lines));
  band = band_pixels * band_pitch;
  out_band = grid.out_h * tiles * grid.out_w * kBandChannels;
  constants = 2 * round_up(channels, lines);
  faults = tiles * out_pitch;
  inputs = grid.panels() * panel;
  products = grid.panels() * out_panel;
}

WinogradWeights::WinogradWeights(const ConvProblem& p, Index panels, Index lanes)
    : out_ch(round_up(p.out_ch_per_group(), lanes)),
      panel(round_up(out_ch * p.in_ch_per_group() * p.kernel[kD], line(p)) + line(p)),
      group(panels * panel) {}

}  // namespace pyconv
