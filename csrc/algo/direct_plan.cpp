#include "algo/direct_plan.h"

#include "algo/registry.h"
#include "algo/simplify.h"
#include "runtime/cpu.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Elements between packed neighbours. Pixels whose distance is a multiple of 1 KB fall into few L1 sets (14
// rows of a tile then evict each other), so they are moved apart by one cache line.
Index packed_pitch(const ConvProblem& p, TileKind kind, Index out_cols) {
  const Index element = static_cast<Index>(element_bytes(p));
  const Index natural =
      channels_inner(kind) ? p.in_ch_per_group() : round_up(band_cols(p, out_cols), p.stride[kW]);
  return natural * element % 1024 == 0 ? natural + 64 / element : natural;
}

}  // namespace

Index band_row_step(const ConvProblem& p, const Blocking& b) { return b.rows == 1 ? p.dilation[kH] : 1; }
Index band_rows(const ConvProblem& p, Index out_rows, Index row_step) {
  return (out_rows - 1) * p.stride[kH] + window_extent(p.kernel[kH], p.dilation[kH] / row_step);
}
Index band_cols(const ConvProblem& p, Index out_cols) {
  return (out_cols - 1) * p.stride[kW] + window_extent(p.kernel[kW], p.dilation[kW]);
}

double band_bytes(const ConvProblem& p, const Blocking& b) {
  const double pitch = static_cast<double>(packed_pitch(p, b.kind, b.cols));
  const Index lines = channels_inner(b.kind) ? band_cols(p, b.cols) : p.in_ch_per_group();
  return static_cast<double>(b.groups_per_chunk * p.kernel[kD]) *
         static_cast<double>(band_rows(p, b.rows, band_row_step(p, b))) * static_cast<double>(lines) * pitch *
         static_cast<double>(element_bytes(p));
}

bool asks_for_rows(const ConvPlan& plan) {
  const Request& r = plan.request;
  const ConvProblem& p = r.problem;
  return plan.blocking.kind == TileKind::kPixelVector && p.taps() == 1 && !p.is_padded() &&
         p.stride[kW] == 1 && r.in.spatial[kW] == 1 && asks_between_terms(p);
}

Index tile_elements(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  if (!plan.blocking.packs_tiles) return 0;
  return round_up(
      packed_tile_width(p, *plan.request.table, plan.blocking.kind) * p.in_ch_per_group() * p.taps(), 16);
}

namespace {

// What one term of a tile's sums keeps a core busy with: its products or the loads for them, two in a cycle,
// and no fewer than two FMAs of four cycles each.
Index term_slots(Index rows, Index vectors) { return max_of(8, max_of(rows * vectors, rows + vectors)); }

// The same of a row of outputs, cut into tiles of at most `most` units.
template <class TileSlots>
Index row_slots(Index units, Index most, const TileSlots& slots) {
  const EvenSplit split(units, most);
  Index sum = 0;
  for (Index i = 0; i < split.pieces; i += split.alike(i)) sum += split.alike(i) * slots(split.size(i));
  return sum;
}

// Whether few output channels, whose vectors would be nearly empty, are rather broadcast to vectors of
// pixels. Their input is copied for that, which costs much where pixels are short or far apart, and has to
// be used often (Emerald Rapids, us: 3x3 128 > 2@20 163 -> 80, 2x2 stride 2 32 > 6@80 channels-last, each
// pixel used once, 52 and, copied, 92; seventeen layers, both layouts, 1.24; AVX2 1.02, worst 0.93).
template <class T>
bool broadcasts_few_channels(const Request& r, const DenseKernels<T>& kernels) {
  const ConvProblem& p = r.problem;
  const Index lanes = kernels.lanes, channels = p.out_ch_per_group();
  if (channels >= lanes) return false;
  const Index uses = p.uses_of_input();
  const bool channels_last = r.in.channel == 1;
  const bool short_pixels = channels_last && 2 * p.in_ch_per_group() < lanes;
  if (channels_last ? uses < (short_pixels ? 4 : 2) : uses < 2 && p.stride[kW] > 2) return false;
  const EvenSplit tiles(channels, kernels.pixel_vector.max_rows);
  const Index rows = tiles.size(0);
  const Index by_pixels =
      tiles.pieces * row_slots(ceil_div(p.out[kW], lanes), kernels.pixel_vector.widest(rows),
                               [&](Index vectors) { return term_slots(rows, vectors); });
  const Index by_channels = row_slots(ceil_div(p.out[kW], kPixelUnit), kernels.tile_rows(lanes) / kPixelUnit,
                                      [&](Index units) { return term_slots(units * kPixelUnit, 1); });
  // Channels-first copies cost less (3x3 stride 2 48@112 in 6 groups, 1.87 times the slots, batch 8 6180 ->
  // 4640 us; 208@28 in 26, 1.67 times, 124 and 169).
  const Index least = uses >= 4 && !short_pixels ? 125 : channels_last ? 200 : 175;
  return 100 * by_channels >= least * by_pixels;
}

// Vectors of pixels where the input runs along rows and rows nearly fill their vectors: nothing is
// transposed. Vectors of output channels elsewhere, where there are channels enough. Measured on Zen 4 (3x3
// 64@56 NCHW, GFLOP/s of 116): 14-lane tail (AVX-512) 97 against 101-107; no tail (AVX2) 96 against 86.
template <class T>
TileKind choose_kind(const Request& r, const DenseKernels<T>& kernels, std::size_t group_weights) {
  const ConvProblem& p = r.problem;
  const Index lanes = kernels.lanes;
  // Few output channels: vectors of them would be nearly empty. Read once, pixels are transposed on the way.
  if (r.in.channel == 1 && p.taps() == 1 && !p.is_padded() && p.in_ch_per_group() >= lanes &&
      p.out_ch_per_group() <= kernels.transposed.max_rows && p.out[kW] >= lanes)
    return TileKind::kTransposed;
  const Index vectors = round_up(p.out[kW], lanes);
  // Weights from memory are asked for by tiles of channels only, for which few pixels are transposed soon
  // (docs/decisions/0049-weights-ahead.md).
  constexpr Index kFewPixels = 64;
  if (p.out.product() > kernels.oc_vector.max_rows && p.out.product() <= kFewPixels &&
      asks_memory_for_weights(group_weights) && p.out_ch_per_group() >= lanes)
    return TileKind::kOcVector;
  // One vector of channels shares no broadcast, so emptier rows do as well (Zen 3, AVX2, rows of 14, 28 and
  // 30 pixels, channels-first, twelve layers: 1.14, worst 0.93). Transposing the sums costs as much as their
  // first six terms (Emerald Rapids, 3x3 1 > 64@56 128 -> 60 us, 3 > 64@56 160 -> 110, 1 > 64@32x100 151 ->
  // 58).
  const bool one_vector =
      p.out_ch_per_group() <= lanes && kernels.oc_vector.tallest(1) > kernels.oc_vector.max_rows;
  const bool transposes = r.out.channel != 1 && p.out_ch_per_group() >= lanes;
  const Index transposing = transposes ? 600 / (p.in_ch_per_group() * p.taps()) : 0;
  const Index excess = (one_vector ? 20 : 7) + transposing;
  const bool full_rows = 100 * (vectors - p.out[kW]) <= excess * p.out[kW];
  // Two FMAs a cycle of four cycles each want eight sums: AVX2 has four in a row of eight pixels (Zen 3, 3x3
  // stride 2 192@17 batch 8, 12000 us, by vectors of channels 5600).
  const Index sums =
      kernels.pixel_vector.max_rows * min_of(vectors / lanes, kernels.pixel_vector.max_vectors);
  if (r.in.channel != 1 && full_rows && sums >= 8) return TileKind::kPixelVector;
  if (broadcasts_few_channels(r, kernels)) return TileKind::kPixelVector;
  return TileKind::kOcVector;
}

// A pointwise layer reads its input once for every few output channels: from so many channels on, a panel of
// pixels is copied into L1 first. In place, rows lie pages apart and may alias the output's (same address
// modulo 4 KB), as NumPy's large arrays do: AVX2 1x1 64>256@56 between 74 and 81 % of the peak in place,
// depending on where the arrays lie, and 82 % by panels.
constexpr Index kPanelChannels = 64;
constexpr Index kPanelBytes = 24 << 10;

// With an L1 of 32 KB kernels of several taps read pixel vectors from copied rows, which stay in L2 beside
// the output: a tile reads a short piece of every channel's row, which no prefetcher follows (Zen 3, AVX2,
// us, on either of two CPUs: 32 > 16, 3 taps, 24002 in place 3190 and 1860, from 128 KB of rows 1620 and
// 1490; 32 > 64, 2 taps, 4860 and 4010, 3020 and 2290; from 512 KB 3440 and 2650). Zen 5 reads them in place.
constexpr Index kRowsBytes = 128 << 10;

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

// Whether the channels of each chain are copied apart, so that a row of taps is one run. Kernels of more than
// 32 taps have chains of few channels, and what a tile does between the short runs of single taps shows. Rows
// shorter than there are chains cost more to copy than that (5x5x5 512 > 8@4x8x8, 103 chains, channels-first
// 0.85 to 0.90), and single taps of zero padding are left out, which long kernels over short rows are mostly
// made of (128 taps, 768@49 in 16 groups, 0.44; docs/decisions/0051-chains-apart.md).
bool copies_chains(const ConvProblem& p, TileKind kind) {
  constexpr Index kFewChannels = 16;
  const Chains chains = chains_of(p);
  return kind == TileKind::kOcVector && chains.count > 1 && chains.count <= p.out[kW] &&
         chains.block < kFewChannels && p.kernel[kW] > 1 && p.dilation[kW] == 1 &&
         (!p.is_padded() || 2 * p.kernel[kW] <= p.in[kW]);
}

// Where L1 is small, vectors of half a line take pixels of many channels from a copy (AVX2 on Zen 4, us: 3x3
// 64 > 32@62 601, in place 747, 16 > 12@66 156 and 173; 3 > 8@32 13.9 and 10.6, 3x3x3 4 > 8@20x40x40 677 and
// 587). Whole lines do not need it (AVX-512, 13 layers 1.00 to 1.16; docs/decisions/0052-small-l1-again.md).
bool copies_rows(const Request& r) {
  constexpr Index kFewChannels = 8;
  return r.problem.taps() > 1 && half_lines(r.problem, vector_lanes(r.problem, *r.table)) &&
         !has_large_l1() && r.problem.in_ch_per_group() > kFewChannels;
}

bool reads_in_place(const Request& r, TileKind kind, Index tile_cols) {
  if (r.problem.is_padded() && !cuts_at_padding(r.problem, kind, tile_cols)) return false;
  // Pixels 4 KB apart share one L1 set of eight lines: tiles of more are copied apart (packed_pitch). Six are
  // read where they are (Zen 3, us: 3x3 dilation 36, 2048 > 256@33, 30900 from copies, 15100 so; 1x1 1024 >
  // 256@14, batch 8, 9630 and 9090).
  constexpr Index kSetLines = 8;
  const Index pixel_bytes =
      r.in.spatial[kW] * r.problem.stride[kW] * static_cast<Index>(element_bytes(r.problem));
  const bool shares_set = tile_cols > kSetLines && pixel_bytes % 4096 == 0 && r.problem.out[kW] > 1;
  if (kind == TileKind::kOcVector && shares_set) return false;
  const bool large = r.problem.out_ch_per_group() >= kPanelChannels;
  if (kind == TileKind::kPixelVector && (large || copies_rows(r))) return false;
  return channels_inner(kind) ? r.in.channel == 1 : r.in.spatial[kW] == 1 && r.problem.stride[kW] == 1;
}

// What the first taps of a band's outputs read in place.
double input_bytes(const ConvProblem& p, const Blocking& b) {
  return static_cast<double>(b.rows * p.stride[kH]) * static_cast<double>(b.cols * p.stride[kW]) *
         static_cast<double>(b.groups_per_chunk * p.in_ch_per_group()) *
         static_cast<double>(element_bytes(p));
}

// With an L2 of 512 KB a band leaves room there for its output, where weights come from L3 in time: bands in
// place (a copy would be made of overlapping rows) of weights up to 4 MB. What is larger comes from memory
// once for every band, and bands are better found in L3 themselves (docs/decisions/0030).
constexpr std::size_t kWeightsFoundInL3 = std::size_t{4} << 20;
constexpr Index kBandBesideOutput = 128 << 10, kBandInL3 = 2 << 20;

Index band_limit(const ConvProblem& p, const Blocking& b, std::size_t group_weights) {
  const Index share_of_l2 = max_of(static_cast<Index>(kL2Bytes), static_cast<Index>(cache_sizes().l2)) / 2;
  if (b.kind == TileKind::kPixelVector && p.taps() == 1) return kPanelBytes;
  if (b.kind == TileKind::kPixelVector && !has_large_l1()) return kRowsBytes;
  if (group_weights <= kL2Bytes / 2 || cache_sizes().l2 >= kL2Bytes) return share_of_l2;
  if (group_weights > kWeightsFoundInL3) return kBandInL3;
  return b.in_place ? kBandBesideOutput : share_of_l2;
}

// The largest band that stays in its part of a cache, whole rows first; never less than one tile.
void choose_band(const ConvProblem& p, Index tile_cols, std::size_t group_weights, Blocking* b) {
  const double limit = static_cast<double>(band_limit(p, *b, group_weights));
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

// Weights that stay in L2 are swept for every tile of pixels; larger ones are brought in once per band. Those
// of a pointwise layer are one stream, which comes from L3 as fast as they are used: a tile's pixels stay in
// L1, and its output is written as whole rows (Zen 3, 512 > 2048@14: 4970 us, 4660 so; not kernels of several
// taps: 3x3 stride 2 512@14 0.88).
bool sweeps_channels(const ConvProblem& p, const Blocking& b, std::size_t group_weights) {
  const bool streams = b.in_place && p.taps() == 1 && cache_sizes().l2 < kL2Bytes;
  return group_weights <= (streams ? kWeightsFoundInL3 : kL2Bytes / 2);
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

// All groups of a pixel together make whole lines, read (3x3 and 5x5, Zen 3: seven layers in groups of 8
// channels 1.19, worst 0.98; thirteen of 4 to 112 1.14, worst 0.85) and written (1x1 60 > 216 in 3 groups,
// 28x28 batch 8, 1480 -> 980 us).
bool takes_all_groups(const ConvPlan& plan, Index tile_cols) {
  const Request& r = plan.request;
  if (plan.blocking.kind != TileKind::kOcVector || plan.blocking.by_chains) return false;
  if (plan.packed_bytes > kL2Bytes / 2) return false;
  if (plan.blocking.in_place) return outgrows_caches(r.problem);
  // A band's first and last rows are copied twice: threads that take few rows each are better off with groups
  // of their own (two of Zen 3, 32 groups of 16: 14 rows 0.85, 7 rows 0.88).
  constexpr Index kRowsPerThread = 12;
  const ConvProblem& p = r.problem;
  if (r.threads > 1 && p.batch * p.out[kD] * p.out[kH] < kRowsPerThread * r.threads) return false;
  Blocking tile = plan.blocking;
  tile.cols = min_of(p.out[kW], tile_cols);
  tile.groups_per_chunk = p.groups;
  return r.in.channel == 1 && r.out.channel == 1 && band_bytes(p, tile) <= static_cast<double>(kL2Bytes) / 2;
}

// The share of the products that is left when rows of taps in zero padding are skipped.
double rows_inside(ConvProblem p) {
  p.pad_begin[kW] = p.pad_end[kW] = 0;
  return p.flops_inside() / p.flops();
}

// Whether pixels are gathered as im2col does, in the same order of the same sums: where tiles have few pixels
// (AVX2's have six at most), the output's rows leave much of them empty, and weights that L2 does not hold
// are read again for each. Panels fill tiles across rows (docs/decisions/0028), but hold the zeros of rows in
// padding, which tiles in place leave out. Channels-first windows that overlap cost more to gather (Zen 3,
// 3x3 stride 2 256@28 2950 us, gathered 3100), which pays for very few pixels (Emerald Rapids, us, from and
// to channels-last, channels-first: 3x3 512@4, batch 8, 4054 -> 1087 and 3975 -> 2911; stride 2 512@7, batch
// 8, to rows of four pixels, 5788 -> 4189 and 7292, 7201; of five 1.1 to 1.2 and 0.97 to 0.99).
template <class T>
bool gathers(const Request& r, const DenseKernels<T>& kernels, std::size_t group_weights) {
  constexpr Index kFewPixels = 6, kVeryFewPixels = 3;
  // Channels of a chain, which are gathered together for each tap (7x7 128 > 1024@7, batch 8, eleven: 7480 ->
  // 1150; 7x7x7 32 > 12@16x14x14, one: 350 and 3800).
  constexpr Index kLeastChannels = 8;
  const ConvProblem& p = r.problem;
  const Index rows = kernels.oc_vector.max_rows;
  const EvenSplit split(ceil_div(p.out[kW], kPixelUnit), rows / kPixelUnit);
  const Index pixels = ceil_div(p.out[kW], split.pieces);
  const double filled = static_cast<double>(p.out[kW]) / static_cast<double>(split.pieces * rows);
  const bool overlap = p.stride[kH] < p.kernel[kH] || p.stride[kW] < p.kernel[kW];
  const bool has_rows = rows <= kFewPixels || p.batch * p.out[kD] * p.out[kH] > 1;
  return pixels <= kFewPixels && has_rows && p.taps() > 1 && chains_of(p).block >= kLeastChannels &&
         group_weights > kL2Bytes / 2 && filled <= 0.85 * rows_inside(p) &&
         (r.in.channel == 1 || !overlap || pixels <= kVeryFewPixels ||
          asks_memory_for_weights(group_weights)) &&
         kIm2col.supports(p, Reason());
}

// What a call costs besides its sums (75 cycles, Zen 3) shows where these are short, and its weights come
// from L2: as many neighbouring tiles share a call as leave room in L1 for the weights of a tile; of pixel
// vectors, whose rows are copied into L1 for all of them, twice as many (Zen 3, fifteen layers of up to 147
// terms in a sum, both layouts, 8, 16, 32, 64 KB: 0.98, 1.07, 1.09, 1.09; channels-last stems stream best
// with 16). With a large L1 outputs need room only until they are streamed, and inputs get twice as much
// where none are (Emerald Rapids, 23 channels-last layers: 1.028, worst 0.96). Long sums are calls of their
// own.
Index pixels_per_call(const ConvProblem& p, const Blocking& b) {
  constexpr Index kLongSum = 192;
  const bool outputs_stay = b.streams || !has_large_l1();
  const Index call_bytes = (b.kind == TileKind::kPixelVector || !outputs_stay ? 32 : 16) << 10;
  if (b.kind == TileKind::kTransposed || p.in_ch_per_group() * p.taps() > kLongSum) return 1;
  const Index rows = p.kernel[kD] * p.kernel[kH];
  const Index inputs = p.in_ch_per_group() * rows * min_of(p.stride[kW], p.kernel[kW]);
  const Index outputs = outputs_stay && b.oc_inner ? b.oc_per_chunk * b.groups_per_chunk : 0;
  const Index bytes = (inputs + outputs) * static_cast<Index>(element_bytes(p));
  return max_of(1, call_bytes / bytes);
}

// One band: each tile of weights is used once, unless all are for each tile of pixels. Those are packed
// before: swept tile by tile, output leaves in pieces of a tile's channels (the function on Zen 3, us: 128 >
// 1024@28 3320 -> 2750, 112 > 672@24 1300 -> 1100; larger weights 0.98 to 1.02; on Emerald Rapids 4x4 stride
// 4 3 > 128@224 0.89 tile by tile). Of several taps not where L2 is small (Zen 3, 7x7 stride 2 3 > 64@224
// 0.92).
bool uses_tiles_once(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  const bool swept = b.oc_inner && (p.taps() == 1 || cache_sizes().l2 >= kL2Bytes) &&
                     plan.packed_bytes <= static_cast<std::size_t>(p.groups) * kL2Bytes / 2;
  return plan.chunks == p.groups * chunk_grid(plan).oc_chunks && b.groups_per_chunk == 1 && !b.streams &&
         !swept;
}

template <class T>
ConvPlan plan_for(const Request& request) {
  ConvPlan plan(kDirect, read_elements_only(request));
  const ConvProblem& p = plan.request.problem;
  const DenseKernels<T>& kernels = dense_kernels<T>(*request.table);
  const std::size_t group_weights =
      static_cast<std::size_t>(p.in_ch_per_group() * p.taps() * p.out_ch_per_group()) * sizeof(T);
  if (gathers(plan.request, kernels, group_weights)) return plan_by(kIm2col, kDirect, request);
  Blocking& b = plan.blocking;
  b.kind = choose_kind(plan.request, kernels, group_weights);
  const bool oc_vector = b.kind == TileKind::kOcVector;
  const Index tile_oc = packed_tile_width(p, *request.table, b.kind);
  const Index tile_rows = oc_vector ? kernels.tile_rows(tile_oc) : 0;
  b.by_chains = copies_chains(p, b.kind);
  b.in_place = !b.by_chains && reads_in_place(plan.request, b.kind, tile_rows);
  const TileSet<T>& tiles = kernels.tiles(b.kind);
  const Index tile_cols = oc_vector    ? tile_rows
                          : b.in_place ? kernels.lanes * tiles.widest(tile_oc)
                                       : kernels.lanes * tiles.max_vectors;
  plan.form = oc_vector ? PackedForm::kOcVector : PackedForm::kPixelVector;
  plan.packed_bytes = packed_weight_bytes(p, *request.table, b.kind);
  if (takes_all_groups(plan, tile_cols)) b.groups_per_chunk = p.groups;
  choose_band(p, tile_cols, group_weights, &b);
  b.oc_per_chunk = p.out_ch_per_group();
  cut_for_threads(&plan, tile_oc, tile_cols);
  b.pitch = packed_pitch(p, b.kind, b.cols);
  b.oc_inner = sweeps_channels(p, b, plan.packed_bytes / static_cast<std::size_t>(p.groups));
  if (!oc_vector && p.taps() > 1 && writes_long_rows(p)) b.oc_inner = false;
  plan.chunks = chunk_count(plan);
  const std::size_t band = b.in_place ? 0 : static_cast<std::size_t>(band_bytes(p, b));
  const auto fits = [&](Index elements) {  // beside the band (promise 3), and into two shares of L2
    const std::size_t bytes = static_cast<std::size_t>(elements) * sizeof(T);
    return bytes <= 2 * kL2Bytes && bytes + band <= kMaxScratchPerThread;
  };
  b.streams = streams_output(plan);
  b.pixels_per_call = pixels_per_call(p, b);
  b.streams = b.streams && fits(stream_elements(plan));
  b.packs_tiles = uses_tiles_once(plan);
  b.packs_tiles = b.packs_tiles && fits(tile_elements(plan));
  plan.scratch_per_thread =
      static_cast<std::size_t>(stream_elements(plan) + tile_elements(plan)) * sizeof(T) + band;
  return plan;
}

}  // namespace

ConvPlan plan_direct(const Request& request) {
  return dispatch_dtype(request.problem, [&](auto zero) { return plan_for<decltype(zero)>(request); });
}

}  // namespace pyconv
