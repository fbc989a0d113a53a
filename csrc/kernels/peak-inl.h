// What the machine can do at most: FMA throughput from registers, and read bandwidth. Reported beside every
// speed.
#pragma once

#include "simd/vec.h"

namespace pyconv {
namespace PYCONV_TARGET_NS {
namespace {

// As many independent accumulators as leave room for two operands; never fewer than 12 on 16-register targets
// (latency 4-5 x 2 units) and 28 on 32-register ones.
template <class T>
double FmaPeak(Index iterations) {
  constexpr int kAccumulators = kRegisters == 32 ? 28 : 12;
  constexpr int kRepeats = 8;
  V<T> acc[kAccumulators];
#pragma GCC unroll 28
  for (int i = 0; i < kAccumulators; ++i) acc[i] = Set<T>(static_cast<T>(i));
  V<T> a = Set<T>(T(0.999)), b = Set<T>(T(0.001));
  for (Index it = 0; it < iterations; ++it) {
#pragma GCC unroll 8
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
#pragma GCC unroll 28
      for (int i = 0; i < kAccumulators; ++i) acc[i] = MulAdd(a, acc[i], b);
    }
  }
  V<T> sum = acc[0];
#pragma GCC unroll 28
  for (int i = 1; i < kAccumulators; ++i) sum = sum + acc[i];
  volatile T keep = sum[0];
  (void)keep;
  return 2.0 * kLanes<T> * kAccumulators * kRepeats * static_cast<double>(iterations);
}

double ReadAll(const void* data, Index bytes, double* sink) {
  constexpr int kStreams = 8;
  const double* p = static_cast<const double*>(data);
  const Index count = bytes / static_cast<Index>(sizeof(double));
  V<double> sum[kStreams];
#pragma GCC unroll 8
  for (int s = 0; s < kStreams; ++s) sum[s] = Zero<double>();
  Index i = 0;
  for (; i + kStreams * kLanes<double> <= count; i += kStreams * kLanes<double>) {
#pragma GCC unroll 8
    for (int s = 0; s < kStreams; ++s) sum[s] = sum[s] + LoadU(p + i + s * kLanes<double>);
  }
#pragma GCC unroll 8
  for (int s = 1; s < kStreams; ++s) sum[0] = sum[0] + sum[s];
  *sink += sum[0][0];
  return static_cast<double>(i) * sizeof(double);
}

}  // namespace
}  // namespace PYCONV_TARGET_NS
}  // namespace pyconv
