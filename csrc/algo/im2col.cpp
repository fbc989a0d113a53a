// im2col, a panel at a time: the pixels of a few tiles are gathered chain by chain into [pixel][k] panels and
// multiplied by the same packed weights with the same microkernel as direct, in the same order: same bits.
// The matrix never exists as a whole; sums that span chains wait in tile-shaped carries.
#include "algo/cost_model.h"
#include "algo/dense.h"
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
Index panel_pixels(const Blocking& b) { return b.rows * b.cols; }

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
      T* carries = panel + panel_pixels(plan_.blocking) * plan_.blocking.pitch;
      TileSweep<T> sweep(plan_, operands_, kernels_);
      for (Index number; source.next(&number);)
        run_chunk(sweep, decode_chunk(plan_, grid_, number), panel, carries);
    });
  }

 private:
  // Gathers one chain of the chunk's pixels: panel[row][pixel][k_d][k_h][k_w][channel of the chain].
  void gather_panel(const Chunk& chunk, Index first_channel, Index channels, T* panel) const {
    const Index rows = plan_.request.problem.out[kH];
    for (Index r = chunk.row0; r < chunk.row0 + chunk.rows; ++r, panel += chunk.cols * plan_.blocking.pitch)
      gather_row(chunk, chunk.image + r / rows, r % rows, first_channel, channels, panel);
  }

  void gather_row(const Chunk& chunk, Index number, Index oh, Index first_channel, Index channels,
                  T* panel) const {
    const ConvProblem& p = plan_.request.problem;
    const ActivationStrides& in = plan_.request.in;
    const T* data = static_cast<const T*>(operands_.input) + number * in.batch +
                    (chunk.group * p.in_ch_per_group() + first_channel) * in.channel;
    const InputImage<T> image{data, &p, in};
    for (Index kd = 0; kd < p.kernel[kD]; ++kd)
      for (Index kh = 0; kh < p.kernel[kH]; ++kh) {
        const T* row = image.row(chunk.od * p.stride[kD] - p.pad_begin[kD] + kd * p.dilation[kD],
                                 oh * p.stride[kH] - p.pad_begin[kH] + kh * p.dilation[kH]);
        for (Index kw = 0; kw < p.kernel[kW]; ++kw) {
          read_row(image, kernels_, row, channels,
                   chunk.col0 * p.stride[kW] - p.pad_begin[kW] + kw * p.dilation[kW], p.stride[kW],
                   chunk.cols, {RowOrder::kChannelsInner, panel, plan_.blocking.pitch});
          panel += channels;
        }
      }
  }

  void run_chunk(TileSweep<T>& sweep, const Chunk& chunk, T* panel, T* carries) const {
    static constexpr Index kNoOffset[] = {0};
    const ConvProblem& p = plan_.request.problem;
    const Index pixels = chunk.rows * chunk.cols;  // one line of them (rows_follow)
    const Index tile_rows = kernels_.tile_rows(sweep.tile_oc);
    const EvenSplit split(ceil_div(pixels, kPixelUnit), tile_rows / kPixelUnit);
    const Index carry_size = tile_rows * sweep.tile_oc;
    TileArgs<T>& args = sweep.args;
    args.act_stride = plan_.blocking.pitch;
    args.run_offset = kNoOffset;
    args.runs = args.chains = 1;
    sweep.carry_step = carry_size;
    sweep.k_done = 0;
    for (Index chain = 0; chain < chains_.count; ++chain) {
      const Index channels = chain + 1 == chains_.count ? chains_.last_block : chains_.block;
      gather_panel(chunk, chain * chains_.block, channels, panel);
      args.run_length = args.last_run_length = channels * p.taps();
      args.resume = chain > 0;
      args.finish = chain + 1 == chains_.count;
      args.carry = carries;
      for (Index i = 0, c = 0; i < split.pieces; c += split.size(i) * kPixelUnit, ++i)
        sweep.run(panel + c * plan_.blocking.pitch, chunk, chunk.row0, chunk.col0 + c,
                  min_of(split.size(i) * kPixelUnit, pixels - c), chunk.oc0, chunk.oc);
      sweep.k_done += args.run_length;
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
// Whether there are more images, whose rows go on.
bool images_follow(const Request& r) {
  return r.problem.batch > 1 && r.problem.groups == 1 && r.problem.out[kD] == 1 && rows_follow(r) &&
         r.out.batch == r.out.spatial[kH] * r.problem.out[kH];
}

// Fewer than direct's, because what is cut by channels gathers its panel again (two threads of Zen 3, nine
// layers: 1.04 by 2 instead of 4).
constexpr Index kChunksPerThread = 2;

// Rows of a panel, of which `most` fill it: those of several images are shared out before.
Index panel_rows(const ConvPlan& plan, Index most) {
  const ConvProblem& p = plan.request.problem;
  if (!rows_follow(plan.request)) return 1;
  if (!plan.blocking.across_images) return EvenSplit(p.out[kH], most).size(0);
  const Index rows = p.batch * p.out[kH], threads = plan.request.threads;
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

template <class T>
ConvPlan plan_im2col(const Request& request) {
  ConvPlan plan(kIm2col, read_elements_only(request));
  const ConvProblem& p = plan.request.problem;
  const DenseKernels<T>& kernels = dense_kernels<T>(*request.table);
  Blocking& b = plan.blocking;
  b.kind = TileKind::kOcVector;
  b.pitch = chain_terms(p);
  if (b.pitch * static_cast<Index>(sizeof(T)) % 1024 == 0) b.pitch += 64 / static_cast<Index>(sizeof(T));
  const Index tile_oc = packed_tile_width(p, *request.table, b.kind);
  const Index tile_rows = kernels.tile_rows(tile_oc);
  plan.packed_bytes = packed_weight_bytes(p, *request.table, b.kind);
  const bool large = plan.packed_bytes > static_cast<std::size_t>(p.groups) * kWeightsOfLargePanels;
  const Index panel_budget = static_cast<Index>((large ? kL2Bytes : kL2Bytes / 2) / sizeof(T));
  const Index most_tiles = large ? kTilesPerLargePanel : kTilesPerPanel;
  const Index most = tile_rows * max_of(1, min_of(most_tiles, panel_budget / (tile_rows * b.pitch)));
  b.cols = min_of(p.out[kW], most);
  // Two threads of Zen 3 sweep smaller weights faster image by image: 0.98 (five layers; one thread 1.035).
  b.across_images = images_follow(plan.request) && (large || request.threads == 1);
  b.rows = panel_rows(plan, most / b.cols);
  // All output channels share a gathered panel, as far as their carries stay in L2.
  const Index carry_oc = panel_budget / (tile_rows * ceil_div(panel_pixels(b), tile_rows));
  b.oc_per_chunk = min_of(p.out_ch_per_group(), max_of(1, carry_oc / tile_oc) * tile_oc);
  plan.form = PackedForm::kOcVector;
  cut_panels_for_threads(&plan, tile_oc, tile_rows);
  const Index tiles = ceil_div(panel_pixels(b), tile_rows) * ceil_div(b.oc_per_chunk, tile_oc);
  const Index carries = chains_of(p).count > 1 ? tiles * tile_rows * tile_oc : 0;
  plan.scratch_per_thread = static_cast<std::size_t>(panel_pixels(b) * b.pitch + carries) * sizeof(T);
  plan.chunks = chunk_count(plan);
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
