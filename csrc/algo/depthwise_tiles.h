// How depthwise convolution cuts its output into tiles, and the padded copy of the window one tile reads.
#pragma once

#include <vector>

#include "algo/algorithm.h"
#include "algo/dense.h"

namespace pyconv {

// kOcVector: vectors of channels; kPixelVector: vectors of pixels, one channel a tile.
inline bool by_channel(const ConvPlan& plan) { return plan.blocking.kind == TileKind::kOcVector; }

template <class T>
Index depthwise_lanes(const ConvPlan& plan) {
  return dense_kernels<T>(*plan.request.table).lanes;
}

// Outputs that read one input channel.
inline Index channel_multiplier(const ConvProblem& p) { return p.out_ch_per_group() / p.in_ch_per_group(); }

// Whether rows read in place are spread over several outputs for each channel.
inline bool spreads(const ConvProblem& p) { return p.in_ch_per_group() == 1 && p.out_ch > p.in_ch; }

// Elements between the taps of packed weights: a whole vector can be read from any channel on, after the last
// one the first again; where channels
// are a power of two, taps do not share cache sets.
inline Index channel_taps_pitch(const ConvProblem& p, Index lanes) {
  return round_up(p.out_ch, lanes) + lanes;
}

// The padded copy of one tile's window. A row of it holds pixels of `lanes` channels, or, for pixel vectors,
// one stretch for each phase of the stride that a tap reads, so that neighbouring outputs are neighbours.
struct DepthwiseWindow {
  Index planes, rows;           // copied
  Index plane_step, row_step;   // input planes and rows from one copied to the next
  Index cols;                   // copied positions of one row (of one phase)
  Index pixel, row, plane;      // elements between neighbours
  std::vector<Index> phases;    // first input column of each stretch
  std::vector<Index> w_offset;  // elements to tap kw of a row
  Index beyond = 0;             // read after the last pixel: of a vector, what its channels leave

  Index elements() const { return planes * plane + beyond; }
};

// Of a plan that does not read in place.
DepthwiseWindow depthwise_window(const ConvPlan& plan);

// A block of outputs: `channels` output channels from channel0 (one, for pixel vectors), `depths` depths from
// od on, `lines` rows from oh0 on, `line_step` apart.
struct DepthwiseTile {
  Index image, channel0, channels, od, depths;
  Index oh0, lines, line_step, ow0, pixels;
};

// Rows [first, first + count) of the image that `lines` output rows from `oh0` on read.
struct StagedRows {
  Index first, count;
};
inline StagedRows staged_rows(const ConvProblem& p, Index oh0, Index lines) {
  const Index first = oh0 * p.stride[kH] - p.pad_begin[kH];
  const Index end = first + (lines - 1) * p.stride[kH] + window_extent(p.kernel[kH], p.dilation[kH]);
  const Index begin = min_of(max_of(first, 0), p.in[kH]);
  return {begin, max_of(min_of(end, p.in[kH]) - begin, 0)};
}

// Of a plan that reads in place: the input's strides, or those of the copy of a tile's rows where
// blocking.pitch says how far apart its pixels are.
ActivationStrides staged_strides(const ConvPlan& plan);

// Where taps are `dilation` apart and outputs are not, every (dilation / stride)-th output shares input with
// its neighbours: so many phases there are, 1 where they do not.
inline Index output_phases(const ConvProblem& p, int dim) {
  return p.kernel[dim] > 1 && p.dilation[dim] % p.stride[dim] == 0 ? p.dilation[dim] / p.stride[dim] : 1;
}

// Volumes roll the sums of depths, images those of lines; fewer of them share less than the pixels of one do.
inline int rolled_dim(const ConvProblem& p) { return p.kernel[kD] > 1 ? kD : kH; }
constexpr Index kLeastRollingLines = 3;
// The shape (kernels/depthwise_args.h) of the rolling kernels that can take a problem whose rows are read in
// place, otherwise 0.
int rolling_shape(const ConvProblem& p);

// Tiles are numbered so that neighbours share memory: copied channels-last windows sweep channels first, rows
// read in place go down the image (or through its depths), phase by phase of a dilated kernel, channels-first
// sweeps the positions of a channel.
struct DepthwiseGrid {
  Index row_phases, row_bands, col_bands, strips, channels_per_strip;
};

// Whether outputs that share columns of the input are better off reading each anew, several vectors of
// channels at once: of few taps, from beyond L2.
bool waits_for_pixels(const ConvProblem& p);

// Whether rows read in place are computed several vectors of channels at once.
template <class T>
bool takes_wide_vectors(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const bool shares_columns = p.dilation[kW] % p.stride[kW] == 0;
  return plan.blocking.rolling == 0 && p.in_ch_per_group() == 1 && !spreads(p) &&
         depthwise_kernels<T>(*plan.request.table->depthwise).wide &&
         (!shares_columns || waits_for_pixels(p));
}

DepthwiseGrid depthwise_grid(const ConvPlan& plan);
Index depthwise_tile_count(const ConvPlan& plan, const DepthwiseGrid& grid);
DepthwiseTile decode_tile(const ConvPlan& plan, const DepthwiseGrid& grid, Index number);

}  // namespace pyconv
