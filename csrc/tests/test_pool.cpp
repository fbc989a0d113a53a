// Pooling: problems (sizes, refusals, strings), and every path x ISA x memory layout x thread count against a
// plain loop in the documented order, bit for bit, on buffers with guarded edges.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "core/check.h"
#include "doctest/doctest.h"
#include "engine/pool.h"
#include "tests/kernel_support.h"

using namespace pyconv;
using namespace pyconv_tests;

namespace {

std::string refusal(const PoolSpec& spec) {
  try {
    (void)PoolProblem(spec);
  } catch (const ValueError& error) {
    return error.what();
  }
  return "";
}

PoolSpec small_spec() {
  PoolSpec spec;
  spec.in = Spatial{{1, 8, 9}};
  spec.kernel = Spatial{{1, 3, 4}};
  spec.stride = Spatial{{1, 2, 2}};
  return spec;
}

// Where the elements of a (batch, channel, d, h, w) array lie.
enum class Layout { kChannelsFirst, kChannelsLast, kReversed, kTransposed };
constexpr Layout kLayouts[] = {Layout::kChannelsFirst, Layout::kChannelsLast, Layout::kReversed,
                               Layout::kTransposed};

ActivationStrides strides_of(Layout layout, Index channels, const Spatial& size, Index* first) {
  ActivationStrides s{};
  *first = 0;
  if (layout == Layout::kChannelsLast) {
    s.channel = 1;
    s.spatial = Spatial{{channels * size[kW] * size[kH], channels * size[kW], channels}};
    s.batch = channels * size.product();
  } else if (layout == Layout::kTransposed) {
    s.spatial = Spatial{{1, size[kD], size[kD] * size[kH]}};
    s.channel = size.product();
    s.batch = s.channel * channels;
  } else {
    s.spatial = Spatial{{size[kW] * size[kH], size[kW], 1}};
    s.channel = size.product();
    s.batch = s.channel * channels;
    if (layout == Layout::kReversed) {
      s.spatial[kW] = -1;
      *first = size[kW] - 1;
    }
  }
  return s;
}

Index offset_of(const ActivationStrides& s, Index n, Index c, Index d, Index h, Index w) {
  return n * s.batch + c * s.channel + d * s.spatial[kD] + h * s.spatial[kH] + w * s.spatial[kW];
}

template <class T>
struct Element {
  T value;
  Index at;
};

bool inside(const PoolProblem& p, int dim, Index position) { return position >= 0 && position < p.in[dim]; }

// Row-major with indices, columns over rows over planes without: it decides which zero is the first.
template <class T, class Read>
Element<T> max_of_window(const PoolProblem& p, const Spatial& start, Read read) {
  Element<T> best{-std::numeric_limits<T>::infinity(), -1};
  const Index kd = p.kernel[kD], kh = p.kernel[kH], kw = p.kernel[kW];
  for (Index tap = 0; tap < p.taps(); ++tap) {
    const Index i = p.return_indices ? tap / (kh * kw) : tap % kd;
    const Index j = p.return_indices ? tap / kw % kh : tap / kd % kh;
    const Index k = p.return_indices ? tap % kw : tap / (kd * kh);
    const Index d = start[kD] + i * p.dilation[kD], h = start[kH] + j * p.dilation[kH],
                w = start[kW] + k * p.dilation[kW];
    if (!inside(p, kD, d) || !inside(p, kH, h) || !inside(p, kW, w)) continue;
    const T x = read(d, h, w);
    if (best.at < 0 || x > best.value || std::isnan(x)) best = {x, (d * p.in[kH] + h) * p.in[kW] + w};
  }
  return best;
}

Index counted(const PoolProblem& p, int dim, Index start) {
  Index count = 0;
  for (Index k = 0; k < p.kernel[dim]; ++k) {
    const Index at = start + k * p.dilation[dim];
    count += p.count_include_pad ? at < p.in[dim] + p.pad_end[dim] : inside(p, dim, at);
  }
  return std::max<Index>(count, 1);
}

// Columns over rows over planes: the order of docs/decisions/0010.
template <class T, class Read>
T average_of_window(const PoolProblem& p, const Spatial& start, Read read) {
  T total = T(0);
  for (Index k = 0; k < p.kernel[kW]; ++k) {
    T column = T(0);
    for (Index j = 0; j < p.kernel[kH]; ++j) {
      T planes = T(0);
      for (Index i = 0; i < p.kernel[kD]; ++i) {
        const Index d = start[kD] + i * p.dilation[kD], h = start[kH] + j * p.dilation[kH],
                    w = start[kW] + k * p.dilation[kW];
        if (inside(p, kD, d) && inside(p, kH, h) && inside(p, kW, w)) planes += read(d, h, w);
      }
      column += planes;
    }
    total += column;
  }
  if (p.divisor_override != 0) return total / static_cast<T>(p.divisor_override);
  const T rows = static_cast<T>(counted(p, kD, start[kD]) * counted(p, kH, start[kH]));
  return total / (rows * static_cast<T>(counted(p, kW, start[kW])));
}

// A random problem whose sizes straddle vector and line lengths.
PoolSpec random_spec(std::mt19937& rng) {
  const auto draw = [&](Index lo, Index hi) { return std::uniform_int_distribution<Index>(lo, hi)(rng); };
  PoolSpec s;
  s.kind = draw(0, 1) == 0 ? PoolKind::kMax : PoolKind::kAverage;
  s.rank = 3;
  s.batch = draw(1, 2);
  const Index channels[] = {1, 2, 3, 5, 8, 16, 17, 37, 70};
  s.channels = channels[draw(0, 8)];
  for (int dim = 0; dim < kMaxSpatial; ++dim) {
    s.kernel[dim] = dim == kD && draw(0, 1) == 0 ? 1 : draw(1, draw(0, 5) == 0 ? 9 : 4);
    s.stride[dim] = draw(1, 4);
    s.dilation[dim] = draw(0, 3) == 0 ? draw(2, 3) : 1;
    s.pad_begin[dim] = draw(0, 1) * draw(0, s.kernel[dim]);
    s.pad_end[dim] = draw(0, 1) * draw(0, s.kernel[dim]);
    const Index need = window_extent(s.kernel[dim], s.dilation[dim]) - s.pad_begin[dim] - s.pad_end[dim];
    const Index largest = dim == kW ? (draw(0, 3) == 0 ? 60 : 20) : dim == kH ? 6 : 3;
    s.in[dim] = std::max<Index>(need, 1) + draw(0, largest);
  }
  s.ceil_mode = draw(0, 1) == 1;
  if (s.kind == PoolKind::kMax)
    s.return_indices = draw(0, 1) == 1;
  else {
    s.count_include_pad = draw(0, 1) == 1;
    s.divisor_override = draw(0, 3) == 0 ? draw(1, 9) : 0;
  }
  return s;
}

template <class T>
void fill_with_specials(const GuardedBuffer<T>& buffer, std::mt19937& rng) {
  buffer.fill_random(rng);
  std::uniform_int_distribution<int> die(0, 59);
  for (Index i = 0; i < buffer.size(); ++i) {
    const int face = die(rng);
    if (face == 0)
      buffer[i] = std::numeric_limits<T>::quiet_NaN();
    else if (face == 1)
      buffer[i] = std::numeric_limits<T>::infinity();
    else if (face < 8)
      buffer[i] = -std::numeric_limits<T>::infinity();
    else if (face < 14)
      buffer[i] = T(0.5);  // ties
    else if (face < 20)
      buffer[i] = face % 2 == 0 ? T(0) : -T(0);  // ties that bits tell apart
  }
}

template <class T>
struct PoolCase {
  PoolProblem problem;
  ActivationStrides in_strides, out_strides, index_strides;
  GuardedBuffer<T>&in, &out;
  std::vector<Index>& indices;
  Index in_first, out_first, index_first;
};

template <class T>
void check_elements(const PoolCase<T>& t) {
  const PoolProblem& p = t.problem;
  int wrong = 0;
  for (Index n = 0; n < p.batch; ++n)
    for (Index c = 0; c < p.channels; ++c)
      for (Index o = 0; o < p.out.product(); ++o) {
        const Spatial at{{o / (p.out[kH] * p.out[kW]), o / p.out[kW] % p.out[kH], o % p.out[kW]}};
        Spatial start;
        for (int dim = 0; dim < kMaxSpatial; ++dim) start[dim] = at[dim] * p.stride[dim] - p.pad_begin[dim];
        const auto read = [&](Index d, Index h, Index w) {
          return t.in[t.in_first + offset_of(t.in_strides, n, c, d, h, w)];
        };
        const T got = t.out[t.out_first + offset_of(t.out_strides, n, c, at[kD], at[kH], at[kW])];
        if (p.kind == PoolKind::kAverage) {
          wrong += !same_bits(got, average_of_window<T>(p, start, read));
          continue;
        }
        const Element<T> want = max_of_window<T>(p, start, read);
        wrong += !same_bits(got, want.value);
        if (!p.return_indices) continue;
        const Index index = t.indices[static_cast<std::size_t>(
            t.index_first + offset_of(t.index_strides, n, c, at[kD], at[kH], at[kW]))];
        if (want.at >= 0)
          wrong += index != want.at;
        else
          wrong += index < 0 || index >= p.in.product();  // padding alone
      }
  CHECK(wrong == 0);
}

template <class T>
void check_problem(const PoolSpec& spec, std::mt19937& rng, int layouts = 4) {
  const PoolProblem p(spec);
  const auto guard = rng() % 2 == 0 ? GuardAt::kBegin : GuardAt::kEnd;
  GuardedBuffer<T> in(p.batch * p.channels * p.in.product(), guard), out(p.out_elements(), guard);
  std::vector<Index> indices(static_cast<std::size_t>(p.out_elements()));
  fill_with_specials(in, rng);
  for (const KernelTable* table : runnable_tables())
    for (int l = 0; l < layouts; ++l) {
      const Layout layout = kLayouts[l];
      PoolCase<T> t{p, {}, {}, {}, in, out, indices, 0, 0, 0};
      t.in_strides = strides_of(layout, p.channels, p.in, &t.in_first);
      t.out_strides = strides_of(layout, p.channels, p.out, &t.out_first);
      t.index_strides = strides_of(layout, p.channels, p.out, &t.index_first);
      const int threads = 1 + static_cast<int>(rng() % 3);
      PoolPlan plan = plan_pool({p, t.in_strides, t.out_strides, t.index_strides, threads, table});
      if (rng() % 2 == 0) {  // chunks as small as a large problem's
        const PoolProblem& q = plan.request.problem;
        const bool by_plane = plan.path == PoolPath::kLines || plan.path == PoolPath::kStrips;
        plan.chunks = ceil_div(by_plane ? q.batch * q.channels : q.batch, plan.plane_step);
        if (plan.path != PoolPath::kStrips) {
          plan.row_step = 1 + static_cast<Index>(rng() % 3);
          plan.col_step = 1 + static_cast<Index>(rng() % 20);
          plan.chunks *= ceil_div(q.out[kD] * q.out[kH], plan.row_step) * ceil_div(q.out[kW], plan.col_step);
        }
      }
      for (Index i = 0; i < out.size(); ++i) out[i] = T(777);
      INFO(p.to_string(), " ", table->name, " layout ", l, " ", pool_path_name(plan.path), " threads ",
           threads);
      run_pool(plan, in.data() + t.in_first, out.data() + t.out_first,
               p.return_indices ? indices.data() + t.index_first : nullptr);
      check_elements(t);
      CHECK(out.canaries_intact());
    }
}

}  // namespace

TEST_CASE("pool output sizes, with ceil_mode's last window dropped when it starts in the padding after") {
  PoolSpec spec;
  spec.kernel = spatial_of(1);
  spec.in[kW] = 5, spec.kernel[kW] = 2, spec.stride[kW] = 2;
  CHECK(PoolProblem(spec).out[kW] == 2);
  spec.ceil_mode = true;
  CHECK(PoolProblem(spec).out[kW] == 3);
  spec.in[kW] = 4, spec.pad_begin[kW] = spec.pad_end[kW] = 1, spec.stride[kW] = 3;
  CHECK(PoolProblem(spec).out[kW] == 2);  // a third window would start at position 6 - 1 = 5 > 4
  spec = PoolSpec();
  spec.in[kW] = 2, spec.kernel[kW] = 3, spec.stride[kW] = 2, spec.ceil_mode = true;
  CHECK(PoolProblem(spec).out[kW] == 1);  // hangs over the end
  spec.ceil_mode = false;
  CHECK(refusal(spec).find("the kernel spans 3 elements, the padded input has 2") != std::string::npos);
}

TEST_CASE("pool refusals state the rule and the values") {
  const auto has = [](const PoolSpec& spec, const char* part) {
    INFO(refusal(spec));
    return refusal(spec).find(part) != std::string::npos;
  };
  PoolSpec s = small_spec();
  CHECK(refusal(s) == "");
  s.kernel[kH] = 0;
  CHECK(has(s, "kernel size must be at least 1, got 0 in dimension h"));
  s = small_spec(), s.stride[kW] = 0;
  CHECK(has(s, "stride must be at least 1, got 0 in dimension w"));
  s = small_spec(), s.dilation[kW] = -1;
  CHECK(has(s, "dilation must be at least 1, got -1"));
  s = small_spec(), s.pad_begin[kH] = -2;
  CHECK(has(s, "padding must not be negative, got (-2, 0) in dimension h"));
  s = small_spec(), s.in[kH] = 0;
  CHECK(has(s, "input size must be at least 1, got 0 in dimension h"));
  s = small_spec(), s.channels = 0;
  CHECK(has(s, "at least 1 channel"));
  s = small_spec(), s.kind = PoolKind::kAverage, s.return_indices = true;
  CHECK(has(s, "only max pooling has indices"));
  s = small_spec(), s.divisor_override = 3;
  CHECK(has(s, "only average pooling has a divisor"));
  s = small_spec(), s.kernel[kW] = Index{1} << 62, s.dilation[kW] = 4;
  CHECK(has(s, "overflows 64 bits"));
  s = small_spec(), s.batch = Index{1} << 60;
  CHECK(has(s, "overflows 64 bits"));
  s = small_spec(), s.stride[kW] = std::numeric_limits<Index>::max();
  CHECK(has(s, "overflows 64 bits"));
  s = small_spec(), s.pad_begin[kW] = s.pad_end[kW] = 3;
  CHECK(refusal(s) == "");
  CHECK_THROWS_WITH_AS(
      check_torch_padding(s),
      "padding must be at most half of the kernel size: padding is 3, kernel size is 4 in dimension w",
      ValueError);
}

TEST_CASE("pool problem strings go there and back") {
  for (const char* text : {"n1c64h112w112_maxr3s3p1u2_f32", "n2c3w11_maxs2u2_f64_ceil_indices",
                           "n1c8d4h9w9_avgt2r3s3p0x1x1u2x1x1_f32_nopad",
                           "n1c8h9w9_avgr2s3p0:1x1:0u1x2_f64_divisor5", "n1c8h9w9_maxr2s3u2l1x3_f32"})
    CHECK(PoolProblem::parse(text).to_string() == text);
  CHECK_THROWS_AS(PoolProblem::parse("n1c8h9w9_r2s3"), ValueError);
  std::mt19937 rng(5);
  for (int i = 0; i < 200; ++i) {
    const PoolProblem p(random_spec(rng));
    CHECK(PoolProblem::parse(p.to_string()) == p);
  }
}

TEST_CASE_TEMPLATE("pooling agrees with a plain loop bit for bit: paths x ISA x layout x chunks", T, float,
                   double) {
  std::mt19937 rng(11);
  for (int i = 0; i < 250; ++i) {
    PoolSpec spec = random_spec(rng);
    spec.dtype = sizeof(T) == 4 ? DType::kFloat32 : DType::kFloat64;
    if (i % 3 == 0) spec.channels += 1 + static_cast<Index>(rng() % 60);  // strips of planes
    check_problem<T>(spec, rng);
  }
}

TEST_CASE_TEMPLATE("pooling of lines longer than a buffer, by columns and by taps", T, float, double) {
  std::mt19937 rng(13);
  struct Long {
    Index in, kernel, stride, dilation, pad;
  };
  for (const Long& l : {Long{9001, 3, 1, 1, 1}, Long{9001, 3, 2, 1, 1}, Long{9000, 5, 3, 2, 2},
                        Long{9003, 2001, 7, 1, 9}, Long{9003, 9003, 1, 1, 0}, Long{9003, 4, 1, 2500, 0},
                        Long{9003, 3, 4000, 1, 0}, Long{9003, 60, 160, 1, 0}, Long{3000, 300, 2, 1, 150}})
    for (PoolKind kind : {PoolKind::kMax, PoolKind::kAverage})
      for (bool indices : {false, true})
        for (Index channels : {1, 3}) {
          PoolSpec s;
          s.dtype = sizeof(T) == 4 ? DType::kFloat32 : DType::kFloat64;
          s.rank = 1, s.channels = channels, s.in[kW] = l.in, s.kernel[kW] = l.kernel,
          s.stride[kW] = l.stride;
          s.dilation[kW] = l.dilation, s.pad_begin[kW] = s.pad_end[kW] = l.pad, s.kind = kind;
          s.return_indices = indices && kind == PoolKind::kMax;
          check_problem<T>(s, rng, 2);
        }
}

TEST_CASE("indices of planes too large for 32-bit lanes, read through broadcast strides") {
  PoolSpec s;
  s.rank = 3, s.return_indices = true;
  s.in = Spatial{{3, Index{1} << 16, Index{1} << 17}};
  s.kernel = spatial_of(2);
  s.stride = Spatial{{1, (Index{1} << 16) - 2, (Index{1} << 17) - 2}};
  const PoolProblem p(s);
  float one = 1;
  std::vector<float> out(static_cast<std::size_t>(p.out_elements()));
  std::vector<Index> indices(out.size());
  Index first;
  const ActivationStrides strides = strides_of(Layout::kChannelsFirst, 1, p.out, &first);
  for (const KernelTable* table : runnable_tables()) {
    const PoolPlan plan = plan_pool({p, {}, strides, strides, 2, table});
    CHECK(plan.path == PoolPath::kElements);
    run_pool(plan, &one, out.data(), indices.data());
    CHECK(out.back() == 1);
    CHECK(indices.front() == 0);
    CHECK(indices.back() == ((Index{1} << 16) + s.stride[kH]) * s.in[kW] + s.stride[kW]);
  }
}

TEST_CASE("the divisor of an empty window is one and an empty batch is no work") {
  PoolSpec s;
  s.kind = PoolKind::kAverage, s.rank = 1, s.kernel[kW] = 2, s.pad_begin[kW] = 4, s.count_include_pad = false;
  std::mt19937 rng(3);
  s.in[kW] = 6;
  check_problem<float>(s, rng);
  s.batch = 0;
  const PoolProblem p(s);
  run_pool(plan_pool({p, {}, {}, {}, 2, runnable_tables()[0]}), nullptr, nullptr, nullptr);
}
