// Direct convolution: the microkernel reads the input in place, or through a zero-padded copy of a band of
// rows that stays in cache; no im2col matrix exists. Either orientation of the tile, both memory formats.
#include <vector>

#include "algo/cost_model.h"
#include "algo/dense.h"
#include "algo/input_rows.h"
#include "algo/registry.h"
#include "algo/simplify.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// How a chunk's activations lie in memory, in place or packed. A row packed for pixel vectors at stride s
// holds its columns by phase, 0, s, 2s, ..., then 1, s + 1, ..., so that neighbouring outputs read
// neighbouring elements.
struct BandLayout {
  Index pixel, channel, row,
      plane;       // elements between neighbouring input columns (of one phase), channels ...
  Index output;    // elements between the inputs of neighbouring outputs of a row
  Index cols;      // packed input columns of a full band
  Index row_step;  // input rows between two packed rows
  Index phases, phase_cols;

  // Where input column `col` of a row lies, counted from the row's first.
  Index column(Index col) const {
    return phases == 1 ? col * pixel : col % phases * phase_cols + col / phases;
  }
};

// A band of one output row holds only the input rows its taps read; a larger one all rows between them.
Index band_row_step(const ConvProblem& p, const Blocking& b) { return b.rows == 1 ? p.dilation[kH] : 1; }
Index band_rows(const ConvProblem& p, Index out_rows, Index row_step) {
  return (out_rows - 1) * p.stride[kH] + window_extent(p.kernel[kH], p.dilation[kH] / row_step);
}
Index band_cols(const ConvProblem& p, Index out_cols) {
  return (out_cols - 1) * p.stride[kW] + window_extent(p.kernel[kW], p.dilation[kW]);
}

BandLayout band_layout(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  if (b.in_place) {
    const ActivationStrides& in = plan.request.in;
    return {in.spatial[kW],
            in.channel,
            in.spatial[kH],
            in.spatial[kD],
            in.spatial[kW] * p.stride[kW],
            0,
            1,
            1,
            0};
  }
  const Index cols = band_cols(p, b.cols), row_step = band_row_step(p, b);
  const Index rows = band_rows(p, b.rows, row_step);
  if (channels_inner(b.kind))
    return {b.pitch, 1, cols * b.pitch, rows * cols * b.pitch, b.pitch * p.stride[kW], cols, row_step, 1, 0};
  const Index row = p.in_ch_per_group() * b.pitch;
  return {1, b.pitch, row, rows * row, 1, cols, row_step, p.stride[kW], ceil_div(cols, p.stride[kW])};
}

// The runs of one chain, [k_d][k_h][columns]: how many k each has, and where it starts. A row of taps is one
// run where it is contiguous.
struct Runs {
  Index length, last_length, columns;
  Index depth_step, row_step;
  std::vector<Index> column_offset;
  bool skips_padding;  // taps of zero padding are left out

  Index count(const ConvProblem& p) const { return p.kernel[kD] * p.kernel[kH] * columns; }
};

Runs runs_of(const ConvPlan& plan, const BandLayout& layout) {
  const ConvProblem& p = plan.request.problem;
  const Chains chains = chains_of(p);
  const bool fused_row = channels_inner(plan.blocking.kind) && chains.count == 1 && p.dilation[kW] == 1 &&
                         layout.pixel == p.in_ch_per_group();
  Runs runs;
  runs.length = fused_row ? p.kernel[kW] * chains.block : chains.block;
  runs.last_length = fused_row ? runs.length : chains.last_block;
  runs.columns = fused_row ? 1 : p.kernel[kW];
  // Packed planes are the k_d taps themselves; in place they are dilated.
  runs.depth_step = layout.plane * (plan.blocking.in_place ? p.dilation[kD] : 1);
  runs.row_step = layout.row * (p.dilation[kH] / layout.row_step);
  for (Index kw = 0; kw < runs.columns; ++kw)
    runs.column_offset.push_back(layout.column(kw * p.dilation[kW]));
  runs.skips_padding = p.is_padded() && p.pads_zeros();
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
    index_.clear();
    for (Index kd = box.d.begin; kd < box.d.end; ++kd)
      for (Index kh = box.h.begin; kh < box.h.end; ++kh)
        for (Index kw = box.w.begin; kw < box.w.end; ++kw) {
          offset_.push_back(kd * runs_.depth_step + kh * runs_.row_step +
                            runs_.column_offset[static_cast<std::size_t>(kw)]);
          index_.push_back((kd * p_.kernel[kH] + kh) * runs_.columns + kw);
        }
  }

  const ConvProblem& p_;
  const Runs& runs_;
  Box box_;
  std::vector<Index> offset_, index_;
};

template <class T>
void pack_band(const ConvPlan& plan, const BandLayout& layout, const DenseKernels<T>& kernels, const T* input,
               const Chunk& chunk, T* band) {
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
    for (Index r = 0; r < rows; ++r)
      for (Index phase = 0; phase < min_of(layout.phases, cols); ++phase)
        read_row(image, kernels, image.row(d, first_h + r * layout.row_step), channels, first_w + phase,
                 layout.phases, ceil_div(cols - phase, layout.phases), order,
                 band + kd * layout.plane + r * layout.row + phase * layout.phase_cols, plan.blocking.pitch);
  }
}

// Packed elements of one tile of output channels, where threads pack their own (0 otherwise).
Index tile_elements(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  if (!plan.blocking.packs_tiles) return 0;
  return round_up(
      packed_tile_width(p, *plan.request.table, plan.blocking.kind) * p.in_ch_per_group() * p.taps(), 16);
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
      sweep.group_step = plan_.request.problem.in_ch_per_group() * layout_.channel;
      Index packed_band = -1;
      for (Index number; source.next(&number);) {
        const Chunk chunk = decode_chunk(plan_, grid_, number);
        if (!plan_.blocking.in_place && chunk.band != packed_band) {
          pack_band(plan_, layout_, kernels_, input_, chunk, band);
          packed_band = chunk.band;
        }
        run_chunk(sweep, runs, chunk, band_start(chunk, band), tile);
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
    args->chain_step = chains.block * layout_.channel;
  }

  const T* band_start(const Chunk& chunk, const T* band) const {
    if (!plan_.blocking.in_place) return band;
    const ConvProblem& p = plan_.request.problem;
    const ActivationStrides& in = plan_.request.in;
    const Spatial first{{chunk.od, chunk.row0, chunk.col0}};
    const T* start = input_ + chunk.image * in.batch + chunk.group * p.in_ch_per_group() * in.channel;
    for (int dim = kD; dim <= kW; ++dim)
      start += (first[dim] * p.stride[dim] - p.pad_begin[dim]) * in.spatial[dim];
    return start;
  }

  void run_chunk(TileSweep<T>& sweep, TileRuns& runs, const Chunk& chunk, const T* act, T* tile) const {
    if (plan_.blocking.oc_inner && sweep.packed)
      return run_pixels(sweep, runs, chunk, act, chunk.oc0, chunk.oc);
    for (Index oc = 0; oc < chunk.oc; oc += sweep.tile_oc) {
      if (!sweep.packed) {
        pack_tile(plan_, static_cast<const T*>(operands_.weight), chunk.group, chunk.oc0 + oc, tile);
        sweep.packed_tile = tile;
      }
      run_pixels(sweep, runs, chunk, act, chunk.oc0 + oc, min_of(sweep.tile_oc, chunk.oc - oc));
    }
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
    const bool oc_vector = plan_.blocking.kind == TileKind::kOcVector;
    const Index unit = oc_vector ? kPixelUnit : kernels_.lanes;
    const Index most = oc_vector ? kernels_.oc_vector.max_rows / kPixelUnit
                                 : kernels_.tiles(plan_.blocking.kind).widest(min_of(oc, sweep.tile_oc));
    const Index next_row = plan_.request.problem.stride[kH] * layout_.row, end = c + cols;
    const EvenSplit split(ceil_div(cols, unit), most);
    for (Index i = 0; i < split.pieces; c += split.size(i++) * unit) {
      const T* tile = act + r * next_row + c * layout_.output;
      const Index pixels = min_of(split.size(i) * unit, end - c);
      runs.choose(chunk.od, chunk.row0 + r, chunk.col0 + c, pixels, &sweep.args);
      const bool row_ends = c + pixels == chunk.cols;
      if (asks_ahead_ && (!row_ends || r + 1 < chunk.rows))
        sweep.ahead = {row_ends ? act + (r + 1) * next_row : tile + pixels * layout_.output,
                       min_of(split.size(0) * unit, chunk.cols), layout_.output,
                       chunk.groups * plan_.request.problem.in_ch_per_group()};
      sweep.run(tile, chunk, chunk.row0 + r, chunk.col0 + c, pixels, oc0, oc);
    }
  }

  const ConvPlan& plan_;
  const DenseKernels<T>& kernels_;
  const bool asks_ahead_ = plan_.blocking.in_place && plan_.blocking.kind == TileKind::kOcVector &&
                           plan_.request.problem.taps() == 1 && asks_for_memory(plan_.request.problem);
  const T* input_;
  const ChunkGrid grid_;
  const BandLayout layout_;
  const Runs runs_;
  const ConvOperands& operands_;
};

// --- planning -----------------------------------------------------------------------------------------

// Vectors of pixels where the input runs along rows and rows nearly fill their vectors: nothing is
// transposed. Vectors of output channels elsewhere, where there are channels enough. Measured on Zen 4 (3x3
// 64@56 NCHW, GFLOP/s of 116): 14-lane tail (AVX-512) 97 against 101-107; no tail (AVX2) 96 against 86.
template <class T>
TileKind choose_kind(const Request& r, const DenseKernels<T>& kernels) {
  const ConvProblem& p = r.problem;
  const Index lanes = kernels.lanes;
  // Few output channels: vectors of them would be nearly empty. Read once, pixels are transposed on the way.
  if (r.in.channel == 1 && p.taps() == 1 && !p.is_padded() && p.in_ch_per_group() >= lanes &&
      p.out_ch_per_group() <= kernels.transposed.max_rows && p.out[kW] >= lanes)
    return TileKind::kTransposed;
  const Index vectors = round_up(p.out[kW], lanes);
  const bool full_rows = 100 * vectors <= 107 * p.out[kW];
  if (r.in.channel != 1 && full_rows) return TileKind::kPixelVector;
  if (2 * p.out_ch_per_group() <= lanes && p.out[kW] >= 2 * lanes) return TileKind::kPixelVector;
  return TileKind::kOcVector;
}

// A pointwise layer reads its input once for every few output channels: from so many channels on, a panel of
// pixels is copied into L1 first. In place, rows lie pages apart and may alias the output's (same address
// modulo 4 KB), as NumPy's large arrays do: AVX2 1x1 64>256@56 between 74 and 81 % of the peak in place,
// depending on where the arrays lie, and 82 % by panels.
constexpr Index kPanelChannels = 64;
constexpr Index kPanelBytes = 24 << 10;

// Elements between packed neighbours. Pixels whose distance is a multiple of 1 KB fall into few L1 sets (14
// rows of a tile then evict each other), so they are moved apart by one cache line.
Index packed_pitch(const ConvProblem& p, TileKind kind, Index out_cols) {
  const Index element = static_cast<Index>(element_bytes(p));
  const Index natural =
      channels_inner(kind) ? p.in_ch_per_group() : round_up(band_cols(p, out_cols), p.stride[kW]);
  return natural * element % 1024 == 0 ? natural + 64 / element : natural;
}

double band_bytes(const ConvProblem& p, const Blocking& b) {
  const double pitch = static_cast<double>(packed_pitch(p, b.kind, b.cols));
  const Index lines = channels_inner(b.kind) ? band_cols(p, b.cols) : p.in_ch_per_group();
  return static_cast<double>(p.kernel[kD]) * static_cast<double>(band_rows(p, b.rows, band_row_step(p, b))) *
         static_cast<double>(lines) * pitch * static_cast<double>(element_bytes(p));
}

// Zero padding needs no copy where tiles can end with the taps that lie inside, as of kernels so dilated that
// every such stretch of a row fills half a tile. That pays where the rows of one output row, padded, do not
// stay in L2 (3x3 dilation 24, 960@33: 20.2 ms from copies, 14.8 in place); otherwise their copy is met more
// often than memory, as where nothing is dilated (7x1x1 64@112: 60 ms and 73).
bool cuts_at_padding(const ConvProblem& p, TileKind kind, Index tile_cols) {
  Blocking row;
  row.kind = kind;
  row.cols = p.out[kW];
  const bool fits = band_bytes(p, row) <= static_cast<double>(kL2Bytes) / 2;
  if (kind != TileKind::kOcVector || !p.pads_zeros() || p.dilation[kW] == 1 || fits) return false;
  for (Index ow = 0, n; ow < p.out[kW]; ow += n) {
    n = p.alike_outputs(kW, ow, p.out[kW] - ow);
    if (2 * n < tile_cols) return false;
  }
  return true;
}

bool reads_in_place(const Request& r, TileKind kind, Index tile_cols) {
  if (r.problem.is_padded() && !cuts_at_padding(r.problem, kind, tile_cols)) return false;
  // Fourteen pixels 4 KB apart would share one L1 set of eight lines: such rows are copied apart
  // (packed_pitch).
  const Index pixel_bytes =
      r.in.spatial[kW] * r.problem.stride[kW] * static_cast<Index>(element_bytes(r.problem));
  if (kind == TileKind::kOcVector && pixel_bytes % 4096 == 0 && r.problem.out[kW] > 1) return false;
  if (kind == TileKind::kPixelVector && r.problem.out_ch_per_group() >= kPanelChannels) return false;
  return channels_inner(kind) ? r.in.channel == 1 : r.in.spatial[kW] == 1 && r.problem.stride[kW] == 1;
}

// What the first taps of a band's outputs read in place.
double input_bytes(const ConvProblem& p, const Blocking& b) {
  return static_cast<double>(b.rows * p.stride[kH]) * static_cast<double>(b.cols * p.stride[kW]) *
         static_cast<double>(b.groups_per_chunk * p.in_ch_per_group()) *
         static_cast<double>(element_bytes(p));
}

// The largest band that stays in half of L2, whole rows first; never less than one tile.
void choose_band(const ConvProblem& p, Index tile_cols, Blocking* b) {
  const bool panel = b->kind == TileKind::kPixelVector && p.taps() == 1;
  const double limit = static_cast<double>(panel ? kPanelBytes : kL2Bytes / 2);
  const auto fits = [&](const Blocking& band) {
    return (band.in_place ? input_bytes(p, band) : band_bytes(p, band)) <= limit;
  };
  b->rows = 1;
  b->cols = p.out[kW];
  if (!fits(*b)) {
    while (b->cols > tile_cols && !fits(*b)) b->cols = max_of(tile_cols, round_up(b->cols / 2, tile_cols));
    return;
  }
  while (b->rows < p.out[kH]) {
    Blocking larger = *b;
    larger.rows = min_of(p.out[kH], 2 * b->rows);
    if (!fits(larger)) break;
    b->rows = larger.rows;
  }
}

// Vectors of pixels of channels-first output: where sums are short and the output of an image does not stay
// in L2, each tile of channels is swept along the whole band, so that its rows are written as stretches (1 >
// 512, 10 taps stride 5, 16000, from memory: 1070 us, 630 so; 3 > 64 3x3 224x224 2490 and 2230). Not the
// panels of pointwise layers, which are a few tiles (16 > 64, 128x128, two threads: 270 us, 485).
bool writes_long_rows(const ConvProblem& p) {
  constexpr Index kShortSum = 64;
  const Index bytes = p.out_ch_per_group() * p.out.product() * static_cast<Index>(element_bytes(p));
  return p.in_ch_per_group() * p.taps() <= kShortSum && bytes > static_cast<Index>(kL2Bytes);
}

// Enough chunks for every thread to take 8 to 16. Rows are cut before columns of channels-last output (a
// pointwise layer is one row: cut by channels, two threads write to the same pixels; docs/decisions/0019),
// these before channels (whose cut repacks the band). Beyond ten threads small maps end with some threads
// idle; then in finer steps, narrow tiles last.
void cut_for_threads(ConvPlan* plan, Index tile_oc, Index tile_cols) {
  const ConvProblem& p = plan->request.problem;
  Blocking& b = plan->blocking;
  b.oc_per_chunk = p.out_ch_per_group();
  const Index threads = plan->request.threads, wanted = 8 * threads;
  if (threads == 1) return;
  while (chunk_count(*plan) < wanted && b.rows > 1) b.rows = ceil_div(b.rows, 2);
  const Index least_cols = (outgrows_caches(p) ? 2 : 8) * tile_cols;
  while (b.kind == TileKind::kOcVector && chunk_count(*plan) < wanted && b.cols >= 2 * least_cols)
    b.cols = round_up(ceil_div(b.cols, 2), tile_cols);
  while (chunk_count(*plan) < wanted && b.oc_per_chunk > tile_oc)
    b.oc_per_chunk = round_up(ceil_div(b.oc_per_chunk, 2), tile_oc);
  const auto uneven = [&] { return !claimed_evenly(chunk_count(*plan), threads); };
  while (uneven() && b.rows > 1) --b.rows;
  while (uneven() && b.oc_per_chunk > tile_oc) b.oc_per_chunk = round_up(b.oc_per_chunk - tile_oc, tile_oc);
  while (uneven() && b.cols > ceil_div(tile_cols, 4)) --b.cols;
}

template <class T>
ConvPlan plan_direct(const Request& request) {
  ConvPlan plan(kDirect, simplified(request));
  const ConvProblem& p = plan.request.problem;
  const DenseKernels<T>& kernels = dense_kernels<T>(*request.table);
  Blocking& b = plan.blocking;
  b.kind = choose_kind(plan.request, kernels);
  b.in_place = reads_in_place(plan.request, b.kind, kernels.oc_vector.max_rows);
  const bool oc_vector = b.kind == TileKind::kOcVector;
  const Index tile_oc = packed_tile_width(p, *request.table, b.kind);
  const TileSet<T>& tiles = kernels.tiles(b.kind);
  const Index vectors = b.in_place ? tiles.widest(min_of(tile_oc, p.out_ch_per_group())) : tiles.max_vectors;
  const Index tile_cols = oc_vector ? tiles.max_rows : kernels.lanes * vectors;
  plan.form = oc_vector ? PackedForm::kOcVector : PackedForm::kPixelVector;
  plan.packed_bytes = packed_weight_bytes(p, *request.table, b.kind);
  // All groups of a pixel together make whole lines: 1x1 60 > 216 in 3 groups, 28x28 batch 8, 1480 -> 980 us.
  if (b.in_place && oc_vector && plan.packed_bytes <= kL2Bytes / 2 && outgrows_caches(p))
    b.groups_per_chunk = p.groups;
  choose_band(p, tile_cols, &b);
  cut_for_threads(&plan, tile_oc, tile_cols);
  b.pitch = packed_pitch(p, b.kind, b.cols);
  // Weights that stay in L2 are swept for every tile of pixels; larger ones are brought in once per band.
  b.oc_inner = plan.packed_bytes / static_cast<std::size_t>(p.groups) <= kL2Bytes / 2;
  if (!oc_vector && p.taps() > 1 && writes_long_rows(p)) b.oc_inner = false;
  plan.chunks = chunk_count(plan);
  const std::size_t band = b.in_place ? 0 : static_cast<std::size_t>(band_bytes(p, b));
  const auto fits = [&](Index elements) {  // beside the band (promise 3), and into two shares of L2
    const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(T);
    return bytes <= 2 * kL2Bytes && bytes + band <= kMaxScratchPerThread;
  };
  b.streams = streams_output(plan);
  b.streams = b.streams && fits(stream_elements(plan));
  // One band: each tile is used once, unless all are for each tile of pixels.
  b.packs_tiles =
      plan.chunks == p.groups * chunk_grid(plan).oc_chunks && b.groups_per_chunk == 1 && !b.streams;
  b.packs_tiles = b.packs_tiles && fits(tile_elements(plan));
  plan.scratch_per_thread =
      static_cast<std::size_t>(stream_elements(plan) + tile_elements(plan)) * sizeof(T) + band;
  return plan;
}

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

ConvPlan plan(const Request& request) {
  return dispatch_dtype(request.problem, [&](auto zero) { return plan_direct<decltype(zero)>(request); });
}

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { DirectRun<decltype(zero)>(plan, operands).execute(); });
}

}  // namespace

const ConvAlgorithm kDirect = {"direct",     "SIMD tiles over the input in place or over padded rows",
                               supports,     cost,
                               bound,        plan,
                               pack_weights, execute};

}  // namespace pyconv
