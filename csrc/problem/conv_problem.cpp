#include "problem/conv_problem.h"

#include <limits>

#include "problem/problem_text.h"
#include "problem/window.h"

namespace pyconv {
namespace {

void check_dims(const ConvSpec& s) {
  check_value(s.batch >= 0 && s.in_ch >= 0 && s.out_ch >= 0,
              "sizes must not be negative, got batch=", s.batch, ", in_ch=", s.in_ch, ", out_ch=", s.out_ch);
  check_value(s.groups >= 1, "groups must be at least 1, got ", s.groups);
  check_value(s.in_ch % s.groups == 0, "in_channels must be divisible by groups: in_channels is ", s.in_ch,
              ", groups is ", s.groups);
  check_value(s.out_ch % s.groups == 0, "out_channels must be divisible by groups: out_channels is ",
              s.out_ch, ", groups is ", s.groups);
}

void check_padding_fits(const ConvSpec& s, int dim) {
  const Index pad = max_of(s.pad_begin[dim], s.pad_end[dim]);
  if (s.pad_mode == PadMode::kReflect)
    check_value(pad == 0 || pad < s.in[dim],
                "padding_mode='reflect' needs padding < input size in dimension ", dim_name(dim),
                ": padding is ", pad, ", input size is ", s.in[dim]);
  if (s.pad_mode == PadMode::kCircular)
    check_value(pad <= s.in[dim], "padding_mode='circular' needs padding <= input size in dimension ",
                dim_name(dim), ": padding is ", pad, ", input size is ", s.in[dim]);
  if (s.pad_mode == PadMode::kReplicate || s.pad_mode == PadMode::kSymmetric)
    check_value(pad == 0 || s.in[dim] > 0, "padding_mode='", pad_mode_name(s.pad_mode),
                "' needs a non-empty input in dimension ", dim_name(dim), ": padding is ", pad,
                ", input size is 0");
}

Index checked_out_size(const ConvSpec& s, int dim) {
  const Window window{s.in[dim],     s.pad_begin[dim], s.pad_end[dim],
                      s.kernel[dim], s.stride[dim],    s.dilation[dim]};
  check_window(window, dim);
  check_padding_fits(s, dim);
  return checked_positions(window, s.rank, dim);
}

// Element counts fit 64 bits, in bytes too, before anything is allocated.
void check_counts(const ConvSpec& s, const Spatial& out) {
  Index in_count = 1, out_count = 1, weight_count = 1;
  for (Index size : {s.batch, s.in_ch, s.in[kD], s.in[kH], s.in[kW]})
    in_count = checked_mul(in_count, max_of(size, 1), "the number of input elements");
  for (Index size : {s.batch, s.out_ch, out[kD], out[kH], out[kW]})
    out_count = checked_mul(out_count, max_of(size, 1), "the number of output elements");
  for (Index size : {s.out_ch, s.in_ch / s.groups, s.kernel[kD], s.kernel[kH], s.kernel[kW]})
    weight_count = checked_mul(weight_count, max_of(size, 1), "the number of weight elements");
  constexpr Index kBytesPerElement = 16;  // the widest element type there will be, complex128
  checked_mul(max_of(max_of(in_count, out_count), weight_count), kBytesPerElement, "the size in bytes");
}

}  // namespace

ConvProblem::ConvProblem(const ConvSpec& spec) : ConvSpec(spec) {
  check_value(rank >= 1 && rank <= kMaxSpatial, "a convolution has 1 to 3 spatial dimensions, got ", rank);
  check_dims(spec);
  for (int dim = 0; dim < kMaxSpatial; ++dim) out[dim] = checked_out_size(spec, dim);
  check_counts(spec, out);
}

double ConvProblem::flops_inside() const {
  constexpr Index kCountedTaps = 4096;  // selection may not take time of its own
  if (!pads_zeros() || out_elements() == 0) return flops();
  double share = 1;
  for (int dim = 0; dim < kMaxSpatial; ++dim) {
    if ((pad_begin[dim] == 0 && pad_end[dim] == 0) || kernel[dim] > kCountedTaps) continue;
    double inside = 0;
    for (Index tap = 0; tap < kernel[dim]; ++tap) {
      const Index before = pad_begin[dim] - tap * dilation[dim];  // output o reads o * stride - before
      const Index begin = max_of(0, ceil_div(before, stride[dim]));
      const Index end = min_of(out[dim], ceil_div(in[dim] + before, stride[dim]));
      inside += static_cast<double>(max_of(0, end - begin));
    }
    share *= inside / static_cast<double>(out[dim] * kernel[dim]);
  }
  return flops() * share;
}

ConvProblem ConvProblem::one_image() const {
  ConvProblem image = *this;
  image.batch = 1;
  return image;
}

bool operator==(const ConvProblem& a, const ConvProblem& b) {
  return a.dtype == b.dtype && a.rank == b.rank && a.batch == b.batch && a.in_ch == b.in_ch &&
         a.out_ch == b.out_ch && a.groups == b.groups && a.in == b.in && a.kernel == b.kernel &&
         a.stride == b.stride && a.dilation == b.dilation && a.pad_begin == b.pad_begin &&
         a.pad_end == b.pad_end && a.pad_mode == b.pad_mode && a.pad_value == b.pad_value &&
         a.epilogue == b.epilogue;
}

std::string ConvProblem::to_string() const {
  ProblemWriter text(rank);
  text.number("n", batch).number("c", in_ch).dims("d", "h", "w", in).separator();
  text.number("k", out_ch).dims("t", "r", "s", kernel).pads("p", pad_begin, pad_end);
  text.repeated("u", stride, 1).repeated("l", dilation, 1);
  if (groups != 1) text.number("g", groups);
  text.flag(dtype == DType::kFloat32 ? "f32" : "f64");
  if (pad_mode != PadMode::kConstant) text.flag(pad_mode_name(pad_mode));
  if (pad_value != 0) text.flag("value" + exact_text(pad_value));
  if (epilogue.has_bias) text.flag("bias");
  if (epilogue.has_residual) text.flag("residual");
  if (epilogue.activation == Activation::kRelu) text.flag("relu");
  if (epilogue.activation == Activation::kRelu6) text.flag("relu6");
  if (epilogue.activation == Activation::kClip)
    text.flag("clip" + exact_text(epilogue.lo) + ":" + exact_text(epilogue.hi));
  return text.str();
}

std::ostream& operator<<(std::ostream& text, const ConvProblem& problem) {
  return text << problem.to_string();
}

ConvProblem ConvProblem::parse(const std::string& text) {
  ProblemReader in(text);
  ConvSpec s;
  s.batch = in.number("n", 1);
  s.in_ch = in.number("c");
  s.rank = in.dims("d", "h", "w", &s.in);
  in.separator();
  s.out_ch = in.number("k");
  in.dims("t", "r", "s", &s.kernel, s.rank);
  in.pads("p", s.rank, &s.pad_begin, &s.pad_end);
  in.repeated("u", s.rank, &s.stride);
  in.repeated("l", s.rank, &s.dilation);
  s.groups = in.number("g", 1);
  for (std::string flag; in.flag(&flag);) {
    bool known = true;
    if (flag == "f32")
      s.dtype = DType::kFloat32;
    else if (flag == "f64")
      s.dtype = DType::kFloat64;
    else if (flag == "reflect")
      s.pad_mode = PadMode::kReflect;
    else if (flag == "replicate")
      s.pad_mode = PadMode::kReplicate;
    else if (flag == "circular")
      s.pad_mode = PadMode::kCircular;
    else if (flag == "symmetric")
      s.pad_mode = PadMode::kSymmetric;
    else if (flag == "bias")
      s.epilogue.has_bias = true;
    else if (flag == "residual")
      s.epilogue.has_residual = true;
    else if (flag == "relu")
      s.epilogue.set_activation(Activation::kRelu);
    else if (flag == "relu6")
      s.epilogue.set_activation(Activation::kRelu6);
    else if (flag.rfind("value", 0) == 0)
      s.pad_value = in.real(flag.substr(5));
    else if (flag.rfind("clip", 0) == 0 && flag.find(':') != std::string::npos)
      s.epilogue.set_activation(Activation::kClip, in.real(flag.substr(4, flag.find(':') - 4)),
                                in.real(flag.substr(flag.find(':') + 1)));
    else
      known = false;
    check_value(known, "unknown flag '", flag, "' in problem string '", text, "'");
  }
  return ConvProblem(s);
}

}  // namespace pyconv
