#include "algo/packed_weights.h"

#include <cstring>

#include "algo/accumulation.h"
#include "algo/dense.h"
#include "runtime/thread_pool.h"

namespace pyconv {
namespace {

bool taps_are_contiguous(const ConvProblem& p, const WeightStrides& s) {
  Index step = 1;
  for (int dim = kW; dim >= kD; --dim) {
    if (p.kernel[dim] > 1 && s.kernel[dim] != step) return false;
    step *= p.kernel[dim];
  }
  return p.in_ch_per_group() == 1 || s.in_ch == step;
}

// One chain of one tile, tap by tap: for weights of any strides (flipped, transposed, views).
template <class T>
void pack_strided(const ConvProblem& p, const DenseKernels<T>& kernels, const T* w,
                  const WeightStrides& strides, Index channels, Index width, Index padded_width, T* packed) {
  for (Index kd = 0; kd < p.kernel[kD]; ++kd)
    for (Index kh = 0; kh < p.kernel[kH]; ++kh)
      for (Index kw = 0; kw < p.kernel[kW]; ++kw) {
        const T* tap = w + kd * strides.kernel[kD] + kh * strides.kernel[kH] + kw * strides.kernel[kW];
        kernels.gather2d(packed, padded_width, tap, strides.in_ch, strides.out_ch, channels, width);
        packed += channels * padded_width;
      }
}

}  // namespace

template <class T>
void pack_tile(const ConvPlan& plan, const T* weight, Index group, Index oc, T* packed) {
  const ConvProblem& p = plan.request.problem;
  const WeightStrides& strides = plan.request.weight;
  const TileKind kind = plan.blocking.kind;
  const DenseKernels<T>& kernels = dense_kernels<T>(*plan.request.table);
  const Index width = min_of(packed_tile_width(p, *plan.request.table, kind), p.out_ch_per_group() - oc);
  const Index padded_width = kind == TileKind::kOcVector ? round_up(width, kernels.lanes) : width;
  const T* w = weight + (group * p.out_ch_per_group() + oc) * strides.out_ch;
  const Chains chains = chains_of(p);
  const bool contiguous = taps_are_contiguous(p, strides);
  if (padded_width != width)
    std::memset(packed, 0,
                static_cast<std::size_t>(p.in_ch_per_group() * p.taps() * padded_width) * sizeof(T));
  for (Index chain = 0; chain < chains.count; ++chain) {
    const Index channels = chain + 1 == chains.count ? chains.last_block : chains.block;
    const T* block = w + chain * chains.block * strides.in_ch;
    if (contiguous)
      kernels.pack_taps(packed, padded_width, block, strides.out_ch, channels, p.taps(), width);
    else
      pack_strided(p, kernels, block, strides, channels, width, padded_width, packed);
    packed += channels * p.taps() * padded_width;
  }
}

template void pack_tile<float>(const ConvPlan&, const float*, Index, Index, float*);
template void pack_tile<double>(const ConvPlan&, const double*, Index, Index, double*);

namespace {

template <class T>
void pack_all(const ConvPlan& plan, const T* weight, T* packed) {
  const ConvProblem& p = plan.request.problem;
  const TileKind kind = plan.blocking.kind;
  const Index tile = packed_tile_width(p, *plan.request.table, kind);
  const Index tiles = ceil_div(p.out_ch_per_group(), tile),
              padded = packed_out_ch(p, *plan.request.table, kind);
  parallel_for(plan.request.threads, p.groups * tiles, [&](ChunkSource& source) {
    for (Index number; source.next(&number);) {
      const Index group = number / tiles, oc = number % tiles * tile;
      pack_tile(plan, weight, group, oc, packed + packed_offset(p, padded, group, oc));
    }
  });
}

// Vectors of output channels in a tile: as many as load least for all channels of a pixel. Many have few rows
// and read the weights more often, so those that L2 has no room for beside a band keep to the tallest tiles
// (docs/decisions/0036-loads-for-each-sum.md).
template <class T>
Index tile_vectors(const ConvProblem& p, const DenseKernels<T>& kernels) {
  const TileSet<T>& tiles = kernels.oc_vector;
  const Index all = ceil_div(p.out_ch_per_group(), kernels.lanes);
  const Index usual = min_of(all, tiles.max_vectors);
  const Index weights = all * kernels.lanes * p.in_ch_per_group() * p.taps();
  if (static_cast<std::size_t>(weights) * sizeof(T) > kL2Bytes / 2) return usual;
  const auto loads = [&](Index vectors) {
    const Index rows = tiles.tallest(vectors), rest = all % vectors;
    const Index of_tiles = all / vectors * (rows + vectors) + (rest > 0 ? rows + rest : 0);
    return static_cast<double>(of_tiles) / static_cast<double>(rows);
  };
  Index best = usual;
  for (Index vectors = usual + 1; vectors <= min_of(all, tiles.widest(1)); ++vectors)
    if (loads(vectors) < loads(best)) best = vectors;
  return best;
}

}  // namespace

Index vector_lanes(const ConvProblem& p, const KernelTable& table) {
  return p.dtype == DType::kFloat32 ? table.dense_f32.lanes : table.dense_f64.lanes;
}

Index packed_tile_width(const ConvProblem& p, const KernelTable& table, TileKind kind) {
  const bool f32 = p.dtype == DType::kFloat32;
  if (kind != TileKind::kOcVector) {  // even tiles: with one row a vector is loaded for every FMA
    const Index most = f32 ? table.dense_f32.pixel_vector.max_rows : table.dense_f64.pixel_vector.max_rows;
    return EvenSplit(p.out_ch_per_group(), most).size(0);
  }
  return vector_lanes(p, table) * (f32 ? tile_vectors(p, table.dense_f32) : tile_vectors(p, table.dense_f64));
}

Index packed_out_ch(const ConvProblem& p, const KernelTable& table, TileKind kind) {
  return round_up(p.out_ch_per_group(), kind == TileKind::kOcVector ? vector_lanes(p, table) : 1);
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
