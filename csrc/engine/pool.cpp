#include "engine/pool.h"

#include <limits>

#include "core/math.h"
#include "engine/pool_strips.h"
#include "runtime/cpu.h"
#include "runtime/thread_pool.h"

namespace pyconv {
namespace {

// Work is counted in elements read by the two passes; below this many a chunk is not worth handing over
// (a wake-up costs about as much as 50 us of pooling at some 4 elements a nanosecond).
constexpr double kMinChunkWork = 32 * 1024;
constexpr Index kChunksPerThread = 12;

double work_of(const PoolProblem& p) {
  const double per_output = static_cast<double>(min_of(p.kernel[kD], p.in[kD])) *
                                static_cast<double>(min_of(p.kernel[kH], p.in[kH])) *
                                static_cast<double>(min_of(p.stride[kW], p.kernel[kW])) +
                            static_cast<double>(min_of(p.kernel[kW], p.in[kW]));
  return per_output * static_cast<double>(p.out_elements());
}

// Positions relative to a window's first row and column, and the distance from padding to the first element.
bool index_fits_lanes(const PoolProblem& p) {
  if (p.dtype == DType::kFloat64) return true;
  const double rows = (static_cast<double>(p.dilation[kD]) * static_cast<double>(p.kernel[kD] - 1) + 1) *
                      static_cast<double>(p.in[kH]);
  const double reach = (rows + static_cast<double>(p.dilation[kH]) * static_cast<double>(p.kernel[kH])) *
                           static_cast<double>(p.in[kW]) +
                       static_cast<double>(p.dilation[kW]) * static_cast<double>(p.kernel[kW]) +
                       static_cast<double>(p.pad_begin[kW] + p.pad_end[kW] + p.in[kW]);
  return reach < static_cast<double>(std::numeric_limits<std::int32_t>::max());
}

bool has_unit_channels(const PoolRequest& r) {
  return r.problem.channels > 1 && r.in_strides.channel == 1 && r.out_strides.channel == 1 &&
         (!r.problem.return_indices || r.index_strides.channel == 1);
}

// Rows whose columns follow each other without a gap, short of a vector of channels, windows of one line
// buffer.
bool has_dense_rows(const PoolRequest& r, int lanes) {
  const PoolProblem& p = r.problem;
  const Index columns = kPoolLineBytes / static_cast<Index>(sizeof(double)) / p.channels;
  return p.channels < lanes && !p.return_indices && r.in_strides.spatial[kW] == p.channels &&
         r.out_strides.spatial[kW] == p.channels &&
         window_extent(p.kernel[kW], p.dilation[kW]) < columns / 2 && p.kernel[kW] <= 128;
}

int lanes_of(const PoolRequest& r) {
  return r.problem.dtype == DType::kFloat32 ? r.table->pool->f32.lanes : r.table->pool->f64.lanes;
}

PoolPath choose_path(const PoolRequest& r) {
  if (r.problem.return_indices && !index_fits_lanes(r.problem)) return PoolPath::kElements;
  if (!has_unit_channels(r))
    return planes_per_strip(r, lanes_of(r)) > 0 ? PoolPath::kStrips : PoolPath::kLines;
  return has_dense_rows(r, lanes_of(r)) ? PoolPath::kDenseLines : PoolPath::kPixels;
}

// Dimensions along which windows are one element wide and channels-last arrays dense are more channels: the
// row of a window is then one stretch of memory (max 2x1x1 stride 2x1x1, 256@8x56x56: 4160 us, 1030 with
// it).
PoolRequest simplified(const PoolRequest& request) {
  PoolRequest r = request;
  PoolProblem& p = r.problem;
  if (p.return_indices || !has_unit_channels(r)) return r;
  for (int dim = kW; dim >= kD; --dim) {
    const bool elementwise =
        p.kernel[dim] == 1 && p.stride[dim] == 1 && p.pad_begin[dim] + p.pad_end[dim] == 0;
    if (!elementwise || r.in_strides.spatial[dim] != p.channels || r.out_strides.spatial[dim] != p.channels)
      return r;
    if (request.threads > 1 && p.batch * p.out.product() / p.out[dim] < request.threads * kChunksPerThread)
      return r;
    p.channels *= p.in[dim];
    p.in[dim] = p.out[dim] = 1;
  }
  return r;
}

// Planes a path walks: images, or the channels of all images.
Index planes_of(const PoolPlan& plan) {
  const PoolProblem& p = plan.request.problem;
  return plan.path == PoolPath::kPixels || plan.path == PoolPath::kDenseLines ? p.batch
                                                                              : p.batch * p.channels;
}

template <class T>
PoolFn<T> kernel_of(const PoolPlan& plan) {
  const PoolKernels<T>& k = pool_kernels<T>(*plan.request.table->pool);
  const PoolProblem& p = plan.request.problem;
  if (plan.path == PoolPath::kElements) return k.argmax_any;
  const bool pixels = plan.path == PoolPath::kPixels;
  if (p.return_indices) return pixels ? k.argmax_pixels : k.argmax_lines;
  if (p.kind == PoolKind::kMax) return pixels ? k.max_pixels : k.max_lines;
  return pixels ? k.average_pixels : k.average_lines;
}

// How far ahead of a window's rows to prefetch: some whole rows, at least kPrefetchBytes. Pays where rows are
// short and the input comes from beyond L2.
constexpr Index kPrefetchBytes = 3072, kPrefetchFrom = 512 * 1024;

Index prefetch_distance(const PoolPlan& plan, Index element_bytes) {
  const PoolProblem& p = plan.request.problem;
  const Index step = p.stride[kH] * plan.request.in_strides.spatial[kH] * element_bytes;
  const Index image = p.channels * p.in.product() * element_bytes;
  if (plan.path != PoolPath::kLines || p.out[kH] == 1 || step <= 0 || image < kPrefetchFrom) return 0;
  return ceil_div(kPrefetchBytes, step) * step / element_bytes;
}

template <class T>
PoolArgs<T> arguments(const PoolPlan& plan, const void* in, void* out, Index* indices) {
  const PoolProblem& p = plan.request.problem;
  PoolArgs<T> a{};
  a.in_size = p.in, a.kernel = p.kernel, a.stride = p.stride, a.dilation = p.dilation;
  a.pad = p.pad_begin, a.out_size = p.out;
  for (int dim = 0; dim < kMaxSpatial; ++dim) a.counted_end[dim] = p.in[dim] + p.pad_end[dim];
  a.count_pad = p.count_include_pad;
  a.fixed_divisor = static_cast<T>(p.divisor_override);
  a.in = static_cast<const T*>(in), a.out = static_cast<T*>(out), a.indices = indices;
  a.in_stride = plan.request.in_strides;
  a.out_stride = plan.request.out_strides;
  a.index_stride = plan.request.index_strides;
  const bool dense = plan.path == PoolPath::kDenseLines;
  a.channels = dense || plan.path == PoolPath::kPixels ? 1 : p.channels;
  a.inner = dense ? p.channels : 1;
  a.prefetch = prefetch_distance(plan, sizeof(T));
  // A sixth: other arrays want L3 too (average 2x2 8x256@28, 6.4 MB, among others, three runs each: 0.76 to
  // 1.13 of torch's speed, asked for 0.95 to 2.21).
  a.from_memory =
      static_cast<std::size_t>(p.batch * p.channels * p.in.product()) * sizeof(T) > cache_sizes().l3 / 6;
  a.channel_begin = 0, a.channel_end = p.channels;
  return a;
}

template <class T>
void run(const PoolPlan& plan, const void* in, void* out, Index* indices) {
  const PoolFn<T> kernel = kernel_of<T>(plan);
  const PoolArgs<T> all = arguments<T>(plan, in, out, indices);
  if (plan.path == PoolPath::kStrips) {
    const Index strips = ceil_div(planes_of(plan), plan.plane_step);
    return parallel_for(plan.request.threads, plan.chunks, [&](ChunkSource& source) {
      for (Index chunk; source.next(&chunk);)
        run_strips(plan, all, strips * chunk / plan.chunks, strips * (chunk + 1) / plan.chunks);
    });
  }
  const Index planes = planes_of(plan), rows = plan.request.problem.out[kD] * plan.request.problem.out[kH];
  const Index cols = plan.request.problem.out[kW];
  const Index row_chunks = ceil_div(rows, plan.row_step), col_chunks = ceil_div(cols, plan.col_step);
  parallel_for(plan.request.threads, plan.chunks, [&](ChunkSource& source) {
    PoolArgs<T> part = all;
    for (Index chunk; source.next(&chunk);) {
      const Index col = chunk % col_chunks, row = chunk / col_chunks % row_chunks,
                  plane = chunk / (col_chunks * row_chunks);
      part.plane_begin = plane * plan.plane_step;
      part.plane_end = min_of(part.plane_begin + plan.plane_step, planes);
      part.row_begin = row * plan.row_step;
      part.row_end = min_of(part.row_begin + plan.row_step, rows);
      part.col_begin = col * plan.col_step;
      part.col_end = min_of(part.col_begin + plan.col_step, cols);
      kernel(part);
    }
  });
}

}  // namespace

const char* pool_path_name(PoolPath path) {
  switch (path) {
    case PoolPath::kLines:
      return "lines";
    case PoolPath::kPixels:
      return "pixels";
    case PoolPath::kStrips:
      return "strips";
    case PoolPath::kDenseLines:
      return "dense_lines";
    case PoolPath::kElements:
      return "elements";
  }
  return "?";
}

PoolPlan plan_pool(const PoolRequest& asked) {
  const PoolRequest request = simplified(asked);
  PoolPlan plan{request, choose_path(request), 0, 0, 0, 0};
  const PoolProblem& p = request.problem;
  const Index planes = planes_of(plan), rows = p.out[kD] * p.out[kH], cols = p.out[kW];
  plan.plane_step = planes, plan.row_step = rows, plan.col_step = cols;
  if (planes == 0) return plan;
  const double affordable = work_of(p) / kMinChunkWork;
  const Index wanted = request.threads * kChunksPerThread;
  const Index chunks = request.threads == 1                       ? 1
                       : affordable < static_cast<double>(wanted) ? max_of(static_cast<Index>(affordable), 1)
                                                                  : wanted;
  if (plan.path == PoolPath::kStrips) {
    plan.plane_step = planes_per_strip(request, lanes_of(request));
    plan.chunks = min_of(chunks, ceil_div(planes, plan.plane_step));
    return plan;
  }
  // Planes first, then rows, then columns: neighbouring rows share input.
  plan.plane_step = ceil_div(planes, min_of(chunks, planes));
  const Index per_plane = ceil_div(chunks, planes);
  plan.row_step = ceil_div(rows, min_of(per_plane, rows));
  plan.col_step = ceil_div(cols, min_of(ceil_div(per_plane, rows), cols));
  plan.chunks =
      ceil_div(planes, plan.plane_step) * ceil_div(rows, plan.row_step) * ceil_div(cols, plan.col_step);
  return plan;
}

void run_pool(const PoolPlan& plan, const void* in, void* out, Index* indices) {
  if (plan.chunks == 0) return;
  if (plan.request.problem.dtype == DType::kFloat32)
    run<float>(plan, in, out, indices);
  else
    run<double>(plan, in, out, indices);
}

}  // namespace pyconv
