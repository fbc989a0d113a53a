// im2col, a panel at a time: the pixels of a few tiles are gathered chain by chain into [pixel][k] panels and
// multiplied by the same packed weights with the same microkernel as direct, in the same order: same bits.
// The matrix never exists as a whole; sums that span chains wait in tile-shaped carries, unless a panel has
// room for whole ones.
#include "algo/cost_model.h"
#include "algo/dense.h"
#include "algo/direct_plan.h"
#include "algo/input_rows.h"
#include "algo/registry.h"
#include "algo/simplify.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

constexpr Index kTilesPerPanel = 9;  // 7x7 pixels by tiles of six
// Weights that L3 may not hold until the next panel are worth panels of 14x14 pixels (Zen 3, us: 3x3 stride 2
// 512@28, 9 MB, 15700 -> 13700; 640@28 float64, 29 MB, 54900 -> 43500; 4.7 MB 0.95 to 1.1).
constexpr Index kTilesPerLargePanel = 33;
constexpr std::size_t kWeightsOfLargePanels = std::size_t{6} << 20;

Index chain_terms(const ConvProblem& p) { return chains_of(p).block * p.taps(); }
Index sum_terms(const ConvProblem& p) { return p.in_ch_per_group() * p.taps(); }
Index panel_pixels(const Blocking& b) { return b.rows * b.cols; }
bool gathers_whole_sums(const ConvPlan& plan) {
  return plan.blocking.pitch >= sum_terms(plan.request.problem);
}

template <class T>
class Im2colRun {
 public:
  Im2colRun(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        kernels_(dense_kernels<T>(*plan.request.table)),
        chains_(chains_of(plan.request.problem)),
        grid_(chunk_grid(plan)),
        operands_(operands) {}

  void execute() const {
    parallel_for(plan_.request.threads, plan_.chunks, [this](ChunkSource& source) {
      ScratchBlock scratch(plan_.scratch_per_thread);
      T* panel = scratch.as<T>();
      T* after_panel = panel + panel_pixels(plan_.blocking) * plan_.blocking.pitch;
      TileSweep<T> sweep(plan_, operands_, kernels_);
      sweep.args.act_stride = plan_.blocking.pitch;
      for (Index number; source.next(&number);) {
        const Chunk chunk = decode_chunk(plan_, grid_, number);
        if (gathers_whole_sums(plan_))
          run_whole(sweep, chunk, panel, after_panel);
        else
          run_chains(sweep, chunk, panel, after_panel);
      }
    });
  }

 private:
  static constexpr Index kNoOffset[] = {0};

  Index channels_of(Index chain) const {
    return chain + 1 == chains_.count ? chains_.last_block : chains_.block;
  }

  // Gathers one chain of the chunk's pixels: panel[row][pixel][k_d][k_h][k_w][channel of the chain].
  void gather_panel(const Chunk& chunk, Index first_channel, Index channels, T* panel) const {
    for (Index r = chunk.row0; r < chunk.row0 + chunk.rows; ++r, panel += chunk.cols * plan_.blocking.pitch)
      gather_row(chunk, r, first_channel, channels, panel);
  }

  // Row `number` of the outputs, counted from the chunk's image and depth on.
  void gather_row(const Chunk& chunk, Index number, Index first_channel, Index channels, T* panel) const {
    const ConvProblem& p = plan_.request.problem;
    const ActivationStrides& in = plan_.request.in;
    const Index oh = number % p.out[kH], depth = chunk.od + number / p.out[kH];
    const Index od = depth % p.out[kD], number_of_image = chunk.image + depth / p.out[kD];
    const T* data = static_cast<const T*>(operands_.input) + number_of_image * in.batch +
                    (chunk.group * p.in_ch_per_group() + first_channel) * in.channel;
    const InputImage<T> image{data, &p, in};
    for (Index kd = 0; kd < p.kernel[kD]; ++kd)
      for (Index kh = 0; kh < p.kernel[kH]; ++kh) {
        const T* row = image.row(od * p.stride[kD] - p.pad_begin[kD] + kd * p.dilation[kD],
                                 oh * p.stride[kH] - p.pad_begin[kH] + kh * p.dilation[kH]);
        for (Index kw = 0; kw < p.kernel[kW]; ++kw) {
          read_row(image, kernels_, row, channels,
                   chunk.col0 * p.stride[kW] - p.pad_begin[kW] + kw * p.dilation[kW], p.stride[kW],
                   chunk.cols, {RowOrder::kChannelsInner, panel, plan_.blocking.pitch});
          panel += channels;
        }
      }
  }

  // After the last tile of channels of a chain the next chain's first, in the end the next panel's.
  void expect_weights(TileSweep<T>& sweep, const Chunk& chunk, Index at, Index tiles) const {
    const TileArgs<T>& args = sweep.args;
    const Index terms = (args.chains - 1) * args.run_length + args.last_run_length;
    const Index sum = sum_terms(plan_.request.problem), next_oc = at + sweep.tile_oc;
    const Index next_k = sweep.k_done + terms < sum ? terms : -sweep.k_done;
    sweep.ahead_weights = {next_oc < chunk.oc ? sweep.tile_oc * sum : next_k * sweep.tile_oc - at * sum,
                           ceil_div(terms, tiles), 0};
  }

  // The chunk's pixels by output channels [oc0, oc0 + oc).
  void run_pixels(TileSweep<T>& sweep, const Chunk& chunk, const T* panel, Index oc0, Index oc) const {
    const Index pixels = chunk.rows * chunk.cols;  // one line of them (rows_follow)
    const EvenSplit split(ceil_div(pixels, kPixelUnit), kernels_.tile_rows(sweep.tile_oc) / kPixelUnit);
    // Weights that are asked for serve all pixels before the next ones.
    const bool asks = sweep.asks_for_weights && split.pieces > 1;
    const Index step = asks ? sweep.tile_oc : oc;
    sweep.ahead_weights.distance = 0;
    for (Index at = 0; at < oc; at += step) {
      if (asks) expect_weights(sweep, chunk, at, split.pieces);
      for (Index i = 0, c = 0; i < split.pieces; c += split.size(i) * kPixelUnit, ++i)
        sweep.run(panel + c * plan_.blocking.pitch, chunk, chunk.row0, chunk.col0 + c,
                  min_of(split.size(i) * kPixelUnit, pixels - c), oc0 + at, min_of(step, oc - at));
    }
  }

  void run_chains(TileSweep<T>& sweep, const Chunk& chunk, T* panel, T* carries) const {
    TileArgs<T>& args = sweep.args;
    args.run_offset = kNoOffset;
    args.runs = args.chains = 1;
    sweep.carry_step = kernels_.tile_rows(sweep.tile_oc) * sweep.tile_oc;
    sweep.k_done = 0;
    for (Index chain = 0; chain < chains_.count; ++chain) {
      gather_panel(chunk, chain * chains_.block, channels_of(chain), panel);
      args.run_length = args.last_run_length = channels_of(chain) * plan_.request.problem.taps();
      args.resume = chain > 0;
      args.finish = chain + 1 == chains_.count;
      args.carry = carries;
      run_pixels(sweep, chunk, panel, chunk.oc0, chunk.oc);
      sweep.k_done += args.run_length;
    }
  }

  // tile: memory for the weights of one, where threads pack their own.
  void run_whole(TileSweep<T>& sweep, const Chunk& chunk, T* panel, T* tile) const {
    const Index taps = plan_.request.problem.taps();
    TileArgs<T>& args = sweep.args;
    args.run_offset = kNoOffset;
    args.runs = 1;
    args.chains = chains_.count;
    args.chain_step = args.run_length = chains_.block * taps;
    args.last_run_length = chains_.last_block * taps;
    for (Index chain = 0; chain < chains_.count; ++chain)
      gather_panel(chunk, chain * chains_.block, channels_of(chain), panel + chain * args.chain_step);
    if (sweep.packed) return run_pixels(sweep, chunk, panel, chunk.oc0, chunk.oc);
    for (Index oc = 0; oc < chunk.oc; oc += sweep.tile_oc) {
      pack_tile(plan_, static_cast<const T*>(operands_.weight), chunk.group, chunk.oc0 + oc, tile);
      sweep.packed_tile = tile;
      run_pixels(sweep, chunk, panel, chunk.oc0 + oc, min_of(sweep.tile_oc, chunk.oc - oc));
    }
  }

  const ConvPlan& plan_;
  const DenseKernels<T>& kernels_;
  const Chains chains_;
  const ChunkGrid grid_;
  const ConvOperands& operands_;
};

// Whether the rows of the output, and of a residual beside it, are one line of pixels.
bool rows_follow(const Request& r) { return r.out.spatial[kH] == r.out.spatial[kW] * r.problem.out[kW]; }
// Whether they go on in the next depth, and in the next image.
bool depths_follow(const Request& r) {
  const ConvProblem& p = r.problem;
  return p.groups == 1 && rows_follow(r) &&
         (p.out[kD] == 1 || r.out.spatial[kD] == r.out.spatial[kH] * p.out[kH]);
}
bool images_follow(const Request& r) {
  const ConvProblem& p = r.problem;
  return p.batch > 1 && depths_follow(r) && r.out.batch == r.out.spatial[kH] * p.out[kH] * p.out[kD];
}

// Fewer than direct's, because what is cut by channels gathers its panel again (two threads of Zen 3, nine
// layers: 1.04 by 2 instead of 4).
constexpr Index kChunksPerThread = 2;

// Rows of a panel, of which `most` fill it: those of several depths or images are shared out before.
Index panel_rows(const ConvPlan& plan, Index most) {
  if (!rows_follow(plan.request)) return 1;
  const Index rows = rows_of(plan), threads = plan.request.threads;
  if (rows == plan.request.problem.out[kH]) return EvenSplit(rows, most).size(0);
  return EvenSplit(rows, threads == 1 ? most : min_of(most, ceil_div(rows, kChunksPerThread * threads)))
      .size(0);
}

// A panel's rows are what fills its tiles: before they are cut, channels are.
void cut_panels_for_threads(ConvPlan* plan, Index tile_oc, Index tile_rows) {
  Blocking& b = plan->blocking;
  const Index threads = plan->request.threads;
  while (threads > 1 && chunk_count(*plan) < kChunksPerThread * threads && b.oc_per_chunk > 2 * tile_oc)
    b.oc_per_chunk = round_up(ceil_div(b.oc_per_chunk, 2), tile_oc);
  const Index chunks = chunk_count(*plan);
  if (chunks < kChunksPerThread * threads || !claimed_evenly(chunks, threads))
    cut_for_threads(plan, tile_oc, tile_rows);
}

// Elements between a panel's pixels of so many terms: apart from cache sets that all would share.
template <class T>
Index panel_pitch(Index terms) {
  constexpr Index kElement = static_cast<Index>(sizeof(T));
  return terms * kElement % 1024 == 0 ? terms + 64 / kElement : terms;
}

template <class T>
ConvPlan plan_im2col(const Request& request) {
  ConvPlan plan(kIm2col, read_elements_only(request));
  const ConvProblem& p = plan.request.problem;
  const DenseKernels<T>& kernels = dense_kernels<T>(*request.table);
  Blocking& b = plan.blocking;
  b.kind = TileKind::kOcVector;
  b.pitch = panel_pitch<T>(chain_terms(p));
  const Index tile_oc = packed_tile_width(p, *request.table, b.kind);
  const Index tile_rows = kernels.tile_rows(tile_oc);
  plan.packed_bytes = packed_weight_bytes(p, *request.table, b.kind);
  const bool large = plan.packed_bytes > static_cast<std::size_t>(p.groups) * kWeightsOfLargePanels;
  const Index panel_budget = static_cast<Index>((large ? kL2Bytes : kL2Bytes / 2) / sizeof(T));
  const Index most_tiles = large ? kTilesPerLargePanel : kTilesPerPanel;
  const Index most = tile_rows * max_of(1, min_of(most_tiles, panel_budget / (tile_rows * b.pitch)));
  b.cols = min_of(p.out[kW], most);
  // Two threads of Zen 3 sweep smaller weights faster image by image: 0.98 (five layers; one thread 1.035).
  const bool goes_on = large || request.threads == 1;
  b.across_depths = goes_on && depths_follow(plan.request);
  b.across_images = goes_on && images_follow(plan.request);
  b.rows = panel_rows(plan, most / b.cols);
  const Index whole_pitch = panel_pitch<T>(sum_terms(p));
  const bool whole = panel_pixels(b) * whole_pitch <= static_cast<Index>(kL2Bytes / 2 / sizeof(T));
  if (whole) b.pitch = whole_pitch;
  // All output channels share a gathered panel, as far as their carries stay in L2.
  const Index carry_oc = panel_budget / (tile_rows * ceil_div(panel_pixels(b), tile_rows));
  const Index most_oc = whole ? p.out_ch_per_group() : max_of(1, carry_oc / tile_oc) * tile_oc;
  b.oc_per_chunk = min_of(p.out_ch_per_group(), most_oc);
  plan.form = PackedForm::kOcVector;
  cut_panels_for_threads(&plan, tile_oc, tile_rows);
  const Index tiles = ceil_div(panel_pixels(b), tile_rows) * ceil_div(b.oc_per_chunk, tile_oc);
  const Index carries = gathers_whole_sums(plan) ? 0 : tiles * tile_rows * tile_oc;
  plan.chunks = chunk_count(plan);
  b.packs_tiles = whole && plan.chunks == p.groups * chunk_grid(plan).oc_chunks;
  const Index most_elements =
      static_cast<Index>(2 * kL2Bytes / sizeof(T));  // of a tile of weights, as direct's
  b.packs_tiles = b.packs_tiles && tile_elements(plan) <= most_elements;
  plan.scratch_per_thread =
      static_cast<std::size_t>(panel_pixels(b) * b.pitch + carries + tile_elements(plan)) * sizeof(T);
  return plan;
}

bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  const double bytes = static_cast<double>(kMaxTileRows) * (static_cast<double>(chain_terms(p)) + 16) *
                       static_cast<double>(element_bytes(p));
  // Half the limit: the carries of a panel take up to half of L2 besides.
  if (bytes > static_cast<double>(kMaxScratchPerThread) / 2)
    return why.refuse("a panel of ", kMaxTileRows, " pixels needs ", bytes / (1 << 20),
                      " MB of scratch, the limit is ", kMaxScratchPerThread >> 21, " MB");
  return true;
}

// Gathering a panel costs 15 to 25 % of the product (kernels.md, section 1).
double cost(const ConvProblem& image) { return 1.2 * dense_cost_us(image); }

ErrorBound bound(const ConvProblem& p) { return {true, direct_error_factor(p), true}; }

ConvPlan plan(const Request& request) {
  return dispatch_dtype(request.problem, [&](auto zero) { return plan_im2col<decltype(zero)>(request); });
}

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { Im2colRun<decltype(zero)>(plan, operands).execute(); });
}

}  // namespace

const ConvAlgorithm kIm2col = {
    "im2col",     "panels of gathered pixels times the weights, never a full matrix",
    supports,     cost,
    bound,        plan,
    pack_weights, execute};

}  // namespace pyconv
