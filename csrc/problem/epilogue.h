// What happens to a finished sum, in registers: clamp(sum + bias + residual, lo, hi). NaN passes through.
#pragma once

#include <cmath>
#include <limits>
#include <string>

#include "core/check.h"

namespace pyconv {

// Activations that are a clamp; a transcendental one would be a row function on the tile while it is hot.
enum class Activation : unsigned char { kNone, kRelu, kRelu6, kClip };

struct Epilogue {
  bool has_bias = false;
  bool has_residual = false;
  Activation activation = Activation::kNone;
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();

  void set_activation(Activation kind, double clip_lo = 0, double clip_hi = 0) {
    activation = kind;
    const double inf = std::numeric_limits<double>::infinity();
    lo = kind == Activation::kNone ? -inf : kind == Activation::kClip ? clip_lo : 0.0;
    hi = kind == Activation::kRelu6 ? 6.0 : kind == Activation::kClip ? clip_hi : inf;
    check_value(!(std::isnan(lo) || std::isnan(hi)) && lo <= hi,
                "activation ('clip', lo, hi) needs lo <= hi, got lo=", lo, ", hi=", hi);
  }

  friend bool operator==(const Epilogue& a, const Epilogue& b) {
    return a.has_bias == b.has_bias && a.has_residual == b.has_residual && a.activation == b.activation &&
           a.lo == b.lo && a.hi == b.hi;
  }
};

}  // namespace pyconv
