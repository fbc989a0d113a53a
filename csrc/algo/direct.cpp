// Direct convolution: the microkernel reads the input in place, or through a zero-padded copy of a band of
// rows that stays in cache; no im2col matrix exists. Either orientation of the tile, both memory formats.
#include <vector>

#include "algo/cost_model.h"
#include "algo/direct_plan.h"
#include "algo/input_rows.h"
#include "algo/registry.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// How a chunk's activations lie in memory, in place or packed. A row packed for pixel vectors at stride s
// holds its columns by phase, 0, s, 2s, ..., then 1, s + 1, ..., so that neighbouring outputs read
// neighbouring elements. Packed by chains, this is the layout of each but the last one, all of whose
// distances are shorter as it has fewer channels.
struct BandLayout {
  // Elements between neighbouring input columns (of one phase), channels, rows, planes, groups,
  Index pixel, channel, row, plane, group;
  Index chain;     // chains,
  Index output;    // and the inputs of neighbouring outputs of a row
  Index cols;      // packed input columns of a full band
  Index row_step;  // input rows between two packed rows
  Index phases, phase_cols;

  // Where input column `col` of a row lies, counted from the row's first.
  Index column(Index col) const {
    return phases == 1 ? col * pixel : col % phases * phase_cols + col / phases;
  }
};

BandLayout band_layout(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  const Index block = chains_of(p).block;
  if (b.in_place) {
    const ActivationStrides& in = plan.request.in;
    return {in.spatial[kW],
            in.channel,
            in.spatial[kH],
            in.spatial[kD],
            in.channel * p.in_ch_per_group(),
            in.channel * block,
            in.spatial[kW] * p.stride[kW],
            0,
            1,
            1,
            0};
  }
  const Index cols = band_cols(p, b.cols), row_step = band_row_step(p, b);
  const Index rows = band_rows(p, b.rows, row_step);
  const bool pixels_outer = channels_inner(b.kind);
  const Index pitch = b.by_chains ? block : b.pitch;
  const Index row = pitch * (pixels_outer ? cols : p.in_ch_per_group());
  const Index plane = rows * row, group = p.kernel[kD] * plane;
  if (pixels_outer) {
    const Index chain = b.by_chains ? group : block;
    return {pitch, 1, row, plane, group, chain, pitch * p.stride[kW], cols, row_step, 1, 0};
  }
  return {1,
          pitch,
          row,
          plane,
          group,
          block * pitch,
          1,
          cols,
          row_step,
          p.stride[kW],
          ceil_div(cols, p.stride[kW])};
}

// The runs of one chain, [k_d][k_h][columns]: how many k each has, and where it starts. A row of taps is one
// run where it is contiguous.
struct Runs {
  Index length, last_length, columns;
  Index depth_step, row_step;
  std::vector<Index> column_offset;
  bool skips_padding;  // taps of zero padding are left out
  bool shrinks_last;   // distances of the last chain are shorter, as it has fewer channels

  Index count(const ConvProblem& p) const { return p.kernel[kD] * p.kernel[kH] * columns; }
};

Runs runs_of(const ConvPlan& plan, const BandLayout& layout) {
  const ConvProblem& p = plan.request.problem;
  const Chains chains = chains_of(p);
  const bool fused_row =
      plan.blocking.by_chains || (channels_inner(plan.blocking.kind) && chains.count == 1 &&
                                  p.dilation[kW] == 1 && layout.pixel == p.in_ch_per_group());
  Runs runs;
  runs.length = fused_row ? p.kernel[kW] * chains.block : chains.block;
  runs.last_length = fused_row ? p.kernel[kW] * chains.last_block : chains.last_block;
  runs.columns = fused_row ? 1 : p.kernel[kW];
  // Packed planes are the k_d taps themselves; in place they are dilated.
  runs.depth_step = layout.plane * (plan.blocking.in_place ? p.dilation[kD] : 1);
  runs.row_step = layout.row * (p.dilation[kH] / layout.row_step);
  for (Index kw = 0; kw < runs.columns; ++kw)
    runs.column_offset.push_back(layout.column(kw * p.dilation[kW]));
  runs.skips_padding = p.is_padded() && p.pads_zeros();
  runs.shrinks_last = plan.blocking.by_chains && chains.last_block < chains.block;
  return runs;
}

// The runs of one tile: those whose taps lie inside the input for at least one of its outputs. Lists are
// rebuilt only where they change, at the borders.
class TileRuns {
 public:
  TileRuns(const ConvProblem& problem, const Runs& runs) : p_(problem), runs_(runs) {
    select(Box{{0, p_.kernel[kD]}, {0, p_.kernel[kH]}, {0, runs_.columns}});
  }

  // Of `pixels` outputs from (od, oh, ow) on.
  template <class T>
  void choose(Index od, Index oh, Index ow, Index pixels, TileArgs<T>* args) {
    if (runs_.skips_padding) {
      const Box box{taps(kD, od, 1), taps(kH, oh, 1),
                    runs_.columns > 1 ? taps(kW, ow, pixels) : ConvProblem::Taps{0, 1}};
      if (!(box == box_)) select(box);
    }
    args->run_offset = offset_.data();
    args->runs = static_cast<Index>(offset_.size());
    args->run_index = runs_.count(p_) == args->runs ? nullptr : index_.data();
    args->packed_runs = runs_.count(p_);
    args->last_chain.run_offset = last_offset_.data();
  }

  // How many of `tiles` neighbours of `pixels` outputs, from column ow on, have the same runs.
  Index alike(Index ow, Index pixels, Index tiles) const {
    if (!runs_.skips_padding || runs_.columns == 1) return tiles;
    const ConvProblem::Taps first = taps(kW, ow, pixels);
    Index n = 1;
    while (n < tiles && taps(kW, ow + n * pixels, pixels) == first) ++n;
    return n;
  }

 private:
  struct Box {
    ConvProblem::Taps d, h, w;
    bool operator==(const Box& o) const { return d == o.d && h == o.h && w == o.w; }
  };

  ConvProblem::Taps taps(int dim, Index output, Index outputs) const {
    const Index first = output * p_.stride[dim] - p_.pad_begin[dim];
    const ConvProblem::Taps of_first = p_.taps_inside(dim, first);
    if (outputs == 1) return of_first;
    const ConvProblem::Taps of_last = p_.taps_inside(dim, first + (outputs - 1) * p_.stride[dim]);
    return {min_of(of_first.begin, of_last.begin), max_of(of_first.end, of_last.end)};
  }

  void select(const Box& box) {
    box_ = box;
    offset_.clear();
    last_offset_.clear();
    index_.clear();
    for (Index kd = box.d.begin; kd < box.d.end; ++kd)
      for (Index kh = box.h.begin; kh < box.h.end; ++kh)
        for (Index kw = box.w.begin; kw < box.w.end; ++kw) {
          offset_.push_back(kd * runs_.depth_step + kh * runs_.row_step +
                            runs_.column_offset[static_cast<std::size_t>(kw)]);
          index_.push_back((kd * p_.kernel[kH] + kh) * runs_.columns + kw);
        }
    if (!runs_.shrinks_last) return;
    const Chains chains = chains_of(p_);
    for (Index offset : offset_) last_offset_.push_back(offset / chains.block * chains.last_block);
  }

  const ConvProblem& p_;
  const Runs& runs_;
  Box box_;
  std::vector<Index> offset_, last_offset_, index_;
};

// A row of the input, or null where it is padding, to `at` elements past the start of each chain's copy; of
// the last chain to where its shorter pixels stand.
template <class T>
void pack_chains(const InputImage<T>& image, const BandLayout& layout, const DenseKernels<T>& kernels,
                 const T* row, Index first_w, Index cols, Index at, T* band) {
  const Chains chains = chains_of(*image.problem);
  for (Index chain = 0; chain < chains.count; ++chain) {
    const Index channels = chain + 1 == chains.count ? chains.last_block : chains.block;
    T* const to = band + chain * layout.chain + at / chains.block * channels;
    read_row(image, kernels, row ? row + chain * chains.block * image.strides.channel : nullptr, channels,
             first_w, 1, cols, {RowOrder::kChannelsInner, to, channels});
  }
}

template <class T>
void pack_band(const ConvPlan& plan, const BandLayout& layout, const DenseKernels<T>& kernels, const T* input,
               const Chunk& chunk, bool skips_padding, T* band) {
  const ConvProblem& p = plan.request.problem;
  const ActivationStrides& in = plan.request.in;
  const Index channels = p.in_ch_per_group();
  const InputImage<T> image{input + chunk.image * in.batch + chunk.group * channels * in.channel, &p, in};
  const Index first_h = chunk.row0 * p.stride[kH] - p.pad_begin[kH];
  const Index first_w = chunk.col0 * p.stride[kW] - p.pad_begin[kW];
  const Index rows = band_rows(p, chunk.rows, layout.row_step), cols = band_cols(p, chunk.cols);
  const RowOrder order =
      channels_inner(plan.blocking.kind) ? RowOrder::kChannelsInner : RowOrder::kPixelsInner;
  for (Index kd = 0; kd < p.kernel[kD]; ++kd) {
    const Index d = chunk.od * p.stride[kD] - p.pad_begin[kD] + kd * p.dilation[kD];
    for (Index r = 0; r < rows; ++r) {
      const T* const row = image.row(d, first_h + r * layout.row_step);
      if (row == nullptr && skips_padding) continue;  // no tile reads it
      const Index at = kd * layout.plane + r * layout.row;
      if (plan.blocking.by_chains) {
        pack_chains(image, layout, kernels, row, first_w, cols, at, band);
        continue;
      }
      for (Index phase = 0; phase < min_of(layout.phases, cols); ++phase)
        read_row(
            image, kernels, row, channels, first_w + phase, layout.phases,
            ceil_div(cols - phase, layout.phases),
            {order, band + at + phase * layout.phase_cols, plan.blocking.pitch, chunk.groups, layout.group});
    }
  }
}

template <class T>
class DirectRun {
 public:
  DirectRun(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        kernels_(dense_kernels<T>(*plan.request.table)),
        input_(static_cast<const T*>(operands.input)),
        grid_(chunk_grid(plan)),
        layout_(band_layout(plan)),
        runs_(runs_of(plan, layout_)),
        operands_(operands) {}

  void execute() const {
    parallel_for(plan_.request.threads, plan_.chunks, [this](ChunkSource& source) {
      ScratchBlock scratch(plan_.scratch_per_thread);
      T* const stream = scratch.as<T>();
      T* const tile = stream + stream_elements(plan_);
      T* const band = tile + tile_elements(plan_);
      TileSweep<T> sweep(plan_, operands_, kernels_, plan_.blocking.streams ? stream : nullptr);
      TileRuns runs(plan_.request.problem, runs_);
      prepare(&sweep.args);
      sweep.group_step = layout_.group;
      Index packed_band = -1;
      for (Index number; source.next(&number);) {
        const Chunk chunk = decode_chunk(plan_, grid_, number);
        if (!plan_.blocking.in_place && chunk.band != packed_band) {
          pack_band(plan_, layout_, kernels_, input_, chunk, runs_.skips_padding, band);
          packed_band = chunk.band;
        }
        run_chunk(sweep, runs, chunk, plan_.blocking.in_place ? input_at(chunk, 0, 0) : band, tile);
      }
    });
  }

 private:
  void prepare(TileArgs<T>* args) const {
    const ConvProblem& p = plan_.request.problem;
    const Chains chains = chains_of(p);
    args->act_stride = channels_inner(plan_.blocking.kind) ? layout_.pixel * p.stride[kW] : layout_.channel;
    args->run_length = runs_.length;
    args->last_run_length = runs_.last_length;
    args->chains = chains.count;
    args->chain_step = layout_.chain;
    args->last_chain.act_stride = chains.last_block * p.stride[kW];
  }

  // Where the first input of output (row, col) of a chunk lies.
  const T* input_at(const Chunk& chunk, Index row, Index col) const {
    const ConvProblem& p = plan_.request.problem;
    const ActivationStrides& in = plan_.request.in;
    const Spatial output{{chunk.od, chunk.row0 + row, chunk.col0 + col}};
    const T* start = input_ + chunk.image * in.batch + chunk.group * p.in_ch_per_group() * in.channel;
    for (int dim = kD; dim <= kW; ++dim)
      start += (output[dim] * p.stride[dim] - p.pad_begin[dim]) * in.spatial[dim];
    return start;
  }

  // Of the last chain, what lies `at` elements past the start of others.
  const T* last_chain_at(const T* band, Index at) const {
    const Chains chains = chains_of(plan_.request.problem);
    return band + (chains.count - 1) * layout_.chain + at / chains.block * chains.last_block;
  }

  // The pixels that the run() after one of `made` pixels from (r, c) on brings into L1, or those of the next
  // band that will lie where these do.
  void ask_for_pixels(TileSweep<T>& sweep, const Chunk& chunk, Index r, Index c, Index made) const {
    const bool in_place = plan_.blocking.in_place;
    const ConvProblem& p = plan_.request.problem;
    const Index next = in_place ? c + made : c + chunk.cols;
    if (chunk.col0 + next >= p.out[kW]) return;
    sweep.ahead.pixel = input_at(chunk, r, next);
    sweep.ahead.channels = p.in_ch_per_group();
    sweep.ahead.channel_step = in_place ? 0 : plan_.request.in.channel;
  }

  void run_chunk(TileSweep<T>& sweep, TileRuns& runs, const Chunk& chunk, const T* act, T* tile) const {
    if (plan_.blocking.oc_inner && sweep.packed)
      return run_pixels(sweep, runs, chunk, act, chunk.oc0, chunk.oc);
    for (Index oc = 0; oc < chunk.oc; oc += sweep.tile_oc) {
      if (!sweep.packed) {
        pack_tile(plan_, static_cast<const T*>(operands_.weight), chunk.group, chunk.oc0 + oc, tile);
        sweep.packed_tile = tile;
      }
      if (sweep.asks_for_weights) expect_weights(sweep, chunk, chunk.oc0 + oc);
      run_pixels(sweep, runs, chunk, act, chunk.oc0 + oc, min_of(sweep.tile_oc, chunk.oc - oc));
    }
  }

  // After the last tile of channels the first one again, for the next band.
  void expect_weights(TileSweep<T>& sweep, const Chunk& chunk, Index oc0) const {
    const ConvProblem& p = plan_.request.problem;
    const Index terms = p.in_ch_per_group() * p.taps();
    const Index tiles = chunk.rows * ceil_div(chunk.cols, kernels_.tile_rows(sweep.tile_oc));
    const Index next = oc0 + sweep.tile_oc < p.out_ch_per_group() ? sweep.tile_oc : -oc0;
    sweep.ahead_weights = {tiles > 1 ? next * terms : 0, ceil_div(terms, tiles), 0};
  }

  void run_pixels(TileSweep<T>& sweep, TileRuns& runs, const Chunk& chunk, const T* act, Index oc0,
                  Index oc) const {
    const ConvProblem& p = plan_.request.problem;
    const bool cut = plan_.blocking.in_place && p.is_padded();
    for (Index r = 0; r < chunk.rows; ++r)
      for (Index c = 0, cols; c < chunk.cols; c += cols) {
        cols = cut ? p.alike_outputs(kW, chunk.col0 + c, chunk.cols - c) : chunk.cols;
        run_stretch(sweep, runs, chunk, act, r, c, cols, oc0, oc);
      }
  }

  // Columns [c, c + cols) of row r of the chunk, as even tiles.
  void run_stretch(TileSweep<T>& sweep, TileRuns& runs, const Chunk& chunk, const T* act, Index r, Index c,
                   Index cols, Index oc0, Index oc) const {
    const ConvProblem& p = plan_.request.problem;
    const bool oc_vector = plan_.blocking.kind == TileKind::kOcVector;
    const Index unit = oc_vector ? kPixelUnit : kernels_.lanes;
    const Index most = oc_vector ? kernels_.tile_rows(sweep.tile_oc) / kPixelUnit
                                 : kernels_.tiles(plan_.blocking.kind).widest(min_of(oc, sweep.tile_oc));
    const Index next_row = p.stride[kH] * layout_.row, end = c + cols;
    const EvenSplit split(ceil_div(cols, unit), most);
    for (Index i = 0, tiles; i < split.pieces; i += tiles) {
      const T* tile = act + r * next_row + c * layout_.output;
      const Index pixels = min_of(split.size(i) * unit, end - c);
      // Tiles of one size and whole, so far as they are alike.
      const Index same = min_of(split.alike(i), (end - c) / pixels);
      tiles = min_of(same, max_of(1, plan_.blocking.pixels_per_call / pixels));
      tiles = runs.alike(chunk.col0 + c, pixels, tiles);
      runs.choose(chunk.od, chunk.row0 + r, chunk.col0 + c, pixels, &sweep.args);
      if (runs_.shrinks_last) sweep.args.last_chain.act = last_chain_at(act, tile - act);
      const Index made = tiles * pixels;
      const bool row_ends = c + made == chunk.cols;
      // The first tiles of channels bring the band, the others find it.
      if (asks_ahead_ && oc0 == chunk.oc0 && (!row_ends || r + 1 < chunk.rows))
        sweep.ahead = {row_ends ? act + (r + 1) * next_row : tile + made * layout_.output,
                       min_of(tiles * split.size(0) * unit, chunk.cols), layout_.output,
                       chunk.groups * p.in_ch_per_group()};
      if (asks_for_rows_ && oc == chunk.oc) ask_for_pixels(sweep, chunk, r, c, made);
      sweep.run(tile, chunk, chunk.row0 + r, chunk.col0 + c, pixels, oc0, oc, tiles);
      c += made;
    }
  }

  const ConvPlan& plan_;
  const DenseKernels<T>& kernels_;
  const bool asks_ahead_ = plan_.blocking.in_place && plan_.blocking.kind == TileKind::kOcVector &&
                           plan_.request.problem.taps() == 1 &&
                           asks_for_memory(plan_.request.problem, found_in_l3());
  const bool asks_for_rows_ = asks_for_rows(plan_);
  const T* input_;
  const ChunkGrid grid_;
  const BandLayout layout_;
  const Runs runs_;
  const ConvOperands& operands_;
};

bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  constexpr Index kWidestTile = 64;  // columns of the widest tile of any instruction set
  Blocking smallest;
  smallest.cols = min_of(p.out[kW], kWidestTile);
  double bytes = 0;
  for (TileKind kind : {TileKind::kOcVector, TileKind::kPixelVector}) {
    smallest.kind = kind;
    bytes = bytes > band_bytes(p, smallest) ? bytes : band_bytes(p, smallest);
  }
  if (bytes > static_cast<double>(kMaxScratchPerThread) - 1024)
    return why.refuse("the input rows of one tile need ", bytes / (1 << 20), " MB of scratch, the limit is ",
                      kMaxScratchPerThread >> 20, " MB");
  return true;
}

double cost(const ConvProblem& image) { return dense_cost_us(image); }

ErrorBound bound(const ConvProblem& p) { return {true, direct_error_factor(p), true}; }

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { DirectRun<decltype(zero)>(plan, operands).execute(); });
}

}  // namespace

const ConvAlgorithm kDirect = {"direct",     "SIMD tiles over the input in place or over padded rows",
                               supports,     cost,
                               bound,        plan_direct,
                               pack_weights, execute};

}  // namespace pyconv
