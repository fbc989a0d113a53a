// Where the tiles of a Winograd convolution lie, and how its work is cut. The tile grid is anchored at output
// (0, 0) of every image and is a function of the problem alone: that is what makes results independent of
// threads, blocks, batch and layout (promise 1).
#pragma once

#include "algo/accumulation.h"
#include "algo/winograd_scheme.h"

namespace pyconv {

// The tiles of one image at one output depth. With dilation the outputs that share inputs form dilation_h *
// dilation_w interleaved images (phases), each with a tile grid of its own.
struct TileGrid {
  AxisScheme h, w;
  Index phases_h, phases_w;
  Index tiles_h, tiles_w;  // of the largest phase
  // Few input channels: all parts of a tile lie side by side and take the place of channels. One run of the
  // products covers them, and parts with neighbouring inputs are transformed in one vector.
  bool side_by_side;
  const WinogradPanels* list;
  Index products;  // per tile and outer tap

  TileGrid(const ConvProblem& permuted, const WinogradScheme& scheme);
  Index panels() const { return list->count; }
  Index parts() const { return h.parts * w.parts; }
  bool infinite_h(Index panel) const { return h.transformed() && list->h[panel] == h.inputs - 1; }
  bool infinite_w(Index panel) const { return w.transformed() && list->w[panel] == w.inputs - 1; }
  // Parts with a weight at panel `panel`, and where part (a, b) stands among them.
  Index parts_at(Index panel) const { return h.parts_at(list->h[panel]) * w.parts_at(list->w[panel]); }
  Index parts_before(Index a, Index b, Index panel) const {
    const Index i = list->h[panel], j = list->w[panel];
    return h.parts_before(a, i) * w.parts_at(j) + w.parts_before(b, j);
  }
  // Panels of the first so many points.
  Index panels_below(Index points_h, Index points_w) const {
    Index count = 0;
    for (Index i = 0; i < panels(); ++i) count += list->h[i] < points_h && list->w[i] < points_w ? 1 : 0;
    return count;
  }
  Index per_image() const { return phases_h * phases_w * tiles_h * tiles_w; }

  // body(a, b) for every part of the kernel.
  template <class F>
  void for_parts(F&& body) const {
    for (Index a = 0; a < h.parts; ++a)
      for (Index b = 0; b < w.parts; ++b) body(a, b);
  }
  // body(a, b, count) for parts (a, b) to (a, b + count - 1), which are transformed together.
  template <class F>
  void for_neighbours(F&& body) const {
    for (Index a = 0; a < h.parts; ++a)
      for (Index b = 0; b < w.parts; b += w.neighbours(b)) body(a, b, w.neighbours(b));
  }
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
// Whether threads keep to output channels of their own, whose weights no other thread reads.
bool weights_at_home(const ConvPlan& plan, const TileGrid& grid);
Index block_count(const ConvPlan& plan, const TileGrid& grid);

// Input planes that `depths` output depths read.
inline Index planes_of(const ConvProblem& p, Index depths) {
  return (depths - 1) * p.stride[kD] + window_extent(p.kernel[kD], p.dilation[kD]);
}

// Where panels begin, their sizes depending on the parts that have a weight there.
struct PanelOffsets {
  Index at[kMaxPanels + 1];  // the last one is the size of all

  template <class SizeOf>
  PanelOffsets(const TileGrid& grid, SizeOf&& size_of) {
    at[0] = 0;
    for (Index i = 0; i < grid.panels(); ++i) at[i + 1] = at[i] + size_of(grid.parts_at(i));
  }
};

// Input tiles, products and bands of pixels of one thread, in elements, one after the other in scratch.
// Input panels: [panel][part][input plane][tile][channel], or [panel][input plane][tile][part][channel] with
// parts side by side, where the panels of points at infinity have room for all parts too.
struct WinogradScratch {
  Index pitch;                 // elements between two tiles of an input panel
  Index plane, planes;         // between two input planes, and of all of them
  Index part;                  // between two parts
  Index out_pitch, out_panel;  // between two tiles of products, and between two panels
  Index band_pitch, band_row;  // pixels gathered channels-inner,
  Index band_channels;         // so many channels at a time
  Index inputs, products, band, out_band, constants, faults;  // sizes of parts

  Index total() const { return inputs + products + band + 2 * out_band + constants + faults; }
  // Elements of an input panel; all are one cache line apart from a multiple of their size.
  Index panel(Index parts) const { return (side_by_side ? 1 : parts) * planes + line; }
  WinogradScratch(const ConvProblem& problem, const TileGrid& grid, const Blocking& blocking);

 private:
  bool side_by_side;
  Index line;
};

// Tiles whose pixels are gathered or scattered together; more where a tile is one pixel wide, because rows of
// channels-first arrays lie pages apart.
inline Index tiles_per_band(const TileGrid& grid) { return grid.w.transformed() ? 16 : 64; }
// Output channels finished together where the output is not channels-last.
constexpr Index kBandChannels = 64;

// Transformed weights, per group: [panel][oc / tile][chain][part][k_d][channel of the chain][tile], with
// parts side by side [k_d][part], panels one cache line apart from a multiple of their size.
struct WinogradWeights {
  Index out_ch;  // of a group, whole vectors
  PanelOffsets panels;
  Index group;
  WinogradWeights(const ConvProblem& problem, const TileGrid& grid, Index lanes);
};

// Fewer input channels than fill a vector of any instruction set.
constexpr Index kFewChannels = 16;

// One chain of products covers the same channels in every panel, however many parts there are.
inline Chains winograd_chains(const ConvProblem& p, const TileGrid& grid) {
  return chains_of(p.in_ch_per_group(), p.kernel[kD] * grid.parts());
}

}  // namespace pyconv
