// What direct and im2col have in common: the grid of chunks, and the sweep of tiles over packed activations.
#pragma once

#include "algo/accumulation.h"
#include "algo/algorithm.h"
#include "algo/packed_weights.h"

namespace pyconv {

// Output elements are cut into chunks: (image, group, output depth, band of rows, band of columns, output
// channels), channels fastest, so that one thread meets the same band several times in a row.
struct ChunkGrid {
  Index row_bands, col_bands, oc_chunks;
  Index bands_per_depth() const { return row_bands * col_bands; }
};

struct Chunk {
  Index image, group, od;
  Index row0, rows, col0, cols;  // output
  Index oc0, oc;                 // of the group
  Index band;                    // number of (image, group, od, row band, column band)
};

ChunkGrid chunk_grid(const ConvPlan& plan);
Index chunk_count(const ConvPlan& plan);
Chunk decode_chunk(const ConvPlan& plan, const ChunkGrid& grid, Index number);

// Everything of a tile call that does not change within a chunk.
template <class T>
struct TileSweep {
  const ConvPlan* plan;
  const DenseKernels<T>* kernels;
  const T* packed;  // all weights, or null and packed_tile holds the tile in use
  const T* packed_tile = nullptr;
  Index packed_out_ch, tile_oc;
  TileArgs<T> args;  // act, out, weights, bias, residual, n_valid set per tile
  const T* bias;
  const T* residual;
  T* out;
  // Of a sum that is taken up again: k already done, and elements between the carries of neighbouring tiles.
  Index k_done = 0, carry_step = 0;

  TileSweep(const ConvPlan& plan, const ConvOperands& operands, const DenseKernels<T>& kernels);

  // Runs the tiles of `pixels` outputs in a row from (image, group, od, oh, ow), output channels [oc0, oc0 +
  // oc) of the group; act is the first pixel's (k = 0) element.
  void run(const T* act, const Chunk& chunk, Index oh, Index ow, Index pixels, Index oc0, Index oc);

 private:
  void place(const Chunk& chunk, Index oh, Index ow, Index oc0);
  void run_oc_vectors(Index pixels, Index oc);
  void run_pixel_vectors(Index pixels, Index oc);
  void next_tile();
};

extern template struct TileSweep<float>;
extern template struct TileSweep<double>;

// Rows of channel-vector tiles are even where they can be: on Zen 4 the AVX2 tile of 5 rows reaches 76 % of
// the peak, those of 4 and 6 reach 90 % (AVX-512: all 95-99 %).
constexpr Index kPixelUnit = 2;

// Shares of the per-core cache that blockings are cut for. Flat optimum; see docs/decisions/0009.
constexpr std::size_t kL2Bytes = std::size_t{1} << 20;

// Calls one function for either element type: dispatch(problem, [&](auto zero) { using T = decltype(zero);
// ... }).
template <class F>
auto dispatch_dtype(const ConvProblem& p, F&& f) {
  return p.dtype == DType::kFloat32 ? f(float{}) : f(double{});
}

inline std::size_t element_bytes(const ConvProblem& p) {
  return p.dtype == DType::kFloat32 ? sizeof(float) : sizeof(double);
}

}  // namespace pyconv
