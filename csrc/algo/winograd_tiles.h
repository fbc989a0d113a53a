// Where the tiles of a Winograd convolution lie, and how its work is cut. The tile grid is anchored at output
// (0, 0) of every image and is a function of the problem alone: that is what makes results independent of
// threads, blocks, batch and layout (promise 1).
#pragma once

#include "algo/accumulation.h"
#include "algo/algorithm.h"

namespace pyconv {

// Winograd tiles cover (h, w), or w alone; the outer dimension d is summed over tap by tap inside the panels'
// products. A problem is rewritten so that its three-wide dimensions are h and w: conv1d and kernels like
// (1, 3), (5, 3) and (3, 1) have one transformed dimension. Rewriting twice changes nothing.
struct WinogradAxes {
  bool possible;
  bool two_dims;         // h and w are transformed, otherwise w alone (and h is a unit dimension)
  int dim[kMaxSpatial];  // which of the problem's dimensions play d, h and w
};
WinogradAxes winograd_axes(const ConvProblem& problem);
ConvProblem permuted(const ConvProblem& problem, const WinogradAxes& axes);
Request permuted(const Request& request, const WinogradAxes& axes);

// The tiles of one image at one output depth. With dilation the outputs that share inputs form dilation_h *
// dilation_w interleaved images (phases), each with a tile grid of its own.
struct TileGrid {
  Index out_h, out_w;  // outputs of a tile
  Index in_h, in_w;    // inputs of a tile; in_h * in_w panels
  Index phases_h, phases_w;
  Index tiles_h, tiles_w;  // of the largest phase

  // `outputs` is 2 or 4; the problem is permuted.
  TileGrid(const ConvProblem& problem, bool two_dims, Index outputs);
  Index panels() const { return in_h * in_w; }
  Index per_image() const { return phases_h * phases_w * tiles_h * tiles_w; }
};

// Consecutive tiles of one row of tiles.
struct TileRun {
  Index image, phase_h, phase_w, row, col;  // of the first tile
  Index count;
};

// The longest run of tiles starting at `tile` (images x phases x rows x columns, columns fastest).
inline TileRun tile_run(const TileGrid& grid, Index tile, Index largest) {
  TileRun run;
  run.col = tile % grid.tiles_w;
  tile /= grid.tiles_w;
  run.row = tile % grid.tiles_h;
  tile /= grid.tiles_h;
  run.phase_w = tile % grid.phases_w;
  tile /= grid.phases_w;
  run.phase_h = tile % grid.phases_h;
  run.image = tile / grid.phases_h;
  run.count = min_of(largest, grid.tiles_w - run.col);
  return run;
}

// Outputs of a phase that exist from tile `index` on in one dimension (may be zero or negative).
inline Index outputs_left(Index out, Index phase, Index phases, Index first) {
  return ceil_div(max_of(out - phase, 0), phases) - first;
}

// A chunk of work: tiles x output depths x output channels of one group.
struct WinogradBlock {
  Index group, depth0, depths, tile0, tiles, oc0, oc;
  Index inputs;  // number of (group, depths, tiles): blocks that share it read the same panels
};
WinogradBlock decode_block(const ConvPlan& plan, const TileGrid& grid, Index number);
Index block_count(const ConvPlan& plan, const TileGrid& grid);

// Input planes that `depths` output depths read.
inline Index planes_of(const ConvProblem& p, Index depths) {
  return (depths - 1) * p.stride[kD] + window_extent(p.kernel[kD], p.dilation[kD]);
}

// Input tiles, products and bands of pixels of one thread, in elements, one after the other in scratch.
struct WinogradScratch {
  Index pitch;                      // elements between two tiles of an input panel
  Index panel;                      // between two input panels
  Index out_pitch, out_panel;       // the same for products
  Index band_pitch, band_channels;  // pixels gathered channels-inner, so many channels at a time
  Index inputs, products, band, out_band, constants, faults;  // sizes of parts

  Index total() const { return inputs + products + band + 2 * out_band + constants + faults; }
  WinogradScratch(const ConvProblem& problem, const TileGrid& grid, const Blocking& blocking);
};

// Tiles whose pixels are gathered or scattered together.
constexpr Index kTilesPerBand = 16;
// Output channels finished together where the output is not channels-last.
constexpr Index kBandChannels = 64;

// Transformed weights, per group: [panel][oc / tile][chain][k_d][channel of the chain][tile], panels one
// cache line apart from a multiple of their size.
struct WinogradWeights {
  Index out_ch;  // of a group, whole vectors
  Index panel, group;
  WinogradWeights(const ConvProblem& problem, Index panels, Index lanes);
};

}  // namespace pyconv
