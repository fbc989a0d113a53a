// Pooling of small channels-first planes by vectors of channels: strips of planes are transposed into a
// buffer that stays in cache, pooled there as channels-last pixels, and the results transposed back. Along
// short rows most of a vector would be empty.
#pragma once

#include "engine/pool.h"

namespace pyconv {

// Planes to a strip; 0 where planes are too large, too few or not dense.
Index planes_per_strip(const PoolRequest& request, int lanes);

std::size_t strip_scratch_bytes(const PoolPlan& plan);

// Strips [begin, end) of plan.plane_step planes; `args` describe the whole problem.
template <class T>
void run_strips(const PoolPlan& plan, const PoolArgs<T>& args, Index begin, Index end);

extern template void run_strips<float>(const PoolPlan&, const PoolArgs<float>&, Index, Index);
extern template void run_strips<double>(const PoolPlan&, const PoolArgs<double>&, Index, Index);

}  // namespace pyconv
