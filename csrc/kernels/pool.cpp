// The pooling kernels, compiled once per instruction set beside table.cpp, which points here; exports the one
// symbol pyconv::<target>::kPoolTable.
#include "kernels/pool_args.h"

#include "kernels/pool_argmax-inl.h"
#include "kernels/pool_lines-inl.h"
#include "kernels/pool_pixels-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

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

}  // namespace

extern const PoolTable kPoolTable;
constexpr PoolTable kPoolTableValue = {MakePool<float>(), MakePool<double>()};
const PoolTable kPoolTable = kPoolTableValue;

}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
