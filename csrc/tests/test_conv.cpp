// Every convolution algorithm x kernel table x memory layout x number of threads, against the definition as a
// plain loop: integers, so that results are equal. Every operand lies between guarded edges, so that under
// the sanitizers, and without them, reading or writing outside shows. Scratch is full of denormals before:
// the processor's flags show whether anybody computes with what nobody wrote.
#include <algorithm>
#include <string>
#include <vector>

#include "core/check.h"
#include "doctest/doctest.h"
#include "engine/conv.h"
#include "problem/padding.h"
#include "tests/kernel_support.h"

using namespace pyconv;
using namespace pyconv_tests;

namespace {

const char* const kProblems[] = {
    "n2c3h9w11_k17r3s3p1_f32_bias_relu",
    "n1c19h5w33_k33r1s1_f32_residual",
    "n3c4h4w5_k6r1s1u2_f32_bias",
    "n1c70h5w6_k9r3s3p1_f32_bias_residual_clip-9:9",
    "n1c600h2w3_k5r1s1_f32",
    "n1c6h8w15_k10r2s4p0:1x3:0u2x1l1x2g2_f32_bias",
    "n1c9h6w20_k9r3s3p1g9_f32",
    "n2c3h7w14_k8r7s7p3u2_f32_bias_relu6",
    "n1c5w61_k7s9p4_f32_bias",
    "n1c2w700_k3s3u3_f32",
    "n2c1w40_k1s40_f32",
    "n1c4d5h4w6_k5t3r2s3p1_f32_bias",
    "n1c3d4h4w4_k2t1r1s3u2_f32",
    "n1c4h6w7_k5r3s3p2_f32_reflect",
    "n1c4h6w7_k5r3s3p3x4_f32_replicate",
    "n1c4h6w7_k5r3s3p1:4x5:2_f32_circular",
    "n1c4h3w4_k5r3s3p5_f32_symmetric",
    "n1c2h5w6_k3r3s3p2_f32_value3",
    "n1c2h2w2_k3r2s2p3l2_f32",
    "n1c1h1w1_k1r1s1_f32",
    "n5c7h1w1_k18r1s1_f32_bias_residual",
    "n1c1100h1w1_k50r1s1_f32_bias_relu",  // the function exchanges its operands
    "n3c24h1w1_k33r1s1_f64_residual",
    "n2c7h6w19_k18r3s3p1_f64_bias_residual",
    "n1c33h4w40_k3r1s1_f64",
    "n1c72h5w9_k250r3s3u2_f32_bias_residual",     // direct gathers, with tiles of few rows
    "n1c32h27w15_k24r3s3p1g4_f32_bias_residual",  // direct takes all groups of a row
    "n2c18h30w9_k27r3s2p2x1u2l1x2g9_f32_reflect",
    "n1c16d3h13w6_k16t2r3s3p1g2_f32_bias",
    "n1c27w100_k27s31p15g27_f32",
    "n1c13h20w20_k26r3s3p2l2g13_f32_bias",
    "n0c3h4w5_k2r3s3_f32",
    "n1c0h4w5_k2r3s3_f32_bias",
    "n1c3h4w5_k0r3s3_f32",
    "n1c3h0w5_k2r3s3p3_f32_bias",
};

// Where the elements of a (batch, channel, d, h, w) array lie; all fit the memory of `count` elements.
enum class Layout { kChannelsFirst, kChannelsLast, kMirrored };
constexpr Layout kLayouts[] = {Layout::kChannelsFirst, Layout::kChannelsLast, Layout::kMirrored};

struct Placement {
  ActivationStrides strides;
  Index first, count;  // offset of element 0, elements of memory
  Index at(Index n, Index c, Index d, Index h, Index w) const {
    return first + n * strides.batch + c * strides.channel + d * strides.spatial[kD] +
           h * strides.spatial[kH] + w * strides.spatial[kW];
  }
};

Placement place(Layout layout, Index batch, Index channels, const Spatial& size) {
  Placement p{};
  p.count = batch * channels * size.product();
  const bool last = layout == Layout::kChannelsLast;
  const Index pixel = last ? channels : 1;
  p.strides.spatial = Spatial{{size[kH] * size[kW] * pixel, size[kW] * pixel, pixel}};
  p.strides.channel = last ? 1 : size.product();
  p.strides.batch = channels * size.product();
  if (layout == Layout::kMirrored && p.count > 0) {  // both ends of a row and of the channels exchanged
    p.first = (channels - 1) * p.strides.channel + (size[kW] - 1) * p.strides.spatial[kW];
    p.strides.channel = -p.strides.channel;
    p.strides.spatial[kW] = -p.strides.spatial[kW];
  }
  return p;
}

template <class T>
class ConvCheck {
 public:
  ConvCheck(const ConvProblem& problem, GuardAt guard)
      : p_(problem),
        guard_(guard),
        input_(p_.batch * p_.in_ch * p_.in.product()),
        weight_(p_.out_ch * p_.in_ch_per_group() * p_.taps()),
        bias_(p_.out_ch),
        residual_(p_.out_elements()) {
    std::mt19937 rng(static_cast<unsigned>(p_.in_ch * 31 + p_.out_ch));
    std::uniform_int_distribution<int> small(-3, 3);
    for (std::vector<T>* values : {&input_, &weight_, &bias_, &residual_})
      std::generate(values->begin(), values->end(), [&] { return static_cast<T>(small(rng)); });
    expected_.resize(residual_.size());
    for (Index i = 0; i < p_.out_elements(); ++i) expected_[static_cast<std::size_t>(i)] = defined(i);
  }

  // "" or what went wrong; results are compared where they are exact.
  std::string run(const std::string& algorithm, const KernelTable& table, Layout in_layout, Layout out_layout,
                  int threads, bool exact) const {
    const Placement in = place(in_layout, p_.batch, p_.in_ch, p_.in);
    const Placement out = place(out_layout, p_.batch, p_.out_ch, p_.out);
    const GuardedBuffer<T> input = scattered(input_, in, p_.in_ch, p_.in);
    const GuardedBuffer<T> residual = scattered(residual_, out, p_.out_ch, p_.out);
    const GuardedBuffer<T> weight = copied(weight_), bias = copied(bias_);
    const GuardedBuffer<T> result(out.count, guard_);
    const Index taps = p_.taps();
    const WeightStrides weight_strides{p_.in_ch_per_group() * taps, taps,
                                       Spatial{{p_.kernel[kH] * p_.kernel[kW], p_.kernel[kW], 1}}};
    const Request request{p_, in.strides, out.strides, weight_strides, threads, &table};
    // Not through plan_conv, which gives a problem as small as these one thread only.
    const ConvPlan plan = select_conv(p_, Precision::kHigh, algorithm).plan(request);
    if (plan.scratch_per_thread > kMaxScratch)
      return concat("needs ", plan.scratch_per_thread, " bytes a thread");
    const ConvOperands operands{input.data() + in.first,
                                weight.data(),
                                nullptr,
                                p_.epilogue.has_bias ? bias.data() : nullptr,
                                p_.epilogue.has_residual ? residual.data() + out.first : nullptr,
                                result.data() + out.first};
    spoil_scratch(plan.scratch_per_thread);
    if (plan.packed_bytes > 0) spoil_scratch(plan.packed_bytes);
    if (meets_garbage([&] { run_conv(plan, operands, nullptr); })) return "computed with what nobody wrote";
    for (const GuardedBuffer<T>* buffer : {&input, &weight, &bias, &residual, &result})
      if (!buffer->canaries_intact()) return "wrote outside a buffer";
    return exact ? compare(result, out) : "";
  }

 private:
  static constexpr std::size_t kMaxScratch = std::size_t{16} << 20;

  GuardedBuffer<T> copied(const std::vector<T>& values) const {
    GuardedBuffer<T> buffer(static_cast<Index>(values.size()), guard_);
    std::copy(values.begin(), values.end(), buffer.data());
    return buffer;
  }

  template <class F>
  static void for_each(Index batch, Index channels, const Spatial& size, F&& f) {
    Index i = 0;
    for (Index n = 0; n < batch; ++n)
      for (Index c = 0; c < channels; ++c)
        for (Index d = 0; d < size[kD]; ++d)
          for (Index h = 0; h < size[kH]; ++h)
            for (Index w = 0; w < size[kW]; ++w, ++i) f(i, n, c, d, h, w);
  }

  GuardedBuffer<T> scattered(const std::vector<T>& values, const Placement& placement, Index channels,
                             const Spatial& size) const {
    GuardedBuffer<T> buffer(placement.count, guard_);
    for_each(p_.batch, channels, size, [&](Index i, Index n, Index c, Index d, Index h, Index w) {
      buffer[placement.at(n, c, d, h, w)] = values[static_cast<std::size_t>(i)];
    });
    return buffer;
  }

  std::string compare(const GuardedBuffer<T>& result, const Placement& out) const {
    std::string wrong;
    for_each(p_.batch, p_.out_ch, p_.out, [&](Index i, Index n, Index c, Index d, Index h, Index w) {
      const T actual = result[out.at(n, c, d, h, w)], right = expected_[static_cast<std::size_t>(i)];
      if (wrong.empty() && !(actual == right))
        wrong = concat("out[", n, ", ", c, ", ", d, ", ", h, ", ", w, "] is ", actual, ", not ", right);
    });
    return wrong;
  }

  double padded(Index n, Index c, const Spatial& at) const {
    Index offset = n * p_.in_ch + c;
    for (int dim = 0; dim < kMaxSpatial; ++dim) {
      const Index from = source_index(at[dim], p_.in[dim], p_.pad_mode);
      if (from == kOutside) return p_.pad_value;
      offset = offset * p_.in[dim] + from;
    }
    return static_cast<double>(input_[static_cast<std::size_t>(offset)]);
  }

  // Output element number `i` of the channels-first order, from the definition.
  T defined(Index i) const {
    Spatial at;
    Index rest = i;
    for (int dim = kW; dim >= kD; --dim) {
      at[dim] = rest % p_.out[dim];
      rest /= p_.out[dim];
    }
    const Index oc = rest % p_.out_ch, n = rest / p_.out_ch, channels = p_.in_ch_per_group();
    const Index group = oc / p_.out_ch_per_group();
    double sum = p_.epilogue.has_bias ? static_cast<double>(bias_[static_cast<std::size_t>(oc)]) : 0.0;
    Index tap = oc * channels * p_.taps();
    for_each(1, channels, p_.kernel, [&](Index, Index, Index ic, Index kd, Index kh, Index kw) {
      const Spatial k = {{kd, kh, kw}};
      Spatial from;
      for (int dim = 0; dim < kMaxSpatial; ++dim)
        from[dim] = at[dim] * p_.stride[dim] + k[dim] * p_.dilation[dim] - p_.pad_begin[dim];
      sum += padded(n, group * channels + ic, from) *
             static_cast<double>(weight_[static_cast<std::size_t>(tap++)]);
    });
    if (p_.epilogue.has_residual) sum += static_cast<double>(residual_[static_cast<std::size_t>(i)]);
    return static_cast<T>(std::min(std::max(sum, p_.epilogue.lo), p_.epilogue.hi));
  }

  const ConvProblem p_;
  const GuardAt guard_;
  std::vector<T> input_, weight_, bias_, residual_, expected_;
};

template <class T>
void check_problem(const ConvProblem& problem, GuardAt guard) {
  const ConvCheck<T> check(problem, guard);
  for (const ConvAlgorithm* algorithm : conv_algorithms()) {
    if (!algorithm->supports(problem.one_image(), Reason())) continue;
    const bool exact = algorithm->bound(problem).exact_on_integers;
    for (const KernelTable* table : runnable_tables())
      for (Layout in : kLayouts)
        for (Layout out : kLayouts)
          for (int threads : {1, 3}) {
            const std::string wrong = check.run(algorithm->name, *table, in, out, threads, exact);
            if (wrong.empty()) continue;
            FAIL_CHECK(std::string(algorithm->name)
                       << " on " << std::string(table->name) << ", layouts " << static_cast<int>(in)
                       << " and " << static_cast<int>(out) << ", " << threads << " threads: " << wrong);
          }
  }
}

}  // namespace

TEST_CASE("every algorithm equals the definition on integers, and touches nothing else") {
  for (const std::string text : kProblems) {
    CAPTURE(text);
    const ConvProblem problem = ConvProblem::parse(text);
    for (GuardAt guard : {GuardAt::kBegin, GuardAt::kEnd}) {
      if (problem.dtype == DType::kFloat32)
        check_problem<float>(problem, guard);
      else
        check_problem<double>(problem, guard);
    }
  }
}

// More input and output than half of any L2 holds; without padding, and with outputs that have no terms.
TEST_CASE("tiles that ask for memory between terms equal the definition") {
  for (const std::string text : {"n1c17h97w97_k65r1s1_f32_bias", "n1c4h96w98_k66r1s1p1_f32"}) {
    CAPTURE(text);
    const ConvCheck<float> check(ConvProblem::parse(text), GuardAt::kEnd);
    for (const KernelTable* table : runnable_tables())
      for (Layout layout : kLayouts) CHECK(check.run("direct", *table, layout, layout, 1, true) == "");
  }
}

TEST_CASE("auto takes the cheapest candidate, whatever was asked before") {
  for (const std::string text : kProblems)
    for (Precision precision :
         {Precision::kHigh, Precision::kHighest, Precision::kMedium, Precision::kHigh}) {
      CAPTURE(text);
      const ConvProblem problem = ConvProblem::parse(text);
      const Candidate* cheapest = nullptr;
      const std::vector<Candidate> candidates = conv_candidates(problem, precision);
      for (const Candidate& one : candidates)
        if (one.refusal.empty() && (!cheapest || one.cost_us < cheapest->cost_us)) cheapest = &one;
      REQUIRE(cheapest != nullptr);
      CHECK(&select_conv(problem, precision, "auto") == cheapest->algorithm);
      CHECK(&select_conv(problem, precision, "auto") == cheapest->algorithm);
    }
}

TEST_CASE("naive takes every problem; a forced algorithm that cannot says why") {
  for (const std::string text : kProblems) {
    CAPTURE(text);
    const ConvProblem problem = ConvProblem::parse(text);
    CHECK(std::string(select_conv(problem, Precision::kHighest, "naive").name) == "naive");
    for (const Candidate& candidate : conv_candidates(problem, Precision::kHighest)) {
      std::string reason;
      const bool can = candidate.algorithm->supports(problem.one_image(), Reason(&reason));
      CHECK(can == reason.empty());
      std::string message;
      try {
        (void)select_conv(problem, Precision::kHighest, candidate.algorithm->name);
      } catch (const ValueError& error) {
        message = error.what();
      }
      CHECK(message.empty() == reason.empty());
      CHECK(message.find(reason) != std::string::npos);
    }
  }
  CHECK_THROWS_AS((void)select_conv(ConvProblem::parse(kProblems[0]), Precision::kHigh, "fft"), ValueError);
}

namespace {

ConvPlan plan_of(const ConvAlgorithm& algorithm, const char* text, Layout layout, const KernelTable& table) {
  const ConvProblem p = ConvProblem::parse(text);
  const Index taps = p.taps();
  const WeightStrides weight{p.in_ch_per_group() * taps, taps, Spatial{{taps, p.kernel[kW], 1}}};
  const Placement in = place(layout, p.batch, p.in_ch, p.in), out = place(layout, p.batch, p.out_ch, p.out);
  return algorithm.plan({p, in.strides, out.strides, weight, 1, &table});
}

}  // namespace

TEST_CASE("direct gathers where tiles of few pixels stay empty and weights do not fit L2") {
  const auto gathers = [](const char* text, Layout layout, const KernelTable& table) {
    return plan_of(kDirect, text, layout, table).executor == &kIm2col;
  };
  for (const KernelTable* table : runnable_tables()) {
    const bool few_rows = table->dense_f32.oc_vector.max_rows <= 6;
    CHECK(gathers("n1c72h5w9_k250r3s3u2_f32", Layout::kChannelsLast, *table));               // rows of 4
    CHECK(gathers("n1c72h5w17_k250r3s3u2_f32", Layout::kChannelsLast, *table) == few_rows);  // of 8
    CHECK(!gathers("n1c72h5w9_k250r3s3u2_f32", Layout::kChannelsFirst, *table));   // windows overlap
    CHECK(gathers("n1c72h7w5_k250r3s3_f32", Layout::kChannelsFirst, *table));      // but few pixels do
    CHECK(gathers("n2c72d5h3w3_k250t3r3s3_f32", Layout::kChannelsFirst, *table));  // of several depths
    CHECK(gathers("n1c40h16w36_k262r4s4u4_f32", Layout::kChannelsFirst, *table) == few_rows);
    CHECK(!gathers("n1c72h5w9_k150r3s3u2_f32", Layout::kChannelsLast, *table));   // weights fit
    CHECK(!gathers("n1c72h5w25_k250r3s3u2_f32", Layout::kChannelsLast, *table));  // rows of 12 fill tiles
    CHECK(!gathers("n1c600h5w9_k250r1s1_f32", Layout::kChannelsLast, *table));    // nothing to gather
  }
}

TEST_CASE("direct executes grouped where vectors span no groups, or hold pixels") {
  const auto executor = [](const char* text, Layout layout, const KernelTable& table) {
    return plan_of(kGrouped, text, layout, table).executor;
  };
  for (const KernelTable* table : runnable_tables()) {
    const bool spans = table->dense_f32.lanes > 4;
    CHECK((executor("n1c16h9w32_k16r3s3p1g4_f32", Layout::kChannelsLast, *table) == &kGrouped) == spans);
    CHECK(executor("n1c16h9w32_k16r3s3p1g4_f32", Layout::kChannelsFirst, *table) == &kDirect);
    CHECK((executor("n1c16h9w7_k16r3s3p1g4_f32", Layout::kChannelsFirst, *table) == &kGrouped) == spans);
    CHECK(executor("n1c16h9w7_k16r3s3p1g2_f64", Layout::kChannelsLast, *table) == &kDirect);
  }
}

namespace {

std::vector<float> random_values(Index count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::mt19937 rng(static_cast<unsigned>(count));
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::generate(values.begin(), values.end(), [&] { return uniform(rng); });
  return values;
}

// Whether a plain function's call has the bits of a layer's, whose weights `cache` holds.
bool packed_or_not_is_the_same(const char* text, Layout layout, const KernelTable& table,
                               PackedWeights* cache) {
  const ConvProblem p = ConvProblem::parse(text);
  const Index taps = p.taps();
  const std::vector<float> input = random_values(p.batch * p.in_ch * p.in.product()),
                           weight = random_values(p.out_ch * p.in_ch * taps), bias = random_values(p.out_ch),
                           residual = random_values(p.out_elements());
  const Placement in = place(layout, p.batch, p.in_ch, p.in), out = place(layout, p.batch, p.out_ch, p.out);
  const WeightStrides strides{p.in_ch * taps, taps, Spatial{{p.kernel[kH] * p.kernel[kW], p.kernel[kW], 1}}};
  const ConvPlan plan = plan_conv({p, in.strides, out.strides, strides, 2, &table}, kDirect);
  std::vector<float> layer(residual.size()), function(residual.size());
  ConvOperands operands{input.data(),
                        weight.data(),
                        nullptr,
                        p.epilogue.has_bias ? bias.data() : nullptr,
                        p.epilogue.has_residual ? residual.data() : nullptr,
                        layer.data()};
  run_conv(plan, operands, cache);
  operands.out = function.data();
  run_conv(plan, operands, nullptr);
  return layer == function;
}

}  // namespace

TEST_CASE("weights packed once are shared by images of any size and layout") {
  for (const KernelTable* table : runnable_tables()) {
    PackedWeights cache;
    for (const char* text :
         {"n1c20h5w6_k21r3s3p1_f32", "n2c20h9w300_k21r3s3p1_f32", "n1c20h1w1_k21r3s3p1_f32"})
      for (Layout layout : {Layout::kChannelsFirst, Layout::kChannelsLast})
        CHECK(packed_or_not_is_the_same(text, layout, *table, &cache));
    CHECK(cache.bytes() > 0);
  }
}

TEST_CASE("functions of few pixels, which exchange their operands, have a layer's bits") {
  const char* const texts[] = {"n1c40h1w1_k50r1s1_f32_bias_relu",
                               "n1c1300h1w1_k97r1s1_f32_bias",
                               "n1c600h1w1_k40r1s1_f32_bias_residual",
                               "n3c70h1w1_k33r1s1_f32_residual_clip-1:1",
                               "n1c64h2w2_k64r1s1_f32",
                               "n1c1040h1w3_k19r1s1_f32_bias",
                               "n5c32h1w1_k32r1s1_f32"};
  for (const KernelTable* table : runnable_tables())
    for (const char* text : texts)
      for (Layout layout : {Layout::kChannelsFirst, Layout::kChannelsLast}) {
        PackedWeights cache;
        CAPTURE(text);
        CHECK(packed_or_not_is_the_same(text, layout, *table, &cache));
      }
}
