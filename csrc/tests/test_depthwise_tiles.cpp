// Every depthwise tile of every compiled kernel table against a scalar loop, bit for bit, between guarded
// edges: partial vectors, strides and dilations that share taps or do not.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <utility>

#include "core/check.h"
#include "core/math.h"
#include "doctest/doctest.h"
#include "tests/kernel_support.h"

using namespace pyconv;
using namespace pyconv_tests;

namespace {

template <class T>
T multiply_add(T a, T b, T c, bool fused) {
  return fused ? std::fma(a, b, c) : a * b + c;
}

struct WindowCase {
  Spatial kernel, stride, dilation;
  Index lines;
  bool bias, clamped;
  Index zero_columns;  // before and behind the columns that count, where outputs share columns
  Index zero_rows;     // the same for the rolling kernels

  bool rolls(const RollingShape& shape) const {
    const int dim = shape.planes ? kD : kH;
    return kernel[dim] == shape.taps && stride[dim] == shape.stride * dilation[dim] &&
           kernel[kW] == shape.columns && stride[kW] == shape.column_stride * dilation[kW] &&
           (shape.planes || kernel[kD] == 1) && (shape.columns > 1 || zero_columns == 0);
  }
};

constexpr WindowCase kWindows[] = {
    // kernel, stride, dilation, lines, bias, clamped, zero columns, zero rows
    {{{1, 1, 1}}, {{1, 1, 1}}, {{1, 1, 1}}, 2, false, false, 0, 0},
    {{{1, 3, 3}}, {{1, 1, 1}}, {{1, 1, 1}}, 7, true, true, 1, 1},
    {{{1, 3, 3}}, {{1, 2, 3}}, {{1, 2, 3}}, 3, false, false, 0, 0},
    {{{1, 3, 3}}, {{1, 2, 1}}, {{1, 2, 1}}, 1, true, false, 1, 1},
    {{{1, 3, 3}}, {{1, 2, 2}}, {{1, 1, 1}}, 4, true, true, 1, 1},
    {{{1, 3, 3}}, {{1, 2, 4}}, {{1, 1, 2}}, 1, false, false, 0, 0},
    {{{1, 5, 5}}, {{1, 2, 2}}, {{1, 1, 1}}, 3, false, true, 2, 0},
    {{{1, 5, 5}}, {{1, 2, 2}}, {{1, 1, 1}}, 4, true, false, 2, 2},
    {{{1, 5, 5}}, {{1, 1, 1}}, {{1, 1, 1}}, 6, true, true, 2, 2},
    {{{1, 5, 5}}, {{1, 2, 2}}, {{1, 2, 2}}, 2, false, false, 1, 1},
    {{{1, 7, 7}}, {{1, 1, 1}}, {{1, 1, 1}}, 5, true, true, 3, 3},
    {{{1, 2, 5}}, {{1, 1, 1}}, {{1, 2, 1}}, 2, true, false, 2, 0},
    {{{2, 2, 7}}, {{1, 1, 1}}, {{2, 1, 1}}, 2, true, false, 4, 0},
    {{{1, 2, 7}}, {{1, 1, 1}}, {{1, 1, 1}}, 3, false, true, 3, 0},
    {{{1, 1, 7}}, {{1, 1, 2}}, {{1, 1, 1}}, 2, false, false, 3, 0},
    {{{1, 2, 3}}, {{1, 1, 1}}, {{1, 1, 1}}, 2, true, false, 2, 0},
    {{{1, 1, 4}}, {{1, 1, 1}}, {{1, 1, 1}}, 2, false, true, 3, 0},
    {{{1, 1, 4}}, {{1, 1, 2}}, {{1, 1, 2}}, 2, true, false, 1, 0},
    {{{1, 2, 4}}, {{1, 1, 3}}, {{1, 2, 1}}, 2, true, true, 0, 0},
    {{{1, 2, 3}}, {{1, 1, 4}}, {{1, 1, 2}}, 1, false, false, 0, 0},
    {{{3, 3, 3}}, {{1, 1, 1}}, {{1, 1, 1}}, 4, true, true, 1, 1},
    {{{3, 2, 3}}, {{1, 2, 2}}, {{1, 1, 1}}, 3, false, false, 1, 1},
    {{{3, 1, 3}}, {{1, 2, 2}}, {{1, 1, 1}}, 1, true, false, 0, 0},
    {{{3, 2, 3}}, {{2, 1, 2}}, {{1, 1, 1}}, 4, true, true, 1, 1},
    {{{1, 5, 1}}, {{1, 1, 1}}, {{1, 1, 1}}, 6, true, true, 0, 2},
    {{{1, 5, 1}}, {{1, 2, 1}}, {{1, 2, 1}}, 1, false, false, 0, 1},
};

// Which kernel of channel vectors.
struct Way {
  Index group = 1;
  int rolling = 0;
  bool wide = false;
  Index multiplier = 1;
  Index first = 0;  // channel of a range whose last vector wraps
};

// Channel vectors: the input is channels-last, and whole vectors of it are readable; the last vector ends
// with the last channel, or has the channels before `first`, where the first vector begins, as well. With a
// multiplier the tile begins in the middle of an input channel's outputs, and no more than the channels in
// use is readable.
template <class T>
struct ChannelCase {
  const WindowCase& test;
  Index pixels, blocks, channels, lanes;
  Way way;
  Index first = way.first;
  Index group = way.group, multiplier = way.multiplier, channel0 = multiplier > 1 ? 3 : 0;
  int rolling = way.rolling;
  const RollingShape& shape = kRollingShapes[rolling];
  int dim = shape.planes ? kD : kH;  // of the lines
  Index readable = std::max(lanes, channels), weights_tap = readable + first;
  Index pixel = multiplier > 1 ? (channel0 + channels - 1) / multiplier + 1 : readable + 1;
  Index outputs = pixels * blocks, row = extent(kW, outputs) * pixel,
        plane = extent(kH, shape.planes ? 1 : test.lines) * row;
  Index planes = extent(kD, shape.planes ? test.lines : 1);
  Index columns = (extent(kW, pixels) - 1) / test.dilation[kW] + 1;
  Index rows = (test.lines - 1) * shape.stride + shape.taps;

  Index extent(int dim, Index outputs) const {
    return (outputs - 1) * test.stride[dim] + (test.kernel[dim] - 1) * test.dilation[dim] + 1;
  }

  ChannelVectorArgs<T> args(const T* input, const T* weights, const T* bias, T* out) const {
    ChannelVectorArgs<T> args{};
    args.out = out;
    args.out_m_stride = channels;
    args.out_n_stride = 1;
    args.n_valid = channels;
    args.bias = test.bias ? bias : nullptr;
    args.lo = T(-0.25);
    args.hi = T(0.25);
    args.clamped = test.clamped;
    args.pixels = pixels;
    args.blocks = blocks;
    args.group = group;
    args.wide = way.wide;
    args.multiplier = multiplier;
    args.channel0 = channel0;
    args.weights_j = readable;
    args.input = input;
    args.kernel = test.kernel;
    args.d_tap = test.dilation[kD] * plane;
    args.h_tap = test.dilation[kH] * row;
    args.w_tap = test.dilation[kW] * pixel;
    args.pixel_step = test.stride[kW] * pixel;
    args.line_step = test.stride[dim] * (shape.planes ? plane : row);
    args.weights = weights;
    args.weights_w = group * weights_tap;
    args.weights_h = test.kernel[kW] * args.weights_w;
    args.weights_d = test.kernel[kH] * args.weights_h;
    args.lines = test.lines;
    args.out_line_step = outputs * channels;
    args.first_column = test.zero_columns;
    args.end_column = columns - test.zero_columns;
    args.first_row = test.zero_rows;
    args.end_row = rows - test.zero_rows;
    if (!shape.planes) return args;
    std::swap(args.kernel[kD], args.kernel[kH]);
    std::swap(args.d_tap, args.h_tap);
    std::swap(args.weights_d, args.weights_h);
    return args;
  }

  T expected(const ChannelVectorArgs<T>& args, Index line, Index p, Index c, bool fused) const {
    T sum = 0;
    const T* weight = args.weights + c;
    for (Index kd = 0; kd < test.kernel[kD]; ++kd)
      for (Index kh = 0; kh < test.kernel[kH]; ++kh)
        for (Index kw = 0; kw < test.kernel[kW]; ++kw)
          for (Index j = 0; j < group; ++j, weight += weights_tap) {
            const Index d = kd * test.dilation[kD] + (dim == kD ? line * test.stride[kD] : 0);
            const Index h = kh * test.dilation[kH] + (dim == kH ? line * test.stride[kH] : 0);
            const Index w = p * test.stride[kW] + kw * test.dilation[kW];
            const Index column = (w - p / pixels * pixels * test.stride[kW]) / test.dilation[kW];
            const Index r = line * shape.stride + (dim == kD ? kd : kh);
            const bool row_counts = rolling == 0 || (r >= args.first_row && r < args.end_row);
            const bool counts = row_counts && (test.zero_columns == 0 ||
                                               (column >= args.first_column && column < args.end_column));
            const T* x = args.input + d * plane + h * row + w * pixel +
                         (channel0 + c) / (group * multiplier) * group + j;
            sum = multiply_add(counts ? *x : T(0), *weight, sum, fused);
          }
    sum = sum + (test.bias ? args.bias[c] + T(0) : T(0));  // neither -0 stays
    return !test.clamped ? sum : sum < args.lo ? args.lo : sum > args.hi ? args.hi : sum;
  }
};

template <class T>
std::string check_channel_vector(const KernelTable& table, const ChannelCase<T>& c, GuardAt guard) {
  GuardedBuffer<T> input(c.planes * c.plane - (c.multiplier > 1 ? 0 : 1), guard), bias(c.channels, guard);
  GuardedBuffer<T> weights(c.test.kernel.product() * c.group * c.weights_tap, guard);
  GuardedBuffer<T> out(c.test.lines * c.outputs * c.channels, guard);
  std::mt19937 rng(static_cast<unsigned>(c.pixels * 17 + c.channels));
  for (const GuardedBuffer<T>* buffer : {&input, &bias, &weights}) buffer->fill_random(rng);
  for (Index i = 0; c.first > 0 && i < weights.size(); ++i)
    if (i % c.weights_tap >= c.channels) weights[i] = weights[i - c.channels];
  const ChannelVectorArgs<T> args = c.args(input.data(), weights.data(), bias.data(), out.data());
  const DepthwiseKernels<T>& kernels = depthwise_kernels<T>(*table.depthwise);
  const auto kernel = kernels.vector(c.group, c.multiplier, c.pixels, c.rolling);
  const Index second = c.group > 1 ? c.lanes : std::max(Index{1}, c.lanes - 1);
  if (c.first > 0)
    kernel(args, {c.first, c.first + c.lanes, c.channels - c.lanes + c.first});
  else
    kernel(args, {0, second, std::max(Index{0}, c.channels - c.lanes)});
  for (Index line = 0; line < c.test.lines; ++line)
    for (Index p = 0; p < c.outputs; ++p)
      for (Index n = 0; n < c.channels; ++n) {
        const T expected = c.expected(args, line, p, n, table.fused);
        const T actual = out[(line * c.outputs + p) * c.channels + n];
        if (!same_bits(actual, expected))
          return concat("(", line, ", ", p, ", ", n, "): ", actual, " instead of ", expected);
      }
  for (const GuardedBuffer<T>* buffer : {&input, &bias, &weights, &out})
    if (!buffer->canaries_intact()) return "wrote outside a buffer";
  return "";
}

template <class T>
void check_channel_vectors(const KernelTable& table, const Way& way, Index pixels, Index blocks,
                           Index channels, GuardAt guard) {
  const Index lanes = dense_kernels<T>(table).lanes;
  const bool wide = depthwise_kernels<T>(*table.depthwise).wide && way.group == 1 && way.rolling == 0;
  Index number = -1;
  for (WindowCase test : kWindows) {
    ++number;
    if (way.rolling > 0 && !test.rolls(kRollingShapes[way.rolling])) continue;
    const bool shares_columns = !way.wide && !(wide && test.stride[kW] != test.dilation[kW]);
    if (!shares_columns || way.multiplier > 1) test.zero_columns = 0;
    const std::string wrong =
        check_channel_vector<T>(table, {test, pixels, blocks, channels, lanes, way}, guard);
    if (!wrong.empty())
      FAIL_CHECK(blocks << " times " << pixels << " pixels, " << channels << " channels in groups of "
                        << way.group << " times " << way.multiplier << ", case " << number
                        << std::string(way.rolling > 0 ? ", rolling"
                                       : way.wide      ? ", wide"
                                                       : "")
                        << ": " << wrong);
  }
}

struct PlaneCase {
  Spatial kernel;
  Index stride_h, dilation_h, lines;
  bool residual;
};

constexpr PlaneCase kPlanes[] = {
    // kernel, stride_h, dilation_h, lines, residual
    {{{1, 1, 1}}, 1, 1, 2, false}, {{{1, 2, 3}}, 1, 1, 5, true},  {{{1, 3, 3}}, 1, 1, 7, false},
    {{{2, 5, 2}}, 1, 1, 4, true},  {{{1, 3, 3}}, 2, 1, 3, false}, {{{1, 3, 1}}, 1, 2, 4, true},
};

// Pixel vectors: whole vectors are readable, the last one past the last pixel.
template <class T>
std::string check_pixel_vector(const KernelTable& table, int vectors, Index n_valid, const PlaneCase& test,
                               GuardAt guard) {
  const Index lanes = dense_kernels<T>(table).lanes;
  const std::vector<Index> all_offsets = {0, 5, 1, 2, 3};
  const Index row = vectors * lanes + 5;
  const Index rows = (test.lines - 1) * test.stride_h + (test.kernel[kH] - 1) * test.dilation_h + 1;
  GuardedBuffer<T> input(test.kernel[kD] * rows * row, guard), weights(test.kernel.product(), guard);
  GuardedBuffer<T> out(test.lines * n_valid, guard), residual(test.lines * n_valid, guard);
  std::mt19937 rng(static_cast<unsigned>(n_valid * 3 + test.lines));
  for (const GuardedBuffer<T>* buffer : {&input, &weights, &residual}) buffer->fill_random(rng);
  PixelVectorArgs<T> args{};
  args.out = out.data();
  args.out_m_stride = args.out_line_step = n_valid;
  args.out_n_stride = 1;
  args.n_valid = n_valid;
  args.residual = test.residual ? residual.data() : nullptr;
  args.input = input.data();
  args.kernel = test.kernel;
  args.d_tap = rows * row;
  args.h_tap = test.dilation_h * row;
  args.w_offset = all_offsets.data();
  args.weights = weights.data();
  args.lines = test.lines;
  args.line_step = test.stride_h * row;
  depthwise_kernels<T>(*table.depthwise).pixel_vector[vectors](args);

  for (Index line = 0; line < test.lines; ++line)
    for (Index p = 0; p < n_valid; ++p) {
      T sum = 0;
      Index tap = 0;
      for (Index kd = 0; kd < test.kernel[kD]; ++kd)
        for (Index kh = 0; kh < test.kernel[kH]; ++kh)
          for (Index kw = 0; kw < test.kernel[kW]; ++kw, ++tap) {
            const T x = input[kd * args.d_tap + line * args.line_step + kh * args.h_tap + p +
                              all_offsets[static_cast<std::size_t>(kw)]];
            sum = multiply_add(x, weights[tap], sum, table.fused);
          }
      if (test.residual) sum = sum + residual[line * n_valid + p];
      const T actual = out[line * n_valid + p];
      if (!same_bits(actual, sum)) return concat("(", line, ", ", p, "): ", actual, " instead of ", sum);
    }
  if (!out.canaries_intact()) return "wrote outside the output";
  return "";
}

template <class T>
void check_depthwise(const KernelTable& table) {
  const Index lanes = dense_kernels<T>(table).lanes;
  const DepthwiseKernels<T>& kernels = depthwise_kernels<T>(*table.depthwise);
  REQUIRE(kernels.max_pixels <= kMaxDepthwisePixels);
  REQUIRE(kernels.max_vectors <= kMaxDepthwiseVectors);
  for (const RollingShape& shape : kRollingShapes) {
    REQUIRE(shape.pixels <= kMostRollingPixels);
    const auto rolls = [&](const WindowCase& test) { return test.rolls(shape); };
    if (shape.taps > 0) REQUIRE(std::any_of(std::begin(kWindows), std::end(kWindows), rolls));
  }
  for (GuardAt guard : {GuardAt::kBegin, GuardAt::kEnd}) {
    for (Index pixels = 1; pixels <= kernels.max_pixels; ++pixels)
      for (Index channels : {Index{1}, lanes - 1, lanes, 2 * lanes + 3, 4 * lanes - 1, 7 * lanes - 1})
        for (Index blocks : {1, 2}) check_channel_vectors<T>(table, {}, pixels, blocks, channels, guard);
    for (int rolling = 1; rolling < (kernels.rolls ? kRollingShapeCount : 1); ++rolling)
      for (Index pixels = 1; pixels <= kernels.most_pixels(1, rolling); ++pixels) {
        for (Index channels : {lanes, 2 * lanes + 3, 4 * lanes - 1, 7 * lanes - 1})
          check_channel_vectors<T>(table, {1, rolling}, pixels, 1, channels, guard);
        for (Index channels : {lanes, 2 * lanes, 5 * lanes})
          for (Index first : {Index{1}, lanes / 2, lanes - 1})
            check_channel_vectors<T>(table, {1, rolling, false, 1, first}, pixels, 1, channels, guard);
      }
    for (Index pixels = 1; pixels <= kernels.max_pixels; ++pixels)
      for (Index channels : {lanes, 2 * lanes + 3, 7 * lanes - 1}) {
        if (kernels.wide) check_channel_vectors<T>(table, {1, 0, true}, pixels, 2, channels, guard);
        for (Index multiplier : {Index{2}, Index{3}, lanes, 5 * lanes + 2})
          check_channel_vectors<T>(table, {1, 0, false, multiplier}, pixels, 2, channels, guard);
      }
    for (Index group = 2; group < std::min(lanes, kMostGroupChannels + Index{1}); group *= 2)
      for (Index pixels : {1, 2, 7, kMostGroupPixels})
        for (Index channels : {group, 2 * lanes + group})
          check_channel_vectors<T>(table, {group}, pixels, 1, channels, guard);
    for (int vectors = 1; vectors <= kernels.max_vectors; ++vectors)
      for (Index n_valid : {(vectors - 1) * lanes + 1, vectors * lanes})
        for (const PlaneCase& test : kPlanes) {
          const std::string wrong = check_pixel_vector<T>(table, vectors, n_valid, test, guard);
          if (!wrong.empty())
            FAIL_CHECK(vectors << " vectors, " << n_valid << " pixels, case " << (&test - kPlanes) << ": "
                               << wrong);
        }
  }
}

}  // namespace

TEST_CASE("every depthwise tile equals the scalar loop, bit for bit") {
  for (const KernelTable* table : runnable_tables()) {
    CAPTURE(table->name);
    check_depthwise<float>(*table);
    check_depthwise<double>(*table);
  }
}
