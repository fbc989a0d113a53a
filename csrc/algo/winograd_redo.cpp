#include "algo/winograd_redo.h"

#include <vector>

#include "algo/dense.h"
#include "runtime/workspace.h"

namespace pyconv {
namespace {

// Neighbouring tiles redone by one call of the microkernel for each row of outputs.
Index tiles_per_piece(const TileGrid& grid) { return max_of(1, kMaxTileRows / grid.w.outputs); }

Index patch_pitch(const ConvProblem& p) {
  const Index element = static_cast<Index>(element_bytes(p));
  const Index natural = p.in_ch_per_group();
  return natural * element % 1024 == 0 ? natural + 64 / element : natural;
}

Index patch_plane(const ConvProblem& p, const TileGrid& grid, Index tiles) {
  return grid.h.reach(1) * grid.w.reach(tiles) * patch_pitch(p);
}

constexpr Index kCarry = kMaxTileRows * kMaxTileVectors * 16;  // 16: lanes of the widest vector

}  // namespace

// `tiles` neighbouring tiles, from the `first`-th of the run on.
template <class T>
struct WinogradRedo<T>::Piece {
  const WinogradBlock& block;
  Index depth;
  TileRun run;  // of this piece alone
  const T* faults;
  Index fault_pitch;
};

template <class T>
std::size_t WinogradRedo<T>::scratch_bytes(const ConvProblem& p, const TileGrid& grid) {
  return static_cast<std::size_t>(p.kernel[kD] * patch_plane(p, grid, tiles_per_piece(grid)) + kCarry) *
         sizeof(T);
}

template <class T>
WinogradRedo<T>::WinogradRedo(const ConvPlan& plan, const TileReader<T>& reader, const ConvOperands& operands)
    : plan_(plan),
      reader_(reader),
      operands_(operands),
      kernels_(reader.kernels),
      direct_(plan),
      pitch_(patch_pitch(plan.request.problem)) {
  direct_.blocking.kind = TileKind::kOcVector;
}

template <class T>
void WinogradRedo<T>::pack_once() {
  std::call_once(packed_once_, [this] {
    const Request& request = direct_.request;
    packed_ = AlignedBuffer(packed_weight_bytes(request.problem, *request.table, TileKind::kOcVector));
    pack_weights(direct_, operands_.weight, packed_.data());
  });
}

template <class T>
void WinogradRedo<T>::redo(const WinogradBlock& block, Index depth, const TileRun& run, const T* faults,
                           Index fault_pitch) {
  pack_once();
  const auto faulty = [&](Index tile) {
    for (Index c = 0; c < block.oc; ++c)
      if (faults[tile * fault_pitch + c] != T(0)) return true;
    return false;
  };
  const Index largest = tiles_per_piece(reader_.grid);
  for (Index tile = 0; tile < run.count;) {
    if (!faulty(tile)) {
      ++tile;
      continue;
    }
    Piece piece{block, depth, run, faults + tile * fault_pitch, fault_pitch};
    piece.run.col += tile;
    piece.run.count = 1;
    while (piece.run.count < largest && tile + piece.run.count < run.count && faulty(tile + piece.run.count))
      ++piece.run.count;
    redo_piece(piece);
    tile += piece.run.count;
  }
}

template <class T>
void WinogradRedo<T>::redo_piece(const Piece& piece) {
  const ConvProblem& p = plan_.request.problem;
  const TileGrid& grid = reader_.grid;
  const ScratchBlock scratch(scratch_bytes(p, grid));
  T* const carry = scratch.as<T>();
  T* const patch = carry + kCarry;
  const Index plane = patch_plane(p, grid, piece.run.count), row = plane / grid.h.reach(1);
  std::vector<Index> offsets;
  for (Index kd = 0; kd < p.kernel[kD]; ++kd) {
    const Index d = piece.depth * p.stride[kD] - p.pad_begin[kD] + kd * p.dilation[kD];
    reader_.gather(piece.run, d, piece.block.group, 0, p.in_ch_per_group(),
                   {patch + kd * plane, pitch_, row});
    for (Index kh = 0; kh < p.kernel[kH]; ++kh)
      for (Index kw = 0; kw < p.kernel[kW]; ++kw) offsets.push_back(kd * plane + kh * row + kw * pitch_);
  }
  const KernelTable& table = *plan_.request.table;
  const Index tile_oc = packed_tile_width(p, table, TileKind::kOcVector);
  const Index packed_oc = packed_out_ch(p, table, TileKind::kOcVector);
  const Chains chains = chains_of(p);
  TileArgs<T> args{};
  args.act_stride = grid.w.step * pitch_;
  args.run_offset = offsets.data();
  args.runs = static_cast<Index>(offsets.size());
  args.run_length = chains.block;
  args.last_run_length = chains.last_block;
  args.chains = chains.count;
  args.chain_step = chains.block;
  args.carry = carry;
  const Index rows = min_of(grid.h.outputs, outputs_left(p.out[kH], piece.run.phase_h, grid.phases_h,
                                                         piece.run.row * grid.h.outputs));
  const Index cols =
      min_of(piece.run.count * grid.w.outputs,
             outputs_left(p.out[kW], piece.run.phase_w, grid.phases_w, piece.run.col * grid.w.outputs));
  const Index widest = kernels_.tile_rows(tile_oc);
  const Index oc0 = piece.block.oc0, oc_end = oc0 + piece.block.oc;
  for (Index tile = oc0 / tile_oc * tile_oc; tile < oc_end; tile += tile_oc) {
    const Index vectors = ceil_div(min_of(tile_oc, p.out_ch_per_group() - tile), kernels_.lanes);
    const Index oc = max_of(oc0, tile), width = min_of(tile + tile_oc, oc_end) - oc;
    args.weights =
        static_cast<const T*>(packed_.data()) + packed_offset(p, packed_oc, piece.block.group, tile);
    for (Index h = 0; h < rows; ++h)
      for (Index w = 0; w < cols; w += widest) {
        const Index pixels = min_of(widest, cols - w);
        args.act = patch + h * grid.h.step * row + w * args.act_stride;
        kernels_.oc_vector.tile[pixels][vectors](args);
        for (Index i = 0; i < pixels; ++i)
          finish(piece, h, w + i, oc - oc0, width, carry + i * vectors * kernels_.lanes + oc - tile);
      }
  }
}

// The epilogue of one pixel's faulty channels: + bias, + residual, clamp.
template <class T>
void WinogradRedo<T>::finish(const Piece& piece, Index h, Index w, Index oc, Index width,
                             const T* sums) const {
  const Request& request = plan_.request;
  const ConvProblem& p = request.problem;
  const TileGrid& grid = reader_.grid;
  const ActivationStrides& s = request.out;
  const T* faults = piece.faults + w / grid.w.outputs * piece.fault_pitch + oc;
  const Index channel = piece.block.group * p.out_ch_per_group() + piece.block.oc0 + oc;
  const Index oh = piece.run.phase_h + grid.phases_h * (piece.run.row * grid.h.outputs + h);
  const Index ow = piece.run.phase_w + grid.phases_w * (piece.run.col * grid.w.outputs + w);
  const Index at = piece.run.image * s.batch + channel * s.channel + piece.depth * s.spatial[kD] +
                   oh * s.spatial[kH] + ow * s.spatial[kW];
  const T* bias = static_cast<const T*>(operands_.bias);
  const T* residual = static_cast<const T*>(operands_.residual);
  const T lo = static_cast<T>(p.epilogue.lo), hi = static_cast<T>(p.epilogue.hi);
  for (Index n = 0; n < width; ++n) {
    if (faults[n] == T(0)) continue;
    T v = sums[n];
    if (bias != nullptr) v = v + bias[channel + n];
    if (residual != nullptr) v = v + residual[at + n * s.channel];
    v = lo > v ? lo : v;
    static_cast<T*>(operands_.out)[at + n * s.channel] = hi < v ? hi : v;
  }
}

template class WinogradRedo<float>;
template class WinogradRedo<double>;

}  // namespace pyconv
