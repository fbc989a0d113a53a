#include "algo/winograd_weights.h"

#include <cstring>
#include <utility>

#include "algo/winograd_run.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Taps staged at once for a tile of output channels: 32 channels of a 3x3 kernel, a fraction of L2.
constexpr Index kStagedTaps = 288;

template <class T>
class WeightTransform {
 public:
  WeightTransform(const ConvPlan& plan, WinogradFamily family)
      : p_(plan.request.problem),
        threads_(plan.request.threads),
        strides_(plan.request.weight),
        kernels_(dense_kernels<T>(*plan.request.table)),
        grid_(p_, winograd_scheme(p_, family)),
        transforms_(winograd_transforms<T>(*plan.request.table, grid_)),
        sizes_(p_, grid_, kernels_.lanes),
        tile_(kernels_.lanes * kernels_.oc_vector.max_vectors),
        staged_channels_(max_of(1, kStagedTaps / p_.taps())) {}

  void run(const T* weight, T* packed) const {
    const Index out_ch = p_.out_ch_per_group(), tiles = ceil_div(out_ch, tile_);
    parallel_for(threads_, p_.groups * tiles, [&](ChunkSource& source) {
      const ScratchBlock staged(static_cast<std::size_t>(staged_channels_ * p_.taps() * tile_) * sizeof(T));
      for (Index number; source.next(&number);) {
        const Index group = number / tiles, oc = number % tiles * tile_;
        tile(weight + (group * out_ch + oc) * strides_.out_ch, oc, min_of(tile_, out_ch - oc), staged.as<T>(),
             packed + group * sizes_.group);
      }
    });
  }

 private:
  // One tile of output channels, `width` from `oc` on: every chain, part, outer tap and input channel of it.
  void tile(const T* weight, Index oc, Index width, T* staged, T* packed) const {
    const Chains chains = winograd_chains(p_, grid_);
    const Index padded = round_up(width, kernels_.lanes);
    for (Index chain = 0; chain < chains.count; ++chain) {
      const Index channels = chain + 1 == chains.count ? chains.last_block : chains.block;
      for (Index c = 0; c < channels; c += staged_channels_) {
        const Index count = min_of(staged_channels_, channels - c);
        stage(weight + (chain * chains.block + c) * strides_.in_ch, count, width, padded, staged);
        // Where panels begin that have one part; each has as many times that as it has parts.
        const Index before = oc * p_.in_ch_per_group() + chain * chains.block * padded;
        grid_.for_parts([&](Index a, Index b) {
          for (Index kd = 0; kd < p_.kernel[kD]; ++kd) {
            Index panels[kMaxPanels];
            for (Index i = 0; i < grid_.panels(); ++i) {
              const Index parts = grid_.parts_at(i), part = grid_.parts_before(a, b, i);
              const Index run = grid_.side_by_side ? kd * parts + part : part * p_.kernel[kD] + kd;
              panels[i] =
                  sizes_.panels.at[i] + p_.kernel[kD] * parts * before + (run * channels + c) * padded;
            }
            transform(a, b, staged + kd * p_.kernel[kH] * p_.kernel[kW] * padded, count, padded, packed,
                      panels);
          }
        });
      }
    }
  }

  void transform(Index a, Index b, const T* staged, Index channels, Index padded, T* packed,
                 const Index* panels) const {
    const KernelPart &h = grid_.h.part[a], &w = grid_.w.part[b];
    WinogradWeightArgs<T> args;
    args.taps = staged + (h.first * p_.kernel[kW] + w.first) * padded;
    args.channel_step = p_.taps() * padded;
    args.tap_row = grid_.h.step * p_.kernel[kW] * padded;
    args.tap_col = grid_.w.step * padded;
    args.taps_h = static_cast<int>(h.taps);
    args.taps_w = static_cast<int>(w.taps);
    args.channels = channels;
    args.width = padded;
    args.panels = packed;
    args.panel_offset = panels;
    args.points_h = static_cast<int>(h.points);
    args.points_w = static_cast<int>(w.points);
    if (exchanged(grid_)) {
      std::swap(args.tap_row, args.tap_col);
      std::swap(args.taps_h, args.taps_w);
      std::swap(args.points_h, args.points_w);
    }
    transforms_.weight(args);
  }

  // staged[channel][k_d][k_h][k_w][output channel]
  void stage(const T* weight, Index channels, Index width, Index padded, T* staged) const {
    const Index taps = p_.taps();
    if (padded != width)
      std::memset(staged, 0, static_cast<std::size_t>(channels * taps * padded) * sizeof(T));
    const Spatial &k = strides_.kernel, &size = p_.kernel;
    const bool one_run = strides_.in_ch == taps && (size[kW] == 1 || k[kW] == 1) &&
                         (size[kH] == 1 || k[kH] == size[kW]) &&
                         (size[kD] == 1 || k[kD] == size[kH] * size[kW]);
    if (one_run) return kernels_.gather2d(staged, padded, weight, 1, strides_.out_ch, channels * taps, width);
    for (Index kd = 0; kd < size[kD]; ++kd)
      for (Index kh = 0; kh < size[kH]; ++kh)
        for (Index kw = 0; kw < size[kW]; ++kw, staged += padded)
          kernels_.gather2d(staged, taps * padded, weight + kd * k[kD] + kh * k[kH] + kw * k[kW],
                            strides_.in_ch, strides_.out_ch, channels, width);
  }

  const ConvProblem& p_;
  const int threads_;
  const WeightStrides& strides_;
  const DenseKernels<T>& kernels_;
  const TileGrid grid_;
  const WinogradTransforms<T>& transforms_;
  const WinogradWeights sizes_;
  const Index tile_, staged_channels_;
};

}  // namespace

template <class T>
void transform_weights(const ConvPlan& plan, WinogradFamily family, const T* weight, T* packed) {
  WeightTransform<T>(plan, family).run(weight, packed);
}

template void transform_weights<float>(const ConvPlan&, WinogradFamily, const float*, float*);
template void transform_weights<double>(const ConvPlan&, WinogradFamily, const double*, double*);

}  // namespace pyconv
