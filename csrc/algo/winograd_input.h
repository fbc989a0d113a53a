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
  // Positions that one tile reaches.
  Index reach_h = grid.h.reach(1), reach_w = grid.w.reach(1);

  InputImage<T> image(Index number, Index group, Index first_channel) const {
    const Index channel = group * problem.in_ch_per_group() + first_channel;
    return {input + number * strides.batch + channel * strides.channel, &problem, strides};
  }
  // Positions of row `i` and column `i` of what a run's first tile reaches.
  Index row_position(const TileRun& run, Index i) const {
    return run.phase_h + grid.h.spacing * (run.row * grid.h.outputs * grid.h.step + i) -
           problem.pad_begin[kH];
  }
  Index col_position(const TileRun& run, Index i) const {
    return run.phase_w + grid.w.spacing * (run.col * grid.w.outputs * grid.w.step + i) -
           problem.pad_begin[kW];
  }
  bool beyond(int dim, Index position) const { return position >= problem.in[dim] + problem.pad_end[dim]; }

  // Gathers the pixels of input plane `d` that the run reaches, channels inner.
  struct Band {
    T* first;
    Index pixel, row;  // elements between two of them
  };
  void gather(const TileRun& run, Index d, Index group, Index first_channel, Index channels,
              const Band& band) const;

  // The run's tiles [begin, end) of which every position of input plane `d` lies in the image.
  struct Inside {
    Index begin, end;
  };
  Inside tiles_inside(const TileRun& run, Index d) const;
  // Channel 0 of the first position of tile `tile`, which lies in the image.
  const T* first_pixel(const TileRun& run, Index d, Index group, Index tile) const {
    return image(run.image, group, 0).row(d, row_position(run, 0)) +
           col_position(run, tile * grid.w.outputs * grid.w.step) * strides.spatial[kW];
  }

  // What one tile reads where it lies; needs strides.channel == 1. `pad` and `zero` are a pixel of padding
  // and one beyond it. Rows come once for a run, columns once for a tile.
  struct Places {
    const T *pad, *zero;
    const T* rows[kMaxReach];
    Index cols[kMaxReach];  // of the input, or kOutside, or kBeyond
  };
  static constexpr Index kBeyond = kOutside - 1;
  void find_rows(const TileRun& run, Index d, Index group, Places* places) const;
  void find_cols(const TileRun& run, Index tile, Places* places) const;
  // Points at channel 0 of the h.inputs x w.inputs pixels that a part of the kernel sees.
  void point(const KernelPart& part_h, const KernelPart& part_w, const Places& places,
             const T** pixels) const;
};

extern template struct TileReader<float>;
extern template struct TileReader<double>;

}  // namespace pyconv
