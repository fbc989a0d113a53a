#include "algo/dense.h"

#include "runtime/cpu.h"

namespace pyconv {

namespace {

// Images and depths whose rows are cut into bands of their own, and the rows of each.
Index images_of(const ConvPlan& plan) { return plan.blocking.across_images ? 1 : plan.request.problem.batch; }
Index depths_of(const ConvPlan& plan) {
  return plan.blocking.across_depths ? 1 : plan.request.problem.out[kD];
}

}  // namespace

Index rows_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  return (b.across_images ? p.batch : 1) * (b.across_depths ? p.out[kD] : 1) * p.out[kH];
}

ChunkGrid chunk_grid(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  return {ceil_div(rows_of(plan), b.rows), ceil_div(p.out[kW], b.cols),
          ceil_div(p.out_ch_per_group(), b.oc_per_chunk)};
}

Index chunk_count(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const ChunkGrid grid = chunk_grid(plan);
  const Index group_chunks = p.groups / plan.blocking.groups_per_chunk;
  return images_of(plan) * group_chunks * depths_of(plan) * grid.bands_per_depth() * grid.oc_chunks;
}

Chunk decode_chunk(const ConvPlan& plan, const ChunkGrid& grid, Index number) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  Chunk c;
  c.oc0 = number % grid.oc_chunks * b.oc_per_chunk;
  c.oc = min_of(b.oc_per_chunk, p.out_ch_per_group() - c.oc0);
  c.band = number /= grid.oc_chunks;
  c.col0 = number % grid.col_bands * b.cols;
  c.cols = min_of(b.cols, p.out[kW] - c.col0);
  number /= grid.col_bands;
  c.row0 = number % grid.row_bands * b.rows;
  c.rows = min_of(b.rows, rows_of(plan) - c.row0);
  number /= grid.row_bands;
  const Index depths = depths_of(plan);
  c.od = number % depths;
  number /= depths;
  c.groups = b.groups_per_chunk;
  c.group = number % (p.groups / c.groups) * c.groups;
  c.image = number / (p.groups / c.groups);
  return c;
}

void cut_for_threads(ConvPlan* plan, Index tile_oc, Index tile_cols) {
  const ConvProblem& p = plan->request.problem;
  Blocking& b = plan->blocking;
  // Channels from which on two threads hardly ever write to the same line.
  constexpr Index kOwnChannels = 64;
  const Index threads = plan->request.threads, wanted = 8 * threads;
  if (threads == 1) return;
  const auto cut_channels = [&](Index least) {
    while (chunk_count(*plan) < wanted && b.oc_per_chunk > least)
      b.oc_per_chunk = round_up(ceil_div(b.oc_per_chunk, 2), tile_oc);
  };
  if (plan->packed_bytes > static_cast<std::size_t>(p.groups) * kWeightsReadOnce) cut_channels(kOwnChannels);
  while (chunk_count(*plan) < wanted && b.rows > 1) b.rows = ceil_div(b.rows, 2);
  const Index least_cols = (outgrows_caches(p) ? 2 : 8) * tile_cols;
  while (b.kind == TileKind::kOcVector && chunk_count(*plan) < wanted && b.cols >= 2 * least_cols)
    b.cols = round_up(ceil_div(b.cols, 2), tile_cols);
  cut_channels(tile_oc);
  const auto uneven = [&] { return !claimed_evenly(chunk_count(*plan), threads); };
  while (uneven() && b.rows > 1) --b.rows;
  while (uneven() && b.oc_per_chunk > tile_oc) b.oc_per_chunk = round_up(b.oc_per_chunk - tile_oc, tile_oc);
  while (uneven() && b.cols > ceil_div(tile_cols, 4)) --b.cols;
}

std::size_t input_bytes(const ConvProblem& p) {
  return static_cast<std::size_t>(p.batch * p.in_ch * p.in.product()) * element_bytes(p);
}

namespace {

std::size_t output_bytes(const ConvProblem& p) {
  return static_cast<std::size_t>(p.out_elements()) * element_bytes(p);
}

}  // namespace

bool outgrows_caches(const ConvProblem& p) {
  const bool hidden = p.in_ch_per_group() * p.taps() >= kTermsHidingStores;
  return output_bytes(p) >= (hidden ? 1 : 4) * kLargeOutput;
}

bool outgrows_l2(const ConvProblem& p) { return output_bytes(p) >= kLargeOutput; }

bool asks_for_memory(const ConvProblem& p, std::size_t found) {
  return input_bytes(p) + output_bytes(p) > found;
}

std::size_t found_in_l3() { return cache_sizes().l3 / 32 * 9; }

bool asks_between_terms(const ConvProblem& p) {
  const std::size_t l2 = cache_sizes().l2;
  return l2 > kL2Bytes && asks_for_memory(p, l2 / 2);
}

bool asks_for_weights(std::size_t group_bytes) {
  const std::size_t l2 = cache_sizes().l2;
  return l2 > kL2Bytes && group_bytes > 2 * l2;
}

bool asks_memory_for_weights(std::size_t group_bytes) {
  return asks_for_weights(group_bytes) && group_bytes >= kWeightsReadOnce;
}

bool streams_output(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const ActivationStrides& out = plan.request.out;
  const Blocking& b = plan.blocking;
  if (cache_sizes().l2 > kL2Bytes && p.in_ch_per_group() * p.taps() < kTermsHidingStreams) return false;
  // The buffer stays in L2; where that has 512 KB and weights come from L3, in half of L1 (Zen 3, AVX2, us:
  // 128 > 1024@28 2500, not streamed 2380, 160 > 960@24 2080 and 1990; 64 > 256@56 1240 and 1380).
  const bool small_l2 = cache_sizes().l2 < kL2Bytes;
  const Index rows = small_l2 ? plan.request.table->dense_f32.oc_vector.max_rows : kMaxTileRows;
  const std::size_t room = small_l2 ? std::size_t{16} << 10 : kL2Bytes / 4;
  const std::size_t tile = static_cast<std::size_t>(rows * p.out_ch) * element_bytes(p);
  const std::size_t streamed = small_l2 ? kStreamedPastSmallL2 : kStreamed;
  return outgrows_caches(p) && output_bytes(p) >= streamed && tile <= room && b.kind == TileKind::kOcVector &&
         b.oc_inner && b.oc_per_chunk * b.groups_per_chunk == p.out_ch && out.channel == 1 &&
         out.spatial[kW] == p.out_ch;
}

Index stream_elements(const ConvPlan& plan) {
  if (!plan.blocking.streams) return 0;
  const Index line = static_cast<Index>(kCacheLine / element_bytes(plan.request.problem));
  return round_up(line + max_of(kMaxTileRows, plan.blocking.pixels_per_call) * plan.request.problem.out_ch,
                  line);
}

template <class T>
TileSweep<T>::TileSweep(const ConvPlan& conv_plan, const ConvOperands& operands, const DenseKernels<T>& dense,
                        T* stream_buffer)
    : plan(&conv_plan),
      kernels(&dense),
      packed(static_cast<const T*>(operands.packed)),
      args{},
      bias(static_cast<const T*>(operands.bias)),
      residual(static_cast<const T*>(operands.residual)),
      out(static_cast<T*>(operands.out)),
      stream(conv_plan.request.table->stream, stream_buffer) {
  const Request& request = conv_plan.request;
  const bool oc_vector = conv_plan.blocking.kind == TileKind::kOcVector;
  packed_out_ch = pyconv::packed_out_ch(request.problem, *request.table, conv_plan.blocking.kind);
  tile_oc = packed_tile_width(request.problem, *request.table, conv_plan.blocking.kind);
  args.out_m_stride = oc_vector ? request.out.spatial[kW] : request.out.channel;
  args.out_n_stride = oc_vector ? request.out.channel : request.out.spatial[kW];
  args.lo = static_cast<T>(request.problem.epilogue.lo);
  args.hi = static_cast<T>(request.problem.epilogue.hi);
  args.clamped = request.problem.epilogue.activation != Activation::kNone;
  args.finish = true;
  // Behind long sums the output's way is hidden.
  const bool short_sums = request.problem.in_ch_per_group() * request.problem.taps() < kTermsHidingStreams;
  asks_for_output = oc_vector && !stream && short_sums && asks_between_terms(request.problem);
  const auto groups = static_cast<std::size_t>(request.problem.groups);
  asks_for_weights = oc_vector && packed && pyconv::asks_for_weights(conv_plan.packed_bytes / groups);
}

template <class T>
void TileSweep<T>::place(const Chunk& chunk, Index group, Index oh, Index ow, Index oc0) {
  const Request& request = plan->request;
  const Index channel = group * request.problem.out_ch_per_group() + oc0;
  const Spatial& s = request.out.spatial;
  const Index at = chunk.image * request.out.batch + channel * request.out.channel + chunk.od * s[kD] +
                   oh * s[kH] + ow * s[kW];
  args.weights = packed ? packed + packed_offset(request.problem, packed_out_ch, group, oc0) : packed_tile;
  args.out = out + at;
  args.residual = residual ? residual + at : nullptr;
  args.bias = bias ? bias + channel : nullptr;
}

template <class T>
void TileSweep<T>::next_tile() {
  const Request& request = plan->request;
  const Index step = tile_oc * request.out.channel;
  args.weights += tile_oc * request.problem.in_ch_per_group() * request.problem.taps();
  args.out += step;
  if (args.residual) args.residual += step;
  if (args.bias) args.bias += tile_oc;
  args.carry += carry_step;
}

// One of so many tiles' share.
template <class T>
void TileSweep<T>::ask_ahead(Index tiles) {
  Index pixels = ceil_div(ahead.pixels, tiles);
  for (ahead.pixels -= pixels; pixels > 0; --pixels, ahead.pixel += ahead.pixel_step)
    for (Index k = 0; k < ahead.channels; k += 64 / static_cast<Index>(sizeof(T)))
      __builtin_prefetch(ahead.pixel + k, 0, 2);
}

// The same of pixel vectors, and the output of the next call: of the next tile of channels, in the end
// `right`.
template <class T>
void TileSweep<T>::ask_between_terms(Index tiles, const T* right) {
  const Index share = ahead.channel_step == 0 ? 0 : ceil_div(ahead.channels, tiles);
  args.ahead = {tiles > 1 ? args.out + tile_oc * args.out_m_stride : right, ahead.pixel, share,
                ahead.channel_step};
  ahead.pixel += share * ahead.channel_step;
  ahead.channels -= share;
}

template <class T>
void TileSweep<T>::ask_for_weights() {
  const AheadWeights& next = ahead_weights;
  args.ahead.weights = next.distance == 0 ? nullptr : args.weights + next.distance + next.asked;
  args.ahead.weight_rows = next.rows;
  ahead_weights.asked += args.tiles * next.rows * tile_oc;
}

template <class T>
void TileSweep<T>::run_oc_vectors(Index pixels, Index oc, Index groups_left) {
  const TileFn<T>* tile = kernels->oc_vector.tile[pixels];
  const T* const right = args.out + args.tiles * pixels * args.out_m_stride;
  for (; oc > 0; oc -= tile_oc, next_tile()) {
    args.n_valid = min_of(oc, tile_oc);
    if (asks_for_output) args.ahead.out = oc > tile_oc ? args.out + tile_oc : right;
    if (ahead.pixels > 0) ask_ahead(groups_left * ceil_div(oc, tile_oc));
    const Index vectors = ceil_div(args.n_valid, kernels->lanes);
    const T* const weights = args.weights;
    args.weights += k_done * vectors * kernels->lanes;
    ask_for_weights();
    tile[vectors](args);
    args.weights = weights;
  }
}

template <class T>
void TileSweep<T>::run_pixel_vectors(Index pixels, Index oc) {
  const TileSet<T>& tiles = kernels->tiles(plan->blocking.kind);
  const Index vectors = ceil_div(pixels, kernels->lanes);
  args.n_valid = pixels;
  const T* const right = args.out + args.tiles * pixels;
  for (; oc > 0; oc -= tile_oc, next_tile()) {
    if (ahead.pixel) ask_between_terms(ceil_div(oc, tile_oc), right);
    tiles.tile[min_of(oc, tile_oc)][vectors](args);
  }
  args.ahead.out = ahead.pixel = nullptr;
}

template <class T>
void TileSweep<T>::run(const T* act, const Chunk& chunk, Index oh, Index ow, Index pixels, Index oc0,
                       Index oc, Index tiles) {
  T* streamed = nullptr;
  args.tiles = tiles;
  for (Index g = 0; g < chunk.groups; ++g) {
    place(chunk, chunk.group + g, oh, ow, oc0);
    if (stream && g == 0) streamed = stream.begin(args.out);
    if (stream) args.out = streamed + g * oc;
    args.act = act + g * group_step;
    if (plan->blocking.kind == TileKind::kOcVector)
      run_oc_vectors(pixels, oc, chunk.groups - g);
    else
      run_pixel_vectors(pixels, oc);
  }
  if (stream) stream.end(tiles * pixels * oc * chunk.groups);
}

template struct TileSweep<float>;
template struct TileSweep<double>;

}  // namespace pyconv
