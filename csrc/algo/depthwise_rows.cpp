// Depthwise convolution straight from channels-last input. A few rows of all channels are a tile; it is cut
// into blocks of outputs that have the same taps inside the input; each takes its channels as they lie in
// memory (0052: all blocks of one vector of channels after the other are 1.6 times as slow on sequences, and
// on images no faster). Memory is asked for ahead in whole rows:
// strips of 16 channels at a time read 2048 channels at 7x7 at a third of the bandwidth. Pixels that share
// cache sets are moved apart first.
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "algo/depthwise_run.h"
#include "algo/depthwise_tiles.h"
#include "runtime/cpu.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// `blocks` times `pixels` outputs of a row from `ow` on, `step` apart; of the columns the taps of a block
// reach, [first_column, end_column) lie in the input. Outputs that share no columns have the same taps
// inside.
struct RowPiece {
  Index ow, step, pixels, blocks;
  ConvProblem::Taps taps;
  Index first_column, end_column;
  Index before;  // outputs of the pieces before it

  bool goes_on_with(const RowPiece& o) const {
    return o.step == step && o.pixels == pixels && o.ow == ow + blocks * pixels * step && o.taps == taps &&
           o.first_column == first_column && o.end_column == end_column;
  }
};

// Where taps are `dilation` columns apart and outputs are not, every (dilation / stride)-th output is taken,
// so that the outputs of a piece share loaded columns.
struct RowCutter {
  const ConvProblem& p;
  Index max_pixels;
  bool wide;    // no columns are shared, and none is outside
  bool merges;  // blocks that have the same taps inside are one piece
  std::vector<RowPiece>* pieces;
  Index done = 0;

  // Output columns [ow0, ow0 + pixels).
  void cut(Index ow0, Index pixels) {
    const Index stride = p.stride[kW], dilation = p.dilation[kW];
    pieces->clear();
    done = 0;
    if (!wide && (dilation % stride == 0 || stride == 2 * dilation))
      add_phases(ow0, pixels, output_phases(p, kW));
    else
      add_alike(ow0, ow0 + pixels);
  }

 private:
  Index first_input(Index ow) const { return ow * p.stride[kW] - p.pad_begin[kW]; }

  void add_phases(Index ow0, Index pixels, Index phases) {
    const ConvProblem::Taps all{0, p.kernel[kW]};
    const Index dilation = p.dilation[kW];
    for (Index phase = 0; phase < min_of(phases, pixels); ++phase) {
      const EvenSplit split(ceil_div(pixels - phase, phases), max_pixels);
      Index ow = ow0 + phase;
      for (Index i = 0; i < split.pieces; ow += split.size(i++) * phases) {
        const Index first = first_input(ow), outputs = split.size(i);
        const Index columns = (outputs - 1) * phases * p.stride[kW] / dilation + p.kernel[kW];
        add({ow, phases, outputs, 1, all, max_of(0, ceil_div(-first, dilation)),
             min_of(columns, floor_div(p.in[kW] - 1 - first, dilation) + 1), done});
      }
    }
  }

  void add_alike(Index ow, Index end) {
    while (ow < end) {
      const ConvProblem::Taps taps = p.taps_inside(kW, first_input(ow));
      const EvenSplit split(p.alike_outputs(kW, ow, end - ow), max_pixels);
      for (Index i = 0; i < split.pieces; ow += split.size(i++))
        add({ow, 1, split.size(i), 1, taps, 0, taps.count(), done});
    }
  }

  void add(const RowPiece& piece) {
    done += piece.pixels;
    if (merges && !pieces->empty() && pieces->back().goes_on_with(piece))
      ++pieces->back().blocks;
    else
      pieces->push_back(piece);
  }
};

template <class T>
class DepthwiseRows {
 public:
  DepthwiseRows(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        p_(plan.request.problem),
        source_(plan.request.in),
        copies_(plan.blocking.pitch > 0 && (plan.blocking.rolling == 0 || loads_meet_stores(operands))),
        in_(copies_ ? staged_strides(plan) : source_),
        kernels_(depthwise_kernels<T>(*plan.request.table->depthwise)),
        grid_(depthwise_grid(plan)),
        lanes_(depthwise_lanes<T>(plan)),
        input_(static_cast<const T*>(operands.input)),
        out_(static_cast<T*>(operands.out)),
        may_wrap_(plan.blocking.rolling > 0 && p_.out_ch % lanes_ == 0 && plan.request.out.channel == 1),
        second_(second_vector()),
        max_pixels_(kernels_.most_pixels(p_.in_ch_per_group(), plan.blocking.rolling)),
        wide_(takes_wide_vectors<T>(plan)),
        merges_blocks_(plan.blocking.rolling == 0 && p_.in_ch_per_group() == 1),
        asks_(!spreads(p_) && (asks_for_memory(p_, found_in_l3()) || waits_for_memory())),
        residual_(static_cast<const T*>(operands.residual)) {
    call_.bias = static_cast<const T*>(operands.bias);
    call_.out_n_stride = plan.request.out.channel;
    call_.lo = static_cast<T>(p_.epilogue.lo);
    call_.hi = static_cast<T>(p_.epilogue.hi);
    call_.clamped = p_.epilogue.activation != Activation::kNone;
    call_.d_tap = p_.dilation[kD] * in_.spatial[kD];
    call_.h_tap = p_.dilation[kH] * in_.spatial[kH];
    call_.w_tap = p_.dilation[kW] * in_.spatial[kW];
    call_.weights = static_cast<const T*>(operands.packed);
    call_.group = p_.in_ch_per_group();
    call_.wide = wide_;
    call_.multiplier = channel_multiplier(p_);
    call_.weights_j = channel_taps_pitch(p_, lanes_);
    call_.weights_w = call_.group * call_.weights_j;
    call_.weights_h = p_.kernel[kW] * call_.weights_w;
    call_.weights_d = p_.kernel[kH] * call_.weights_h;
    call_.ahead_input.first = input_;
    call_.ahead_output.first = out_;
  }

  void execute(double expected_us) const {
    const Index tiles = depthwise_tile_count(plan_, grid_);
    parallel_for(
        plan_.request.threads, plan_.chunks,
        [&](ChunkSource& source) {
          const ScratchBlock staged(plan_.scratch_per_thread);
          std::vector<RowPiece> pieces;
          std::vector<Block> blocks;
          for (Index chunk; source.next(&chunk);) {
            Index number = tiles * chunk / plan_.chunks;
            const Index end = tiles * (chunk + 1) / plan_.chunks;
            DepthwiseTile tile = decode_tile(plan_, grid_, number);
            while (number < end) {
              const bool has_below = p_.kernel[kD] > 1 && plan_.blocking.rolling == 0;
              const Index after_depths = has_below ? number + p_.out[kD] - tile.od : end;
              // What another thread will do is not asked for: it would take the lines from that thread.
              const bool goes_on = ++number < end;
              const DepthwiseTile next = goes_on ? decode_tile(plan_, grid_, number) : tile;
              const DepthwiseTile below = after_depths < end ? decode_tile(plan_, grid_, after_depths) : tile;
              RowCutter{p_, max_pixels_, wide_ || spreads(p_), merges_blocks_, &pieces}.cut(tile.ow0,
                                                                                            tile.pixels);
              const T* const input = copies_ ? stage(tile, staged.as<T>()) : where(tile);
              cut_tile(tile, goes_on ? &next : nullptr, below, input, pieces, &blocks);
              for (const Block& block : blocks) block.kernel(block.args, vectors_of(tile));
              tile = next;
            }
          }
        },
        expected_us);
  }

 private:
  // What a tile's channels have in common in one call.
  struct Block {
    ChannelVectorFn<T> kernel;
    ChannelVectorArgs<T> args;
  };

  // A large L3 that other machines share does not hold as much as it might, and the short sums of 3x3 wait
  // for what it lacks, where pixels are of many vectors (docs/decisions/0043-wide-vectors.md). Two threads
  // wait less, and what they ask for they take from each other (0.95).
  bool waits_for_memory() const {
    constexpr std::size_t kFoundInL3 = 8;  // times L2
    constexpr Index kFewVectors = 2;
    const std::size_t l2 = cache_sizes().l2;
    const bool short_sums =
        p_.kernel[kD] == 1 && p_.taps() == 9 && p_.stride[kW] == 1 && p_.dilation[kW] == 1;
    return short_sums && plan_.request.threads == 1 && p_.out_ch > kFewVectors * lanes_ && l2 > kL2Bytes &&
           asks_for_memory(p_, kFoundInL3 * l2);
  }

  // A load whose address agrees in the low twelve bits with a store under way waits for it. Pixels pages
  // apart do so all the time where input and output do, as NumPy's large arrays (Zen 4, 1024@7: 30 cycles a
  // vector in place, 13 apart).
  static bool loads_meet_stores(const ConvOperands& operands) {
    constexpr std::uintptr_t kPage = 4096, kReach = 2 * kCacheLine;  // this vector and the one before
    const auto in = reinterpret_cast<std::uintptr_t>(operands.input);
    const auto out = reinterpret_cast<std::uintptr_t>(operands.out);
    return (out - in + kCacheLine - 1) % kPage < kReach + kCacheLine - 1;
  }

  // The first vector begins at the tile's first channel, the second where memory is aligned, the last ends
  // with the last channel; or, rolled, the first is aligned, too, and the last has what it leaves as well.
  ChannelRange vectors_of(const DepthwiseTile& t) const {
    const bool wraps = may_wrap_ && t.channels == p_.out_ch && second_ < lanes_;
    if (wraps) return {second_, second_ + lanes_, t.channels - lanes_ + second_};
    return {0, second_, t.channels - lanes_};
  }

  // NumPy's large arrays begin 16 bytes behind a cache line: where all pixels do alike, all vectors but the
  // first are aligned, or every one would straddle two lines (3x3 dilation 4, 960@33: 688 us, 530 with it;
  // 64@112 293 and 274; of three vectors one that wraps costs as much). Where input and
  // output are not aligned alike, loads are: they are more. But stores, where pixels share cache sets (Zen 5,
  // 1024@7 27 us, 20 so, 8x2048@7 280 and 225).
  Index second_vector() const {
    constexpr Index kLeastVectors = 4;
    if (spreads(p_) || p_.out_ch < kLeastVectors * lanes_ || source_.batch % lanes_ != 0) return lanes_;
    for (int dim = kD; dim <= kW; ++dim)
      if (p_.in[dim] > 1 && source_.spatial[dim] % lanes_ != 0) return lanes_;
    const void* const aligned = plan_.blocking.pitch > 0 ? static_cast<const void*>(out_) : input_;
    const auto at = static_cast<Index>(reinterpret_cast<std::uintptr_t>(aligned) / sizeof(T));
    return at % p_.in_ch_per_group() == 0 ? lanes_ - at % lanes_ : lanes_;
  }

  // Where the image of a tile begins.
  const T* where(const DepthwiseTile& t) const {
    return input_ + t.image * in_.batch + (spreads(p_) ? 0 : t.channel0);
  }

  // The same of a copy of the rows that the tile reads, aligned as the output's vectors are.
  const T* stage(const DepthwiseTile& t, T* copy) const {
    copy += (lanes_ - second_) % lanes_;
    const StagedRows rows = staged_rows(p_, t.oh0, t.lines);
    const Index depth = t.od * p_.stride[kD] - p_.pad_begin[kD];  // where it is padding, nothing is read
    const T* from = input_ + t.image * source_.batch + t.channel0 + rows.first * source_.spatial[kH] +
                    min_of(max_of(depth, 0), p_.in[kD] - 1) * source_.spatial[kD];
    // Not by std::copy_n: for pixels of 8 KB it is a string instruction, 3 % slower here (Zen 4, glibc 2.36).
    const auto copy_pixels = dense_kernels<T>(*plan_.request.table).gather2d;
    for (Index h = 0; h < rows.count; ++h, from += source_.spatial[kH])
      copy_pixels(copy + h * in_.spatial[kH], in_.spatial[kW], from, source_.spatial[kW], 1, p_.in[kW],
                  t.channels);
    return copy - rows.first * in_.spatial[kH];
  }

  void cut_tile(const DepthwiseTile& t, const DepthwiseTile* next, const DepthwiseTile& below, const T* input,
                const std::vector<RowPiece>& pieces, std::vector<Block>* blocks) const {
    ChannelVectorArgs<T> of_tile = call_;
    of_tile.n_valid = t.channels;
    of_tile.channel0 = t.channel0;
    of_tile.weights += t.channel0;
    if (of_tile.bias) of_tile.bias += t.channel0;
    of_tile.input = input;
    blocks->clear();
    if (plan_.blocking.rolling > 0 && rolled_dim(p_) == kD) {
      if (next != nullptr && asks_) ask_for_depths(t, *next, &of_tile);
      return add_depths(t, of_tile, pieces, blocks);
    }
    clip(kD, t.od, of_tile.weights_d, &of_tile);
    if (next != nullptr && asks_) ask_ahead(t, *next, below, &of_tile);
    of_tile.line_step = t.line_step * p_.stride[kH] * in_.spatial[kH];
    of_tile.out_line_step = t.line_step * plan_.request.out.spatial[kH];
    if (plan_.blocking.rolling > 0) {
      roll(kH, t.oh0, &of_tile);
      for (const RowPiece& piece : pieces) add_block(t, piece, of_tile, blocks);
      return;
    }
    DepthwiseTile lines = t;
    for (Index line = 0; line < t.lines; line += lines.lines) {
      ChannelVectorArgs<T> of_lines = of_tile;
      lines.oh0 = t.oh0 + line * t.line_step;
      lines.lines = p_.alike_outputs(kH, lines.oh0, t.lines - line, t.line_step);
      clip(kH, lines.oh0, of_lines.weights_h, &of_lines);
      of_lines.ahead_input.first += line * of_lines.ahead_input.line_step;
      of_lines.ahead_output.first += line * of_lines.ahead_output.line_step;
      for (const RowPiece& piece : pieces) add_block(lines, piece, of_lines, blocks);
    }
  }

  // From `output` on along `dim`, the rolled dimension.
  void roll(int dim, Index output, ChannelVectorArgs<T>* args) const {
    const Index first = output * p_.stride[dim] - p_.pad_begin[dim], step = p_.dilation[dim];
    args->input += first * in_.spatial[dim];
    args->first_row = ceil_div(max_of(0, -first), step);
    args->end_row = floor_div(p_.in[dim] - 1 - first, step) + 1;
  }

  // Each line of a tile with all its depths: for the kernel these are the lines, and planes the rows.
  void add_depths(const DepthwiseTile& t, ChannelVectorArgs<T> of_tile, const std::vector<RowPiece>& pieces,
                  std::vector<Block>* blocks) const {
    const ActivationStrides& out = plan_.request.out;
    roll(kD, t.od, &of_tile);
    of_tile.out_line_step = out.spatial[kD];
    for (Index line = 0; line < t.lines; ++line) {
      ChannelVectorArgs<T> of_line = of_tile;
      DepthwiseTile at = t;
      at.oh0 = t.oh0 + line * t.line_step;
      at.lines = t.depths;
      clip(kH, at.oh0, of_line.weights_h, &of_line);
      std::swap(of_line.kernel[kD], of_line.kernel[kH]);
      std::swap(of_line.d_tap, of_line.h_tap);
      std::swap(of_line.weights_d, of_line.weights_h);
      of_line.ahead_input.first += line * t.line_step * p_.stride[kH] * source_.spatial[kH];
      of_line.ahead_output.first += line * t.line_step * out.spatial[kH];
      for (const RowPiece& piece : pieces) add_block(at, piece, of_line, blocks);
    }
  }

  // To the first of the taps inside of one output along `dim`.
  void clip(int dim, Index output, Index weights_step, ChannelVectorArgs<T>* args) const {
    const Index first = output * p_.stride[dim] - p_.pad_begin[dim];
    const ConvProblem::Taps taps = p_.taps_inside(dim, first);
    args->kernel[dim] = taps.count();
    args->weights += taps.begin * weights_step;
    args->input += (first + taps.begin * p_.dilation[dim]) * in_.spatial[dim];
  }

  void add_block(const DepthwiseTile& t, const RowPiece& piece, ChannelVectorArgs<T> args,
                 std::vector<Block>* blocks) const {
    const ActivationStrides& out = plan_.request.out;
    const Index first = piece.ow * p_.stride[kW] - p_.pad_begin[kW] + piece.taps.begin * p_.dilation[kW];
    args.kernel[kW] = piece.taps.count();
    args.weights += piece.taps.begin * args.weights_w;
    args.input += first * in_.spatial[kW];
    args.first_column = piece.first_column;
    args.end_column = piece.end_column;
    args.pixel_step = piece.step * p_.stride[kW] * in_.spatial[kW];
    const Index at = t.image * out.batch + t.channel0 * out.channel + t.od * out.spatial[kD] +
                     t.oh0 * out.spatial[kH] + piece.ow * out.spatial[kW];
    args.out = out_ + at;
    args.residual = residual_ ? residual_ + at : nullptr;
    args.out_m_stride = piece.step * out.spatial[kW];
    args.lines = t.lines;
    args.blocks = piece.blocks;
    const Index from = t.ow0 + piece.before, stride = p_.stride[kW];
    share(&args.ahead_input, t.channels, from * stride, piece.pixels * stride, source_.spatial[kW]);
    share(&args.ahead_output, t.channels, from, piece.pixels, out.spatial[kW]);
    args.pixels = piece.pixels;
    blocks->push_back(
        {kernels_.vector(args.group, args.multiplier, piece.pixels, plan_.blocking.rolling), args});
  }

  static constexpr Index kDenseStride = 4;  // beyond it most of a line's pixels are not read at all

  static Index place(const ActivationStrides& s, const DepthwiseTile& at, Index d, Index h) {
    return at.image * s.batch + at.channel0 + d * s.spatial[kD] + h * s.spatial[kH];
  }

  // For the rows of the tile after this one, and for the rows that it is the first to read: below what this
  // one reads, on into the next image, at the next depth, in the first planes of the tile `below` all depths
  // of this one, or in another strip of channels. Asking for the output too, or every store waits for the
  // line it goes to: from memory 3x3 64@112 takes 540 us instead of 774, 144@56 258 instead of 420.
  void ask_ahead(const DepthwiseTile& t, const DepthwiseTile& next, const DepthwiseTile& below,
                 ChannelVectorArgs<T>* args) const {
    const ActivationStrides& out = plan_.request.out;
    if (out.channel == 1)
      args->ahead_output = {
          out_ + place(out, next, next.od, next.oh0), t.line_step * out.spatial[kH], 1, 0, 0, 0, 0, 0};
    const bool phases = t.line_step > 1;  // then a line is the first to read one row
    const int dim = p_.kernel[kD] > 1 ? kD : kH;
    const Index last = dim == kD ? t.od : t.oh0 + (t.lines - 1) * t.line_step;
    const Index unread = last * p_.stride[dim] - p_.pad_begin[dim] + (p_.kernel[dim] - 1) * p_.dilation[dim] +
                         (phases && dim == kH ? p_.dilation[kH] : 1);
    const bool next_strip = next.channel0 != t.channel0 && p_.kernel[kD] == 1;
    DepthwiseTile from = next_strip ? next : t;
    Spatial at{{from.od * p_.stride[kD] - p_.pad_begin[kD], t.oh0 * p_.stride[kH], 0}};
    at[dim] = next_strip ? max_of(next.oh0 * p_.stride[kH] - p_.pad_begin[kH], 0) : unread;
    if (!next_strip && dim == kH && unread >= p_.in[kH] && !phases) at[kH] -= p_.in[kH], ++from.image;
    if (dim == kD && unread >= p_.in[kD] && below.od != t.od) {
      from = below;
      at = Spatial{{unread - p_.in[kD], below.oh0 * p_.stride[kH], 0}};
    }
    const bool exists =
        from.image < p_.batch && at[kD] >= 0 && at[kD] < p_.in[kD] && at[kH] >= 0 && at[kH] < p_.in[kH];
    if (!exists || max_of(p_.stride[kH], p_.stride[kW]) > kDenseStride) return;
    Index rows = phases ? 1 : p_.stride[kH];
    const Index read = (t.lines - 1) * p_.stride[kH] + window_extent(p_.kernel[kH], p_.dilation[kH]);
    if (dim == kD && !phases && 2 * read >= (2 * rows + 1) * t.lines) {
      // A new plane's rows between two bands, too, where they are many (3x3x3 64@32x112x112 34.8 -> 29.8 ms).
      at[kH] = max_of(0, at[kH] - p_.pad_begin[kH]);
      ++rows;
    }
    const Index columns = (from.ow0 - t.ow0) * p_.stride[kW] * source_.spatial[kW];
    const Index row_step = (phases ? p_.dilation[kH] : 1) * source_.spatial[kH];
    args->ahead_input = {
        input_ + place(source_, from, at[kD], at[kH]) + columns, rows * row_step, rows, row_step, 0, 0, 0, 0};
  }

  // For what the tile after this one reads first: the planes below this one's, or those of another stretch.
  void ask_for_depths(const DepthwiseTile& t, const DepthwiseTile& next, ChannelVectorArgs<T>* args) const {
    const ActivationStrides& out = plan_.request.out;
    if (out.channel == 1)
      args->ahead_output = {out_ + place(out, next, next.od, next.oh0) + (next.ow0 - t.ow0) * out.spatial[kW],
                            out.spatial[kD],
                            1,
                            0,
                            0,
                            0,
                            0,
                            0};
    const bool below = next.od > t.od;
    const Index first = next.od * p_.stride[kD] - p_.pad_begin[kD];
    const Index depth =
        below ? (next.od - 1) * p_.stride[kD] - p_.pad_begin[kD] + p_.kernel[kD] : max_of(0, first);
    const Index row = max_of(0, next.oh0 * p_.stride[kH] - p_.pad_begin[kH]);
    if (depth >= p_.in[kD] || row >= p_.in[kH] || max_of(p_.stride[kH], p_.stride[kW]) > kDenseStride) return;
    args->ahead_input = {
        input_ + place(source_, next, depth, row) + (next.ow0 - t.ow0) * p_.stride[kW] * source_.spatial[kW],
        p_.stride[kD] * source_.spatial[kD],
        p_.stride[kH],
        source_.spatial[kH],
        0,
        0,
        0,
        0};
  }

  // A block's share: `pixels` pixels from `first` on, in the order they lie in where the tile has all
  // channels.
  void share(AskAhead<T>* ahead, Index channels, Index first, Index pixels, Index pixel_step) const {
    constexpr Index kLine = static_cast<Index>(kCacheLine / sizeof(T));
    const bool whole = channels == p_.out_ch;
    ahead->first += first * pixel_step;
    ahead->block_step = pixels * pixel_step;
    ahead->vectors = whole ? ceil_div(pixels * lanes_, kLine) : pixels;
    ahead->vector_step = whole ? kLine : pixel_step;
    ahead->channel_step = whole ? pixels : 1;
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const ActivationStrides& source_;
  const bool copies_;
  const ActivationStrides in_;  // of the input, or of its copy
  const DepthwiseKernels<T>& kernels_;
  const DepthwiseGrid grid_;
  const Index lanes_;
  const T* input_;
  T* const out_;
  const bool may_wrap_;
  const Index second_;  // channel that the second vector of a tile begins at
  const Index max_pixels_;
  const bool wide_;
  const bool merges_blocks_;
  const bool asks_;
  const T* residual_;
  ChannelVectorArgs<T> call_{};  // what all calls have in common
};

}  // namespace

template <class T>
void run_depthwise_rows(const ConvPlan& plan, const ConvOperands& operands, double expected_us) {
  DepthwiseRows<T>(plan, operands).execute(expected_us);
}

template void run_depthwise_rows<float>(const ConvPlan&, const ConvOperands&, double);
template void run_depthwise_rows<double>(const ConvPlan&, const ConvOperands&, double);

}  // namespace pyconv
