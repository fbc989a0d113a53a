// Compiled once per instruction set (CMake: PYCONV_TARGET_*); exports the one symbol
// pyconv::<target>::kTable.
#include "kernels/kernel_table.h"

#include "kernels/dense-inl.h"
#include "kernels/gather-inl.h"
#include "kernels/peak-inl.h"
#include "kernels/pool_argmax-inl.h"
#include "kernels/pool_lines-inl.h"
#include "kernels/pool_pixels-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

#define PYCONV_STRINGIFY_(x) #x
#define PYCONV_STRINGIFY(x) PYCONV_STRINGIFY_(x)

template <class T>
constexpr DenseKernels<T> MakeDense() {
  return {kLanes<T>, MakeTileSet<T, TileKind::kOcVector, TileSizes<T>::kOcRows, TileSizes<T>::kOcVectors>(),
          MakeTileSet<T, TileKind::kPixelVector, TileSizes<T>::kPixelRows, TileSizes<T>::kPixelVectors>(),
          &Gather2d<T>, &PackTaps<T>};
}

template <class T>
constexpr PoolKernels<T> MakePool() {
  return {kLanes<T>,
          &PoolLines<MaxOf<T>, T>,
          &PoolLines<SumOf<T>, T>,
          &ArgMaxLines<T>,
          &PoolPixels<MaxOf<T>, T>,
          &PoolPixels<SumOf<T>, T>,
          &ArgMaxPixels<T>,
          &ArgMaxAny<T>};
}

#if defined(PYCONV_TARGET_BASELINE)
constexpr bool kFused = false;
#else
constexpr bool kFused = true;
#endif

}  // namespace

extern const KernelTable kTable;
constexpr KernelTable kTableValue = {PYCONV_STRINGIFY(PYCONV_TARGET_NS),
                                     kFused,
                                     MakeDense<float>(),
                                     MakeDense<double>(),
                                     MakePool<float>(),
                                     MakePool<double>(),
                                     {&FmaPeak<float>, &FmaPeak<double>, &ReadAll}};
const KernelTable kTable = kTableValue;

}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
