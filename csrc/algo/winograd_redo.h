// Outputs of Winograd tiles that met a value that is not finite, computed again by the definition's products
// alone: a NaN or Inf reaches exactly the outputs that read it (promise 4). Whether an output is redone
// depends on its own tile and channel only, so the result is as independent of blocking as the rest.
#pragma once

#include <mutex>

#include "algo/winograd_input.h"
#include "runtime/aligned_buffer.h"

namespace pyconv {

// Direct tiles over gathered patches, in direct's order of accumulation. One per call, shared by its threads;
// the weights are packed when the first tile needs them.
template <class T>
class WinogradRedo {
 public:
  // The plan's request is permuted; the operands are those of the call.
  WinogradRedo(const ConvPlan& plan, const TileReader<T>& reader, const ConvOperands& operands);

  // Of the tiles of a run at output depth `depth`: output channel block.oc0 + c of tile t is done again where
  // faults[t * fault_pitch + c] is not 0.
  void redo(const WinogradBlock& block, Index depth, const TileRun& run, const T* faults, Index fault_pitch);

  static std::size_t scratch_bytes(const ConvProblem& problem, const TileGrid& grid);

 private:
  struct Piece;
  void pack_once();
  void redo_piece(const Piece& piece);
  void finish(const Piece& piece, Index h, Index w, Index oc, Index width, const T* sums) const;

  const ConvPlan& plan_;
  const TileReader<T>& reader_;
  const ConvOperands& operands_;
  const DenseKernels<T>& kernels_;
  ConvPlan direct_;  // says how pack_weights packs
  Index pitch_;
  std::once_flag packed_once_;
  AlignedBuffer packed_;
};

extern template class WinogradRedo<float>;
extern template class WinogradRedo<double>;

}  // namespace pyconv
