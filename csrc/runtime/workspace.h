// Scratch memory recycled between calls: blocks are borrowed from a small process-wide free list and go back
// to it, so that steady-state calls neither allocate nor touch fresh pages. Nothing in a block outlives its
// borrower.
#pragma once

#include <cstddef>

namespace pyconv {

// Promise 3: the scratch of one thread in one call stays below this.
constexpr std::size_t kMaxScratchPerThread = std::size_t{16} << 20;

// Cache-line aligned; from 1 MB up 2 MB-aligned with huge pages advised. Throws std::bad_alloc.
class ScratchBlock {
 public:
  struct Memory;  // a recyclable piece, workspace.cpp

  explicit ScratchBlock(std::size_t bytes);
  ~ScratchBlock();
  ScratchBlock(const ScratchBlock&) = delete;
  ScratchBlock& operator=(const ScratchBlock&) = delete;
  void* data() const { return data_; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  void* data_;
  Memory* memory_;
};

// Bytes that idle blocks keep resident, at most.
std::size_t idle_scratch_bytes();

}  // namespace pyconv
