// The one place that says what a tap outside the input reads.
#pragma once

#include "core/math.h"
#include "core/types.h"

namespace pyconv {

constexpr Index kOutside = -1;

// The index inside [0, size) that `position` reads under `mode`, or kOutside for the constant mode.
// The problem's constructor has checked that reflect pads less than `size` and circular at most `size`;
// replicate and symmetric accept any distance.
inline Index source_index(Index position, Index size, PadMode mode) {
  if (position >= 0 && position < size) return position;
  switch (mode) {
    case PadMode::kConstant:
      return kOutside;
    case PadMode::kReplicate:
      return position < 0 ? 0 : size - 1;
    case PadMode::kCircular:
      return position < 0 ? position + size : position - size;
    case PadMode::kReflect:
      return position < 0 ? -position : 2 * (size - 1) - position;
    case PadMode::kSymmetric: {
      const Index period = 2 * size;
      const Index folded = position - floor_div(position, period) * period;
      return folded < size ? folded : period - 1 - folded;
    }
  }
  return kOutside;
}

inline const char* pad_mode_name(PadMode mode) {
  switch (mode) {
    case PadMode::kConstant:
      return "zeros";
    case PadMode::kReflect:
      return "reflect";
    case PadMode::kReplicate:
      return "replicate";
    case PadMode::kCircular:
      return "circular";
    case PadMode::kSymmetric:
      return "symmetric";
  }
  return "?";
}

}  // namespace pyconv
