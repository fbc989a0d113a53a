// What direct and im2col have in common: the grid of chunks, and the sweep of tiles over packed activations.
#pragma once

#include "algo/accumulation.h"
#include "algo/algorithm.h"
#include "algo/output_stream.h"
#include "algo/packed_weights.h"

namespace pyconv {

// Output elements are cut into chunks: (image, groups, output depth, band of rows, band of columns, output
// channels), channels fastest, so that one thread meets the same band several times in a row. With
// Blocking::across_depths rows are counted through all depths of an image, whose depth is 0; with
// across_images through all images, and the image is 0.
struct ChunkGrid {
  Index row_bands, col_bands, oc_chunks;
  Index bands_per_depth() const { return row_bands * col_bands; }
};

struct Chunk {
  Index image, group, groups, od;  // the groups from `group` on
  Index row0, rows, col0, cols;    // output
  Index oc0, oc;                   // of the group
  Index band;                      // number of (image, groups, od, row band, column band)
};

// Rows that are cut into bands: of an image's depth, or of all those they are counted through.
Index rows_of(const ConvPlan& plan);
ChunkGrid chunk_grid(const ConvPlan& plan);
Index chunk_count(const ConvPlan& plan);
Chunk decode_chunk(const ConvPlan& plan, const ChunkGrid& grid, Index number);
// Enough chunks for every thread to take 8 to 16. Rows are cut before columns of channels-last output (a
// pointwise layer is one row: cut by channels, two threads write to the same pixels; docs/decisions/0019),
// these before channels (whose cut repacks the band), unless weights are large. Beyond ten threads small maps
// end with some threads idle; then in finer steps, narrow tiles last.
void cut_for_threads(ConvPlan* plan, Index tile_oc, Index tile_cols);

std::size_t input_bytes(const ConvProblem& p);
// Whether whoever reads the output will not find it in L2.
bool outgrows_caches(const ConvProblem& p);
// The same where nothing hides its way there.
bool outgrows_l2(const ConvProblem& p);
// Whether what is read and written next is asked for ahead: where it exceeds `found` bytes, which the
// hardware's prefetchers bring as fast. Every line asked for takes the place of a load.
bool asks_for_memory(const ConvProblem& p, std::size_t found);
// So much of L3 (docs/decisions/0026, 0052). Depthwise (32 MB, us): from L3 asking costs 1.05 to 1.3 (Zen 4,
// 576@14 30 and 24; Zen 3, 144@112 stride 2, 9.0 MB, 404 and 300), from memory it saves a third (Zen 3,
// 192@80, 9.8 MB, 526 and 676 in a quiet minute, 816 and 1260 in another).
std::size_t found_in_l3();
// Whether tiles ask for the lines of the next one between the terms of their sums: where L2 has more than 1
// MB (nothing else was measured) and half of it does not hold input and output
// (docs/decisions/0040-between-the-terms.md).
bool asks_between_terms(const ConvProblem& p);
// Whether tiles ask for the weights of the next one, those of a group having so many bytes: more than twice
// an L2 of more than 1 MB (nothing else was measured). Not one tile of pixels alone, whose weights are a
// stream that prefetchers bring faster (docs/decisions/0049-weights-ahead.md).
bool asks_for_weights(std::size_t group_bytes);
// Whether they come from memory besides, so that what asks for them is worth a detour.
bool asks_memory_for_weights(std::size_t group_bytes);
// Whether the output leaves L3 to others, and, in the order in which a sweep with oc_inner makes it, is one
// stream: pixels without gaps.
bool streams_output(const ConvPlan& plan);
// Elements of the buffer of one thread; 0 where nothing is streamed.
Index stream_elements(const ConvPlan& plan);

// Everything of a tile call that does not change within a chunk.
template <class T>
struct TileSweep {
  const ConvPlan* plan;
  const DenseKernels<T>* kernels;
  const T* packed;  // all weights, or null and packed_tile holds the tile in use
  const T* packed_tile = nullptr;
  Index packed_out_ch, tile_oc;
  TileArgs<T> args;  // act, out, weights, bias, residual, n_valid set per tile
  const T* bias;
  const T* residual;
  T* out;
  OutputStream<T> stream;
  // Of a sum that is taken up again: k already done, and elements between the carries of neighbouring tiles.
  Index k_done = 0, carry_step = 0;
  // Input that the tiles of the next run() ask for, each its share: a core has 24 lines on their way, and a
  // whole tile's at once keep it waiting (1x1 stride 2 64 > 96, 184x248: 2265 us, spread 2050). Of pixel
  // vectors that is a row of as many pixels as run() has of each channel; read in place, it lies to the right
  // of theirs, and channel_step is 0.
  struct Ahead {
    const T* pixel = nullptr;
    Index pixels = 0, pixel_step = 0, channels = 0, channel_step = 0;
  } ahead;
  bool asks_for_output;  // of vectors of channels, between terms
  bool asks_for_weights;
  // The next tile's, whose pixels are to have all of this one's weights first: elements between the two, 0
  // for nothing to ask for; rows that each tile of pixels asks for; elements asked for so far.
  struct AheadWeights {
    Index distance = 0, rows = 0, asked = 0;
  } ahead_weights;
  Index group_step = 0;  // elements between the activations of neighbouring groups of a chunk

  // stream_buffer: stream_elements(plan), or null where nothing is streamed.
  TileSweep(const ConvPlan& plan, const ConvOperands& operands, const DenseKernels<T>& kernels,
            T* stream_buffer = nullptr);

  // Runs `tiles` neighbours, each of `pixels` outputs in a row, from (image, group, od, oh, ow) on, output
  // channels [oc0, oc0 + oc) of each of the chunk's groups; act is the first pixel's (k = 0) element.
  void run(const T* act, const Chunk& chunk, Index oh, Index ow, Index pixels, Index oc0, Index oc,
           Index tiles = 1);

 private:
  void place(const Chunk& chunk, Index group, Index oh, Index ow, Index oc0);
  void ask_ahead(Index tiles);
  void ask_between_terms(Index tiles, const T* right);
  void ask_for_weights();
  void run_oc_vectors(Index pixels, Index oc, Index groups_left);
  void run_pixel_vectors(Index pixels, Index oc);
  void next_tile();
};

extern template struct TileSweep<float>;
extern template struct TileSweep<double>;

// Rows of channel-vector tiles are even where they can be: on Zen 4 the AVX2 tile of 5 rows reaches 76 % of
// the peak, those of 4 and 6 reach 90 % (AVX-512: all 95-99 %).
constexpr Index kPixelUnit = 2;

// Shares of the per-core cache that blockings are cut for. Flat optimum; see docs/decisions/0009.
constexpr std::size_t kL2Bytes = std::size_t{1} << 20;

// From so many bytes of weights on threads read them once, each those of its own output channels, rather than
// once for every cut of the pixels (two threads of Zen 3, direct's 16 to 64 MB 1.13 in the mean, worst 0.90,
// of 9 MB 0.98; Winograd's 10 to 67 MB 1.1 to 2.4, of 8 MB 0.93; docs/decisions/0034-large-weights.md).
constexpr std::size_t kWeightsReadOnce = std::size_t{10} << 20;

// From so many bytes on whoever reads the output will not find it in L2; from four times as many on where
// sums are so short that L3 takes their results faster than memory does (16 > 32, 3 MB: 375 us, streamed
// 450).
constexpr std::size_t kLargeOutput = 2 * kL2Bytes;
constexpr Index kTermsHidingStores = 20;

// From so many on it is streamed past all caches; less is left in L3, where the next layer finds it (Zen 5:
// 64 > 256@56, 3.2 MB, and back, twice, 1680 us, streamed 1940; 64 > 64@192, 9.4 MB, four times, 6200 and
// 5500; Zen 4: four pointwise layers of 64 channels at 96x96, 2.4 MB, 2840 us, streamed 3200, 128x128 5330
// and 5790), unless L2 is small (not measured again).
constexpr std::size_t kStreamedPastSmallL2 = kLargeOutput, kStreamed = 4 * kLargeOutput;
// Where L2 has more than 1 MB, as in Intel's cores, only behind sums of so many terms: past the caches a
// store waits for memory in one of few buffers (Emerald Rapids, 16 > 128@1024x1024, 537 MB, 174 ms and 124
// through the caches; 3x7x7 3 > 96, 441 terms, 14.5 and 15.3; docs/decisions/0038-what-weights-cost.md).
constexpr Index kTermsHidingStreams = 256;

// Calls one function for either element type: dispatch(problem, [&](auto zero) { using T = decltype(zero);
// ... }).
template <class F>
auto dispatch_dtype(const ConvProblem& p, F&& f) {
  return p.dtype == DType::kFloat32 ? f(float{}) : f(double{});
}

inline std::size_t element_bytes(const ConvProblem& p) {
  return p.dtype == DType::kFloat32 ? sizeof(float) : sizeof(double);
}
// Whether two vectors share a cache line.
inline bool half_lines(const ConvProblem& p, Index lanes) {
  return lanes * static_cast<Index>(element_bytes(p)) < static_cast<Index>(kCacheLine);
}

}  // namespace pyconv
