// Dense weights in the order the tiles read them, per group:
//   [out_ch / width][chain][k_d][k_h][k_w][channel of the chain][width]
// width is the tile's n (kOcVector: vectors * lanes; the last tile is padded with zeros to whole vectors) or
// its m (kPixelVector: rows; the last tile is as narrow as it is). direct and im2col share both forms.
#pragma once

#include <cstddef>

#include "algo/algorithm.h"

namespace pyconv {

// Elements of a vector of the problem's dtype.
Index vector_lanes(const ConvProblem& problem, const KernelTable& table);
// Output channels of one full tile, and what a group's out_ch is rounded up to.
Index packed_tile_width(const ConvProblem& problem, const KernelTable& table, TileKind kind);
Index packed_out_ch(const ConvProblem& problem, const KernelTable& table, TileKind kind);

std::size_t packed_weight_bytes(const ConvProblem& problem, const KernelTable& table, TileKind kind);
// One tile: output channels [oc, oc + width) of `group`, as it stands in the packed whole.
template <class T>
void pack_tile(const ConvPlan& plan, const T* weight, Index group, Index oc, T* packed);
void pack_weights(const ConvPlan& plan, const void* weight, void* packed);

// Elements of packed weights before output channel `oc` (a multiple of the tile width) of group `group`.
inline Index packed_offset(const ConvProblem& p, Index packed_out_ch_per_group, Index group, Index oc) {
  return (group * packed_out_ch_per_group + oc) * p.in_ch_per_group() * p.taps();
}

}  // namespace pyconv
