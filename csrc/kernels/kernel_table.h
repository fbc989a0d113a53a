// THE boundary between portable code and instruction sets: one table of function pointers and tile sizes per
// ISA. It is passed as an argument; there is no global dispatch state, so a test can ask for AVX2 on an
// AVX-512 machine.
#pragma once

#include "core/types.h"
#include "kernels/depthwise_args.h"
#include "kernels/pool_args.h"
#include "kernels/tile_output.h"
#include "kernels/winograd_args.h"

namespace pyconv {

// One output tile of a dense convolution, `m` broadcast rows by `n` vector lanes:
//   out[m][n] = finish(sum over chains of (sum over runs, k of broadcast(m, k) * vector(k, n)))
// Every chain starts at +0 and is a sequence of single FMAs; chain sums are added in order. That order is the
// only thing bits depend on (docs/decisions/0005), so every tile shape and both orientations give the same
// ones.
//
// Orientation kOcVector: m = output pixels, n = output channels. k runs over unit-stride activations.
//   broadcast(m, k) = act[m * act_stride + chain * chain_step + run_offset[run] + k];  vector: weights, in
//   order.
// Orientation kPixelVector: m = output channels, n = output pixels at unit stride.
//   broadcast: weights, in order;  vector(k, n) = act[n + k * act_stride + chain * chain_step +
//   run_offset[run]].
// Orientation kTransposed: m and n as for kPixelVector, activations as for kOcVector; vectors of pixels are
// made in registers.
//   broadcast: weights, in order;  vector(k, n) = act[n * act_stride + chain * chain_step + run_offset[run] +
//   k].
// Weights are packed in the order they are read: [chain][run][k][tile's n (or m)]; see algo/packed_weights.h.
// With run_index, the runs are some of packed_runs: run_index[run] is the number of each in the packing.
template <class T>
struct TileArgs : TileOutput<T> {
  const T* act;
  Index act_stride;
  const Index* run_offset;
  Index runs;
  const Index* run_index;  // or null: all of them
  Index packed_runs;
  Index run_length, last_run_length;  // k per run; of the last chain
  Index chains, chain_step;
  const T* weights;

  // Of kOcVector, several chains and one tile a call, unless null: where the last chain, of fewer channels,
  // has its activations, whose pixels are closer together than the others'.
  struct LastChain {
    const T* act = nullptr;
    Index act_stride = 0;
    const Index* run_offset = nullptr;
  } last_chain;

  // A sum too long for one call: with `resume` the totals start from `carry` (contiguous, tile-shaped; of
  // kTransposed one vector of the tile after the other), without `finish` they are left there instead of
  // being finished into `out`.
  T* carry;
  bool resume, finish;

  // What is asked for while sums are made, unless `out` is null: the output of the tile after each one, of
  // the call's last one at `out`. Of kPixelVector, with one run, input too: `rows` rows of pixels from `act`
  // on, `step` apart, as wide as the call; without rows the pixels to the right of those of each tile.
  struct Ahead {
    const T* out = nullptr;
    const T* act = nullptr;
    Index rows = 0, step = 0;
    // Of kOcVector, instead, unless null: weights of a later tile, so many rows of its vectors for each tile
    // of the call. Only some tiles ask; what nobody asks for is read when it is used.
    const T* weights = nullptr;
    Index weight_rows = 0;
  } ahead;

  // Tiles of the same runs and size whose pixels follow each other, in one call: the next one's act and out
  // lie one tile's pixels further. 1 of a sum that takes several calls, and of kTransposed.
  Index tiles = 1;
};

template <class T>
using TileFn = void (*)(const TileArgs<T>&);

// dst[i * dst_stride + j] = src[i * src_i_stride + j * src_j_stride] for i < rows, j < cols: copies,
// transposes and gathers, whatever the strides are.
template <class T>
using Gather2dFn = void (*)(T* dst, Index dst_stride, const T* src, Index src_i_stride, Index src_j_stride,
                            Index rows, Index cols);

// dst[j] = ((dst[j] + src[j]) + src[src_step + j]) + ... for j < cols, over so many rows of src.
template <class T>
using AddRowsFn = void (*)(T* dst, const T* src, Index src_step, Index rows, Index cols);

// dst[(tap * channels + channel) * dst_stride + oc] = src[oc * src_stride + channel * taps + tap].
template <class T>
using PackTapsFn = void (*)(T* dst, Index dst_stride, const T* src, Index src_stride, Index channels,
                            Index taps, Index out_ch);

constexpr int kMaxTileRows = 14;
constexpr int kMaxTileVectors = 4;
constexpr int kMaxWideVectors = 12;

enum class TileKind : unsigned char { kOcVector, kPixelVector, kTransposed };

// Whether neighbouring k of the activations are neighbours in memory, rather than neighbouring pixels.
constexpr bool channels_inner(TileKind kind) { return kind != TileKind::kPixelVector; }

// tile[rows][vectors]: all up to (max_rows, max_vectors), wider ones of fewer rows, taller ones of one
// vector; null where there is none.
template <class T>
struct TileSet {
  int max_rows, max_vectors;
  TileFn<T> tile[kMaxTileRows + 1][kMaxWideVectors + 1];

  int widest(Index rows) const {
    int vectors = max_vectors;
    while (vectors < kMaxWideVectors && tile[rows][vectors + 1]) ++vectors;
    return vectors;
  }
  // Rows of the tallest tile of so many vectors.
  Index tallest(Index vectors) const {
    Index rows = kMaxTileRows;
    while (!tile[rows][vectors]) --rows;
    return rows;
  }
};

template <class T>
struct DenseKernels {
  int lanes;
  TileSet<T> oc_vector, pixel_vector, transposed;
  Gather2dFn<T> gather2d;
  AddRowsFn<T> add_rows;
  PackTapsFn<T> pack_taps;

  // Pixels of the tallest tile of so many output channels, whole vectors of them.
  Index tile_rows(Index tile_oc) const { return oc_vector.tallest(tile_oc / lanes); }
  const TileSet<T>& tiles(TileKind kind) const {
    return kind == TileKind::kOcVector      ? oc_vector
           : kind == TileKind::kPixelVector ? pixel_vector
                                            : transposed;
  }
};

// Machine limits, measured with the same instructions the kernels use. Both return a rate per second.
struct PeakKernels {
  double (*fma_f32)(Index iterations);  // performs the loop, returns flops done
  double (*fma_f64)(Index iterations);
  double (*read)(const void* data, Index bytes, double* sink);  // bytes read
};

// Stores past the caches.
struct StreamKernels {
  void (*lines)(void* lines, const void* from, Index bytes);  // whole cache lines
  void (*fence)();  // before other threads may look: these stores are in no order
};

struct KernelTable {
  const char* name;  // "baseline", "avx2", "avx512", "neon"
  bool fused;        // has fused multiply-add: shares bits with every other fused table
  DenseKernels<float> dense_f32;
  DenseKernels<double> dense_f64;
  const PoolTable* pool;
  const DepthwiseTable* depthwise;
  const WinogradTable* winograd;
  PeakKernels peak;
  StreamKernels stream;
};

// One per compiled target; the only symbol each kernel unit exports.
namespace baseline {
extern const KernelTable kTable;
}
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
namespace neon {
extern const KernelTable kTable;
}

template <class T>
const DenseKernels<T>& dense_kernels(const KernelTable& table) {
  if constexpr (sizeof(T) == 4)
    return table.dense_f32;
  else
    return table.dense_f64;
}
}  // namespace pyconv
