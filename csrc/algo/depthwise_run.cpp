#include "algo/depthwise_run.h"

#include <algorithm>

#include "algo/depthwise_tiles.h"
#include "algo/input_rows.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

template <class T>
class DepthwiseRun {
 public:
  DepthwiseRun(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        p_(plan.request.problem),
        kernels_(depthwise_kernels<T>(*plan.request.table->depthwise)),
        gather_(dense_kernels<T>(*plan.request.table)),
        lanes_(depthwise_lanes<T>(plan)),
        grid_(depthwise_grid(plan)),
        tiles_(depthwise_tile_count(plan, grid_)),
        asks_(asks_for_memory(p_, found_in_l3()) && outgrows_l2(p_)),
        multiplier_(channel_multiplier(p_)),
        window_(depthwise_window(plan)),
        input_(static_cast<const T*>(operands.input)),
        weights_(static_cast<const T*>(plan.packed_bytes > 0 ? operands.packed : operands.weight)),
        bias_(static_cast<const T*>(operands.bias)),
        residual_(static_cast<const T*>(operands.residual)),
        out_(static_cast<T*>(operands.out)) {}

  void execute(double expected_us) const {
    parallel_for(
        plan_.request.threads, plan_.chunks,
        [this](ChunkSource& source) {
          const ScratchBlock block(plan_.scratch_per_thread);
          Scratch scratch{block.as<T>(), -1};
          if (has_tails()) std::fill_n(scratch.memory, window_.elements(), T(0));
          for (Index chunk; source.next(&chunk);) {
            const Index end = tiles_ * (chunk + 1) / plan_.chunks;
            for (Index number = tiles_ * chunk / plan_.chunks; number < end; ++number)
              run_tile(decode_tile(plan_, grid_, number), &scratch);
          }
        },
        expected_us);
  }

 private:
  // A line of pixel vectors is short, and no prefetcher foresees the next one: stores that wait for their
  // lines fill the store buffer (Zen 3, channels-first, us, on either of two CPUs: 24@190 2530 and 2650,
  // asked for 1110 and 1550; 64@112 910 and 1600, 670 and 1050; 54@16x112x112 stride 1x2x2 17100 and 18500,
  // 15300 and 17400). Six lines ahead or twelve make no difference. Smaller outputs lose a twentieth.
  static constexpr Index kLinesAhead = 6;

  // `place`: of the tile whose window a thread's memory holds, the same for every channel; -1 at first.
  struct Scratch {
    T* memory;
    Index place;
  };

  // Whether kernels read what no copy writes: the last vector of a row, or of the channels. No result of it
  // is kept, but what another borrower left in the scratch may be denormal, as half a pointer is or half a
  // double, and Intel's cores take 150 cycles for each product of those (3x3 480@14 1060 us, 88 without).
  bool has_tails() const { return !by_channel(plan_) || p_.out_ch % lanes_ != 0; }

  void run_tile(const DepthwiseTile& t, Scratch* scratch) const {
    if (by_channel(plan_))
      run_channel_tile(t, scratch->memory);
    else
      run_pixel_tile(t, scratch);
  }

  // The padded-grid position of the first tap of the tile's first output.
  Spatial origin(const DepthwiseTile& t) const {
    return Spatial{{t.od * p_.stride[kD] - p_.pad_begin[kD], t.oh0 * p_.stride[kH] - p_.pad_begin[kH],
                    t.ow0 * p_.stride[kW] - p_.pad_begin[kW]}};
  }

  const T* image_channel(const DepthwiseTile& t, Index out_channel) const {
    return input_ + t.image * plan_.request.in.batch + out_channel / multiplier_ * plan_.request.in.channel;
  }

  // One row of a window of channel vectors. `inputs`: memory for a row of the input's channels.
  void copy_row(const InputImage<T>& image, const DepthwiseTile& t, const T* row, Index first_w, T* dst,
                T* inputs) const {
    const Index cols = window_.cols - (plan_.blocking.cols - t.pixels) * p_.stride[kW];
    if (multiplier_ == 1)
      return read_row(image, gather_, row, t.channels, first_w, 1, cols,
                      {RowOrder::kChannelsInner, dst, window_.pixel});
    const Index before = t.channel0 % multiplier_;
    const Index channels = ceil_div(before + t.channels, multiplier_);
    read_row(image, gather_, row, channels, first_w, 1, cols, {RowOrder::kChannelsInner, inputs, channels});
    for (Index i = 0; i < cols; ++i, dst += window_.pixel, inputs += channels)
      spread(inputs, before, t.channels, dst);
  }

  // Each input channel goes to `multiplier` neighbouring lanes, the first one to `before` fewer.
  void spread(const T* inputs, Index before, Index lanes, T* dst) const {
    Index lane = 0;
    if (multiplier_ == 2 && before == 0)  // without a loop for each: 64 > 128@28 171 us, 98 so
      for (; lane + 1 < lanes; lane += 2) dst[lane] = dst[lane + 1] = *inputs++;
    for (Index end = lane + multiplier_ - before; lane < lanes; end += multiplier_) {
      const T input = *inputs++;
      for (const Index last = min_of(end, lanes); lane < last; ++lane) dst[lane] = input;
    }
  }

  Index window_planes(const DepthwiseTile& t) const {
    return window_.planes - (plan_.blocking.depths - t.depths) * p_.stride[kD];
  }
  Index window_rows(const DepthwiseTile& t) const {
    return window_.rows - (plan_.blocking.rows - t.lines) * p_.stride[kH];
  }

  void copy_channel_window(const DepthwiseTile& t, T* window) const {
    const InputImage<T> image{image_channel(t, t.channel0), &p_, plan_.request.in};
    const Spatial first = origin(t);
    T* const inputs = window + window_.elements();
    for (Index plane = 0; plane < window_planes(t); ++plane)
      for (Index r = 0; r < window_rows(t); ++r)
        copy_row(image, t,
                 image.row(first[kD] + plane * window_.plane_step, first[kH] + r * window_.row_step),
                 first[kW], window + plane * window_.plane + r * window_.row, inputs);
  }

  void copy_pixel_window(const DepthwiseTile& t, T* window, bool borders_hold) const {
    const InputImage<T> image{image_channel(t, t.channel0), &p_, plan_.request.in};
    const Spatial first = origin(t);
    const Index stretches = static_cast<Index>(window_.phases.size());
    PlaneBlock block{0,
                     first[kH],
                     window_.row_step,
                     window_rows(t),
                     0,
                     p_.stride[kW],
                     window_.cols - (plan_.blocking.cols - t.pixels)};
    for (Index plane = 0; plane < window_planes(t); ++plane)
      for (Index i = 0; i < stretches; ++i) {
        block.d = first[kD] + plane * window_.plane_step;
        block.first_w = first[kW] + window_.phases[static_cast<std::size_t>(i)];
        read_plane(image, gather_, block, window + plane * window_.plane + i * (window_.row / stretches),
                   window_.row, borders_hold);
      }
  }

  const T* bias(const DepthwiseTile& t) const { return bias_ ? bias_ + t.channel0 : nullptr; }

  // Element (channel0, od + depth, oh0, ow0 + done) of the output.
  Index output_offset(const DepthwiseTile& t, Index depth, Index done) const {
    const ActivationStrides& out = plan_.request.out;
    return t.image * out.batch + t.channel0 * out.channel + (t.od + depth) * out.spatial[kD] +
           t.oh0 * out.spatial[kH] + (t.ow0 + done) * out.spatial[kW];
  }
  TileOutput<T> output(const DepthwiseTile& t, Index m_stride, Index n_stride) const {
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
  void place(const DepthwiseTile& t, Index depth, Index done, TileOutput<T>* o) const {
    const Index at = output_offset(t, depth, done);
    o->out = out_ + at;
    o->residual = residual_ ? residual_ + at : nullptr;
  }

  void run_channel_tile(const DepthwiseTile& t, T* window) const {
    const ActivationStrides& out = plan_.request.out;
    ChannelVectorArgs<T> args{};
    static_cast<TileOutput<T>&>(args) = output(t, out.spatial[kW], out.channel);
    copy_channel_window(t, window);
    args.n_valid = t.channels;
    args.kernel = p_.kernel;
    args.weights = weights_ + t.channel0;
    args.weights_w = p_.in_ch_per_group() * channel_taps_pitch(p_, lanes_);
    args.weights_h = p_.kernel[kW] * args.weights_w;
    args.weights_d = p_.kernel[kH] * args.weights_h;
    args.end_column = window_.cols;
    args.lines = t.lines;
    args.blocks = 1;
    args.out_line_step = out.spatial[kH];
    args.d_tap = window_.plane * (p_.dilation[kD] / window_.plane_step);
    args.h_tap = window_.row * (p_.dilation[kH] / window_.row_step);
    args.w_tap = window_.pixel * p_.dilation[kW];
    args.line_step = p_.stride[kH] * window_.row;
    args.pixel_step = window_.pixel * p_.stride[kW];
    args.group = p_.in_ch_per_group();
    args.weights_j = channel_taps_pitch(p_, lanes_);
    const EvenSplit split(t.pixels, kernels_.most_pixels(args.group, 0));
    for (Index depth = 0; depth < t.depths; ++depth) {
      args.input = window + depth * p_.stride[kD] * window_.plane;
      for (Index i = 0, done = 0; i < split.pieces; done += split.size(i++)) {
        place(t, depth, done, &args);
        args.pixels = split.size(i);
        const ChannelVectorFn<T> kernel = kernels_.vector(args.group, 1, args.pixels, 0);
        kernel(args, {0, lanes_, (t.channels - 1) / lanes_ * lanes_});
        args.input += split.size(i) * args.pixel_step;
      }
    }
  }

  void run_pixel_tile(const DepthwiseTile& t, Scratch* scratch) const {
    T* window = scratch->memory;
    const Index place_of_tile = (t.od * p_.out[kH] + t.oh0) * p_.out[kW] + t.ow0;
    const ActivationStrides& out = plan_.request.out;
    PixelVectorArgs<T> args{};
    static_cast<TileOutput<T>&>(args) = output(t, out.spatial[kH], out.spatial[kW]);
    copy_pixel_window(t, window, place_of_tile == scratch->place);
    scratch->place = place_of_tile;
    args.kernel = p_.kernel;
    args.d_tap = window_.plane * (p_.dilation[kD] / window_.plane_step);
    args.h_tap = window_.row * (p_.dilation[kH] / window_.row_step);
    args.w_offset = window_.w_offset.data();
    args.weights = weights_ + t.channel0 * p_.taps();
    args.lines = t.lines;
    args.line_step = p_.stride[kH] * window_.row;
    args.out_line_step = out.spatial[kH];
    args.lines_ahead = asks_ && t.lines > kLinesAhead ? kLinesAhead : 0;
    const EvenSplit split(ceil_div(t.pixels, lanes_), kernels_.max_vectors);
    for (Index depth = 0; depth < t.depths; ++depth)
      for (Index i = 0, done = 0; i < split.pieces; done += split.size(i++) * lanes_) {
        place(t, depth, done, &args);
        args.input = window + depth * p_.stride[kD] * window_.plane + done;
        args.n_valid = min_of(split.size(i) * lanes_, t.pixels - done);
        kernels_.pixel_vector[split.size(i)](args);
      }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const DepthwiseKernels<T>& kernels_;
  const DenseKernels<T>& gather_;
  const Index lanes_;
  const DepthwiseGrid grid_;
  const Index tiles_;
  const bool asks_;
  const Index multiplier_;
  const DepthwiseWindow window_;
  const T* input_;
  const T* weights_;
  const T* bias_;
  const T* residual_;
  T* out_;
};

}  // namespace

template <class T>
void run_depthwise(const ConvPlan& plan, const ConvOperands& operands, double expected_us) {
  DepthwiseRun<T>(plan, operands).execute(expected_us);
}

template void run_depthwise<float>(const ConvPlan&, const ConvOperands&, double);
template void run_depthwise<double>(const ConvPlan&, const ConvOperands&, double);

}  // namespace pyconv
