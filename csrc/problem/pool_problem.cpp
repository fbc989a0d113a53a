#include "problem/pool_problem.h"

#include "problem/problem_text.h"
#include "problem/window.h"

namespace pyconv {
namespace {

void check_options(const PoolSpec& s) {
  check_value(s.rank >= 1 && s.rank <= kMaxSpatial, "pooling has 1 to 3 spatial dimensions, got ", s.rank);
  check_value(s.batch >= 0, "sizes must not be negative, got batch=", s.batch);
  check_value(s.channels >= 1, "pooling needs at least 1 channel, got ", s.channels);
  check_value(s.kind == PoolKind::kMax || !s.return_indices, "only max pooling has indices to return");
  check_value(s.kind == PoolKind::kAverage || (s.count_include_pad && s.divisor_override == 0),
              "only average pooling has a divisor: count_include_pad=", s.count_include_pad,
              ", divisor_override=", s.divisor_override);
}

Index checked_out_size(const PoolSpec& s, int dim) {
  const Window window{s.in[dim],     s.pad_begin[dim], s.pad_end[dim], s.kernel[dim],
                      s.stride[dim], s.dilation[dim],  s.ceil_mode};
  check_window(window, dim);
  check_value(s.in[dim] >= 1, "input size must be at least 1, got 0 in dimension ", dim_name(dim));
  // The last window of ceil_mode may hang over the end, so its far taps are positions too.
  checked_add(checked_add(window.padded(), s.stride[dim], "padded input size + stride"), window.extent(),
              "the reach of a window");
  return checked_positions(window, s.rank, dim);
}

// Element counts fit 64 bits, in bytes too, before anything is allocated.
void check_counts(const PoolSpec& s, const Spatial& out) {
  Index in_count = 1, out_count = 1, taps = 1;
  for (Index size : {s.batch, s.channels, s.in[kD], s.in[kH], s.in[kW]})
    in_count = checked_mul(in_count, max_of(size, 1), "the number of input elements");
  for (Index size : {s.batch, s.channels, out[kD], out[kH], out[kW]})
    out_count = checked_mul(out_count, max_of(size, 1), "the number of output elements");
  for (Index size : {s.kernel[kD], s.kernel[kH], s.kernel[kW]})
    taps = checked_mul(taps, size, "the number of elements in a window");
  constexpr Index kBytesPerElement = 16;
  checked_mul(max_of(in_count, out_count), kBytesPerElement, "the size in bytes");
}

}  // namespace

PoolProblem::PoolProblem(const PoolSpec& spec) : PoolSpec(spec) {
  check_options(spec);
  for (int dim = 0; dim < kMaxSpatial; ++dim) out[dim] = checked_out_size(spec, dim);
  check_counts(spec, out);
}

void check_torch_padding(const PoolSpec& s) {
  for (int dim = 0; dim < kMaxSpatial; ++dim) {
    const Index pad = max_of(s.pad_begin[dim], s.pad_end[dim]);
    check_value(pad <= s.kernel[dim] / 2, "padding must be at most half of the kernel size: padding is ", pad,
                ", kernel size is ", s.kernel[dim], " in dimension ", dim_name(dim));
  }
}

bool operator==(const PoolProblem& a, const PoolProblem& b) {
  return a.kind == b.kind && a.dtype == b.dtype && a.rank == b.rank && a.batch == b.batch &&
         a.channels == b.channels && a.in == b.in && a.kernel == b.kernel && a.stride == b.stride &&
         a.dilation == b.dilation && a.pad_begin == b.pad_begin && a.pad_end == b.pad_end &&
         a.ceil_mode == b.ceil_mode && a.return_indices == b.return_indices &&
         a.count_include_pad == b.count_include_pad && a.divisor_override == b.divisor_override;
}

std::string PoolProblem::to_string() const {
  ProblemWriter text(rank);
  text.number("n", batch).number("c", channels).dims("d", "h", "w", in).separator();
  text.word(kind == PoolKind::kMax ? "max" : "avg");
  text.dims("t", "r", "s", kernel).pads("p", pad_begin, pad_end);
  text.repeated("u", stride, 1).repeated("l", dilation, 1);
  text.flag(dtype == DType::kFloat32 ? "f32" : "f64");
  if (ceil_mode) text.flag("ceil");
  if (return_indices) text.flag("indices");
  if (!count_include_pad) text.flag("nopad");
  if (divisor_override != 0) text.flag(concat("divisor", divisor_override));
  return text.str();
}

PoolProblem PoolProblem::parse(const std::string& text) {
  ProblemReader in(text);
  PoolSpec s;
  s.batch = in.number("n", 1);
  s.channels = in.number("c");
  s.rank = in.dims("d", "h", "w", &s.in);
  in.separator();
  const bool max = in.word("max");
  check_value(max || in.word("avg"), "a pooling is 'max' or 'avg' in problem string '", text,
              "' (example: n1c64h112w112_maxr3s3p1u2)");
  s.kind = max ? PoolKind::kMax : PoolKind::kAverage;
  in.dims("t", "r", "s", &s.kernel, s.rank);
  in.pads("p", s.rank, &s.pad_begin, &s.pad_end);
  in.repeated("u", s.rank, &s.stride);
  in.repeated("l", s.rank, &s.dilation);
  for (std::string flag; in.flag(&flag);) {
    bool known = true;
    if (flag == "f32")
      s.dtype = DType::kFloat32;
    else if (flag == "f64")
      s.dtype = DType::kFloat64;
    else if (flag == "ceil")
      s.ceil_mode = true;
    else if (flag == "indices")
      s.return_indices = true;
    else if (flag == "nopad")
      s.count_include_pad = false;
    else if (flag.rfind("divisor", 0) == 0)
      s.divisor_override = static_cast<Index>(in.real(flag.substr(7)));
    else
      known = false;
    check_value(known, "unknown flag '", flag, "' in problem string '", text, "'");
  }
  return PoolProblem(s);
}

}  // namespace pyconv
