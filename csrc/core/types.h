// Plain types every folder may use, the ISA-specific kernels included: PODs only, no STL.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pyconv {

// All sizes, strides and offsets; strides count elements, never bytes.
using Index = std::int64_t;

constexpr std::size_t kCacheLine = 64;  // bytes

// Spatial dimensions are always (d, h, w): a 1-D problem has d = h = 1, a 2-D problem d = 1.
constexpr int kMaxSpatial = 3;
enum SpatialDim : int { kD = 0, kH = 1, kW = 2 };

struct Spatial {
  Index v[kMaxSpatial];
  constexpr Index& operator[](int dim) { return v[dim]; }
  constexpr const Index& operator[](int dim) const { return v[dim]; }
  constexpr Index product() const { return v[0] * v[1] * v[2]; }
  friend constexpr bool operator==(const Spatial& a, const Spatial& b) {
    return a.v[0] == b.v[0] && a.v[1] == b.v[1] && a.v[2] == b.v[2];
  }
  friend constexpr bool operator!=(const Spatial& a, const Spatial& b) { return !(a == b); }
};

constexpr Spatial spatial_of(Index value) { return Spatial{{value, value, value}}; }

enum class DType : std::uint8_t { kFloat32, kFloat64 };

// What a tap outside the input reads. kSymmetric is scipy.ndimage's "reflect" (the edge is repeated);
// kReflect is torch's and NumPy's "reflect" (it is not).
enum class PadMode : std::uint8_t { kConstant, kReflect, kReplicate, kCircular, kSymmetric };

// Strides of a (batch, channel, d, h, w) array in elements; any sign, zero included.
struct ActivationStrides {
  Index batch, channel;
  Spatial spatial;
};

// Strides of an (out_ch, in_ch / groups, k_d, k_h, k_w) array in elements; signed, so that flipped and
// transposed weights (gradients, transposed convolution) are packed through a view.
struct WeightStrides {
  Index out_ch, in_ch;
  Spatial kernel;
};

}  // namespace pyconv
