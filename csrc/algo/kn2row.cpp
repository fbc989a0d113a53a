// Convolution to one output channel of each group. Alone it needs a vector of input for every FMA, and most
// of them straddle two cache lines; so all taps of a plane are taken as the output channels of a pointwise
// layer, and its maps, shifted to where each tap reads, are added up: "kn2row" of A. Anderson, A. Vasudevan,
// D. Gregg, "Low-memory GEMM-based convolution algorithms for deep neural networks", arXiv:1709.03395. Rows
// are taken a few at a time, so that the maps stay in L2. A sum is that of the taps in order (k_d, k_h, k_w),
// each of them summed over the channels as direct does.
#include <algorithm>
#include <vector>

#include "algo/cost_model.h"
#include "algo/dense.h"
#include "algo/registry.h"
#include "algo/simplify.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

constexpr Index kMapBytes = 96 << 10;  // of the maps of one slab, and of the sums of one band
constexpr Index kCopyBytes = static_cast<Index>(kL2Bytes) / 2;  // of the copy of one slab
constexpr Index kLeastBand = 64;                                // columns

// Reach of a row of taps, or of a column, beyond its first.
Index reach(const ConvProblem& p, int dim) { return (p.kernel[dim] - 1) * p.dilation[dim]; }
Index plane_taps(const ConvProblem& p) { return p.kernel[kH] * p.kernel[kW]; }
Index elements_of(Index bytes, const ConvProblem& p) { return bytes / static_cast<Index>(element_bytes(p)); }

// Channels-last slabs are copied channel by channel first: vectors of taps would be half empty.
bool copies_slabs(const Request& r) { return r.in.spatial[kW] != 1; }

// Pixels of a slab whose maps, and copy, stay in L2.
Index most_pixels(const Request& r) {
  const ConvProblem& p = r.problem;
  const Index of_maps = elements_of(kMapBytes, p) / plane_taps(p);
  return copies_slabs(r) ? min_of(of_maps, elements_of(kCopyBytes, p) / p.in_ch_per_group()) : of_maps;
}

// Input that one product takes: the columns of a band, a few rows.
struct Slab {
  Index rows, cols;
  Index map() const { return rows * cols; }
};
Slab slab_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Blocking& b = plan.blocking;
  const Index cols = min_of(p.in[kW], b.cols + reach(p, kW));
  const Index most = max_of(most_pixels(plan.request) / cols, 1);
  return {EvenSplit(min_of(p.in[kH], b.rows + reach(p, kH)), most).size(0), cols};
}

// Output columns [begin, end) whose row of taps inside the input is the same.
struct AlikeColumns {
  Index begin, end;
  ConvProblem::Taps taps;
};
std::vector<AlikeColumns> alike_columns(const ConvProblem& p, Index col0, Index cols) {
  const Index inside = p.pad_begin[kW], inside_end = p.in[kW] + p.pad_begin[kW] - reach(p, kW);
  std::vector<AlikeColumns> all;
  for (Index w = col0, end; w < col0 + cols; w = end) {
    end = w >= inside && w < inside_end ? min_of(col0 + cols, inside_end) : w + 1;
    all.push_back({w, end, p.taps_inside(kW, w - p.pad_begin[kW])});
  }
  return all;
}

Index slab_pitch(const Slab& slab, const ConvProblem& p) {
  const Index line = elements_of(kCacheLine, p);
  return round_up(slab.map(), line) + line;
}

// The pointwise layer of one slab; its output is [tap][row][column].
Request pointwise_request(const ConvPlan& plan) {
  const ConvProblem& p = plan.request.problem;
  const Slab slab = slab_of(plan);
  ConvSpec spec;
  spec.dtype = p.dtype;
  spec.in_ch = p.in_ch_per_group();
  spec.out_ch = plane_taps(p);
  spec.in = Spatial{{1, slab.rows, slab.cols}};
  const ActivationStrides maps{0, slab.map(), Spatial{{0, slab.cols, 1}}};
  const ActivationStrides copy{0, slab_pitch(slab, p), Spatial{{0, slab.cols, 1}}};
  return {ConvProblem(spec),
          copies_slabs(plan.request) ? copy : plan.request.in,
          maps,
          {p.in_ch_per_group(), 1, spatial_of(1)},
          1,
          plan.request.table};
}
ConvPlan pointwise_plan(const ConvPlan& plan) { return kDirect.plan(pointwise_request(plan)); }

// Bytes of the packed taps of one plane.
std::size_t plane_bytes(const ConvPlan& pointwise) {
  return static_cast<std::size_t>(round_up(static_cast<Index>(pointwise.packed_bytes), kCacheLine));
}

Index scratch_elements(const ConvPlan& plan) {
  const Blocking& b = plan.blocking;
  const ConvProblem& p = plan.request.problem;
  const Slab slab = slab_of(plan);
  const Index copy = copies_slabs(plan.request) ? p.in_ch_per_group() * slab_pitch(slab, p) : 0;
  return copy + plane_taps(p) * slab.map() + b.rows * b.cols;
}

template <class T>
class Kn2rowRun {
 public:
  Kn2rowRun(const ConvPlan& plan, const ConvOperands& operands)
      : plan_(plan),
        p_(plan.request.problem),
        operands_(operands),
        kernels_(dense_kernels<T>(*plan.request.table)),
        pointwise_(pointwise_plan(plan)),
        grid_(chunk_grid(plan)),
        slab_(slab_of(plan)) {}

  void execute() const {
    parallel_for(
        plan_.request.threads, plan_.chunks,
        [this](ChunkSource& source) {
          const ScratchBlock scratch(static_cast<std::size_t>(scratch_elements(plan_)) * sizeof(T));
          for (Index number; source.next(&number);)
            run_band(decode_chunk(plan_, grid_, number), scratch.as<T>());
        },
        kn2row_cost_us(p_));
  }

 private:
  void run_band(const Chunk& band, T* scratch) const {
    T* const maps = scratch;
    T* const sums = maps + plane_taps(p_) * slab_.map();
    T* const copy = sums + plan_.blocking.rows * plan_.blocking.cols;
    std::fill_n(sums, band.rows * band.cols, T(0));
    const std::vector<AlikeColumns> columns = alike_columns(p_, band.col0, band.cols);
    const Index first = band.row0 - p_.pad_begin[kH];
    const Index begin = max_of(first, 0), end = min_of(first + band.rows + reach(p_, kH), p_.in[kH]);
    // A slab lies inside the image; near its end it begins with rows that are done.
    const Index col = min_of(max_of(band.col0 - p_.pad_begin[kW], 0), p_.in[kW] - slab_.cols);
    for (Index kd = 0; kd < p_.kernel[kD]; ++kd) {
      const Index d = band.od - p_.pad_begin[kD] + kd * p_.dilation[kD];
      if (d < 0 || d >= p_.in[kD]) continue;
      for (Index h = begin; h < end; h += slab_.rows) {
        const Index row = min_of(h, p_.in[kH] - slab_.rows);
        multiply(band, kd, Spatial{{d, row, col}}, copy, maps);
        for (Index r = h; r < min_of(h + slab_.rows, end); ++r)
          add_row(band, columns, r, maps + (r - row) * slab_.cols - col, sums);
      }
    }
    finish(band, sums);
  }

  void multiply(const Chunk& band, Index kd, const Spatial& at, T* copy, T* maps) const {
    const ActivationStrides& in = plan_.request.in;
    const T* input = static_cast<const T*>(operands_.input) + band.image * in.batch +
                     band.group * p_.in_ch_per_group() * in.channel + at[kD] * in.spatial[kD] +
                     at[kH] * in.spatial[kH] + at[kW] * in.spatial[kW];
    if (copies_slabs(plan_.request)) {
      for (Index r = 0; r < slab_.rows; ++r)
        kernels_.gather2d(copy + r * slab_.cols, slab_pitch(slab_, p_), input + r * in.spatial[kH],
                          in.channel, in.spatial[kW], p_.in_ch_per_group(), slab_.cols);
      input = copy;
    }
    const std::size_t plane = static_cast<std::size_t>(band.group * p_.kernel[kD] + kd);
    ConvOperands operands{};
    operands.input = input;
    operands.packed = static_cast<const char*>(operands_.packed) + plane * plane_bytes(pointwise_);
    operands.out = maps;
    pointwise_.executor->execute(pointwise_, operands);
  }

  // The products of input row `h` to the outputs that read it.
  void add_row(const Chunk& band, const std::vector<AlikeColumns>& columns, Index h, const T* maps,
               T* sums) const {
    const Index tap_step = slab_.map() + p_.dilation[kW];  // of what an output reads
    for (Index kh = 0; kh < p_.kernel[kH]; ++kh) {
      const Index row = h + p_.pad_begin[kH] - kh * p_.dilation[kH] - band.row0;
      if (row < 0 || row >= band.rows) continue;
      const T* const from = maps + kh * p_.kernel[kW] * slab_.map() - p_.pad_begin[kW];
      T* const to = sums + row * band.cols - band.col0;
      for (const AlikeColumns& c : columns)
        kernels_.add_rows(to + c.begin, from + c.taps.begin * tap_step + c.begin, tap_step, c.taps.count(),
                          c.end - c.begin);
    }
  }

  void finish(const Chunk& band, const T* sums) const {
    const ActivationStrides& out = plan_.request.out;
    // -0 becomes +0, as in the tiles' epilogue (promise 1).
    const T bias = operands_.bias ? static_cast<const T*>(operands_.bias)[band.group] + T(0) : T(0);
    const T lo = static_cast<T>(p_.epilogue.lo), hi = static_cast<T>(p_.epilogue.hi);
    const T* const residual = static_cast<const T*>(operands_.residual);
    for (Index r = 0; r < band.rows; ++r) {
      const Index at = band.image * out.batch + band.group * out.channel + band.od * out.spatial[kD] +
                       (band.row0 + r) * out.spatial[kH] + band.col0 * out.spatial[kW];
      for (Index c = 0; c < band.cols; ++c, ++sums) {
        T v = *sums + bias;
        if (residual) v += residual[at + c * out.spatial[kW]];
        v = lo > v ? lo : v;
        static_cast<T*>(operands_.out)[at + c * out.spatial[kW]] = hi < v ? hi : v;
      }
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const ConvOperands& operands_;
  const DenseKernels<T>& kernels_;
  const ConvPlan pointwise_;
  const ChunkGrid grid_;
  const Slab slab_;
};

// Bands whose sums and a row of whose slabs stay in L2; each of several threads gets a few of them.
void choose_band(const ConvProblem& p, Index threads, ConvPlan* plan) {
  Blocking& b = plan->blocking;
  b.oc_per_chunk = 1;
  b.cols = min_of(p.out[kW], max_of(most_pixels(plan->request) - reach(p, kW), kLeastBand));
  b.rows = min_of(p.out[kH], max_of(elements_of(kMapBytes, p) / b.cols, 1));
  const Index wanted = threads > 1 ? 4 * threads : 1;
  while (chunk_count(*plan) < wanted && b.rows > 2 * p.kernel[kH]) b.rows = ceil_div(b.rows, 2);
  while (chunk_count(*plan) < wanted && b.cols > 2 * max_of(kLeastBand, reach(p, kW)))
    b.cols = ceil_div(b.cols, 2);
  const auto uneven = [&] { return threads > 1 && !claimed_evenly(chunk_count(*plan), threads); };
  while (uneven() && b.rows > p.kernel[kH]) --b.rows;
  constexpr Index kStep = 16;
  while (uneven() && b.cols > kLeastBand + kStep) b.cols -= kStep;
}

bool supports(const ConvProblem& p, Reason why) {
  if (p.out_elements() == 0 || p.in_ch == 0) return why.refuse("the problem is empty");
  if (p.out_ch_per_group() != 1)
    return why.refuse("it is for one output channel per group, this has ", p.out_ch_per_group());
  if (p.taps() == 1) return why.refuse("there are no taps to add up: the kernel is 1");
  for (int dim = kD; dim <= kW; ++dim)
    if (p.stride[dim] != 1) return why.refuse("it is for stride 1, this has ", p.stride[dim]);
  if (p.is_padded() && !p.pads_zeros()) return why.refuse("it pads with zeros only");
  const double pixels = static_cast<double>(max_of(min_of(p.in[kW], kLeastBand + reach(p, kW)), kLeastBand));
  const double bytes = pixels * static_cast<double>(element_bytes(p)) *
                       static_cast<double>(plane_taps(p) + p.in_ch_per_group());
  if (bytes > static_cast<double>(kMaxScratchPerThread) / 4)
    return why.refuse("the input and the products of one row need ", bytes / (1 << 20),
                      " MB of scratch, the limit is ", kMaxScratchPerThread >> 22, " MB");
  return true;
}

double cost(const ConvProblem& image) { return kn2row_cost_us(image); }

// Its chains are those of a pointwise layer, whose sums are added tap by tap.
ErrorBound bound(const ConvProblem& p) {
  const Chains chains = chains_of(p.in_ch_per_group(), 1);
  return {true, static_cast<double>(chains.block + chains.count + p.taps() + 2), true};
}

ConvPlan plan(const Request& request) {
  ConvPlan plan(kKn2row, read_elements_only(request));
  const ConvProblem& p = plan.request.problem;
  choose_band(p, request.threads, &plan);
  plan.chunks = chunk_count(plan);
  const ConvPlan pointwise = pointwise_plan(plan);
  plan.form =
      pointwise.form == PackedForm::kOcVector ? PackedForm::kTapsOcVector : PackedForm::kTapsPixelVector;
  plan.packed_bytes = plane_bytes(pointwise) * static_cast<std::size_t>(p.groups * p.kernel[kD]);
  plan.scratch_per_thread =
      static_cast<std::size_t>(scratch_elements(plan)) * element_bytes(p) + pointwise.scratch_per_thread;
  return plan;
}

// [group][k_d] of the pointwise layer's packed weights, [k_h][k_w] being its output channels.
template <class T>
void pack_planes(const ConvPlan& plan, const T* weight, char* packed) {
  const ConvProblem& p = plan.request.problem;
  const WeightStrides& s = plan.request.weight;
  const ConvPlan pointwise = pointwise_plan(plan);
  const Index channels = p.in_ch_per_group();
  std::vector<T> taps(static_cast<std::size_t>(plane_taps(p) * channels));
  for (Index group = 0; group < p.groups; ++group)
    for (Index kd = 0; kd < p.kernel[kD]; ++kd, packed += plane_bytes(pointwise)) {
      const T* const plane = weight + group * s.out_ch + kd * s.kernel[kD];
      T* to = taps.data();
      for (Index kh = 0; kh < p.kernel[kH]; ++kh)
        for (Index kw = 0; kw < p.kernel[kW]; ++kw)
          for (Index c = 0; c < channels; ++c)
            *to++ = plane[kh * s.kernel[kH] + kw * s.kernel[kW] + c * s.in_ch];
      pointwise.executor->pack(pointwise, taps.data(), packed);
    }
}

void pack(const ConvPlan& plan, const void* weight, void* packed) {
  dispatch_dtype(plan.request.problem, [&](auto zero) {
    pack_planes(plan, static_cast<const decltype(zero)*>(weight), static_cast<char*>(packed));
  });
}

void execute(const ConvPlan& plan, const ConvOperands& operands) {
  dispatch_dtype(plan.request.problem,
                 [&](auto zero) { Kn2rowRun<decltype(zero)>(plan, operands).execute(); });
}

}  // namespace

const ConvAlgorithm kKn2row = {
    "kn2row", "one output channel a group: a pointwise layer of its taps, shifted and added",
    supports, cost,
    bound,    plan,
    pack,     execute};

}  // namespace pyconv
