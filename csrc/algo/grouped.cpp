// Grouped convolution with few channels a group: a vector of output channels spans several groups, and a copy
// of the tile's window holds, for every position and every input channel j of a group, the vector whose lane
// c is channel j of c's group. With that copy it is a depthwise convolution of k_w * channels taps a row, in
// the order of direct: the same bits.
#include <algorithm>
#include <vector>

#include "algo/accumulation.h"
#include "algo/cost_model.h"
#include "algo/depthwise_tiles.h"
#include "algo/input_rows.h"
#include "algo/registry.h"
#include "algo/simplify.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

constexpr double kWindowBytes = 128 << 10;  // wanted: it stays in L2, the rows in use in L1
constexpr double kWindowLimit = 512 << 10;
constexpr Index kWidestLanes = 16, kMostPixels = 14;  // of any instruction set

// Input channels that `lanes` neighbouring output channels read at most.
Index line_channels(const ConvProblem& p, Index lanes) {
  return round_up((ceil_div(lanes - 1, p.out_ch_per_group()) + 1) * p.in_ch_per_group(), lanes);
}

// One output's taps as the tiles see them: three strides, the innermost through the channels of a group.
struct Taps {
  Spatial count;
  Index d_step, h_step;
};

Taps taps_of(const ConvProblem& p, const DepthwiseWindow& w) {
  const Index channels = p.in_ch_per_group(), row = w.row * (p.dilation[kH] / w.row_step);
  if (p.kernel[kD] == 1)
    return {Spatial{{p.kernel[kH], p.kernel[kW], channels}}, row, w.pixel * p.dilation[kW]};
  return {Spatial{{p.kernel[kD], p.kernel[kH], p.kernel[kW] * channels}}, w.plane, row};
}

template <class T>
class GroupedRun {
 public:
  GroupedRun(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        p_(plan.request.problem),
        kernels_(depthwise_kernels<T>(*plan.request.table->depthwise)),
        dense_(dense_kernels<T>(*plan.request.table)),
        grid_(depthwise_grid(plan)),
        window_(channel_window(p_, plan.blocking.rows, plan.blocking.cols, plan.blocking.pitch)),
        taps_(taps_of(p_, window_)),
        line_pitch_(line_channels(p_, dense_.lanes)),
        operands_(operands) {}

  void execute(double expected_us) const {
    const Index tiles = depthwise_tile_count(plan_, grid_);
    parallel_for(
        plan_.request.threads, plan_.chunks,
        [&](ChunkSource& source) {
          ScratchBlock scratch(plan_.scratch_per_thread);
          for (Index chunk; source.next(&chunk);) {
            const Index end = tiles * (chunk + 1) / plan_.chunks;
            for (Index number = tiles * chunk / plan_.chunks; number < end; ++number)
              run_tile(decode_tile(plan_, grid_, number), scratch.as<T>());
          }
        },
        expected_us);
  }

 private:
  // The first input channel that output channel `oc` reads.
  Index input_channel(Index oc) const { return oc / p_.out_ch_per_group() * p_.in_ch_per_group(); }

  // Vectors of fewer lanes than a group has channels take the loop.
  // `positions` lines of the strip's input channels to vectors [position][j][lane].
  void expand(const DepthwiseTile& t, const T* line, Index positions, T* dst) const {
    const Index lanes = dense_.lanes, group = p_.in_ch_per_group();
    if (lanes % group == 0) return kernels_.expand_groups(dst, line, line_pitch_, positions, group);
    for (Index i = 0; i < positions; ++i, line += line_pitch_)
      for (Index j = 0; j < group; ++j, dst += lanes)
        for (Index lane = 0; lane < t.channels; ++lane)
          dst[lane] = line[input_channel(t.channel0 + lane) - input_channel(t.channel0) + j];
  }

  void copy_window(const DepthwiseTile& t, T* window) const {
    const ActivationStrides& in = plan_.request.in;
    const Index channel = input_channel(t.channel0);
    const Index channels = input_channel(t.channel0 + t.channels - 1) + p_.in_ch_per_group() - channel;
    const T* data = static_cast<const T*>(operands_.input) + t.image * in.batch + channel * in.channel;
    const InputImage<T> image{data, &p_, in};
    T* const line = window + window_.elements();
    const Index rows = window_.rows - (plan_.blocking.rows - t.lines) * p_.stride[kH];
    const Index cols = window_.cols - (plan_.blocking.cols - t.pixels) * p_.stride[kW];
    const Index first_h = t.oh0 * p_.stride[kH] - p_.pad_begin[kH];
    for (Index kd = 0; kd < window_.planes; ++kd) {
      const Index d = t.od * p_.stride[kD] - p_.pad_begin[kD] + kd * p_.dilation[kD];
      for (Index r = 0; r < rows; ++r) {
        read_row(image, dense_, image.row(d, first_h + r * window_.row_step), channels,
                 t.ow0 * p_.stride[kW] - p_.pad_begin[kW], 1, cols, RowOrder::kChannelsInner, line,
                 line_pitch_);
        expand(t, line, cols, window + kd * window_.plane + r * window_.row);
      }
    }
  }

  void run_tile(const DepthwiseTile& t, T* window) const {
    copy_window(t, window);
    const ActivationStrides& out = plan_.request.out;
    const Index at = t.image * out.batch + t.channel0 * out.channel + t.od * out.spatial[kD] +
                     t.oh0 * out.spatial[kH] + t.ow0 * out.spatial[kW];
    ChannelVectorArgs<T> args{};
    args.out = static_cast<T*>(operands_.out) + at;
    args.residual = operands_.residual ? static_cast<const T*>(operands_.residual) + at : nullptr;
    args.bias = operands_.bias ? static_cast<const T*>(operands_.bias) + t.channel0 : nullptr;
    args.out_m_stride = out.spatial[kW];
    args.out_n_stride = out.channel;
    args.out_line_step = out.spatial[kH];
    args.n_valid = t.channels;
    args.lo = static_cast<T>(p_.epilogue.lo);
    args.hi = static_cast<T>(p_.epilogue.hi);
    args.clamped = p_.epilogue.activation != Activation::kNone;
    args.input = window;
    args.kernel = taps_.count;
    args.d_tap = taps_.d_step;
    args.h_tap = taps_.h_step;
    args.w_tap = dense_.lanes;
    args.pixel_step = window_.pixel * p_.stride[kW];
    args.line_step = window_.row * p_.stride[kH];
    args.end_column = window_.cols * p_.in_ch_per_group();
    args.lines = t.lines;
    args.weights = static_cast<const T*>(operands_.packed) + t.channel0 * p_.in_ch_per_group() * p_.taps();
    args.weights_w = dense_.lanes;
    args.weights_h = taps_.count[kW] * args.weights_w;
    args.weights_d = taps_.count[kH] * args.weights_h;
    kernels_.channel_vector[t.pixels](args, 0);
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const DepthwiseKernels<T>& kernels_;
  const DenseKernels<T>& dense_;
  const DepthwiseGrid grid_;
  const DepthwiseWindow window_;
  const Taps taps_;
  const Index line_pitch_;
  const ConvOperands& operands_;
};

template <class T>
ConvPlan plan_grouped(const Request& request) {
  ConvPlan plan(kGrouped, simplified(request));
  const ConvProblem& p = plan.request.problem;
  const Index lanes = depthwise_lanes<T>(plan);
  Blocking& b = plan.blocking;
  b.kind = TileKind::kOcVector;
  b.pitch = lanes * p.in_ch_per_group();
  b.cols = EvenSplit(p.out[kW], depthwise_kernels<T>(*request.table->depthwise).max_pixels).size(0);
  b.rows = 1;
  const auto bytes = [&](Index rows) {
    return static_cast<double>(channel_window(p, rows, b.cols, b.pitch).elements()) * sizeof(T);
  };
  while (b.rows < p.out[kH] && bytes(b.rows + 1) <= kWindowBytes) ++b.rows;
  b.rows = EvenSplit(p.out[kH], b.rows).size(0);
  b.oc_per_chunk = min_of(lanes, p.out_ch);
  plan.form = PackedForm::kGroupTaps;
  plan.packed_bytes =
      static_cast<std::size_t>(round_up(p.out_ch, lanes) * p.in_ch_per_group() * p.taps()) * sizeof(T);
  const DepthwiseWindow window = channel_window(p, b.rows, b.cols, b.pitch);
  plan.scratch_per_thread =
      static_cast<std::size_t>(window.elements() + window.cols * line_channels(p, lanes)) * sizeof(T);
  plan.chunks =
      min_of(depthwise_tile_count(plan, depthwise_grid(plan)), 16 * static_cast<Index>(request.threads));
  return plan;
}

// [strip][k_d][k_h][k_w][channel of the group][lanes]
template <class T>
void pack_strips(const ConvPlan& plan, const T* weight, T* packed) {
  const ConvProblem& p = plan.request.problem;
  const WeightStrides& s = plan.request.weight;
  const DenseKernels<T>& kernels = dense_kernels<T>(*plan.request.table);
  const Index channels = p.in_ch_per_group();
  for (Index oc = 0; oc < p.out_ch; oc += kernels.lanes) {
    const Index width = min_of(kernels.lanes, p.out_ch - oc);
    if (width < kernels.lanes) std::fill_n(packed, kernels.lanes * channels * p.taps(), T(0));
    for (Index kd = 0; kd < p.kernel[kD]; ++kd)
      for (Index kh = 0; kh < p.kernel[kH]; ++kh)
        for (Index kw = 0; kw < p.kernel[kW]; ++kw, packed += channels * kernels.lanes)
          kernels.gather2d(packed, kernels.lanes,
                           weight + oc * s.out_ch + kd * s.kernel[kD] + kh * s.kernel[kH] + kw * s.kernel[kW],
                           s.in_ch, s.out_ch, channels, width);
  }
}

bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  const Index channels = p.in_ch_per_group();
  if (p.groups == 1 || channels != p.out_ch_per_group() || (channels != 2 && channels != 4 && channels != 8))
    return why.refuse("it is for groups of 2, 4 or 8 input and as many output channels; this has ", p.groups,
                      p.groups == 1 ? " group of " : " groups of ", channels, " and ", p.out_ch_per_group());
  if (chains_of(p).count > 1) return why.refuse("the sum of one output has more than one chain");
  if (p.kernel[kD] > 1 && p.dilation[kW] > 1)
    return why.refuse("its taps need two strides, a dilated 3-D kernel has three");
  const Index cols = (kMostPixels - 1) * p.stride[kW] + window_extent(p.kernel[kW], p.dilation[kW]);
  const double bytes = static_cast<double>(p.kernel[kD] * p.kernel[kH]) * static_cast<double>(cols) *
                       static_cast<double>(channels * kWidestLanes) * static_cast<double>(element_bytes(p));
  if (bytes > kWindowLimit)
    return why.refuse("the window of one tile needs ", bytes / 1024, " KB, the limit is ",
                      kWindowLimit / 1024, " KB");
  return true;
}

double cost(const ConvProblem& image) { return grouped_cost_us(image); }

ErrorBound bound(const ConvProblem& p) { return {true, direct_error_factor(p), true}; }

ConvPlan plan(const Request& request) {
  return dispatch_dtype(request.problem, [&](auto zero) { return plan_grouped<decltype(zero)>(request); });
}

void pack(const ConvPlan& plan, const void* weight, void* packed) {
  dispatch_dtype(plan.request.problem, [&](auto zero) {
    using T = decltype(zero);
    pack_strips(plan, static_cast<const T*>(weight), static_cast<T*>(packed));
  });
}

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  const double expected_us = grouped_cost_us(plan.request.problem);
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { GroupedRun<decltype(zero)>(plan, operands).execute(expected_us); });
}

}  // namespace

const ConvAlgorithm kGrouped = {
    "grouped", "vectors of channels across groups of few channels", supports, cost, bound, plan, pack,
    execute};

}  // namespace pyconv
