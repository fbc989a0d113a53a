// The readable definition, and the last row of the registry: it takes every problem. Sums run in float64 in
// the order channel, k_d, k_h, k_w and are rounded once.
#include "algo/dense.h"
#include "algo/input_rows.h"
#include "algo/registry.h"
#include "runtime/thread_pool.h"

namespace pyconv {
namespace {

template <class T>
class NaiveRun {
 public:
  NaiveRun(const ConvPlan& plan, const ConvOperands& operands)
      : p_(plan.request.problem),
        request_(plan.request),
        input_(static_cast<const T*>(operands.input)),
        weight_(static_cast<const T*>(operands.weight)),
        bias_(static_cast<const T*>(operands.bias)),
        residual_(static_cast<const T*>(operands.residual)),
        out_(static_cast<T*>(operands.out)) {}

  void execute() const {
    parallel_for(request_.threads, p_.batch * p_.out_ch, [this](ChunkSource& source) {
      for (Index number; source.next(&number);) run_map(number / p_.out_ch, number % p_.out_ch);
    });
  }

 private:
  void run_map(Index image, Index oc) const {
    for (Index od = 0; od < p_.out[kD]; ++od)
      for (Index oh = 0; oh < p_.out[kH]; ++oh)
        for (Index ow = 0; ow < p_.out[kW]; ++ow) {
          const Spatial& s = request_.out.spatial;
          const Index at =
              image * request_.out.batch + oc * request_.out.channel + od * s[kD] + oh * s[kH] + ow * s[kW];
          double sum = weighted_sum(image, oc, Spatial{{od, oh, ow}});
          if (bias_) sum += static_cast<double>(bias_[oc]);
          if (residual_) sum += static_cast<double>(residual_[at]);
          sum = p_.epilogue.lo > sum ? p_.epilogue.lo : sum;
          out_[at] = static_cast<T>(p_.epilogue.hi < sum ? p_.epilogue.hi : sum);
        }
  }

  double weighted_sum(Index image, Index oc, const Spatial& position) const {
    const Index channels = p_.in_ch_per_group(), group = oc / p_.out_ch_per_group();
    double sum = 0;
    for (Index ic = 0; ic < channels; ++ic) {
      const T* map = input_ + image * request_.in.batch + (group * channels + ic) * request_.in.channel;
      const T* w = weight_ + oc * request_.weight.out_ch + ic * request_.weight.in_ch;
      for (Index kd = 0; kd < p_.kernel[kD]; ++kd)
        for (Index kh = 0; kh < p_.kernel[kH]; ++kh)
          for (Index kw = 0; kw < p_.kernel[kW]; ++kw) {
            const Spatial& k = request_.weight.kernel;
            const double x = padded_value(map, position, Spatial{{kd, kh, kw}});
            sum += x * static_cast<double>(w[kd * k[kD] + kh * k[kH] + kw * k[kW]]);
          }
    }
    return sum;
  }

  double padded_value(const T* map, const Spatial& position, const Spatial& tap) const {
    Index at = 0;
    for (int dim = 0; dim < kMaxSpatial; ++dim) {
      const Index grid = position[dim] * p_.stride[dim] + tap[dim] * p_.dilation[dim] - p_.pad_begin[dim];
      const Index from = source_index(grid, p_.in[dim], p_.pad_mode);
      if (from == kOutside) return p_.pad_value;
      at += from * request_.in.spatial[dim];
    }
    return static_cast<double>(map[at]);
  }

  const ConvProblem& p_;
  const Request& request_;
  const T* input_;
  const T* weight_;
  const T* bias_;
  const T* residual_;
  T* out_;
};

bool supports(const ConvProblem&, Reason) { return true; }

// A hundred times direct, so that `auto` lands here only when nothing else can.
double cost(const ConvProblem& image) { return 100.0 * (1.0 + image.flops() / 1.0e5); }

ErrorBound bound(const ConvProblem& p) {
  // float32 products are exact in float64 and their sum is rounded once; float64 sums round at every term.
  const double terms = static_cast<double>(p.in_ch_per_group() * p.taps()) + 3;
  return {true, p.dtype == DType::kFloat32 ? 1.0 + terms * 0x1p-29 : terms, true};
}

ConvPlan plan(const Request& request) {
  ConvPlan plan(kNaive, request);
  plan.chunks = request.problem.batch * request.problem.out_ch;
  return plan;
}

void pack(const ConvPlan&, const void*, void*) {}

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { NaiveRun<decltype(zero)>(plan, operands).execute(); });
}

}  // namespace

const ConvAlgorithm kNaive = {"naive", "the readable loop, float64 sums", supports, cost, bound, plan, pack,
                              execute};

}  // namespace pyconv
