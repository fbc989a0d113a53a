// Pooling: how one problem on given arrays is computed, and doing it.
#pragma once

#include "kernels/kernel_table.h"
#include "problem/pool_problem.h"

namespace pyconv {

struct PoolRequest {
  PoolProblem problem;
  ActivationStrides in_strides, out_strides, index_strides;
  int threads;
  const KernelTable* table;
};

// Which loop runs: vectors along the width, along channels, along channels of transposed strips of
// channels-first planes, along the width of a dense channels-last row, or one element at a time for indices
// that do not fit a vector's lanes. They share bits; only speed depends on it.
enum class PoolPath : unsigned char { kLines, kPixels, kStrips, kDenseLines, kElements };
const char* pool_path_name(PoolPath path);

struct PoolPlan {
  PoolRequest request;
  PoolPath path;
  Index plane_step, row_step, col_step;  // output of one chunk; of one strip for kStrips
  Index chunks;
};

PoolPlan plan_pool(const PoolRequest& request);

// in and out are arrays of the problem's dtype; indices is null unless the problem returns them.
void run_pool(const PoolPlan& plan, const void* in, void* out, Index* indices);

}  // namespace pyconv
