// The depthwise kernels, compiled once per instruction set beside table.cpp, which points here; exports the
// one symbol pyconv::<target>::kDepthwiseTable.
#include "kernels/depthwise_rolling-inl.h"
#include "kernels/depthwise_spread-inl.h"
#include "kernels/grouped-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Accumulators, a group of weights and one loaded pixel must fit the register file.
template <class T>
struct DepthwiseSizes {
  static constexpr int kPixels = kRegisters == 32 ? 14 : kVectorBytes == 32 ? 8 : 4;
  // With 16 registers three pixels at most: AVX2 takes 1.3 to 1.6 times as long as line by line.
  static constexpr bool kRolls = kRegisters == 32;
  static constexpr int kVectors = kRegisters == 32 ? 4 : 3;
};

template <class T, int kPixels>
constexpr void FillChannelVector(DepthwiseKernels<T>& kernels) {
  kernels.channel_vector[kPixels] = &ChannelVectorTile<T, kPixels>;
  kernels.spread_vector[kPixels] = &SpreadTile<T, kPixels>;
  if constexpr (kPixels > 1) FillChannelVector<T, kPixels - 1>(kernels);
}
template <class T, int kVectors>
constexpr void FillPixelVector(DepthwiseKernels<T>& kernels) {
  kernels.pixel_vector[kVectors] = &PixelVectorTile<T, kVectors>;
  if constexpr (kVectors > 1) FillPixelVector<T, kVectors - 1>(kernels);
}
template <class T, int kShape, int kPixels>
constexpr void FillRollingVector(DepthwiseKernels<T>& kernels) {
  kernels.rolling_vector[kShape][kPixels] = &RollingTile<T, kShape, kPixels>;
  if constexpr (kPixels > 1) FillRollingVector<T, kShape, kPixels - 1>(kernels);
}
template <class T, int kShape>
constexpr void FillRollingShapes(DepthwiseKernels<T>& kernels) {
  FillRollingVector<T, kShape, kRollingShapes[kShape].pixels>(kernels);
  if constexpr (kShape > 1) FillRollingShapes<T, kShape - 1>(kernels);
}
template <class T>
constexpr DepthwiseKernels<T> MakeDepthwise() {
  DepthwiseKernels<T> kernels{};
  kernels.max_pixels = DepthwiseSizes<T>::kPixels;
  kernels.max_vectors = DepthwiseSizes<T>::kVectors;
  FillChannelVector<T, DepthwiseSizes<T>::kPixels>(kernels);
  FillPixelVector<T, DepthwiseSizes<T>::kVectors>(kernels);
  kernels.wide = kWide;
  kernels.rolls = DepthwiseSizes<T>::kRolls;
  if constexpr (DepthwiseSizes<T>::kRolls) FillRollingShapes<T, kRollingShapeCount - 1>(kernels);
  kernels.group_vector = &GroupVector<T>;
  return kernels;
}

}  // namespace

extern const DepthwiseTable kDepthwiseTable;
constexpr DepthwiseTable kDepthwiseTableValue = {MakeDepthwise<float>(), MakeDepthwise<double>()};
const DepthwiseTable kDepthwiseTable = kDepthwiseTableValue;

}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
