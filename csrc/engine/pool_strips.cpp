#include "engine/pool_strips.h"

#include "core/math.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Positions of a plane's input and output together. Larger planes, walked in bands of rows, lost to vectors
// along the width (max 2x2 stride 2, 512@64: 970 us, lines 360), 55x55 is level; at 28x28 and below strips
// win by 1.5 to 8. Flat between 1024 and 2048.
constexpr Index kMostPositions = 2048;
constexpr Index kStripBytes = 128 << 10;
constexpr Index kMostVectors = 8;  // of channels that the kernels take at once

bool has_dense_planes(const ActivationStrides& s, const Spatial& size, Index batch, Index channels) {
  Index step = 1;
  for (int dim = kW; dim >= kD; step *= size[dim--])
    if (size[dim] > 1 && s.spatial[dim] != step) return false;
  return batch == 1 || s.batch == channels * s.channel;
}

ActivationStrides pixel_strides(const Spatial& size, Index pitch) {
  ActivationStrides s{};
  s.channel = 1;
  s.spatial = Spatial{{size[kH] * size[kW] * pitch, size[kW] * pitch, pitch}};
  return s;
}

template <class T>
PoolArgs<T> strip_arguments(const PoolPlan& plan, const PoolArgs<T>& args, const T* in, T* out) {
  PoolArgs<T> strip = args;
  strip.channels = strip.inner = 1;
  strip.prefetch = 0;
  strip.in = in;
  strip.out = out;
  strip.in_stride = pixel_strides(args.in_size, plan.plane_step);
  strip.out_stride = pixel_strides(args.out_size, plan.plane_step);
  strip.plane_begin = strip.row_begin = strip.col_begin = strip.channel_begin = 0;
  strip.plane_end = 1;
  strip.row_end = args.out_size[kD] * args.out_size[kH];
  strip.col_end = args.out_size[kW];
  return strip;
}

}  // namespace

Index planes_per_strip(const PoolRequest& r, int lanes) {
  const PoolProblem& p = r.problem;
  const Index planes = p.batch * p.channels;
  const Index element = p.dtype == DType::kFloat32 ? sizeof(float) : sizeof(double);
  const Index positions = p.in.product() + p.out.product();
  if (p.return_indices || planes < lanes || positions > kMostPositions ||
      !has_dense_planes(r.in_strides, p.in, p.batch, p.channels) ||
      !has_dense_planes(r.out_strides, p.out, p.batch, p.channels))
    return 0;
  Index vectors = 1;
  while (vectors < kMostVectors && 2 * vectors * lanes <= planes &&
         2 * vectors * positions * lanes * element <= kStripBytes)
    vectors *= 2;
  return vectors * lanes;
}

std::size_t strip_scratch_bytes(const PoolPlan& plan) {
  const PoolProblem& p = plan.request.problem;
  const std::size_t element = p.dtype == DType::kFloat32 ? sizeof(float) : sizeof(double);
  return static_cast<std::size_t>((p.in.product() + p.out.product()) * plan.plane_step) * element;
}

template <class T>
void run_strips(const PoolPlan& plan, const PoolArgs<T>& args, Index begin, Index end) {
  const PoolRequest& r = plan.request;
  const PoolKernels<T>& pool = pool_kernels<T>(*r.table->pool);
  const PoolFn<T> kernel = r.problem.kind == PoolKind::kMax ? pool.max_pixels : pool.average_pixels;
  const Gather2dFn<T> gather = dense_kernels<T>(*r.table).gather2d;
  const Index pitch = plan.plane_step, positions = r.problem.in.product(), results = r.problem.out.product();
  const ScratchBlock scratch(strip_scratch_bytes(plan));
  T* const in = scratch.as<T>();
  T* const out = in + positions * pitch;
  PoolArgs<T> strip = strip_arguments(plan, args, in, out);
  for (Index number = begin; number < end; ++number) {
    const Index plane = number * pitch;
    strip.channel_end = min_of(pitch, r.problem.batch * r.problem.channels - plane);
    gather(in, pitch, args.in + plane * r.in_strides.channel, 1, r.in_strides.channel, positions,
           strip.channel_end);
    kernel(strip);
    T* const to = args.out + plane * r.out_strides.channel;
    if (results == 1 && r.out_strides.channel == 1)
      gather(to, 1, out, 1, 1, 1, strip.channel_end);
    else
      gather(to, r.out_strides.channel, out, 1, pitch, strip.channel_end, results);
  }
}

template void run_strips<float>(const PoolPlan&, const PoolArgs<float>&, Index, Index);
template void run_strips<double>(const PoolPlan&, const PoolArgs<double>&, Index, Index);

}  // namespace pyconv
