// Compiled once per instruction set (CMake: PYCONV_TARGET_*); exports the one symbol
// pyconv::<target>::kTable.
#include "kernels/kernel_table.h"

#include "kernels/dense-inl.h"
#include "kernels/gather-inl.h"
#include "kernels/peak-inl.h"
#include "kernels/stream-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

#define PYCONV_STRINGIFY_(x) #x
#define PYCONV_STRINGIFY(x) PYCONV_STRINGIFY_(x)

template <class T>
constexpr DenseKernels<T> MakeDense() {
  return {kLanes<T>, MakeTileSet<T, TileKind::kOcVector, TileSizes<T>::kOcRows, TileSizes<T>::kOcVectors>(),
          MakeTileSet<T, TileKind::kPixelVector, TileSizes<T>::kPixelRows, kPixelVectors<T>>(),
          // As many rows as above: both kinds share packed weights.
          MakeTileSet<T, TileKind::kTransposed, TileSizes<T>::kPixelRows, kMaxWideVectors>(), &Gather2d<T>,
          &AddRows<T>, &PackTaps<T>};
}

#if defined(PYCONV_TARGET_BASELINE)
constexpr bool kFused = false;
#else
constexpr bool kFused = true;
#endif

}  // namespace

extern const PoolTable kPoolTable;            // pool.cpp
extern const DepthwiseTable kDepthwiseTable;  // depthwise.cpp
extern const WinogradTable kWinogradTable;    // winograd.cpp
extern const KernelTable kTable;
constexpr KernelTable kTableValue = {PYCONV_STRINGIFY(PYCONV_TARGET_NS),
                                     kFused,
                                     MakeDense<float>(),
                                     MakeDense<double>(),
                                     &kPoolTable,
                                     &kDepthwiseTable,
                                     &kWinogradTable,
                                     {&FmaPeak<float>, &FmaPeak<double>, &ReadAll},
                                     {&StreamLines, &StreamFence}};
const KernelTable kTable = kTableValue;

}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
