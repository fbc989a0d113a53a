// Winograd's minimal filtering F(2, 3) and F(4, 3), nested for two dimensions: 2.25 and 4 times fewer
// products (1.5 and 2 times where one dimension is three wide). What it is, its matrices and its error:
// docs/algorithms-winograd.md. Geometry in winograd_tiles, execution in winograd_run, non-finite values in
// winograd_redo.
#include <cstring>

#include "algo/cost_model.h"
#include "algo/registry.h"
#include "algo/winograd_redo.h"
#include "algo/winograd_run.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Tiles multiplied with one sweep over the transformed weights.
constexpr Index kTilesPerBlock = 56;
// Depths of a block where kernels look across them, so that their panels are shared.
constexpr Index kDepthsPerBlock = 4;

template <class T>
std::size_t scratch_bytes(const ConvProblem& p, const TileGrid& grid, const Blocking& b) {
  return static_cast<std::size_t>(WinogradScratch(p, grid, b).total()) * sizeof(T) +
         WinogradRedo<T>::scratch_bytes(p, grid);
}

// Panels of inputs and products share L2 with the weights that stream past them.
template <class T>
void choose_block(const ConvPlan& plan, const TileGrid& grid, Blocking* b) {
  const ConvProblem& p = plan.request.problem;
  const DenseKernels<T>& kernels = dense_kernels<T>(*plan.request.table);
  const Index tile_oc = kernels.lanes * kernels.oc_vector.max_vectors, widest = kernels.oc_vector.max_rows;
  const Index tiles = max_of(1, p.batch * grid.per_image()), block = kTilesPerBlock / widest * widest;
  b->oc_per_chunk = round_up(p.out_ch_per_group(), tile_oc);
  const Index blocks = ceil_div(tiles, block);
  b->cols = blocks == 1 ? tiles : round_up(ceil_div(tiles, blocks), widest);
  b->rows = min_of(p.out[kD], max_of(p.kernel[kD] > 1 ? kDepthsPerBlock : 1, block / b->cols));
  const auto bytes = [&] {
    return static_cast<std::size_t>(WinogradScratch(p, grid, *b).total()) * sizeof(T);
  };
  const auto limit = 2 * kL2Bytes;
  while (b->oc_per_chunk > 4 * tile_oc && bytes() > limit)
    b->oc_per_chunk = round_up(ceil_div(b->oc_per_chunk, 2), tile_oc);
  while (b->rows > kDepthsPerBlock && bytes() > limit) b->rows = ceil_div(b->rows, 2);
  while (b->cols > widest && bytes() > limit) b->cols = max_of(widest, round_up(b->cols / 2, widest));
  while (b->rows > 1 && bytes() > kMaxScratchPerThread / 2) --b->rows;
  while (b->oc_per_chunk > tile_oc && bytes() > kMaxScratchPerThread / 2)
    b->oc_per_chunk = round_up(ceil_div(b->oc_per_chunk, 2), tile_oc);
  while (b->cols > 1 && bytes() > kMaxScratchPerThread / 2) b->cols = ceil_div(b->cols, 2);
}

// Enough chunks for every thread: fewer tiles first, as long as a sweep fills the microkernel, then fewer
// output channels (which share transformed inputs only within a thread). Where that leaves threads idle at
// the end: less depth, then narrower sweeps.
template <class T>
void cut_for_threads(ConvPlan* plan, const TileGrid& grid) {
  if (plan->request.threads == 1) return;
  const DenseKernels<T>& kernels = dense_kernels<T>(*plan->request.table);
  const Index tile_oc = kernels.lanes * kernels.oc_vector.max_vectors, widest = kernels.oc_vector.max_rows;
  const Index threads = plan->request.threads, wanted = 4 * threads;
  Blocking& b = plan->blocking;
  while (block_count(*plan, grid) < wanted && b.rows > kDepthsPerBlock) b.rows = ceil_div(b.rows, 2);
  while (block_count(*plan, grid) < wanted && b.cols >= 2 * widest)
    b.cols = round_up(ceil_div(b.cols, 2), widest);
  while (block_count(*plan, grid) < wanted && b.oc_per_chunk > tile_oc)
    b.oc_per_chunk = round_up(ceil_div(b.oc_per_chunk, 2), tile_oc);
  const auto uneven = [&] { return !claimed_evenly(block_count(*plan, grid), threads); };
  while (uneven() && b.oc_per_chunk > tile_oc) b.oc_per_chunk = round_up(b.oc_per_chunk - tile_oc, tile_oc);
  while (uneven() && b.rows > 1) --b.rows;
  while (uneven() && b.cols > ceil_div(widest, 4)) --b.cols;
}

template <class T>
ConvPlan plan_winograd(const ConvAlgorithm& row, const Request& request, Index outputs, PackedForm form) {
  const WinogradAxes axes = winograd_axes(request.problem);
  ConvPlan plan(row, permuted(request, axes));
  const ConvProblem& p = plan.request.problem;
  const TileGrid grid(p, axes.two_dims, outputs);
  const DenseKernels<T>& kernels = dense_kernels<T>(*request.table);
  plan.blocking.in_place = request.in.channel == 1;
  choose_block<T>(plan, grid, &plan.blocking);
  cut_for_threads<T>(&plan, grid);
  plan.form = form;
  const WinogradWeights weights(p, grid.panels(), kernels.lanes);
  plan.packed_bytes = static_cast<std::size_t>(p.groups * weights.group) * sizeof(T);
  plan.scratch_per_thread = scratch_bytes<T>(p, grid, plan.blocking);
  plan.chunks = block_count(plan, grid);
  return plan;
}

// --- weights

// Taps staged at once for a tile of output channels: 32 channels of a 3x3 kernel, a fraction of L2.
constexpr Index kStagedTaps = 288;

template <class T>
class WeightTransform {
 public:
  WeightTransform(const ConvPlan& plan, Index outputs)
      : p_(plan.request.problem),
        threads_(plan.request.threads),
        strides_(plan.request.weight),
        kernels_(dense_kernels<T>(*plan.request.table)),
        transforms_(winograd_transforms<T>(*plan.request.table, transforms_h(p_), outputs)),
        sizes_(p_, transforms_.in_h * transforms_.in_w, kernels_.lanes),
        tile_(kernels_.lanes * kernels_.oc_vector.max_vectors),
        taps_(transforms_.taps_h * transforms_.taps_w),
        staged_channels_(max_of(1, kStagedTaps / (p_.kernel[kD] * taps_))) {}

  void run(const T* weight, T* packed) const {
    const Index out_ch = p_.out_ch_per_group(), per_oc = p_.in_ch_per_group() * p_.kernel[kD];
    const Index tiles = ceil_div(out_ch, tile_);
    parallel_for(threads_, p_.groups * tiles, [&](ChunkSource& source) {
      const ScratchBlock staged(static_cast<std::size_t>(staged_channels_ * p_.kernel[kD] * taps_ * tile_) *
                                sizeof(T));
      for (Index number; source.next(&number);) {
        const Index group = number / tiles, oc = number % tiles * tile_;
        tile(weight + (group * out_ch + oc) * strides_.out_ch, min_of(tile_, out_ch - oc), staged.as<T>(),
             packed + group * sizes_.group + oc * per_oc);
      }
    });
  }

 private:
  // One tile of output channels: every chain, outer tap and input channel of it, in reading order.
  void tile(const T* weight, Index width, T* staged, T* packed) const {
    const Chains chains = chains_of(p_.in_ch_per_group(), p_.kernel[kD]);
    const Index padded = round_up(width, kernels_.lanes);
    for (Index chain = 0; chain < chains.count; ++chain) {
      const Index channels = chain + 1 == chains.count ? chains.last_block : chains.block;
      for (Index c = 0; c < channels; c += staged_channels_) {
        const Index count = min_of(staged_channels_, channels - c);
        stage(weight + (chain * chains.block + c) * strides_.in_ch, count, width, padded, staged);
        for (Index kd = 0; kd < p_.kernel[kD]; ++kd)
          transforms_.weight(staged + kd * taps_ * padded, p_.kernel[kD] * taps_ * padded, padded, count,
                             padded, packed + (kd * channels + c) * padded, sizes_.panel);
      }
      packed += p_.kernel[kD] * channels * padded;
    }
  }

  // staged[channel][k_d][k_h][k_w][output channel]
  void stage(const T* weight, Index channels, Index width, Index padded, T* staged) const {
    const Index per_channel = p_.kernel[kD] * taps_;
    if (padded != width)
      std::memset(staged, 0, static_cast<std::size_t>(channels * per_channel * padded) * sizeof(T));
    const Spatial& k = strides_.kernel;
    const bool one_run = strides_.in_ch == per_channel && k[kW] == 1 && (taps_ == 3 || k[kH] == 3) &&
                         (p_.kernel[kD] == 1 || k[kD] == taps_);
    if (one_run)
      return kernels_.gather2d(staged, padded, weight, 1, strides_.out_ch, channels * per_channel, width);
    for (Index kd = 0; kd < p_.kernel[kD]; ++kd)
      for (Index tap = 0; tap < taps_; ++tap)
        kernels_.gather2d(staged + (kd * taps_ + tap) * padded, per_channel * padded,
                          weight + kd * k[kD] + tap / 3 * k[kH] + tap % 3 * k[kW], strides_.in_ch,
                          strides_.out_ch, channels, width);
  }

  const ConvProblem& p_;
  const int threads_;
  const WeightStrides& strides_;
  const DenseKernels<T>& kernels_;
  const WinogradTransforms<T>& transforms_;
  const WinogradWeights sizes_;
  const Index tile_, taps_, staged_channels_;
};

// --- the rows

template <Index kOutputs>
bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  const WinogradAxes axes = winograd_axes(p);
  if (!axes.possible)
    return why.refuse(
        "the kernel must be 3 wide at stride 1 in the last two dimensions, or in one of them (1-D, 2-D)");
  const ConvProblem turned = permuted(p, axes);
  Blocking smallest;
  smallest.oc_per_chunk = kMaxTileVectors * 16;  // the widest tile of any instruction set
  const TileGrid grid(turned, axes.two_dims, kOutputs);
  const double bytes = dispatch_dtype(turned, [&](auto zero) {
    return static_cast<double>(scratch_bytes<decltype(zero)>(turned, grid, smallest));
  });
  if (bytes > static_cast<double>(kMaxScratchPerThread) / 2)
    return why.refuse("the panels of one tile need ", bytes / (1 << 20), " MB of scratch, the limit is ",
                      kMaxScratchPerThread >> 21, " MB");
  return true;
}

template <Index kOutputs>
double cost(const ConvProblem& image) {
  const WinogradAxes axes = winograd_axes(image);
  if (!axes.possible || image.out_elements() == 0) return 0.0;  // refused
  const ConvProblem p = permuted(image, axes);
  const TileGrid grid(p, axes.two_dims, kOutputs);
  const Index depths = min_of(p.out[kD], kDepthsPerBlock);
  WinogradWork work;
  work.groups = static_cast<double>(p.groups);
  work.in_ch = static_cast<double>(p.in_ch_per_group());
  work.out_ch = static_cast<double>(p.out_ch_per_group());
  work.outer_taps = static_cast<double>(p.kernel[kD]);
  work.taps = static_cast<double>(p.taps());
  work.panels = static_cast<double>(grid.panels());
  work.tiles = static_cast<double>(grid.per_image() * p.out[kD]);
  work.input_planes = static_cast<double>(planes_of(p, depths)) / static_cast<double>(depths);
  return winograd_cost_us(work);
}

// Roundings of one product path times the growth of the transforms, sum |A| |G| |B| over the panels for the
// worst output and tap (derived in docs/algorithms-winograd.md; a test derives it again from the matrices).
template <Index kOutputs>
ErrorBound bound(const ConvProblem& p) {
  constexpr double kGrowth = kOutputs == 2 ? 4.0 : 14.3125;
  const WinogradAxes axes = winograd_axes(p);
  if (!axes.possible) return {false, 0.0, false};
  const ConvProblem turned = permuted(p, axes);
  const Chains chains = chains_of(turned.in_ch_per_group(), turned.kernel[kD]);
  const double transforms = (axes.two_dims ? 2.0 : 1.0) * (kOutputs == 2 ? 6.0 : 12.0);
  const double roundings =
      static_cast<double>(chains.block * turned.kernel[kD] + chains.count) + transforms + 2;
  Spatial tile = spatial_of(1);
  tile[axes.dim[kW]] = kOutputs;
  if (axes.two_dims) tile[axes.dim[kH]] = kOutputs;
  return {false, roundings * (axes.two_dims ? kGrowth * kGrowth : kGrowth), kOutputs == 2, tile};
}

template <Index kOutputs>
void pack(const ConvPlan& plan, const void* weight, void* packed) {
  dispatch_dtype(plan.request.problem, [&](auto zero) {
    using T = decltype(zero);
    WeightTransform<T>(plan, kOutputs).run(static_cast<const T*>(weight), static_cast<T*>(packed));
  });
}

template <Index kOutputs>
void execute(const ConvPlan& plan, const ConvOperands& operands) {
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { run_winograd<decltype(zero)>(plan, operands, kOutputs); });
}

ConvPlan plan_f2(const Request& request) {
  return dispatch_dtype(request.problem, [&](auto zero) {
    return plan_winograd<decltype(zero)>(kWinogradF2, request, 2, PackedForm::kWinogradF2);
  });
}
ConvPlan plan_f4(const Request& request) {
  return dispatch_dtype(request.problem, [&](auto zero) {
    return plan_winograd<decltype(zero)>(kWinogradF4, request, 4, PackedForm::kWinogradF4);
  });
}

}  // namespace

const ConvAlgorithm kWinogradF2 = {
    "winograd_f2",   "Winograd F(2, 3): exact on small integers, bounded by tile",
    supports<2>,     cost<2>,
    bound<2>,        plan_f2,
    pack<2>,         execute<2>,
    Precision::kHigh};
const ConvAlgorithm kWinogradF4 = {"winograd_f4",     "Winograd F(4, 3): fewest products, largest error",
                                   supports<4>,       cost<4>,
                                   bound<4>,          plan_f4,
                                   pack<4>,           execute<4>,
                                   Precision::kMedium};

}  // namespace pyconv
