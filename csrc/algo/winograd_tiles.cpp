#include "algo/winograd_tiles.h"

#include "algo/dense.h"

namespace pyconv {
namespace {

Index line_of(const ConvProblem& p) { return 64 / static_cast<Index>(element_bytes(p)); }

// Distances that are a multiple of 1 KB fall into few cache sets; one line moves them apart.
Index apart(const ConvProblem& p, Index elements) {
  return elements * static_cast<Index>(element_bytes(p)) % 1024 == 0 ? elements + line_of(p) : elements;
}

}  // namespace

TileGrid::TileGrid(const ConvProblem& p, const WinogradScheme& scheme)
    : h(scheme.h),
      w(scheme.w),
      phases_h(min_of(h.spacing, p.out[kH])),
      phases_w(min_of(w.spacing, p.out[kW])),
      tiles_h(ceil_div(ceil_div(p.out[kH], phases_h), h.outputs)),
      tiles_w(ceil_div(ceil_div(p.out[kW], phases_w), w.outputs)),
      side_by_side(false),
      list(scheme.panels),
      products(scheme.products) {
  side_by_side = parts() > 1 && p.in_ch_per_group() < kFewChannels && h.full_together() &&
                 w.full_together() && winograd_chains(p, *this).count == 1;
  w.together = side_by_side;
}

namespace {

Index tile_blocks(const Blocking& b, Index tiles) {
  return b.col_bands > 0 ? b.col_bands : ceil_div(tiles, b.cols);
}

// Chunks of output channels that one thread keeps to, so that no two read the same weights: a line that one
// core took from L3 comes slowly to another. Each then transforms the inputs of more tiles, which pays where
// the weights are twice the inputs (docs/decisions/0027-chunks-at-home.md).
Index channel_chunks_at_home(const ConvPlan& plan, const TileGrid& grid, Index oc_chunks) {
  return weights_at_home(plan, grid) ? ceil_div(oc_chunks, plan.request.threads) : oc_chunks;
}

}  // namespace

bool weights_at_home(const ConvPlan& plan, const TileGrid& grid) {
  const ConvProblem& p = plan.request.problem;
  const Index tiles = p.batch * grid.per_image();
  return p.groups == 1 && p.out_ch * p.kernel[kD] >= 2 * tiles * p.out[kD];
}

Index block_count(const ConvPlan& plan, const TileGrid& grid) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  return p.groups * ceil_div(p.out[kD], b.rows) * tile_blocks(b, p.batch * grid.per_image()) *
         ceil_div(p.out_ch_per_group(), b.oc_per_chunk);
}

WinogradBlock decode_block(const ConvPlan& plan, const TileGrid& grid, Index number) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  WinogradBlock block;
  const Index oc_chunks = ceil_div(p.out_ch_per_group(), b.oc_per_chunk);
  const Index tiles = p.batch * grid.per_image(), blocks = tile_blocks(b, tiles);
  const Index per_part = channel_chunks_at_home(plan, grid, oc_chunks);
  const Index part_blocks = block_count(plan, grid) / oc_chunks * per_part;
  const Index first = number / part_blocks * per_part, here = min_of(per_part, oc_chunks - first);
  number %= part_blocks;
  block.oc0 = (first + number % here) * b.oc_per_chunk;
  block.oc = min_of(b.oc_per_chunk, p.out_ch_per_group() - block.oc0);
  block.inputs = number /= here;
  const Index index = number % blocks;
  if (b.col_bands > 0) {
    block.tile0 = index * (tiles / blocks) + min_of(index, tiles % blocks);
    block.tiles = tiles / blocks + (index < tiles % blocks ? 1 : 0);
  } else {
    block.tile0 = index * b.cols;
    block.tiles = min_of(b.cols, tiles - block.tile0);
  }
  number /= blocks;
  const Index depth_blocks = ceil_div(p.out[kD], b.rows);
  block.depth0 = number % depth_blocks * b.rows;
  block.depths = min_of(b.rows, p.out[kD] - block.depth0);
  block.group = number / depth_blocks;
  return block;
}

WinogradScratch::WinogradScratch(const ConvProblem& p, const TileGrid& grid, const Blocking& b)
    : side_by_side(grid.side_by_side), line(line_of(p)) {
  const Index channels = p.in_ch_per_group();
  pitch = apart(p, round_up(side_by_side ? grid.parts() * channels : channels, line));
  plane = b.cols * pitch;
  planes = planes_of(p, b.rows) * plane;
  part = side_by_side ? channels : planes;
  out_pitch = round_up(b.oc_per_chunk, line);
  out_panel = b.rows * b.cols * out_pitch + line;
  const Index tiles = min_of(min_of(b.cols, grid.tiles_w), tiles_per_band(grid));
  const Index band_pixels = grid.h.reach(1) * grid.w.reach(tiles);
  // The band stays in L1's neighbourhood; 32 channels fill half a row of transposed blocks at least.
  const Index fitting = static_cast<Index>(kL2Bytes / 8 / element_bytes(p)) / band_pixels;
  band_channels = min_of(channels, max_of(32, fitting / 16 * 16));
  band_pitch = side_by_side ? channels : apart(p, round_up(band_channels, line));
  band_row = grid.w.reach(tiles) * band_pitch;
  band = round_up(grid.h.reach(1) * band_row, line);
  out_band = grid.h.outputs * tiles * grid.w.outputs * kBandChannels;
  constants = 2 * round_up(channels, line);
  faults = tiles * out_pitch;
  inputs = (side_by_side ? grid.panels() : grid.products) * planes + grid.panels() * line;
  products = grid.panels() * out_panel;
}

WinogradWeights::WinogradWeights(const ConvProblem& p, const TileGrid& grid, Index lanes)
    : out_ch(round_up(p.out_ch_per_group(), lanes)),
      panels(grid,
             [&](Index parts) {
               return round_up(out_ch * p.in_ch_per_group() * p.kernel[kD] * parts, line_of(p)) + line_of(p);
             }),
      group(panels.at[grid.panels()]) {}

}  // namespace pyconv
