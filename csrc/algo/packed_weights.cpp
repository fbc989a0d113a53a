#include "algo/packed_weights.h"

#include <cstring>

#include "algo/accumulation.h"

namespace pyconv {
namespace {

template <class T>
Index lanes_of(const KernelTable& table) {
  return dense_kernels<T>(table).lanes;
}

Index lanes(const ConvProblem& p, const KernelTable& table) {
  return p.dtype == DType::kFloat32 ? lanes_of<float>(table) : lanes_of<double>(table);
}

// One tile of output channels: every chain, tap and input channel of it, in reading order.
template <class T>
T* pack_tile(const ConvProblem& p, const DenseKernels<T>& kernels, const T* w, const WeightStrides& strides,
             Index width, Index padded_width, T* packed) {
  const Chains chains = chains_of(p);
  for (Index chain = 0; chain < chains.count; ++chain) {
    const Index channels = chain + 1 == chains.count ? chains.last_block : chains.block;
    const T* block = w + chain * chains.block * strides.in_ch;
    for (Index kd = 0; kd < p.kernel[kD]; ++kd)
      for (Index kh = 0; kh < p.kernel[kH]; ++kh)
        for (Index kw = 0; kw < p.kernel[kW]; ++kw) {
          const T* tap = block + kd * strides.kernel[kD] + kh * strides.kernel[kH] + kw * strides.kernel[kW];
          if (padded_width != width)
            std::memset(packed, 0, static_cast<std::size_t>(channels * padded_width) * sizeof(T));
          kernels.gather2d(packed, padded_width, tap, strides.in_ch, strides.out_ch, channels, width);
          packed += channels * padded_width;
        }
  }
  return packed;
}

template <class T>
void pack_all(const ConvPlan& plan, const T* weight, T* packed) {
  const ConvProblem& p = plan.request.problem;
  const KernelTable& table = *plan.request.table;
  const WeightStrides& strides = plan.request.weight;
  const TileKind kind = plan.blocking.kind;
  const DenseKernels<T>& kernels = dense_kernels<T>(table);
  const Index tile = packed_tile_width(p, table, kind);
  const Index granule = kind == TileKind::kOcVector ? kernels.lanes : 1;
  for (Index group = 0; group < p.groups; ++group)
    for (Index oc = 0; oc < p.out_ch_per_group(); oc += tile) {
      const Index width = min_of(tile, p.out_ch_per_group() - oc);
      const T* w = weight + (group * p.out_ch_per_group() + oc) * strides.out_ch;
      packed = pack_tile(p, kernels, w, strides, width, round_up(width, granule), packed);
    }
}

}  // namespace

Index packed_tile_width(const ConvProblem& p, const KernelTable& table, TileKind kind) {
  const bool f32 = p.dtype == DType::kFloat32;
  if (kind == TileKind::kPixelVector)
    return f32 ? table.dense_f32.pixel_vector.max_rows : table.dense_f64.pixel_vector.max_rows;
  return lanes(p, table) *
         (f32 ? table.dense_f32.oc_vector.max_vectors : table.dense_f64.oc_vector.max_vectors);
}

Index packed_out_ch(const ConvProblem& p, const KernelTable& table, TileKind kind) {
  return round_up(p.out_ch_per_group(), kind == TileKind::kOcVector ? lanes(p, table) : 1);
}

std::size_t packed_weight_bytes(const ConvProblem& p, const KernelTable& table, TileKind kind) {
  const std::size_t element = p.dtype == DType::kFloat32 ? sizeof(float) : sizeof(double);
  return static_cast<std::size_t>(packed_offset(p, packed_out_ch(p, table, kind), p.groups, 0)) * element;
}

void pack_weights(const ConvPlan& plan, const void* weight, void* packed) {
  if (plan.request.problem.dtype == DType::kFloat32)
    pack_all(plan, static_cast<const float*>(weight), static_cast<float*>(packed));
  else
    pack_all(plan, static_cast<const double*>(weight), static_cast<double*>(packed));
}

}  // namespace pyconv
