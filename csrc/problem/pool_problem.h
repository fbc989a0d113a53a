// WHAT a pooling asks for, and the only place it is validated. 1-D and 2-D are the 3-D case with unit
// dimensions. Memory layout, threads and ISA are no part of it.
#pragma once

#include <string>

#include "core/math.h"
#include "core/types.h"

namespace pyconv {

enum class PoolKind : unsigned char { kMax, kAverage };

// The user's numbers, unchecked. Any padding is meaningful here; torch's limit is check_torch_padding's.
struct PoolSpec {
  PoolKind kind = PoolKind::kMax;
  DType dtype = DType::kFloat32;
  int rank = 2;  // spatial dimensions as the user counts them: 1, 2 or 3
  Index batch = 1, channels = 1;
  Spatial in = spatial_of(1), kernel = spatial_of(1), stride = spatial_of(1), dilation = spatial_of(1);
  Spatial pad_begin = spatial_of(0), pad_end = spatial_of(0);
  bool ceil_mode = false;
  bool return_indices = false;    // max: the flat position in the channel's (d, h, w), int64
  bool count_include_pad = true;  // average
  Index divisor_override = 0;     // average; 0: the number of elements in the window
};

struct PoolProblem : PoolSpec {
  // Throws ValueError with the rule and the values that break it.
  explicit PoolProblem(const PoolSpec& spec);

  Spatial out;

  Index taps() const { return kernel.product(); }
  Index out_elements() const { return batch * channels * out.product(); }

  // "n1c64h112w112_maxr3s3p1u2_f32_ceil": short, exact, parsed back by parse().
  std::string to_string() const;
  static PoolProblem parse(const std::string& text);
};

bool operator==(const PoolProblem& a, const PoolProblem& b);

// torch's public functions refuse padding above half the kernel; ONNX and the inner problem do not.
void check_torch_padding(const PoolSpec& spec);

}  // namespace pyconv
