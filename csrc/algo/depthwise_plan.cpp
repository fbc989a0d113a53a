#include "algo/depthwise_plan.h"

#include <algorithm>

#include "algo/dense.h"
#include "algo/depthwise_run.h"
#include "algo/depthwise_tiles.h"
#include "algo/simplify.h"
#include "runtime/cpu.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Bytes of the window that `lines` x `pixels` outputs of `lanes` channels (one, for pixel vectors) read; with
// the row of input channels from which those of several outputs are spread.
double window_bytes(const ConvProblem& p, TileKind kind, Index lines, Index pixels, Index lanes) {
  const double rows =
      lines == 1
          ? static_cast<double>(p.kernel[kH])
          : static_cast<double>((lines - 1) * p.stride[kH] + window_extent(p.kernel[kH], p.dilation[kH]));
  const double reach = static_cast<double>(window_extent(p.kernel[kW], p.dilation[kW]));
  double cols = 0;
  if (kind == TileKind::kOcVector) {
    cols = (static_cast<double>((pixels - 1) * p.stride[kW]) + reach) * static_cast<double>(lanes);
  } else {
    const Index phases = min_of(p.stride[kW], p.kernel[kW]);
    cols = (static_cast<double>(pixels + 2 * lanes) + reach / static_cast<double>(p.stride[kW])) *
           static_cast<double>(phases);
  }
  const double spread = kind == TileKind::kOcVector && p.out_ch > p.in_ch ? 1 : 0;
  return (static_cast<double>(p.kernel[kD]) * rows + spread) * cols * static_cast<double>(element_bytes(p));
}

constexpr Index kWindowBytes = 24 << 10;       // of 32 KB L1: weights and outputs pass through it too
constexpr Index kGroupWindowBytes = 96 << 10;  // groups: an input row is read a few times only
constexpr Index kWideRow = 12;                 // pixels from which a vector of them is worth its empty lanes
constexpr Index kLongKernel = 8;               // taps of a row from which a copy of it pays

constexpr double kScratchLimit = static_cast<double>(kMaxScratchPerThread);

TileKind choose_kind(const Request& r, Index lanes) {
  const ConvProblem& p = r.problem;
  if (p.in_ch_per_group() > 1) return TileKind::kOcVector;
  // Few channels fill no vector; neither do few pixels (8 channels, 9x9x9 stride 4 to 5x5x5: 1670 us and
  // 760). Those of channels-last input have to be copied apart, which pays where each is used often (8
  // channels, us: 5x5 stride 4 64x64 batch 8 298 and 87, 3x3 stride 2 112x112 101 and 39; 5x5 56x56, before
  // pixels followed each other, 63 and 78).
  constexpr Index kOften = 16;
  const Index uses = p.uses_of_input();
  const bool channels_last = r.in.spatial[kW] != 1;
  const Index few = channels_last && uses <= kOften ? lanes * 3 / 8 : lanes / 2;
  const bool fuller = p.out_ch * round_up(p.out[kW], lanes) <= p.out[kW] * lanes;
  if ((p.out_ch <= few && fuller) || window_bytes(p, TileKind::kOcVector, 1, 1, lanes) > kScratchLimit)
    return TileKind::kPixelVector;
  if (channels_last) return TileKind::kOcVector;
  // Where every element of a line is used so often, transposing lines to vectors of channels pays, unless
  // each channel is wanted several times (Emerald Rapids, us: 64@1000 31 taps 89 -> 71, 15 taps 57 -> 52, 9
  // taps 45 and 46; 64@8000 9 taps 370 and 559, 15 taps stride 2 294 and 416; 64 > 128@1000 31 taps 171 and
  // 207).
  constexpr Index kLongLine = 12;
  const bool long_kernel =
      p.kernel[kH] * p.kernel[kD] == 1 && p.out_ch == p.in_ch && p.kernel[kW] / p.stride[kW] > kLongLine;
  return p.out[kW] >= kWideRow && !long_kernel ? TileKind::kPixelVector : TileKind::kOcVector;
}

// The widest tile whose window fits L1: channel vectors take one register tile of columns, then rows, then
// more columns (1-D); pixel vectors take the whole row, then rows. A window that is larger anyway may use
// half of L2.
void choose_tile(const ConvProblem& p, Index lanes, Index register_cols, Blocking* b) {
  const auto fits = [&](Index rows, Index cols, double limit) {
    return window_bytes(p, b->kind, rows, cols, lanes) <= limit;
  };
  const Index least = EvenSplit(p.out[kW], register_cols).size(0);
  double limit = static_cast<double>(p.in_ch_per_group() > 1 ? kGroupWindowBytes : kWindowBytes);
  if (!fits(1, least, limit)) limit = static_cast<double>(kL2Bytes) / 2;
  b->rows = 1;
  b->cols = fits(1, least, kScratchLimit) ? least : 1;
  const auto widen = [&] {
    while (b->cols < p.out[kW] && fits(b->rows, min_of(p.out[kW], 2 * b->cols), limit))
      b->cols = min_of(p.out[kW], 2 * b->cols);
  };
  if (b->kind == TileKind::kPixelVector) widen();
  while (b->rows < p.out[kH] && fits(b->rows + 1, b->cols, limit)) ++b->rows;
  b->rows = EvenSplit(p.out[kH], b->rows).size(0);
  if (b->rows == p.out[kH]) widen();
}

// Depths that read the same planes share their copy, at most so many, while it takes a part of L2.
void choose_depths(const ConvProblem& p, Index lanes, Index most, Blocking* b) {
  const Index extent = window_extent(p.kernel[kD], p.dilation[kD]);
  if (extent <= p.stride[kD]) return;
  const double plane = window_bytes(p, b->kind, b->rows, b->cols, lanes) / static_cast<double>(p.kernel[kD]);
  const auto planes = static_cast<Index>(static_cast<double>(kL2Bytes) / 4 / plane);
  const Index depths = min_of((planes - extent) / p.stride[kD] + 1, min_of(most, p.out[kD]));
  b->depths = EvenSplit(p.out[kD], max_of(depths, 1)).size(0);
}

// Vectors of half a line, images: a tile of part of a row, so that at least so many lines, which share rows,
// are one (Zen 3, us: 3x3 256@56 714 -> 501, stride 2 144@112 535 -> 438, 5x5 stride 2 72@130 561 -> 442).
constexpr Index kFewLines = 3;
bool wants_few_lines(const ConvProblem& p, Index lanes) {
  return half_lines(p, lanes) && p.kernel[kD] == 1 && output_phases(p, kH) < p.kernel[kH];
}

// In place: whole rows of all channels, as many as leave what they read in a part of L2 (of a volume,
// planes); narrower only where the rows that one line reads do not fit there, or threads would go without.
class RowsInPlace {
 public:
  struct Way {
    bool copied;  // a tile begins with a copy of its rows
    bool rolls;   // lines are rolled, where there are enough of them
    bool wide;    // several vectors of channels at once
  };
  RowsInPlace(const ConvProblem& problem, Index lanes, Index register_cols, const Way& way,
              Blocking* blocking)
      : p_(problem),
        lanes_(lanes),
        register_cols_(register_cols),
        copied_(way.copied),
        rolls_(way.rolls),
        wide_(way.wide),
        tall_(rolls_ && problem.kernel[kH] > 3 && problem.kernel[kW] > 1),
        b_(blocking),
        half_(half_of_l2(problem, way.wide)) {
    b_->rows = 1;
    b_->cols = p_.out[kW];
    b_->oc_per_chunk = p_.out_ch;
  }

  void choose(int threads) {
    narrow();
    const Index per_thread = copied_ ? kCopiedPerThread : tall_ ? kTallPerThread : kTilesPerThread;
    wanted_ = threads > 1 ? per_thread * threads : 1;
    // Whole rows that large leave a thread's tiles lines to roll (two threads, 3x3 960@33 508 -> 400 us).
    const bool large_rows = rolls_ && !fits(kLeastRollingLines, kL2Bytes / 2);
    const Index least_lines = tall_ ? 2 * p_.kernel[kH] : large_rows ? kLeastRollingLines : 1;
    while (lines() < wanted_ * least_lines && b_->oc_per_chunk > 4 * lanes_) halve_channels();
    add_rows();
    // A copy takes the rows between two tiles twice.
    while (copied_ && b_->rows < min_of(p_.out[kH], 4 * p_.kernel[kH]) && b_->oc_per_chunk >= 4 * kLongRun) {
      halve_channels();
      b_->rows = 1;
      add_rows();
    }
    b_->rows = EvenSplit(ceil_div(p_.out[kH], output_phases(p_, kH)), b_->rows).size(0);
  }

 private:
  static constexpr Index kTilesPerThread = 8;   // four of a chunk's, so that most tiles have a successor
  static constexpr Index kCopiedPerThread = 4;  // fewer where a tile begins with a copy
  static constexpr Index kLongRun = 256;        // channels of a pixel, in a row in memory
  // Rolling, so many lines may take half of L2 (3x3 stride 2 8x240@40: 410 us with two, 315 so; 1152@14 58
  // and 51).
  static constexpr Index kFewRollingLines = 4;
  // Five or seven rows of taps read four or six lines more than a tile has: tall tiles, and few of them for a
  // thread. Of a tile all that has to stay in L2 are the columns that neighbouring blocks share (7x7 192@28
  // in tiles of 14 lines 149 us, 28 125; 5x5 240@28 in tiles of 4 lines 118, 16 83; two threads,
  // 1632@12 171 and 98).
  static constexpr Index kTallLines = 28, kTallPerThread = 2;

  // For the few lines that are worth rolling. Whole rows are one stretch of memory, which prefetchers follow
  // (docs/decisions/0041-whole-rows.md); rolled, 7x7 does not pay with few lines.
  static std::size_t half_of_l2(const ConvProblem& p, bool wide) {
    const bool large = (p.kernel[kH] <= 5 || wide) && cache_sizes().l2 > kL2Bytes;
    return (large ? cache_sizes().l2 : kL2Bytes) / 2;
  }

  bool fits(Index rows, std::size_t limit) const {
    const bool phases = output_phases(p_, kH) > 1;  // then lines are as far apart as taps
    const double read = static_cast<double>(phases ? rows - 1 + p_.kernel[kH]
                                                   : (rows - 1) * p_.stride[kH] +
                                                         window_extent(p_.kernel[kH], p_.dilation[kH]));
    const double bytes =
        window_bytes(p_, b_->kind, 1, b_->cols, b_->oc_per_chunk) / static_cast<double>(p_.kernel[kH]);
    return read * bytes <= static_cast<double>(limit);
  }
  // Of all tiles.
  Index lines() const {
    return p_.batch * p_.out[kD] * p_.out[kH] * ceil_div(p_.out[kW], b_->cols) *
           ceil_div(p_.out_ch, b_->oc_per_chunk);
  }
  void halve_channels() { b_->oc_per_chunk = round_up(ceil_div(b_->oc_per_chunk, 2), lanes_); }
  void halve_cols() { b_->cols = ceil_div(b_->cols, 2); }

  void narrow() {
    // So that enough lines can roll (3x3 960@33 497 -> 401 us, 728@37 434 -> 383, dilation 4 487 -> 461).
    narrowed_ = rolls_ && !fits(kLeastRollingLines, half_);
    while (narrowed_ && !fits(kLeastRollingLines, half_) && b_->oc_per_chunk > kLongRun) halve_channels();
    cut_ = narrowed_ && !fits(kFewRollingLines, half_);
    while (cut_ && !fits(2 * kFewRollingLines, kL2Bytes / 4) && b_->cols > 4 * register_cols_) halve_cols();
    for (const Index least : {kLongRun, 4 * lanes_}) {
      while (!fits(1, half_) && b_->oc_per_chunk > least) halve_channels();
      while (!fits(1, half_) && b_->cols > register_cols_) halve_cols();
    }
    const bool few_lines = !copied_ && !rolls_ && wants_few_lines(p_, lanes_);
    while (few_lines && !fits(min_of(kFewLines, p_.out[kH]), kL2Bytes / 4) && b_->cols > 4 * register_cols_)
      halve_cols();
  }

  void add_rows() {
    const Index most = max_of(1, min_of(p_.out[kH], lines() / wanted_));
    // What is found in L2 is cut for threads only (Emerald Rapids, 2 MB, us: 3x3 480@20 77 -> 70, stride 2
    // 240@28 27 and 24).
    const bool found =
        rolls_ && !asks_for_memory(p_, found_in_l3()) && input_bytes(p_) <= cache_sizes().l2 / 2;
    const auto limit = [&] {
      if (found) return cache_sizes().l2;
      if (wide_) return half_;
      if (tall_) return b_->rows < kTallLines ? kL2Bytes : kL2Bytes / 4;
      if (rolls_ && b_->rows < kLeastRollingLines) return half_;
      // Half of L2 is all of it where that is 512 KB (Zen 3, 3x3x3 54@16x112x112 10.3 ms, a quarter 8.6).
      const bool planes = p_.kernel[kD] > 1 && !half_lines(p_, lanes_);
      const bool half = planes || (narrowed_ && !cut_) || (rolls_ && b_->rows < kFewRollingLines);
      return half ? kL2Bytes / 2 : kL2Bytes / 4;
    };
    while (b_->rows < most && fits(b_->rows + 1, limit())) ++b_->rows;
  }

  const ConvProblem& p_;
  const Index lanes_, register_cols_;
  const bool copied_, rolls_, wide_, tall_;
  Blocking* const b_;
  const std::size_t half_;
  bool narrowed_ = false, cut_ = false;
  Index wanted_ = 1;  // tiles
};

// In place, depths rolled: a few of them and of lines, whose input stays in half of L2 for the next depths.
// Where nothing is asked for ahead, all depths of a line, then those of the next, which finds the rows they
// share (Emerald Rapids, us: 54@16x112x112 stride 1x2x2 5140 -> 3870, 64@8x112x112 10800 and 8840).
void choose_depths_in_place(const ConvProblem& p, Index lanes, Index register_cols, int threads,
                            Blocking* b) {
  constexpr Index kFewDepths = 4;  // read half as many planes again
  constexpr Index kFewLines = 3;
  constexpr Index kTilesPerThread = 8;
  const bool found = !asks_for_memory(p, found_in_l3());
  const auto fits = [&](Index rows, Index depths) {
    const double planes =
        static_cast<double>((depths - 1) * p.stride[kD] + window_extent(p.kernel[kD], p.dilation[kD]));
    const double plane =
        window_bytes(p, b->kind, rows, b->cols, b->oc_per_chunk) / static_cast<double>(p.kernel[kD]);
    return planes * plane <= static_cast<double>(found ? kL2Bytes / 4 * 3 : kL2Bytes / 2);
  };
  const auto halve = [](Index n, Index unit) { return round_up(ceil_div(n, 2), unit); };
  const auto tiles = [&](Index rows, Index depths) {
    return p.batch * ceil_div(p.out[kD], depths) * ceil_div(p.out[kH], rows) * ceil_div(p.out[kW], b->cols) *
           ceil_div(p.out_ch, b->oc_per_chunk);
  };
  b->cols = p.out[kW];
  b->oc_per_chunk = p.out_ch;
  const Index depths = found ? p.out[kD] : min_of(kFewDepths, p.out[kD]);
  const Index lines = found ? 1 : min_of(kFewLines, p.out[kH]);
  while (!fits(lines, depths) && b->cols > register_cols) b->cols = halve(b->cols, 1);
  while (!fits(lines, depths) && b->oc_per_chunk > 4 * lanes) b->oc_per_chunk = halve(b->oc_per_chunk, lanes);
  b->cols = EvenSplit(p.out[kW], b->cols).size(0);
  const Index wanted = threads > 1 ? kTilesPerThread * threads : 1;
  const auto may_be = [&](Index rows, Index deep) {
    return tiles(rows, deep) >= wanted && fits(found ? 1 : rows, deep);
  };
  b->rows = b->depths = 1;
  while (b->depths < depths && may_be(b->rows, b->depths + 1)) ++b->depths;
  while (b->rows < p.out[kH] && may_be(b->rows + 1, b->depths)) ++b->rows;
  while (b->depths < p.out[kD] && may_be(b->rows, b->depths + 1)) ++b->depths;
  b->rows = EvenSplit(p.out[kH], b->rows).size(0);
  b->depths = EvenSplit(p.out[kD], b->depths).size(0);
}

bool taps_are_contiguous(const WeightStrides& w, const ConvProblem& p) {
  Index expected = 1;
  for (int dim = kW; dim >= kD; --dim) {
    if (p.kernel[dim] > 1 && w.kernel[dim] != expected) return false;
    expected *= p.kernel[dim];
  }
  return true;
}

// Taps in zero padding are left out, other padding needs the copy, as do channels that fill no vector. A long
// row of taps is read again and again: that of a sequence from a copy, where pixels do not lie in the same
// few cache sets (31 taps 256@512 242 us, in place 318). Of images rows in padding cost more (13x13 512@7 342
// us, in place 138; 128@28 1222 and 617, 31x31 256@14 1894 and 1013, 128@56 12600 and 13100; Zen 4 142 and
// 63, 566 and 309, 977 and 458). Pixels that all lie in one place (np.broadcast_to) are copied, too: their
// distance does not tell a kernel the stride.
bool reads_in_place(const Request& r, Index lanes) {
  const ConvProblem& p = r.problem;
  const bool found_again = p.kernel[kW] <= kLongKernel || p.kernel[kD] * p.kernel[kH] > 1;
  return found_again && r.in.channel == 1 && r.in.spatial[kW] != 0 && p.out_ch >= lanes &&
         (p.pads_zeros() || !p.is_padded());
}

// Pixels 1 KB apart or a multiple of that fall into few cache sets, and the rows of a window throw each other
// out of L1: then a tile's rows are copied, pixels a line further apart (line by line 3x3 1024@14: 180 us,
// 111 with it; 1024@7 38 and 23, 512@14 61 and 44; 5x5 1024@14 447 and 184). Rolling kernels read each row
// once, and need the copy only where loads would wait for stores (depthwise_rows.cpp). Vectors of half a line
// take eight pixels at most, whose rows, 1 KB apart, find room in four sets of eight lines (Zen 3: 256@28 128
// us from copies, 110 in place, stride 2 256@112 2280 and 1520; 2 KB apart 512@28 302 and 367).
// Nor is what each output reads alone copied for it (Emerald Rapids, 2x2 stride 2 dilation 2 512@40 414 ->
// 214 us).
bool shares_cache_sets(const Request& r, Index lanes) {
  const ConvProblem& p = r.problem;
  const Index few_sets = half_lines(p, lanes) ? 2048 : 1024;
  const Index pixel = r.in.spatial[kW] * static_cast<Index>(element_bytes(p));
  constexpr Index kOften = 2;
  return pixel % few_sets == 0 && pixel > 0 && p.uses_of_input() >= kOften && p.kernel[kD] == 1 &&
         p.kernel[kH] > 1 && p.kernel[kW] > 1 && output_phases(p, kH) == 1;
}

// 3x3 with stride 2, from beyond L2: a rolling kernel goes down the rows of a tile one vector of channels at
// a time and meets more pages than prefetchers keep in mind (docs/decisions/0043-wide-vectors.md).
bool wide_vectors_pay(const ConvProblem& p, int shape) {
  const RollingShape& s = kRollingShapes[shape];
  const bool two_apart = s.taps == 3 && s.stride == 2 && s.column_stride == 2;
  const std::size_t l2 = cache_sizes().l2;
  return two_apart && l2 > kL2Bytes && asks_for_memory(p, l2 / 2);
}

template <class T>
int choose_rolling(const ConvProblem& p, const DepthwiseKernels<T>& kernels) {
  if (!kernels.rolls || spreads(p)) return 0;
  const int shape = rolling_shape(p);
  return kernels.wide && wide_vectors_pay(p, shape) ? 0 : shape;
}

// Where windows are copied: so that threads end together.
constexpr Index kWindowsPerThread = 16;

template <class T>
ConvPlan plan_of(const ConvAlgorithm& algorithm, const Request& request) {
  // Channels-first rows are copied by phases of the stride, those that are read.
  ConvPlan plan(algorithm, read_elements_only(request, request.in.channel != 1));
  const ConvProblem& p = plan.request.problem;
  const Index lanes = depthwise_lanes<T>(plan), group = p.in_ch_per_group();
  const Index strip = max_of(lanes, group);
  const DepthwiseKernels<T>& kernels = depthwise_kernels<T>(*request.table->depthwise);
  Blocking& b = plan.blocking;
  b.kind = choose_kind(plan.request, lanes);
  const bool channels = by_channel(plan);
  b.in_place = channels && reads_in_place(plan.request, lanes);
  if (b.in_place) {
    const int rolling = choose_rolling(p, kernels);
    const bool rolls = rolling > 0, wide = !rolls && takes_wide_vectors<T>(plan);
    const bool shares_sets = !wide && !spreads(p) && shares_cache_sets(plan.request, lanes),
               copied = shares_sets && !rolls;
    if (rolls && rolled_dim(p) == kD)
      choose_depths_in_place(p, strip, kernels.most_pixels(group, rolling), request.threads, &b);
    else
      RowsInPlace(p, strip, kernels.most_pixels(group, 0), {copied, rolls, wide}, &b).choose(request.threads);
    if (rolled_dim(p) == kD || b.rows >= kLeastRollingLines) b.rolling = rolling;
    if (shares_sets && b.cols == p.out[kW]) {
      b.pitch = round_up(b.oc_per_chunk, lanes) + lanes;
      const Index rows =
          min_of(p.in[kH], (b.rows - 1) * p.stride[kH] + window_extent(p.kernel[kH], p.dilation[kH]));
      plan.scratch_per_thread = static_cast<std::size_t>(rows * p.in[kW] * b.pitch + lanes) * sizeof(T);
    }
  } else {
    choose_tile(p, strip, channels ? kernels.most_pixels(group, 0) : kernels.max_vectors * lanes, &b);
    // Copies of channels-last pixels take several cache lines of each: pixels lie pages apart.
    const double window = window_bytes(p, b.kind, b.rows, b.cols, strip);
    const double strips = plan.request.in.channel == 1 ? static_cast<double>(kWindowBytes) / window : 1;
    b.pitch = channels ? min_of(strip * max_of(1, static_cast<Index>(strips)), round_up(p.out_ch, strip)) : 1;
    b.oc_per_chunk = channels ? min_of(b.pitch, p.out_ch) : 1;
    // Pixels of few channels follow each other as they do in memory, and a vector holds the next pixel's,
    // too.
    if (channels && group == 1 && p.out_ch < lanes) b.pitch = p.out_ch;
    const Index single = depthwise_tile_count(plan, depthwise_grid(plan));
    const Index most = request.threads > 1 ? single / (kWindowsPerThread * request.threads) : p.out[kD];
    choose_depths(p, channels ? b.pitch : lanes, most, &b);
    const DepthwiseWindow copy = depthwise_window(plan);
    const Index inputs = channels && p.out_ch > p.in_ch ? copy.cols * b.oc_per_chunk : 0;  // of one row
    plan.scratch_per_thread = static_cast<std::size_t>(copy.elements() + inputs) * sizeof(T);
  }
  const bool used_as_they_are = taps_are_contiguous(plan.request.weight, p) &&
                                (p.out_ch == 1 || plan.request.weight.out_ch == p.taps());
  if (channels || !used_as_they_are) {
    plan.form = channels ? PackedForm::kChannelTaps : PackedForm::kTaps;
    plan.packed_bytes =
        static_cast<std::size_t>((channels ? channel_taps_pitch(p, lanes) * group : p.out_ch) * p.taps()) *
        sizeof(T);
  }
  const Index threads = request.threads, tiles = depthwise_tile_count(plan, depthwise_grid(plan));
  const Index rows_in_place =
      threads > 1 ? 2 * threads : 1;  // few: what follows in a chunk is asked for ahead
  plan.chunks = min_of(tiles, b.in_place ? rows_in_place : kWindowsPerThread * threads);
  return plan;
}

// kChannelTaps: [k_d][k_h][k_w][channel of the group][channel_taps_pitch], after the last channel the first
// ones again, for a vector that wraps; kTaps: [out_ch][k_d][k_h][k_w].
template <class T>
void pack_taps(const ConvPlan& plan, const T* weight, T* packed) {
  const ConvProblem& p = plan.request.problem;
  const WeightStrides& s = plan.request.weight;
  const DenseKernels<T>& kernels = dense_kernels<T>(*plan.request.table);
  const bool channels = by_channel(plan), contiguous = taps_are_contiguous(s, p);
  const Index pitch = channels ? channel_taps_pitch(p, kernels.lanes) : 1, group = p.in_ch_per_group();
  const Index outer = contiguous ? 1 : p.kernel[kD] * p.kernel[kH], inner = p.taps() / outer;
  if (channels) std::fill_n(packed, pitch * group * p.taps(), T(0));
  for (Index row = 0; row < outer; ++row) {
    const T* taps = weight + row / p.kernel[kH] * s.kernel[kD] + row % p.kernel[kH] * s.kernel[kH];
    const Index step = contiguous ? 1 : s.kernel[kW];
    if (!channels) {
      kernels.gather2d(packed + row * inner, p.taps(), taps, s.out_ch, step, p.out_ch, inner);
      continue;
    }
    for (Index j = 0; j < group; ++j)
      kernels.gather2d(packed + (row * inner * group + j) * pitch, group * pitch, taps + j * s.in_ch, step,
                       s.out_ch, inner, p.out_ch);
  }
  if (!channels) return;
  for (Index row = 0; row < group * p.taps(); ++row, packed += pitch)
    std::copy_n(packed, min_of(p.out_ch, pitch - p.out_ch), packed + p.out_ch);
}

}  // namespace

bool channelwise_window_fits(const ConvProblem& p, TileKind kind, Reason why) {
  constexpr Index kWidestLanes = 16;  // of any instruction set
  const double bytes = window_bytes(p, kind, 1, 1, kWidestLanes);
  if (bytes > kScratchLimit)
    return why.refuse("the window of one output needs ", bytes / (1 << 20), " MB of scratch, the limit is ",
                      kMaxScratchPerThread >> 20, " MB");
  return true;
}

ActivationStrides staged_strides(const ConvPlan& plan) {
  ActivationStrides strides = plan.request.in;
  if (plan.blocking.pitch == 0) return strides;
  strides.spatial[kD] = 0;  // one depth at a time
  strides.spatial[kW] = plan.blocking.pitch;
  strides.spatial[kH] = plan.blocking.pitch * plan.request.problem.in[kW];
  return strides;
}

ConvPlan plan_channelwise(const ConvAlgorithm& algorithm, const Request& request) {
  return dispatch_dtype(request.problem,
                        [&](auto zero) { return plan_of<decltype(zero)>(algorithm, request); });
}

void pack_channelwise(const ConvPlan& plan, const void* weight, void* packed) {
  dispatch_dtype(plan.request.problem, [&](auto zero) {
    using T = decltype(zero);
    pack_taps(plan, static_cast<const T*>(weight), static_cast<T*>(packed));
  });
}

void run_channelwise(const ConvPlan& plan, const ConvOperands& operands, double expected_us) {
  dispatch_dtype(plan.request.problem, [&](auto zero) {
    using T = decltype(zero);
    const auto run = plan.blocking.in_place ? run_depthwise_rows<T> : run_depthwise<T>;
    run(plan, operands, expected_us);
  });
}

}  // namespace pyconv
