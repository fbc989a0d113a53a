// Winograd's minimal filtering F(2, 3) and F(3, 2), F(4, 3) with complex points, and F(4, 3) with real ones,
// nested for two dimensions: 2.25, 3.13 and 4 times fewer products for 3x3. What it is, its matrices and its
// error: docs/algorithms-winograd.md. How a kernel is taken apart in winograd_scheme, geometry in
// winograd_tiles, weights in winograd_weights, execution in winograd_run, non-finite values in winograd_redo.
#include "algo/cost_model.h"
#include "algo/registry.h"
#include "algo/simplify.h"
#include "algo/winograd_redo.h"
#include "algo/winograd_run.h"
#include "algo/winograd_weights.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Tiles multiplied with one sweep over the transformed weights.
constexpr Index kTilesPerBlock = 56;
// Larger weights come from memory, not from a cache that cores share.
constexpr std::size_t kSharedCacheBytes = std::size_t{20} << 20;
// Depths of a block where kernels look across them, so that their panels are shared.
constexpr Index kDepthsPerBlock = 4;

template <class T>
std::size_t scratch_bytes(const ConvProblem& p, const TileGrid& grid, const Blocking& b) {
  return static_cast<std::size_t>(WinogradScratch(p, grid, b).total()) * sizeof(T) +
         WinogradRedo<T>::scratch_bytes(p, grid);
}

// Panels of inputs and products share L2 with the weights that stream past them. Weights that come from
// memory are worth larger blocks, which miss L2 (512 > 512@28, 46 panels: 15.7 ms with blocks of 2 MB, 13.8
// of 4 MB; 256 > 256@33: 5.0 and 5.8).
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
  const auto limit = (plan.packed_bytes > kSharedCacheBytes ? 4 : 2) * kL2Bytes;
  while (b->oc_per_chunk > 4 * tile_oc && bytes() > limit)
    b->oc_per_chunk = round_up(ceil_div(b->oc_per_chunk, 2), tile_oc);
  while (b->rows > kDepthsPerBlock && bytes() > limit) b->rows = ceil_div(b->rows, 2);
  while (b->cols > widest && bytes() > limit) b->cols = max_of(widest, round_up(b->cols / 2, widest));
  while (b->rows > 1 && bytes() > kMaxScratchPerThread / 2) --b->rows;
  while (b->oc_per_chunk > tile_oc && bytes() > kMaxScratchPerThread / 2)
    b->oc_per_chunk = round_up(ceil_div(b->oc_per_chunk, 2), tile_oc);
  while (b->cols > 1 && bytes() > kMaxScratchPerThread / 2) b->cols = ceil_div(b->cols, 2);
}

// Goes through values of the blocking, `set(i)` for i from 0 on until it says no, and stays at the first that
// leaves no thread idle at the end, or else at the best one.
template <class Set>
bool even_out(const ConvPlan& plan, const TileGrid& grid, Set&& set) {
  const Index threads = plan.request.threads;
  double most = 0;
  Index best = 0;
  for (Index i = 0; set(i); ++i) {
    const Index chunks = block_count(plan, grid);
    if (claimed_evenly(chunks, threads)) return true;
    const double busy = static_cast<double>(chunks) / static_cast<double>(ceil_div(chunks, threads));
    if (busy > most) best = i;
    most = busy > most ? busy : most;
  }
  set(best);
  return false;
}

// Enough chunks for every thread: fewer tiles first, as long as a sweep fills the microkernel, then fewer
// output channels (which share transformed inputs only within a thread); of large weights channels first,
// where every thread transforms all inputs anyway. Where that leaves threads idle at the end: less depth,
// then narrower sweeps.
template <class T>
void cut_for_threads(ConvPlan* plan, const TileGrid& grid) {
  if (plan->request.threads == 1) return;
  const DenseKernels<T>& kernels = dense_kernels<T>(*plan->request.table);
  const Index tile_oc = kernels.lanes * kernels.oc_vector.max_vectors, widest = kernels.oc_vector.max_rows;
  const Index threads = plan->request.threads, wanted = 4 * threads;
  Blocking& b = plan->blocking;
  const auto cut_channels = [&] {
    while (block_count(*plan, grid) < wanted && b.oc_per_chunk > tile_oc)
      b.oc_per_chunk = round_up(ceil_div(b.oc_per_chunk, 2), tile_oc);
  };
  if (weights_at_home(*plan, grid) && plan->packed_bytes > kWeightsReadOnce) cut_channels();
  while (block_count(*plan, grid) < wanted && b.rows > kDepthsPerBlock) b.rows = ceil_div(b.rows, 2);
  while (block_count(*plan, grid) < wanted && b.cols >= 2 * widest)
    b.cols = round_up(ceil_div(b.cols, 2), widest);
  cut_channels();
  const auto fewer_channels = [&b, tile_oc, most = b.oc_per_chunk](Index i) {
    b.oc_per_chunk = most - i * tile_oc;
    return b.oc_per_chunk > 0;
  };
  const auto less_depth = [&b, most = b.rows](Index i) {
    b.rows = most - i;
    return b.rows > 0;
  };
  const Index tiles = plan->request.problem.batch * grid.per_image(), narrowest = ceil_div(widest, 7);
  const auto narrower = [&b, tiles, narrowest, fewest = ceil_div(tiles, b.cols)](Index i) {
    b.col_bands = fewest + i;
    b.cols = ceil_div(tiles, b.col_bands);
    return i == 0 || b.cols >= narrowest;
  };
  if (even_out(*plan, grid, fewer_channels) || even_out(*plan, grid, less_depth) ||
      even_out(*plan, grid, narrower))
    return;
  b.oc_per_chunk = tile_oc;
  b.rows = 1;
  even_out(*plan, grid, narrower);
}

template <class T>
ConvPlan plan_winograd(const ConvAlgorithm& row, const Request& request, WinogradFamily family,
                       PackedForm form) {
  const Request simple = simplified(request);
  const WinogradScheme scheme = winograd_scheme(simple.problem, family);
  ConvPlan plan(row, permuted(simple, scheme));
  const ConvProblem& p = plan.request.problem;
  const TileGrid grid(p, scheme);
  const DenseKernels<T>& kernels = dense_kernels<T>(*request.table);
  plan.form = form;
  const WinogradWeights weights(p, grid, kernels.lanes);
  plan.packed_bytes = static_cast<std::size_t>(p.groups * weights.group) * sizeof(T);
  plan.blocking.in_place = request.in.channel == 1 && !grid.side_by_side;
  choose_block<T>(plan, grid, &plan.blocking);
  cut_for_threads<T>(&plan, grid);
  plan.scratch_per_thread = scratch_bytes<T>(p, grid, plan.blocking);
  plan.chunks = block_count(plan, grid);
  return plan;
}

// --- the rows

template <WinogradFamily kFamily>
bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  const WinogradScheme scheme = winograd_scheme(p, kFamily);
  if (!scheme.possible)
    return why.refuse(kFamily == WinogradFamily::kF2 ? "F(2, 3) and F(3, 2) need" : "F(4, 3) needs",
                      " fewer products only along one or two dimensions of ",
                      kFamily == WinogradFamily::kF2 ? 2 : 3,
                      " to 12 taps, of which every phase of the stride", " (at most ", kMaxParts, ") sees ",
                      kFamily == WinogradFamily::kF2 ? "one and some two" : "two and some three",
                      "; strided or dilated, not both");
  const ConvProblem turned = permuted(p, scheme);
  Blocking smallest;
  smallest.oc_per_chunk = kMaxTileVectors * 16;  // the widest tile of any instruction set
  const TileGrid grid(turned, scheme);
  const double bytes = dispatch_dtype(turned, [&](auto zero) {
    return static_cast<double>(scratch_bytes<decltype(zero)>(turned, grid, smallest));
  });
  if (bytes > static_cast<double>(kMaxScratchPerThread) / 2)
    return why.refuse("the panels of one tile need ", bytes / (1 << 20), " MB of scratch, the limit is ",
                      kMaxScratchPerThread >> 21, " MB");
  return true;
}

// Vectors of transformed inputs of a tile, in all panels.
Index input_vectors(const TileGrid& grid, Index channels) {
  const auto vectors_of = [](Index elements) { return ceil_div(elements, Index{kWinogradLanes}); };
  if (!grid.side_by_side) return grid.products * vectors_of(channels);
  Index vectors = 0;
  grid.for_neighbours([&](Index a, Index b, Index parts) {
    vectors += grid.panels_below(grid.h.part[a].points, grid.w.points(b)) * vectors_of(parts * channels);
  });
  return vectors;
}

template <WinogradFamily kFamily>
double cost(const ConvProblem& image) {
  const WinogradScheme scheme = winograd_scheme(image, kFamily);
  if (!scheme.possible || image.out_elements() == 0 || image.in_ch == 0) return kNotSupportedUs;
  const ConvProblem p = permuted(image, scheme);
  const TileGrid grid(p, scheme);
  const Index depths = min_of(p.out[kD], kDepthsPerBlock);
  WinogradWork work;
  work.groups = static_cast<double>(p.groups);
  work.in_ch = static_cast<double>(p.in_ch_per_group());
  work.out_ch = padded_out_ch(p);
  work.outer_taps = static_cast<double>(p.kernel[kD]);
  work.taps = static_cast<double>(p.taps());
  work.panels = static_cast<double>(grid.panels());
  work.products = static_cast<double>(grid.products);
  work.tiles = static_cast<double>(grid.per_image() * p.out[kD]);
  work.vectors = static_cast<double>(input_vectors(grid, p.in_ch_per_group()));
  work.side_by_side = grid.side_by_side;
  work.input_planes = static_cast<double>(planes_of(p, depths)) / static_cast<double>(depths);
  work.apart = scheme.dim[kW] != kW || scheme.w.spacing > 1;
  work.strided_parts = scheme.h.step > 1 && scheme.w.step > 1 && !grid.side_by_side &&
                       (kFamily == WinogradFamily::kC4 || grid.parts() >= kWinogradManyParts);
  return winograd_cost_us(work);
}

// Growth of the transforms, sum |A| |G| |B| over the panels for the worst output and tap (derived in
// docs/algorithms-winograd.md; a test derives it again from the matrices; F(2, 3) and F(3, 2) have the same).
double growth(WinogradFamily family, bool two_dims) {
  switch (family) {
    case WinogradFamily::kF2:
      return two_dims ? 16.0 : 4.0;
    case WinogradFamily::kF4:
      return two_dims ? 14.3125 * 14.3125 : 14.3125;
    case WinogradFamily::kC4:
      return two_dims ? 46.0 : 7.0;
  }
  return 0.0;
}

// Roundings of one product path times the growth of the transforms.
template <WinogradFamily kFamily>
ErrorBound bound(const ConvProblem& p) {
  const WinogradScheme scheme = winograd_scheme(p, kFamily);
  if (!scheme.possible) return {false, 0.0, false};
  const bool two_dims = scheme.h.transformed() && scheme.w.transformed();
  const ConvProblem turned = permuted(p, scheme);
  const TileGrid grid(turned, scheme);
  const Chains chains = winograd_chains(turned, grid);
  const double transforms = (two_dims ? 2.0 : 1.0) * (kFamily == WinogradFamily::kF2 ? 6.0 : 12.0);
  const double roundings =
      static_cast<double>(chains.block * turned.kernel[kD] * grid.parts() + chains.count) + transforms + 2;
  Spatial tile = spatial_of(1);
  tile[scheme.dim[kW]] = scheme.w.outputs;
  tile[scheme.dim[kH]] = scheme.h.outputs;
  return {false, roundings * growth(kFamily, two_dims), kFamily != WinogradFamily::kF4, tile};
}

template <WinogradFamily kFamily>
void pack(const ConvPlan& plan, const void* weight, void* packed) {
  dispatch_dtype(plan.request.problem, [&](auto zero) {
    using T = decltype(zero);
    transform_weights<T>(plan, kFamily, static_cast<const T*>(weight), static_cast<T*>(packed));
  });
}

template <WinogradFamily kFamily>
void execute(const ConvPlan& plan, const ConvOperands& operands) {
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { run_winograd<decltype(zero)>(plan, operands, kFamily); });
}

template <WinogradFamily kFamily>
ConvPlan plan(const Request& request) {
  const auto make = [&](const ConvAlgorithm& row, PackedForm form) {
    return dispatch_dtype(request.problem, [&](auto zero) {
      return plan_winograd<decltype(zero)>(row, request, kFamily, form);
    });
  };
  switch (kFamily) {
    case WinogradFamily::kF2:
      return make(kWinogradF2, PackedForm::kWinogradF2);
    case WinogradFamily::kC4:
      return make(kWinogradC4, PackedForm::kWinogradC4);
    default:
      return make(kWinogradF4, PackedForm::kWinogradF4);
  }
}

template <WinogradFamily kFamily>
constexpr ConvAlgorithm make_row(const char* name, const char* summary, Precision admits) {
  return {name,          summary,       supports<kFamily>, cost<kFamily>, bound<kFamily>,
          plan<kFamily>, pack<kFamily>, execute<kFamily>,  admits};
}

}  // namespace

const ConvAlgorithm kWinogradF2 = make_row<WinogradFamily::kF2>(
    "winograd_f2", "Winograd F(2, 3) or F(3, 2): exact on small integers, bounded by tile", Precision::kHigh);
const ConvAlgorithm kWinogradC4 = make_row<WinogradFamily::kC4>(
    "winograd_c4", "Winograd F(4, 3) with complex points: fewer products, and exact like F(2, 3)",
    Precision::kHigh);
const ConvAlgorithm kWinogradF4 = make_row<WinogradFamily::kF4>(
    "winograd_f4", "Winograd F(4, 3): fewest products, largest error", Precision::kMedium);

}  // namespace pyconv
