// Integer arithmetic used for sizes: the only ceil_div, the only overflow checks, the only output-size
// formula.
#pragma once

#include "core/check.h"
#include "core/types.h"

namespace pyconv {

constexpr Index ceil_div(Index a, Index b) { return (a + b - 1) / b; }
constexpr Index round_up(Index a, Index b) { return ceil_div(a, b) * b; }
constexpr Index min_of(Index a, Index b) { return a < b ? a : b; }
constexpr Index max_of(Index a, Index b) { return a > b ? a : b; }

// Rounds toward minus infinity, unlike '/'.
constexpr Index floor_div(Index a, Index b) {
  const Index quotient = a / b;
  return (a % b != 0 && ((a < 0) != (b < 0))) ? quotient - 1 : quotient;
}

// `total` cut into the fewest pieces of at most `largest`, sizes differing by at most one.
struct EvenSplit {
  Index pieces, base, longer;
  constexpr EvenSplit(Index total, Index largest)
      : pieces(ceil_div(total, largest)), base(total / max_of(pieces, 1)), longer(total - pieces * base) {}
  constexpr Index size(Index piece) const { return base + (piece < longer ? 1 : 0); }
  // Pieces of the same size from `piece` on.
  constexpr Index alike(Index piece) const { return (piece < longer ? longer : pieces) - piece; }
};

inline Index checked_mul(Index a, Index b, const char* what) {
  Index result;
  check_value(!__builtin_mul_overflow(a, b, &result), what, " overflows 64 bits: ", a, " * ", b);
  return result;
}
inline Index checked_add(Index a, Index b, const char* what) {
  Index result;
  check_value(!__builtin_add_overflow(a, b, &result), what, " overflows 64 bits: ", a, " + ", b);
  return result;
}

// Input positions a window covers: dilation * (kernel - 1) + 1.
constexpr Index window_extent(Index kernel, Index dilation) { return dilation * (kernel - 1) + 1; }

// floor((in + pad_begin + pad_end - window) / stride) + 1, toward minus infinity; may be <= 0.
constexpr Index output_size(Index padded_in, Index window, Index stride) {
  return floor_div(padded_in - window, stride) + 1;
}

// ceil_mode of pooling: a last window may hang over the padded end, but must start inside the input or the
// padding before it (`start_limit` = in + pad_begin).
constexpr Index ceil_output_size(Index padded_in, Index window, Index stride, Index start_limit) {
  const Index out = -floor_div(window - padded_in, stride) + 1;
  return (out - 1) * stride >= start_limit ? out - 1 : out;
}

}  // namespace pyconv
