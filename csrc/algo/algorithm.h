// What an algorithm is: one row of the registry. It reads the problem, plans a blocking for a request, packs
// weights, and executes. Data flows one way: problem -> choice -> plan -> execution.
#pragma once

#include <cstddef>
#include <string>

#include "core/check.h"
#include "core/types.h"
#include "kernels/kernel_table.h"
#include "problem/conv_problem.h"

namespace pyconv {

// torch's words. kHighest admits only elementwise-bounded algorithms (promise 5).
enum class Precision : unsigned char { kHighest, kHigh, kMedium };

// Where the reason of a "no" goes. Every call selects an algorithm and reads none of these texts: `refuse`
// makes them only for someone who asked (as text streams, those of one selection took longer than the seed's
// convolution).
class Reason {
 public:
  Reason() = default;  // nobody asked
  explicit Reason(std::string* text) : text_(text) {}

  // return why.refuse("the limit is ", limit);
  template <class... Parts>
  bool refuse(const Parts&... parts) const {
    if (text_) *text_ = concat(parts...);
    return false;
  }

 private:
  std::string* text_ = nullptr;
};

// |error| <= factor * eps * sum|x||w|, eps being the unit roundoff of the problem's dtype; the sum runs over
// the element's own products (elementwise) or is a tile's max|x| * sum|w| (see docs/algorithms).
struct ErrorBound {
  bool elementwise;
  double factor;
  bool exact_on_integers;  // while every partial sum is representable
  // Outputs that share the bound of a tile in each dimension, from output 0 of every image (and of every
  // phase of a dilated dimension) on; 1 where outputs do not share it.
  Spatial tile = spatial_of(1);
};

// Everything execution may depend on; `auto` sees the problem alone.
struct Request {
  ConvProblem problem;
  ActivationStrides in, out;  // a residual has out's strides
  WeightStrides weight;
  int threads;
  const KernelTable* table;
  Index input_origin = 0;  // elements from the input's first one to the first that is read
};

// The layouts packed weights can have; with the kernel table this keys a layer's cache (never an image's
// shape).
enum class PackedForm : unsigned char {
  kNone,
  kOcVector,
  kPixelVector,
  kChannelTaps,
  kTaps,
  kTapsOcVector,
  kTapsPixelVector,
  kWinogradF2,
  kWinogradF4,
  kWinogradC4
};

// A small vocabulary shared by all algorithms; each uses what it needs.
struct Blocking {
  TileKind kind = TileKind::kOcVector;
  bool in_place = false;   // read the input where it is, no padded copy
  bool by_chains = false;  // direct: every chain has a copy of its own channels alone
  // im2col: bands of rows go on from depth to depth, and then from image to image.
  bool across_depths = false, across_images = false;
  // Without packed weights (a plain function's call): each thread packs the tile it is about to use, because
  // every tile is used in one chunk only. Otherwise all weights are packed before the call.
  bool packs_tiles = false;
  bool oc_inner = true;        // for each pixel tile all output-channel tiles, or the other way round
  bool streams = false;        // output passes the caches by (algo/output_stream.h)
  Index rows = 1, cols = 1;    // output rows and columns of one band
  Index pixels_per_call = 1;   // of neighbouring tiles, which are computed in one call; at least one tile
  Index depths = 1;            // output depths of one band that share what they read
  Index col_bands = 0;         // 0: as many as `cols` makes, else so many, whose sizes differ by at most one
  Index oc_per_chunk = 1;      // output channels, of each group of a chunk
  Index groups_per_chunk = 1;  // 1 or all: then for each pixel tile all groups
  Index pitch = 0;             // elements between packed pixels (or packed channel rows)
  int rolling = 0;             // number of the rolling depthwise kernel's shape, 0: each output row alone
};

// Threads claim equal chunks one by one; even when the busiest one has at most a ninth more than its share.
inline bool claimed_evenly(Index chunks, Index threads) {
  return 10 * chunks >= 9 * threads * ceil_div(chunks, threads);
}

struct ConvAlgorithm;

struct ConvPlan {
  ConvPlan(const ConvAlgorithm& chosen, const Request& asked)
      : algorithm(&chosen), executor(&chosen), request(asked) {}

  const ConvAlgorithm* algorithm;
  // Whose plan this is, and who packs and executes it: of several algorithms that make the same sums in the
  // same order, whatever is fastest for the layouts, the threads and the instruction set.
  const ConvAlgorithm* executor;
  Request request;
  Blocking blocking;
  PackedForm form = PackedForm::kNone;
  std::size_t packed_bytes = 0;        // 0: reads the weights where they are
  std::size_t scratch_per_thread = 0;  // promise 3: <= kMaxScratchPerThread
  Index chunks = 1;
};

struct ConvOperands {
  const void* input;
  const void* weight;
  const void* packed;  // when plan.packed_bytes > 0
  const void* bias;
  const void* residual;
  void* out;
};

struct ConvAlgorithm {
  const char* name;
  const char* summary;
  // Whether it can compute the problem; if not, `why` says so in words.
  bool (*supports)(const ConvProblem&, Reason why);
  // Predicted microseconds for one image, one thread; of what is not supported: anything.
  double (*cost)(const ConvProblem& image);
  ErrorBound (*bound)(const ConvProblem&);
  ConvPlan (*plan)(const Request&);
  void (*pack)(const ConvPlan&, const void* weight, void* packed);
  void (*execute)(const ConvPlan&, const ConvOperands&);
  Precision admits = Precision::kHighest;  // the strictest precision at which `auto` may choose it
};

// The plan of `chosen`, executed by another algorithm (ConvPlan::executor).
inline ConvPlan plan_by(const ConvAlgorithm& executor, const ConvAlgorithm& chosen, const Request& request) {
  ConvPlan plan = executor.plan(request);
  plan.algorithm = &chosen;
  return plan;
}

}  // namespace pyconv
