// Depthwise convolution (one input channel a group, any multiplier): tiles of output are computed by vectors
// of channels or by vectors of pixels, from the input in place or from a padded copy of the tile's window
// that stays in L1. Which of them depends on layout and sizes and cannot change a bit.
#include <algorithm>
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

// kOcVector: vectors of channels; kPixelVector: vectors of pixels, one channel a tile.
bool by_channel(const ConvPlan& plan) { return plan.blocking.kind == TileKind::kOcVector; }

template <class T>
Index lanes_of(const ConvPlan& plan) {
  return dense_kernels<T>(*plan.request.table).lanes;
}

// The padded copy of one tile's window. A row of it holds pixels of `lanes` channels, or, for pixel vectors,
// one stretch for each phase of the stride that a tap reads, so that neighbouring outputs are neighbours.
struct Window {
  Index planes, rows, row_step;  // input rows between two copied rows
  Index cols;                    // copied positions of one row (of one phase)
  Index pixel, row, plane;       // elements between neighbours
  std::vector<Index> phases;     // first input column of each stretch
  std::vector<Index> w_offset;   // elements to tap kw of a row

  Index elements() const { return planes * plane; }
};

// A single output line needs only the rows its taps read; several share all rows between them.
void choose_rows(const ConvProblem& p, Index lines, Window* w) {
  w->planes = p.kernel[kD];
  w->rows =
      lines == 1 ? p.kernel[kH] : (lines - 1) * p.stride[kH] + window_extent(p.kernel[kH], p.dilation[kH]);
  w->row_step = lines == 1 ? p.dilation[kH] : 1;
}

Window channel_window(const ConvProblem& p, Index lines, Index pixels, Index lanes) {
  Window w;
  choose_rows(p, lines, &w);
  w.cols = (pixels - 1) * p.stride[kW] + window_extent(p.kernel[kW], p.dilation[kW]);
  w.pixel = lanes;
  w.row = w.cols * lanes;
  w.plane = w.rows * w.row;
  return w;
}

Window pixel_window(const ConvProblem& p, Index lines, Index pixels, Index lanes) {
  Window w;
  choose_rows(p, lines, &w);
  const Index reach = (p.kernel[kW] - 1) * p.dilation[kW] / p.stride[kW];
  w.cols = pixels + reach;
  const Index stretch = round_up(round_up(pixels, lanes) + reach, lanes);
  w.w_offset.reserve(static_cast<std::size_t>(p.kernel[kW]));
  for (Index kw = 0; kw < p.kernel[kW]; ++kw) {
    const Index phase = kw * p.dilation[kW] % p.stride[kW];
    std::size_t slot = 0;
    while (slot < w.phases.size() && w.phases[slot] != phase) ++slot;
    if (slot == w.phases.size()) w.phases.push_back(phase);
    w.w_offset.push_back(static_cast<Index>(slot) * stretch + kw * p.dilation[kW] / p.stride[kW]);
  }
  w.pixel = 1;
  w.row = stretch * static_cast<Index>(w.phases.size());
  w.plane = w.rows * w.row;
  return w;
}

// A block of outputs: `channels` output channels from channel0 (one, for pixel vectors).
struct Tile {
  Index image, channel0, channels, od;
  Index oh0, lines, ow0, pixels;
};

// Tiles are numbered so that neighbours share memory: channels-last sweeps channels first, channels-first the
// positions of a channel.
struct TileGrid {
  Index row_bands, col_bands, strips, channels_per_strip;
};

TileGrid tile_grid(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  return {ceil_div(p.out[kH], b.rows), ceil_div(p.out[kW], b.cols), ceil_div(p.out_ch, b.oc_per_chunk),
          b.oc_per_chunk};
}

Index tile_count(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const TileGrid g = tile_grid(plan);
  return p.batch * p.out[kD] * g.row_bands * g.col_bands * g.strips;
}

Index take_digit(Index* number, Index base) {
  const Index digit = *number % base;
  *number /= base;
  return digit;
}

Tile decode_tile(const ConvPlan& plan, const TileGrid& g, Index number) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  Tile t;
  Index strip = 0;
  if (by_channel(plan)) strip = take_digit(&number, g.strips);
  t.ow0 = take_digit(&number, g.col_bands) * b.cols;
  t.oh0 = take_digit(&number, g.row_bands) * b.rows;
  t.od = take_digit(&number, p.out[kD]);
  if (!by_channel(plan)) strip = take_digit(&number, g.strips);
  t.image = number;
  t.pixels = min_of(b.cols, p.out[kW] - t.ow0);
  t.lines = min_of(b.rows, p.out[kH] - t.oh0);
  t.channel0 = strip * g.channels_per_strip;
  t.channels = min_of(g.channels_per_strip, p.out_ch - t.channel0);
  return t;
}

template <class T>
class DepthwiseRun {
 public:
  DepthwiseRun(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        p_(plan.request.problem),
        kernels_(depthwise_kernels<T>(*plan.request.table->depthwise)),
        gather_(dense_kernels<T>(*plan.request.table)),
        lanes_(lanes_of<T>(plan)),
        grid_(tile_grid(plan)),
        tiles_(tile_count(plan)),
        multiplier_(p_.out_ch_per_group()),
        window_(by_channel(plan) ? channel_window(p_, plan.blocking.rows, plan.blocking.cols, lanes_)
                                 : pixel_window(p_, plan.blocking.rows, plan.blocking.cols, lanes_)),
        input_(static_cast<const T*>(operands.input)),
        weights_(static_cast<const T*>(plan.packed_bytes > 0 ? operands.packed : operands.weight)),
        bias_(static_cast<const T*>(operands.bias)),
        residual_(static_cast<const T*>(operands.residual)),
        out_(static_cast<T*>(operands.out)) {}

  void execute(double expected_us) const {
    parallel_for(
        plan_.request.threads, plan_.chunks,
        [this](ChunkSource& source) {
          ScratchBlock scratch(plan_.scratch_per_thread);
          if (by_channel(plan_)) std::fill_n(scratch.as<T>(), lanes_, static_cast<T>(p_.pad_value));
          for (Index chunk; source.next(&chunk);) {
            const Index end = tiles_ * (chunk + 1) / plan_.chunks;
            for (Index number = tiles_ * chunk / plan_.chunks; number < end; ++number)
              run_tile(decode_tile(plan_, grid_, number), scratch.as<T>());
          }
        },
        expected_us);
  }

 private:
  void run_tile(const Tile& t, T* scratch) const {
    if (by_channel(plan_))
      run_channel_tile(t, scratch);
    else
      run_pixel_tile(t, scratch);
  }

  // The padded-grid position of the first tap of the tile's first output.
  Spatial origin(const Tile& t) const {
    return Spatial{{t.od * p_.stride[kD] - p_.pad_begin[kD], t.oh0 * p_.stride[kH] - p_.pad_begin[kH],
                    t.ow0 * p_.stride[kW] - p_.pad_begin[kW]}};
  }

  const T* image_channel(const Tile& t, Index out_channel) const {
    return input_ + t.image * plan_.request.in.batch + out_channel / multiplier_ * plan_.request.in.channel;
  }

  void copy_row(const InputImage<T>& image, const Tile& t, const T* row, Index first_w, T* dst) const {
    if (!by_channel(plan_)) {
      const Index stretch = window_.row / static_cast<Index>(window_.phases.size());
      const Index cols = window_.cols - (plan_.blocking.cols - t.pixels);
      for (Index phase : window_.phases) {
        read_row(image, gather_, row, 1, first_w + phase, p_.stride[kW], cols, RowOrder::kPixelsInner, dst,
                 stretch);
        dst += stretch;
      }
      return;
    }
    const Index cols = window_.cols - (plan_.blocking.cols - t.pixels) * p_.stride[kW];
    if (multiplier_ == 1)
      return read_row(image, gather_, row, t.channels, first_w, 1, cols, RowOrder::kChannelsInner, dst,
                      lanes_);
    // Each input channel goes to `multiplier` neighbouring lanes.
    for (Index lane = 0; lane < t.channels; ++lane) {
      const Index skip = (t.channel0 + lane) / multiplier_ - t.channel0 / multiplier_;
      const T* channel = row == nullptr ? nullptr : row + skip * plan_.request.in.channel;
      read_row(image, gather_, channel, 1, first_w, 1, cols, RowOrder::kChannelsInner, dst + lane, lanes_);
    }
  }

  void copy_window(const Tile& t, T* window) const {
    const InputImage<T> image{image_channel(t, t.channel0), &p_, plan_.request.in};
    const Spatial first = origin(t);
    const Index rows = window_.rows - (plan_.blocking.rows - t.lines) * p_.stride[kH];
    for (Index kd = 0; kd < window_.planes; ++kd)
      for (Index r = 0; r < rows; ++r)
        copy_row(image, t, image.row(first[kD] + kd * p_.dilation[kD], first[kH] + r * window_.row_step),
                 first[kW], window + kd * window_.plane + r * window_.row);
  }

  const T* bias(const Tile& t) const { return bias_ ? bias_ + t.channel0 : nullptr; }

  // Element (channel0, od, oh0, ow0 + done) of the output.
  Index output_offset(const Tile& t, Index done) const {
    const ActivationStrides& out = plan_.request.out;
    return t.image * out.batch + t.channel0 * out.channel + t.od * out.spatial[kD] + t.oh0 * out.spatial[kH] +
           (t.ow0 + done) * out.spatial[kW];
  }
  TileOutput<T> output(const Tile& t, Index m_stride, Index n_stride) const {
    return {nullptr,
            m_stride,
            n_stride,
            0,
            bias(t),
            nullptr,
            static_cast<T>(p_.epilogue.lo),
            static_cast<T>(p_.epilogue.hi),
            p_.epilogue.activation != Activation::kNone};
  }
  void place(const Tile& t, Index done, TileOutput<T>* o) const {
    const Index at = output_offset(t, done);
    o->out = out_ + at;
    o->residual = residual_ ? residual_ + at : nullptr;
  }

  // scratch: one vector of padding, then the window.
  void run_channel_tile(const Tile& t, T* scratch) const {
    const ActivationStrides& out = plan_.request.out;
    ChannelVectorArgs<T> args{output(t, out.spatial[kW], out.channel)};
    args.n_valid = t.channels;
    args.pad = scratch;
    args.kernel = p_.kernel;
    args.stride = p_.stride;
    args.dilation = p_.dilation;
    args.weights = weights_ + t.channel0 * p_.taps();
    args.lines = t.lines;
    args.out_line_step = out.spatial[kH];
    const Spatial first = origin(t);
    if (plan_.blocking.in_place) {
      args.input = image_channel(t, t.channel0);
      args.in = p_.in;
      args.in_step = plan_.request.in.spatial;
      args.first = first;
    } else {
      copy_window(t, scratch + lanes_);
      args.input = scratch + lanes_;
      args.in = Spatial{{window_.planes, window_.rows, window_.cols}};
      args.in_step = Spatial{{window_.plane, window_.row, window_.pixel}};
      args.dilation[kD] = 1;
      args.dilation[kH] /= window_.row_step;
    }
    const EvenSplit split(t.pixels, kernels_.max_pixels);
    for (Index i = 0, done = 0; i < split.pieces; done += split.size(i++)) {
      place(t, done, &args);
      kernels_.channel_vector[split.size(i)](args);
      args.first[kW] += split.size(i) * p_.stride[kW];
    }
  }

  void run_pixel_tile(const Tile& t, T* window) const {
    const ActivationStrides& out = plan_.request.out;
    PixelVectorArgs<T> args{output(t, out.spatial[kH], out.spatial[kW])};
    copy_window(t, window);
    args.kernel = p_.kernel;
    args.d_tap = window_.plane;
    args.h_tap = window_.row * (p_.dilation[kH] / window_.row_step);
    args.w_offset = window_.w_offset.data();
    args.weights = weights_ + t.channel0 * p_.taps();
    args.lines = t.lines;
    args.line_step = p_.stride[kH] * window_.row;
    args.out_line_step = out.spatial[kH];
    const EvenSplit split(ceil_div(t.pixels, lanes_), kernels_.max_vectors);
    for (Index i = 0, done = 0; i < split.pieces; done += split.size(i++) * lanes_) {
      place(t, done, &args);
      args.input = window + done;
      args.n_valid = min_of(split.size(i) * lanes_, t.pixels - done);
      kernels_.pixel_vector[split.size(i)](args);
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const DepthwiseKernels<T>& kernels_;
  const DenseKernels<T>& gather_;
  const Index lanes_;
  const TileGrid grid_;
  const Index tiles_, multiplier_;
  const Window window_;
  const T* input_;
  const T* weights_;
  const T* bias_;
  const T* residual_;
  T* out_;
};

// --- planning
// -----------------------------------------------------------------------------------------------

constexpr Index kWindowBytes = 24 << 10;  // of 32 KB L1: weights and outputs pass through it too
constexpr Index kWideRow = 12;            // pixels from which a vector of them is worth its empty lanes
constexpr Index kLongKernel = 8;          // taps of a 1-D kernel from which transposing pays

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
  return static_cast<double>(p.kernel[kD]) * rows * cols * static_cast<double>(element_bytes(p));
}

constexpr double kScratchLimit = static_cast<double>(kMaxScratchPerThread) - 1024;  // a vector of padding
constexpr Index kWidestLanes = 16;                                                  // of any instruction set

TileKind choose_kind(const Request& r, Index lanes) {
  const ConvProblem& p = r.problem;
  if (p.out_ch * 2 <= lanes || window_bytes(p, TileKind::kOcVector, 1, 1, lanes) > kScratchLimit)
    return TileKind::kPixelVector;
  if (r.in.spatial[kW] != 1) return TileKind::kOcVector;
  const bool long_kernel = p.kernel[kH] * p.kernel[kD] == 1 && p.kernel[kW] > kLongKernel;
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
  double limit = static_cast<double>(kWindowBytes);
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

bool taps_are_contiguous(const WeightStrides& w, const ConvProblem& p) {
  Index expected = 1;
  for (int dim = kW; dim >= kD; --dim) {
    if (p.kernel[dim] > 1 && w.kernel[dim] != expected) return false;
    expected *= p.kernel[dim];
  }
  return p.out_ch == 1 || w.out_ch == expected;
}

template <class T>
ConvPlan plan_depthwise(const Request& request) {
  ConvPlan plan(kDepthwise, simplified(request));
  const ConvProblem& p = plan.request.problem;
  const Index lanes = lanes_of<T>(plan);
  const DepthwiseKernels<T>& kernels = depthwise_kernels<T>(*request.table->depthwise);
  Blocking& b = plan.blocking;
  b.kind = choose_kind(plan.request, lanes);
  const bool channels = by_channel(plan);
  b.in_place = channels && plan.request.in.channel == 1 && p.out_ch_per_group() == 1 &&
               (p.pad_mode == PadMode::kConstant || !p.is_padded());
  b.oc_per_chunk = channels ? min_of(lanes, p.out_ch) : 1;
  b.pitch = channels ? lanes : 1;
  choose_tile(p, lanes, channels ? kernels.max_pixels : kernels.max_vectors * lanes, &b);
  if (channels || !taps_are_contiguous(plan.request.weight, p)) {
    plan.form = channels ? PackedForm::kChannelTaps : PackedForm::kTaps;
    plan.packed_bytes =
        static_cast<std::size_t>((channels ? round_up(p.out_ch, lanes) : p.out_ch) * p.taps()) * sizeof(T);
  }
  const Window window =
      channels ? channel_window(p, b.rows, b.cols, lanes) : pixel_window(p, b.rows, b.cols, lanes);
  const Index elements = (channels ? lanes : 0) + (b.in_place ? 0 : window.elements());
  plan.scratch_per_thread = static_cast<std::size_t>(elements) * sizeof(T);
  plan.chunks = min_of(tile_count(plan), 16 * static_cast<Index>(request.threads));
  return plan;
}

// kChannelTaps: [strip][k_d][k_h][k_w][lanes], kTaps: [out_ch][k_d][k_h][k_w].
template <class T>
void pack_taps(const ConvPlan& plan, const T* weight, T* packed) {
  const ConvProblem& p = plan.request.problem;
  const WeightStrides& s = plan.request.weight;
  const DenseKernels<T>& kernels = dense_kernels<T>(*plan.request.table);
  const Index strip = by_channel(plan) ? kernels.lanes : 1;
  for (Index oc = 0; oc < p.out_ch; oc += strip) {
    const Index width = min_of(strip, p.out_ch - oc);
    if (width < strip) std::fill_n(packed, strip * p.taps(), T(0));
    for (Index kd = 0; kd < p.kernel[kD]; ++kd)
      for (Index kh = 0; kh < p.kernel[kH]; ++kh, packed += p.kernel[kW] * strip)
        kernels.gather2d(packed, strip, weight + oc * s.out_ch + kd * s.kernel[kD] + kh * s.kernel[kH],
                         s.kernel[kW], s.out_ch, p.kernel[kW], width);
  }
}

// --- the registry row
// ---------------------------------------------------------------------------------------

std::string refusal(const ConvProblem& p) {
  if (p.out_elements() == 0 || p.in_ch == 0) return "the problem is empty";
  if (p.in_ch_per_group() != 1)
    return concat("depthwise means one input channel per group, this has ", p.in_ch_per_group());
  const double bytes = window_bytes(p, TileKind::kPixelVector, 1, 1, kWidestLanes);
  if (bytes > kScratchLimit)
    return concat("the window of one output needs ", bytes / (1 << 20), " MB of scratch, the limit is ",
                  kMaxScratchPerThread >> 20, " MB");
  return "";
}

double cost(const ConvProblem& image) { return depthwise_cost_us(image); }

ErrorBound bound(const ConvProblem& p) { return {true, direct_error_factor(p), true}; }

ConvPlan plan(const Request& request) {
  return dispatch_dtype(request.problem, [&](auto zero) { return plan_depthwise<decltype(zero)>(request); });
}

void pack(const ConvPlan& plan, const void* weight, void* packed) {
  dispatch_dtype(plan.request.problem, [&](auto zero) {
    using T = decltype(zero);
    pack_taps(plan, static_cast<const T*>(weight), static_cast<T*>(packed));
  });
}

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  const double expected_us = depthwise_cost_us(plan.request.problem);
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { DepthwiseRun<decltype(zero)>(plan, operands).execute(expected_us); });
}

}  // namespace

const ConvAlgorithm kDepthwise = {"depthwise", "vectors of channels or pixels, one input channel per group",
                                  refusal,     cost,
                                  bound,       plan,
                                  pack,        execute};

}  // namespace pyconv
