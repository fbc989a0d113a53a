#include "algo/winograd_run.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "algo/winograd_input.h"
#include "algo/winograd_redo.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Tiles of which one part is transformed after the other: their panels stay in L1 meanwhile.
constexpr Index kTilesTogether = 4;

template <class T>
class WinogradRun {
 public:
  WinogradRun(const ConvPlan& plan, const ConvOperands& operands, WinogradFamily family)
      : plan_(plan),
        p_(plan.request.problem),
        grid_(p_, winograd_scheme(p_, family)),
        sizes_(p_, grid_, plan.blocking),
        kernels_(dense_kernels<T>(*plan.request.table)),
        transforms_(winograd_transforms<T>(*plan.request.table, grid_)),
        weights_(p_, grid_, kernels_.lanes),
        input_panels_(grid_, [this](Index parts) { return sizes_.panel(parts); }),
        operands_(operands),
        reader_{p_, plan_.request.in, grid_, kernels_, static_cast<const T*>(operands.input)},
        redo_(plan_, reader_, operands_) {
    grid_.for_parts([this](Index a, Index b) {
      for (Index panel = 0; panel < grid_.panels(); ++panel) {
        const Index before = grid_.side_by_side ? a * grid_.w.parts + b : grid_.parts_before(a, b, panel);
        part_offsets_.push_back(input_panels_.at[panel] + before * sizes_.part);
      }
      find_input_offsets(a, b);
    });
    for (const bool infinite_h : {false, true})
      for (const bool infinite_w : {false, true}) find_runs(infinite_h, infinite_w);
  }

  void execute() {
    parallel_for(plan_.request.threads, plan_.chunks, [this](ChunkSource& source) {
      const ScratchBlock memory(static_cast<std::size_t>(sizes_.total()) * sizeof(T));
      const Scratch scratch = divide(memory.as<T>());
      Index inputs_done = -1;
      for (Index number; source.next(&number);) {
        const WinogradBlock block = decode_block(plan_, grid_, number);
        if (block.inputs != inputs_done) transform_inputs(block, scratch);
        inputs_done = block.inputs;
        multiply(block, scratch);
        finish(block, scratch);
      }
    });
  }

 private:
  struct Scratch {
    T *inputs, *products, *band, *out_band, *residual_band, *pad, *zero, *faults;
  };

  Scratch divide(T* at) const {
    Scratch s;
    const auto take = [&at](Index elements) {
      T* part = at;
      at += elements;
      return part;
    };
    s.inputs = take(sizes_.inputs);
    s.products = take(sizes_.products);
    s.band = take(sizes_.band);
    s.out_band = take(sizes_.out_band);
    s.residual_band = take(sizes_.out_band);
    s.pad = take(sizes_.constants / 2);
    s.zero = take(sizes_.constants / 2);
    s.faults = take(sizes_.faults);
    std::fill_n(s.pad, sizes_.constants / 2, static_cast<T>(p_.pad_value));
    std::fill_n(s.zero, sizes_.constants / 2, T(0));
    return s;
  }

  template <class F>
  void for_runs(const WinogradBlock& block, F&& body) const {
    for (Index tile = 0; tile < block.tiles;) {
      const TileRun run =
          tile_run(grid_, block.tile0 + tile, min_of(block.tiles - tile, tiles_per_band(grid_)));
      body(run, tile);
      tile += run.count;
    }
  }

  // --- pixels to panels
  void transform_inputs(const WinogradBlock& block, const Scratch& scratch) const {
    for (Index plane = 0; plane < planes_of(p_, block.depths); ++plane) {
      const Index d = block.depth0 * p_.stride[kD] - p_.pad_begin[kD] + plane;
      for_runs(block, [&](const TileRun& run, Index tile) {
        T* panels = scratch.inputs + plane * sizes_.plane + tile * sizes_.pitch;
        if (plan_.blocking.in_place)
          transform_in_place(block.group, run, d, scratch, panels);
        else
          transform_gathered(block.group, run, d, scratch, panels);
      });
    }
  }

  void transform_in_place(Index group, const TileRun& run, Index d, const Scratch& scratch, T* panels) const {
    const auto inside = reader_.tiles_inside(run, d);
    if (inside.begin < inside.end)
      transform_tiles(reader_.first_pixel(run, d, group, inside.begin), inside.end - inside.begin,
                      p_.in_ch_per_group(), panels + inside.begin * sizes_.pitch);
    if (inside.begin == 0 && inside.end == run.count) return;
    typename TileReader<T>::Places places;
    places.pad = scratch.pad;
    places.zero = scratch.zero;
    reader_.find_rows(run, d, group, &places);
    const T* pixels[kMaxPanels];
    for (Index t = 0; t < run.count; ++t) {
      if (t == inside.begin && inside.end > t) t = inside.end;
      if (t == run.count) return;
      reader_.find_cols(run, t, &places);
      grid_.for_parts([&](Index a, Index b) {
        reader_.point(grid_.h.part[a], grid_.w.part[b], places, pixels);
        transform_part(a, b, {pixels, p_.in_ch_per_group(), 1, 0, 0, panels + t * sizes_.pitch});
      });
    }
  }

  void transform_gathered(Index group, const TileRun& run, Index d, const Scratch& scratch, T* panels) const {
    for (Index c = 0; c < p_.in_ch_per_group(); c += sizes_.band_channels) {
      const Index channels = min_of(sizes_.band_channels, p_.in_ch_per_group() - c);
      reader_.gather(run, d, group, c, channels, {scratch.band, sizes_.band_pitch, sizes_.band_row});
      transform_tiles(scratch.band, run.count, channels, panels + c);
    }
  }

  // Neighbouring tiles, all positions of which lie in memory as input_offsets_ say, the first of them at
  // `from`.
  void transform_tiles(const T* from, Index count, Index channels, T* panels) const {
    const Index inputs = grid_.h.inputs * grid_.w.inputs,
                step = grid_.w.step * grid_.w.outputs * pixel_step();
    for (Index t = 0, tiles; t < count; t += tiles, from += tiles * step, panels += tiles * sizes_.pitch) {
      tiles = min_of(kTilesTogether, count - t);
      grid_.for_neighbours([&](Index a, Index b, Index parts) {
        const Index* const at = &input_offsets_[(a * grid_.w.parts + b) * inputs];
        const T* pixels[kMaxPanels];
        for (Index i = 0; i < inputs; ++i) pixels[i] = from + at[i];
        transform_part(a, b, {pixels, parts * channels, tiles, step, sizes_.pitch, panels});
      });
    }
  }

  // Elements between neighbouring positions, of the image or of a band.
  Index pixel_step() const {
    return plan_.blocking.in_place ? grid_.w.spacing * plan_.request.in.spatial[kW] : sizes_.band_pitch;
  }
  Index row_step() const {
    return plan_.blocking.in_place ? grid_.h.spacing * plan_.request.in.spatial[kH] : sizes_.band_row;
  }

  // Where part (a, b) of a tile sees its inputs. What it has no weight for is the pixel before: something to
  // read, which is not used.
  void find_input_offsets(Index a, Index b) {
    const AxisScheme &h = grid_.h, &w = grid_.w;
    const Index last_h = h.part[a].points - 1, last_w = w.points(b) - 1;
    for (Index i = 0; i < h.inputs; ++i)
      for (Index j = 0; j < w.inputs; ++j)
        input_offsets_.push_back((h.part[a].first + h.step * min_of(i, last_h)) * row_step() +
                                 (w.part[b].first + w.step * min_of(j, last_w)) * pixel_step());
  }

  void transform_part(Index a, Index b, WinogradInputArgs<T> args) const {
    args.panel_offset = &part_offsets_[(a * grid_.w.parts + b) * grid_.panels()];
    args.points_h = static_cast<int>(grid_.h.part[a].points);
    args.points_w = static_cast<int>(grid_.w.points(b));
    if (exchanged(grid_)) std::swap(args.points_h, args.points_w);
    transforms_.input(args);
  }

  // --- panels times weights

  // Where the terms of a product lie, in the order of the weights: of panels at finite points, or at infinity
  // in one dimension or both.
  struct Runs {
    std::vector<Index> offsets;
    Index parts = 1;  // that one run covers
  };
  static int runs_index(bool infinite_h, bool infinite_w) { return 2 * infinite_h + infinite_w; }

  void find_runs(bool infinite_h, bool infinite_w) {
    Runs& runs = runs_[runs_index(infinite_h, infinite_w)];
    const AxisScheme &h = grid_.h, &w = grid_.w;
    const Index parts_h = infinite_h ? h.full : h.parts, parts_w = infinite_w ? w.full : w.parts;
    const auto add = [&](Index at, Index kd) {
      runs.offsets.push_back(at * sizes_.part + kd * p_.dilation[kD] * sizes_.plane);
    };
    if (!grid_.side_by_side) {
      for (Index part = 0; part < parts_h * parts_w; ++part)
        for (Index kd = 0; kd < p_.kernel[kD]; ++kd) add(part, kd);
      return;
    }
    const Index first = (infinite_h ? h.first_full() : 0) * w.parts + (infinite_w ? w.first_full() : 0);
    const Index rows = parts_w == w.parts ? 1 : parts_h;  // rows of parts follow each other if they are whole
    runs.parts = parts_h * parts_w / rows;
    for (Index kd = 0; kd < p_.kernel[kD]; ++kd)
      for (Index row = 0; row < rows; ++row) add(first + row * w.parts, kd);
  }

  // Terms of a sum, and the weights of channels from block.oc0 + oc on.
  Index terms_at(Index panel) const { return p_.in_ch_per_group() * grid_.parts_at(panel) * p_.kernel[kD]; }
  const T* weights_at(const WinogradBlock& block, Index panel, Index oc) const {
    return static_cast<const T*>(operands_.packed) + block.group * weights_.group +
           weights_.panels.at[panel] + (block.oc0 + oc) * terms_at(panel);
  }

  void multiply(const WinogradBlock& block, const Scratch& scratch) const {
    const Index tile_oc = kernels_.lanes * kernels_.oc_vector.max_vectors, cols = plan_.blocking.cols;
    const Chains chains = winograd_chains(p_, grid_);
    TileArgs<T> args{};
    args.act_stride = sizes_.pitch;
    args.chains = chains.count;
    args.chain_step = chains.block;
    args.out_m_stride = sizes_.out_pitch;
    args.out_n_stride = 1;
    args.lo = -std::numeric_limits<T>::infinity();
    args.hi = std::numeric_limits<T>::infinity();
    args.finish = true;
    // Depths whose tiles follow each other evenly are one long column of rows.
    const bool even = p_.stride[kD] == 1 && block.tiles == cols;
    const Index lines = even ? 1 : block.depths, line_tiles = even ? block.depths * cols : block.tiles;
    const EvenSplit split(line_tiles, kernels_.oc_vector.max_rows);
    const bool asks = lines * split.pieces > 1 &&
                      asks_memory_for_weights(static_cast<std::size_t>(weights_.group) * sizeof(T));
    for (Index panel = 0; panel < grid_.panels(); ++panel) {
      const Runs& runs = runs_[runs_index(grid_.infinite_h(panel), grid_.infinite_w(panel))];
      args.run_offset = runs.offsets.data();
      args.runs = static_cast<Index>(runs.offsets.size());
      args.run_length = runs.parts * chains.block;
      args.last_run_length = runs.parts * chains.last_block;
      for (Index oc = 0; oc < block.oc; oc += tile_oc) {
        const Index vectors = ceil_div(min_of(tile_oc, block.oc - oc), kernels_.lanes);
        args.n_valid = vectors * kernels_.lanes;
        args.weights = weights_at(block, panel, oc);
        if (asks) {  // for the next tile's, each tile of rows for its share
          args.ahead.weights = oc + tile_oc < block.oc ? weights_at(block, panel, oc + tile_oc)
                                                       : weights_at(block, (panel + 1) % grid_.panels(), 0);
          args.ahead.weight_rows = ceil_div(terms_at(panel), lines * split.pieces);
        }
        for (Index line = 0; line < lines; ++line) {
          const T* in = scratch.inputs + input_panels_.at[panel] + line * p_.stride[kD] * sizes_.plane;
          T* out = scratch.products + panel * sizes_.out_panel + line * cols * sizes_.out_pitch + oc;
          for (Index i = 0, t = 0; i < split.pieces; t += args.tiles * split.size(i), i += args.tiles) {
            args.act = in + t * sizes_.pitch;
            args.out = out + t * sizes_.out_pitch;
            args.tiles = split.alike(i);
            kernels_.oc_vector.tile[split.size(i)][vectors](args);
            if (asks) args.ahead.weights += args.tiles * args.ahead.weight_rows * tile_oc;
          }
        }
      }
    }
  }

  // --- products to outputs
  void finish(const WinogradBlock& block, const Scratch& scratch) {
    for (Index depth = 0; depth < block.depths; ++depth)
      for_runs(block, [&](const TileRun& run, Index tile) {
        const T* products = scratch.products + (depth * plan_.blocking.cols + tile) * sizes_.out_pitch;
        const bool finite = plan_.request.out.channel == 1
                                ? finish_in_place(block, depth, run, products, scratch)
                                : finish_scattered(block, depth, run, products, scratch);
        if (!finite) redo_.redo(block, block.depth0 + depth, run, scratch.faults, sizes_.out_pitch);
      });
  }

  // Where a run's first output of channel block.oc0 lies.
  Index out_offset(const WinogradBlock& block, Index depth, const TileRun& run) const {
    const ActivationStrides& s = plan_.request.out;
    const Index channel = block.group * p_.out_ch_per_group() + block.oc0;
    return run.image * s.batch + channel * s.channel + (block.depth0 + depth) * s.spatial[kD] +
           (run.phase_h + grid_.phases_h * run.row * grid_.h.outputs) * s.spatial[kH] +
           (run.phase_w + grid_.phases_w * run.col * grid_.w.outputs) * s.spatial[kW];
  }
  Index rows_of(const TileRun& run) const {
    return min_of(grid_.h.outputs,
                  outputs_left(p_.out[kH], run.phase_h, grid_.phases_h, run.row * grid_.h.outputs));
  }
  Index cols_of(const TileRun& run) const {
    return min_of(run.count * grid_.w.outputs,
                  outputs_left(p_.out[kW], run.phase_w, grid_.phases_w, run.col * grid_.w.outputs));
  }
  WinogradOutputArgs<T> output_args(const WinogradBlock& block, const TileRun& run) const {
    WinogradOutputArgs<T> args{};
    args.panel_stride = sizes_.out_panel;
    args.rows = rows_of(run);
    args.lo = static_cast<T>(p_.epilogue.lo);
    args.hi = static_cast<T>(p_.epilogue.hi);
    if (operands_.bias != nullptr)
      args.bias = static_cast<const T*>(operands_.bias) + block.group * p_.out_ch_per_group() + block.oc0;
    return args;
  }

  bool transform_back(WinogradOutputArgs<T> args) const {
    if (exchanged(grid_)) {
      std::swap(args.rows, args.cols);
      std::swap(args.out_row, args.out_pixel);
      std::swap(args.residual_row, args.residual_pixel);
    }
    return transforms_.output(args);
  }

  bool finish_in_place(const WinogradBlock& block, Index depth, const TileRun& run, const T* products,
                       const Scratch& scratch) const {
    const Index at = out_offset(block, depth, run), cols = cols_of(run);
    WinogradOutputArgs<T> args = output_args(block, run);
    args.channels = block.oc;
    args.out_row = args.residual_row = plan_.request.out.spatial[kH] * grid_.phases_h;
    args.out_pixel = args.residual_pixel = plan_.request.out.spatial[kW] * grid_.phases_w;
    bool finite = true;
    for (Index t = 0; t < run.count; ++t) {
      const Index tile_at = at + t * grid_.w.outputs * args.out_pixel;
      args.products = products + t * sizes_.out_pitch;
      args.cols = min_of(grid_.w.outputs, cols - t * grid_.w.outputs);
      args.out = static_cast<T*>(operands_.out) + tile_at;
      if (operands_.residual != nullptr) args.residual = static_cast<const T*>(operands_.residual) + tile_at;
      args.faults = scratch.faults + t * sizes_.out_pitch;
      finite = transform_back(args) && finite;
    }
    return finite;
  }

  // Channels-inner in a band first, then row by row into whatever strides the output has.
  bool finish_scattered(const WinogradBlock& block, Index depth, const TileRun& run, const T* products,
                        const Scratch& scratch) const {
    bool finite = true;
    for (Index c = 0; c < block.oc; c += kBandChannels) {
      const Index channels = min_of(kBandChannels, block.oc - c);
      const Index at = out_offset(block, depth, run) + c * plan_.request.out.channel;
      finite = fill_band(block, run, products, c, channels, at, scratch) && finite;
      scatter(run, channels, scratch.out_band, static_cast<T*>(operands_.out) + at);
    }
    return finite;
  }

  bool fill_band(const WinogradBlock& block, const TileRun& run, const T* products, Index c, Index channels,
                 Index at, const Scratch& scratch) const {
    const ActivationStrides& s = plan_.request.out;
    const Index cols = cols_of(run), row = run.count * grid_.w.outputs * kBandChannels;
    WinogradOutputArgs<T> args = output_args(block, run);
    args.channels = channels;
    args.out_row = args.residual_row = row;
    args.out_pixel = args.residual_pixel = kBandChannels;
    if (args.bias != nullptr) args.bias += c;
    if (operands_.residual != nullptr)
      for (Index h = 0; h < args.rows; ++h)
        kernels_.gather2d(scratch.residual_band + h * row, kBandChannels,
                          static_cast<const T*>(operands_.residual) + at + h * grid_.phases_h * s.spatial[kH],
                          grid_.phases_w * s.spatial[kW], s.channel, max_of(cols, 0), channels);
    bool finite = true;
    for (Index t = 0; t < run.count; ++t) {
      const Index band_at = t * grid_.w.outputs * kBandChannels;
      args.products = products + t * sizes_.out_pitch + c;
      args.cols = min_of(grid_.w.outputs, cols - t * grid_.w.outputs);
      args.out = scratch.out_band + band_at;
      if (operands_.residual != nullptr) args.residual = scratch.residual_band + band_at;
      args.faults = scratch.faults + t * sizes_.out_pitch + c;
      finite = transform_back(args) && finite;
    }
    return finite;
  }

  void scatter(const TileRun& run, Index channels, const T* band, T* out) const {
    const ActivationStrides& s = plan_.request.out;
    const Index rows = rows_of(run), cols = cols_of(run), row = run.count * grid_.w.outputs * kBandChannels;
    const Index pixel = grid_.phases_w * s.spatial[kW];
    for (Index h = 0; h < rows; ++h, band += row, out += grid_.phases_h * s.spatial[kH]) {
      if (pixel == 1) {
        if (cols > 0) kernels_.gather2d(out, s.channel, band, 1, kBandChannels, channels, cols);
        continue;
      }
      for (Index c = 0; c < channels; ++c)
        for (Index w = 0; w < cols; ++w) out[c * s.channel + w * pixel] = band[w * kBandChannels + c];
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const TileGrid grid_;
  const WinogradScratch sizes_;
  const DenseKernels<T>& kernels_;
  const WinogradTransforms<T>& transforms_;
  const WinogradWeights weights_;
  const PanelOffsets input_panels_;
  const ConvOperands& operands_;
  const TileReader<T> reader_;
  WinogradRedo<T> redo_;
  Runs runs_[4];
  std::vector<Index> part_offsets_;   // [part][panel], of tile 0
  std::vector<Index> input_offsets_;  // [part][input], of tile 0
};

}  // namespace

template <class T>
void run_winograd(const ConvPlan& plan, const ConvOperands& operands, WinogradFamily family) {
  WinogradRun<T>(plan, operands, family).execute();
}

template void run_winograd<float>(const ConvPlan&, const ConvOperands&, WinogradFamily);
template void run_winograd<double>(const ConvPlan&, const ConvOperands&, WinogradFamily);

}  // namespace pyconv
