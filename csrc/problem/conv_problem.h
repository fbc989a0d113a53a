// WHAT a convolution asks for, and the only place it is validated. 1-D and 2-D are the 3-D case with unit
// dimensions. Memory layout, threads and ISA are no part of it (see Request in algo/algorithm.h).
#pragma once

#include <ostream>
#include <string>

#include "core/math.h"
#include "core/types.h"
#include "problem/epilogue.h"
#include "problem/padding.h"

namespace pyconv {

// The user's numbers, unchecked. kernel is spatial; weight is (out_ch, in_ch / groups, k_d, k_h, k_w).
struct ConvSpec {
  DType dtype = DType::kFloat32;
  int rank = 2;  // spatial dimensions as the user counts them: 1, 2 or 3
  Index batch = 1, in_ch = 1, out_ch = 1, groups = 1;
  Spatial in = spatial_of(1), kernel = spatial_of(1), stride = spatial_of(1), dilation = spatial_of(1);
  Spatial pad_begin = spatial_of(0), pad_end = spatial_of(0);
  PadMode pad_mode = PadMode::kConstant;
  double pad_value = 0;
  Epilogue epilogue;
};

struct ConvProblem : ConvSpec {
  // Throws ValueError with the rule and the values that break it.
  explicit ConvProblem(const ConvSpec& spec);

  Spatial out;

  Index in_ch_per_group() const { return in_ch / groups; }
  Index out_ch_per_group() const { return out_ch / groups; }
  Index taps() const { return kernel.product(); }
  // How many outputs of one channel an input element goes into, borders apart.
  Index uses_of_input() const { return taps() / stride[kD] / stride[kH] / stride[kW]; }
  Index out_elements() const { return batch * out_ch * out.product(); }
  double flops() const {
    return 2.0 * static_cast<double>(out_elements()) * static_cast<double>(in_ch_per_group() * taps());
  }
  // Without the products with zero padding.
  double flops_inside() const;
  // The taps [begin, end) of a window at `first` in dimension `dim` that lie inside the input.
  struct Taps {
    Index begin, end;
    Index count() const { return end - begin; }
    bool operator==(const Taps& o) const { return begin == o.begin && end == o.end; }
  };
  Taps taps_inside(int dim, Index first) const {
    const Index k = kernel[dim], step = dilation[dim];
    const Index begin = first >= 0 ? 0 : min_of(k, ceil_div(-first, step));
    const Index end = first >= in[dim] ? 0 : min_of(k, (in[dim] - 1 - first) / step + 1);
    return {begin, max_of(begin, end)};
  }
  // How many of `count` outputs along `dim`, `step` apart from `output` on, have the same taps inside.
  Index alike_outputs(int dim, Index output, Index count, Index step = 1) const {
    const auto taps_of = [&](Index o) { return taps_inside(dim, o * stride[dim] - pad_begin[dim]); };
    const Taps taps = taps_of(output);
    Index n = 1;
    while (n < count && taps_of(output + n * step) == taps) ++n;
    return n;
  }
  // Padding by zeros: its products may be left out.
  bool pads_zeros() const { return pad_mode == PadMode::kConstant && pad_value == 0; }
  bool is_padded() const { return pad_begin != spatial_of(0) || pad_end != spatial_of(0); }
  // The same question about one image: what `auto` decides from (promise 1).
  ConvProblem one_image() const;

  // "n1c64h56w56_k64r3s3p1u2l2g1_f32_reflect_bias_relu": short, exact, parsed back by parse().
  std::string to_string() const;
  static ConvProblem parse(const std::string& text);
};

bool operator==(const ConvProblem& a, const ConvProblem& b);
std::ostream& operator<<(std::ostream& text, const ConvProblem& problem);

}  // namespace pyconv
