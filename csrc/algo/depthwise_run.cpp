#include "algo/depthwise_run.h"

#include <algorithm>
#include <cstdint>

#include "algo/depthwise_tiles.h"
#include "algo/input_rows.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Channels between the last aligned address and the first one, where all pixels are aligned alike: NumPy's
// large arrays begin 16 bytes behind a cache line, and every vector would straddle two (3x3 dilation 4,
// 960@33: 688 us, 530 with it; 3x3 384@28 118 and 95; 64@112 293 and 274, below 4 vectors one more costs as
// much).
constexpr Index kLeastVectors = 4;

template <class T>
Index missing_channels(const ConvPlan& plan, const T* input) {
  const ConvProblem& p = plan.request.problem;
  const ActivationStrides& in = plan.request.in;
  const Index lanes = depthwise_lanes<T>(plan);
  if (!plan.blocking.in_place || p.out_ch < kLeastVectors * lanes || in.batch % lanes != 0) return 0;
  for (int dim = kD; dim <= kW; ++dim)
    if (p.in[dim] > 1 && in.spatial[dim] % lanes != 0) return 0;
  return static_cast<Index>(reinterpret_cast<std::uintptr_t>(input) / sizeof(T)) % lanes;
}

template <class T>
class DepthwiseRun {
 public:
  DepthwiseRun(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        p_(plan.request.problem),
        kernels_(depthwise_kernels<T>(*plan.request.table->depthwise)),
        gather_(dense_kernels<T>(*plan.request.table)),
        lanes_(depthwise_lanes<T>(plan)),
        grid_(depthwise_grid(plan, missing_channels(plan, static_cast<const T*>(operands.input)))),
        tiles_(depthwise_tile_count(plan, grid_)),
        multiplier_(p_.out_ch_per_group()),
        window_(by_channel(plan)
                    ? channel_window(p_, plan.blocking.rows, plan.blocking.cols, plan.blocking.pitch)
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
          ScratchBlock block(plan_.scratch_per_thread);
          Scratch scratch{block.as<T>(), -1};
          for (Index chunk; source.next(&chunk);) {
            const Index end = tiles_ * (chunk + 1) / plan_.chunks;
            DepthwiseTile tile = decode_tile(plan_, grid_, tiles_ * chunk / plan_.chunks);
            for (Index number = tiles_ * chunk / plan_.chunks; number < end; ++number) {
              const DepthwiseTile next = decode_tile(plan_, grid_, number + 1);
              run_tile(tile, next, &scratch);
              tile = next;
            }
          }
        },
        expected_us);
  }

 private:
  // `place`: of the tile whose window a thread's memory holds, the same for every channel; -1 at first.
  struct Scratch {
    T* memory;
    Index place;
  };

  void run_tile(const DepthwiseTile& t, const DepthwiseTile& next, Scratch* scratch) const {
    if (by_channel(plan_))
      run_channel_tile(t, next, scratch);
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

  // One row of a window of channel vectors.
  void copy_row(const InputImage<T>& image, const DepthwiseTile& t, const T* row, Index first_w,
                T* dst) const {
    const Index cols = window_.cols - (plan_.blocking.cols - t.pixels) * p_.stride[kW];
    if (multiplier_ == 1)
      return read_row(image, gather_, row, t.channels, first_w, 1, cols, RowOrder::kChannelsInner, dst,
                      window_.pixel);
    // Each input channel goes to `multiplier` neighbouring lanes.
    for (Index lane = 0; lane < t.channels; ++lane) {
      const Index skip = (t.channel0 + lane) / multiplier_ - t.channel0 / multiplier_;
      const T* channel = row == nullptr ? nullptr : row + skip * plan_.request.in.channel;
      read_row(image, gather_, channel, 1, first_w, 1, cols, RowOrder::kChannelsInner, dst + lane,
               window_.pixel);
    }
  }

  Index window_rows(const DepthwiseTile& t) const {
    return window_.rows - (plan_.blocking.rows - t.lines) * p_.stride[kH];
  }

  void copy_channel_window(const DepthwiseTile& t, T* window) const {
    const InputImage<T> image{image_channel(t, t.channel0), &p_, plan_.request.in};
    const Spatial first = origin(t);
    for (Index kd = 0; kd < window_.planes; ++kd)
      for (Index r = 0; r < window_rows(t); ++r)
        copy_row(image, t, image.row(first[kD] + kd * p_.dilation[kD], first[kH] + r * window_.row_step),
                 first[kW], window + kd * window_.plane + r * window_.row);
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
    for (Index kd = 0; kd < window_.planes; ++kd)
      for (Index i = 0; i < stretches; ++i) {
        block.d = first[kD] + kd * p_.dilation[kD];
        block.first_w = first[kW] + window_.phases[static_cast<std::size_t>(i)];
        read_plane(image, gather_, block, window + kd * window_.plane + i * (window_.row / stretches),
                   window_.row, borders_hold);
      }
  }

  const T* bias(const DepthwiseTile& t) const { return bias_ ? bias_ + t.channel0 : nullptr; }

  // Element (channel0, od, oh0, ow0 + done) of the output.
  Index output_offset(const DepthwiseTile& t, Index done) const {
    const ActivationStrides& out = plan_.request.out;
    return t.image * out.batch + t.channel0 * out.channel + t.od * out.spatial[kD] + t.oh0 * out.spatial[kH] +
           (t.ow0 + done) * out.spatial[kW];
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
  void place(const DepthwiseTile& t, Index done, TileOutput<T>* o) const {
    const Index at = output_offset(t, done);
    o->out = out_ + at;
    o->residual = residual_ ? residual_ + at : nullptr;
  }

  // Reading in place skips the taps that lie in zero padding; other padding, and the channels of a vector
  // that is not full, need the copy.
  bool can_read_in_place(const DepthwiseTile& t) const {
    if (!plan_.blocking.in_place || !may_read_whole_vectors(t)) return false;
    return p_.pad_mode == PadMode::kConstant || touches_no_padding(t);
  }

  // A vector that is not full reads on into the next pixel: somewhere inside the array, except at its end.
  bool may_read_whole_vectors(const DepthwiseTile& t) const {
    if (t.channels == lanes_) return true;
    const ActivationStrides& in = plan_.request.in;
    const Spatial first = origin(t), outputs{{1, t.lines, t.pixels}};
    Index left = (p_.batch - 1 - t.image) * in.batch + p_.out_ch - t.channel0;  // elements to the array's end
    if (in.batch < 0) return false;
    for (int dim = kD; dim <= kW; ++dim) {
      const Index last =
          first[dim] + (outputs[dim] - 1) * p_.stride[dim] + (p_.kernel[dim] - 1) * p_.dilation[dim];
      if (in.spatial[dim] < 0) return false;
      left += max_of(0, p_.in[dim] - 1 - last) * in.spatial[dim];
    }
    return left >= lanes_;
  }

  bool touches_no_padding(const DepthwiseTile& t) const {
    const Spatial first = origin(t), outputs{{1, t.lines, t.pixels}};
    for (int dim = kD; dim <= kW; ++dim) {
      const ConvProblem::Taps taps = p_.taps_inside(dim, first[dim]);
      const ConvProblem::Taps last = p_.taps_inside(dim, first[dim] + (outputs[dim] - 1) * p_.stride[dim]);
      if (taps.begin > 0 || last.end < p_.kernel[dim]) return false;
    }
    return true;
  }

  // How many of `count` neighbouring outputs, the first at `first`, have the same taps inside.
  Index alike(int dim, Index first, Index count) const {
    const ConvProblem::Taps taps = p_.taps_inside(dim, first);
    if (taps ==
        ConvProblem::Taps{0, p_.kernel[dim]})  // all inside: so are those that end before the input does
      return min_of(count,
                    (p_.in[dim] - 1 - first - (p_.kernel[dim] - 1) * p_.dilation[dim]) / p_.stride[dim] + 1);
    Index n = 1;
    while (n < count && p_.taps_inside(dim, first + n * p_.stride[dim]) == taps) ++n;
    return n;
  }

  ChannelVectorArgs<T> channel_args(const DepthwiseTile& t) const {
    const ActivationStrides& out = plan_.request.out;
    ChannelVectorArgs<T> args{};
    static_cast<TileOutput<T>&>(args) = output(t, out.spatial[kW], out.channel);
    args.n_valid = t.channels;
    args.kernel = p_.kernel;
    args.weights = weights_ + t.channel0;
    args.weights_w = channel_taps_pitch(p_, lanes_);
    args.weights_h = p_.kernel[kW] * args.weights_w;
    args.weights_d = p_.kernel[kH] * args.weights_h;
    args.lines = t.lines;
    args.out_line_step = out.spatial[kH];
    return args;
  }

  void run_copied(const DepthwiseTile& t, const DepthwiseTile& next, Scratch* scratch) const {
    copy_channel_window(t, scratch->memory);
    DepthwiseTile strip = t;
    for (Index done = 0; done < t.channels; done += lanes_) {
      strip.channel0 = t.channel0 + done;
      strip.channels = min_of(lanes_, t.channels - done);
      ChannelVectorArgs<T> args = channel_args(strip);
      args.input = scratch->memory + done;
      args.d_tap = window_.plane;
      args.h_tap = window_.row * (p_.dilation[kH] / window_.row_step);
      args.w_tap = window_.pixel * p_.dilation[kW];
      args.line_step = p_.stride[kH] * window_.row;
      args.pixel_step = window_.pixel * p_.stride[kW];
      if (plan_.request.in.channel == 1) ask_ahead(next, done, 0, 0, &args);
      run_pixels(strip, &args);
    }
  }

  void run_pixels(const DepthwiseTile& t, ChannelVectorArgs<T>* args) const {
    const EvenSplit split(t.pixels, kernels_.max_pixels);
    for (Index i = 0, done = 0; i < split.pieces; done += split.size(i++)) {
      place(t, done, args);
      args->ahead_pixels = split.size(i) * p_.stride[kW];
      kernels_.channel_vector[split.size(i)](*args);
      args->input += split.size(i) * args->pixel_step;
      args->ahead += args->ahead_pixels * args->ahead_pixel;
    }
  }

  // A column whose taps differ from its neighbours': its lines take the place of a row's pixels.
  void run_column(const DepthwiseTile& t, ChannelVectorArgs<T>* args) const {
    const EvenSplit split(t.lines, kernels_.max_pixels);
    args->pixel_step = args->line_step;
    args->out_m_stride = args->out_line_step;
    args->lines = 1;
    args->ahead_rows = 0;
    place(t, 0, args);
    for (Index i = 0; i < split.pieces; ++i) {
      kernels_.channel_vector[split.size(i)](*args);
      args->input += split.size(i) * args->pixel_step;
      args->out += split.size(i) * args->out_line_step;
      if (args->residual) args->residual += split.size(i) * args->out_line_step;
    }
  }

  void clip(int dim, Index first, Index weights_step, Index* tap_step, ChannelVectorArgs<T>* args) const {
    const ConvProblem::Taps taps = p_.taps_inside(dim, first);
    const Index step = plan_.request.in.spatial[dim];
    args->kernel[dim] = taps.end - taps.begin;
    args->weights += taps.begin * weights_step;
    args->input += (first + taps.begin * p_.dilation[dim]) * step;
    *tap_step = p_.dilation[dim] * step;
  }

  void run_in_place(const DepthwiseTile& t, const DepthwiseTile& next) const {
    const Spatial& step = plan_.request.in.spatial;
    const Spatial first = origin(t);
    ChannelVectorArgs<T> of_tile = channel_args(t);
    of_tile.line_step = p_.stride[kH] * step[kH];
    of_tile.pixel_step = p_.stride[kW] * step[kW];
    of_tile.input = image_channel(t, t.channel0);
    clip(kD, first[kD], of_tile.weights_d, &of_tile.d_tap, &of_tile);
    DepthwiseTile part = t;
    for (Index line = 0; line < t.lines; line += part.lines) {
      const Index h = first[kH] + line * p_.stride[kH];
      part.oh0 = t.oh0 + line;
      part.lines = alike(kH, h, t.lines - line);
      ChannelVectorArgs<T> of_lines = of_tile;
      of_lines.lines = part.lines;
      clip(kH, h, of_lines.weights_h, &of_lines.h_tap, &of_lines);
      for (Index pixel = 0; pixel < t.pixels; pixel += part.pixels) {
        const Index w = first[kW] + pixel * p_.stride[kW];
        part.ow0 = t.ow0 + pixel;
        part.pixels = alike(kW, w, t.pixels - pixel);
        ChannelVectorArgs<T> args = of_lines;
        clip(kW, w, args.weights_w, &args.w_tap, &args);
        ask_ahead(next, 0, line, pixel, &args);
        if (part.pixels == 1 && part.lines > 1)
          run_column(part, &args);
        else
          run_pixels(part, &args);
      }
    }
  }

  // The next tile is mostly the same place, the next channels.
  void ask_ahead(const DepthwiseTile& next, Index channel, Index line, Index pixel,
                 ChannelVectorArgs<T>* args) const {
    constexpr Index kDenseStride = 4;  // beyond it most of a line's pixels are not read at all
    if (next.image >= p_.batch || p_.stride[kH] > kDenseStride || p_.stride[kW] > kDenseStride) return;
    const Spatial& step = plan_.request.in.spatial;
    args->ahead = image_channel(next, next.channel0 + channel) + next.od * p_.stride[kD] * step[kD] +
                  (next.oh0 + line) * p_.stride[kH] * step[kH] +
                  (next.ow0 + pixel) * p_.stride[kW] * step[kW];
    args->ahead_rows = p_.stride[kH];
    args->ahead_row = step[kH];
    args->ahead_pixel = step[kW];
  }

  void run_channel_tile(const DepthwiseTile& t, const DepthwiseTile& next, Scratch* scratch) const {
    if (can_read_in_place(t))
      run_in_place(t, next);
    else
      run_copied(t, next, scratch);
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
  const DepthwiseGrid grid_;
  const Index tiles_, multiplier_;
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
