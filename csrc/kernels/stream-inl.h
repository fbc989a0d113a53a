// Stores that go past the caches: lines that are written whole need not be read first, and displace nothing.
#pragma once

#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// Both lie at cache lines; bytes is a multiple of one.
void StreamLines(void* lines, const void* from, Index bytes) {
  float* to = static_cast<float*>(lines);
  const float* values = static_cast<const float*>(from);
  for (Index i = 0; i < bytes / static_cast<Index>(sizeof(float)); i += kLanes<float>)
    StoreStream(LoadU(values + i), to + i);
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
