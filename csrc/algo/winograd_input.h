// Reading the pixels of Winograd tiles: any padding mode, memory format and strides. Positions that no
// existing output reads (the last tiles reach beyond the padded input) are +0 everywhere, because they take
// part in the rounding of the tile's other outputs.
#pragma once

#include "algo/input_rows.h"
#include "algo/winograd_tiles.h"

namespace pyconv {

template <class T>
struct TileReader {
  const ConvProblem& problem;
  const ActivationStrides& strides;
  const TileGrid& grid;
  const DenseKernels<T>& kernels;
  const T* input;

  InputImage<T> image(Index number, Index group, Index first_channel) const {
    const Index channel = group * problem.in_ch_per_group() + first_channel;
    return {input + number * strides.batch + channel * strides.channel, &problem, strides};
  }
  // Positions of input row `i` and column `i` of a run's first tile.
  Index row_position(const TileRun& run, Index i) const {
    return run.phase_h + problem.dilation[kH] * (run.row * grid.out_h + i) - problem.pad_begin[kH];
  }
  Index col_position(const TileRun& run, Index i) const {
    return run.phase_w + problem.dilation[kW] * (run.col * grid.out_w + i) - problem.pad_begin[kW];
  }
  bool beyond(int dim, Index position) const { return position >= problem.in[dim] + problem.pad_end[dim]; }
  Index columns(Index tiles) const { return tiles * grid.out_w + (grid.in_w - grid.out_w); }

  // Gathers the run's pixels of input plane `d`, channels inner: dst[row][column][channel], pixels `pitch`
  // apart.
  void gather(const TileRun& run, Index d, Index group, Index first_channel, Index channels, T* dst,
              Index pitch) const;

  // Points at channel 0 of every pixel of tile `tile` of the run where it lies; needs strides.channel == 1.
  // `rows` comes from find_rows; `pad` and `zero` are a pixel of padding and one beyond it.
  void point(const TileRun& run, Index tile, const T* const* rows, const T* pad, const T* zero,
             const T** pixels) const;
  void find_rows(const TileRun& run, Index d, Index group, const T* pad, const T* zero, const T** rows) const;
};

extern template struct TileReader<float>;
extern template struct TileReader<double>;

}  // namespace pyconv
