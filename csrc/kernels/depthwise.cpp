// The depthwise kernels, compiled once per instruction set beside table.cpp, which points here; exports the
// one symbol pyconv::<target>::kDepthwiseTable.
#include "kernels/depthwise-inl.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {

extern const DepthwiseTable kDepthwiseTable;
constexpr DepthwiseTable kDepthwiseTableValue = {MakeDepthwise<float>(), MakeDepthwise<double>()};
const DepthwiseTable kDepthwiseTable = kDepthwiseTableValue;

}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
