// How Winograd's algorithm is applied to a problem: along which dimensions, with which F(m, r), and how a
// kernel that is not r taps wide at stride 1 is taken apart. A function of kernel, stride and dilation alone,
// so that packed weights serve every image.
#pragma once

#include "algo/algorithm.h"

namespace pyconv {

// Parts of a kernel in one dimension (12 taps at most), which the stride does not exceed either; so a tile
// spans at most 4 * 5 + 12 positions.
constexpr Index kMaxParts = 4, kMaxReach = 32;

// The rows of the registry: which filters they may use.
enum class WinogradFamily : unsigned char { kF2, kF4, kC4 };

// Up to r taps, a stride apart from tap `first` on, that F(m, r) takes at once. With fewer than r the weight
// of the point at infinity (the last one) is zero, and the point is left out.
struct KernelPart {
  Index first, taps, points;
};

// One dimension. Its kernel is the sum of its parts, and so are the products at each point: parts are further
// terms of the same dense product, like channels.
struct AxisScheme {
  WinogradFilter filter = WinogradFilter::kNone;
  Index outputs = 1, inputs = 1;  // m and m + r - 1; 1 where the dimension is not transformed
  Index spacing = 1;              // of the positions that everything below counts: the dilation
  Index step = 1;                 // between the inputs of a tile: the stride
  Index parts = 1, full = 1;      // all parts, and those of r taps
  bool together = false;
  KernelPart part[kMaxParts] = {{0, 1, 1}};

  bool transformed() const { return outputs > 1; }
  // Positions that neighbouring tiles span.
  Index reach(Index tiles) const;
  // Parts from `number` on that are transformed together: with `together`, those whose inputs are neighbours.
  Index neighbours(Index number) const {
    Index count = 1;
    while (together && number + count < parts && part[number + count].first == part[number].first + count)
      ++count;
    return count;
  }
  // The points at which any of them has a weight.
  Index points(Index number) const {
    Index most = 0;
    for (Index i = number; i < number + neighbours(number); ++i) most = max_of(most, part[i].points);
    return most;
  }
  // Parts of r taps: the first of them, and whether they follow each other.
  Index first_full() const {
    Index number = 0;
    while (part[number].points != inputs) ++number;
    return number;
  }
  bool full_together() const { return parts_before(first_full() + full, inputs - 1) == full; }
  // Parts with a weight at point `point`, and how many of them come before part `number`.
  Index parts_at(Index point) const { return point == inputs - 1 ? full : parts; }
  Index parts_before(Index number, Index point) const;
};

// Tiles cover (h, w), or one of them where the other is one tap wide; outer taps, those of d, are summed over
// inside the products. The problem's dimensions change places for that; nontrivial ones keep their order,
// which is the order in which direct, and therefore a tile computed again, sums taps.
struct WinogradScheme {
  bool possible = false;
  int dim[kMaxSpatial] = {kD, kH, kW};  // which of the problem's dimensions play d, h and w
  AxisScheme h, w;
  const WinogradPanels* panels = nullptr;
  Index products = 0;  // per tile and outer tap, over all panels
};

// The family's scheme with the fewest products. Not possible where it would not save products. Of a permuted
// problem it is the same with the dimensions in their places.
WinogradScheme winograd_scheme(const ConvProblem& problem, WinogradFamily family);

ConvProblem permuted(const ConvProblem& problem, const WinogradScheme& scheme);
Request permuted(const Request& request, const WinogradScheme& scheme);

}  // namespace pyconv
