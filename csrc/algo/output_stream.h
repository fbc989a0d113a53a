// Results on their way to memory past the caches. Tiles are finished in a buffer that stays in L1, and leave
// it in whole lines in the order these lie in memory. On Zen 4 one core writes 27 GB/s so, and 14 where tiles
// store to their places, because every line is read before it is overwritten.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/types.h"
#include "kernels/kernel_table.h"

namespace pyconv {

template <class T>
class OutputStream {
 public:
  // Elements that the buffer must hold besides the largest tile's.
  static constexpr Index kLine = static_cast<Index>(kCacheLine / sizeof(T));

  // `buffer` lies at a cache line; without one nothing may be streamed.
  OutputStream(const StreamKernels& kernels, T* buffer) : kernels_(kernels), buffer_(buffer) {}
  OutputStream(const OutputStream&) = delete;
  OutputStream& operator=(const OutputStream&) = delete;
  ~OutputStream() {
    if (!buffer_) return;
    finish();
    kernels_.fence();
  }

  explicit operator bool() const { return buffer_ != nullptr; }

  // Where to make the elements that belong at `out`; those of the call before must have ended.
  T* begin(T* out) {
    if (out != line_ + filled_) {
      finish();
      filled_ = first_ = static_cast<Index>(reinterpret_cast<std::uintptr_t>(out) % kCacheLine / sizeof(T));
      line_ = out - first_;
    }
    return buffer_ + filled_;
  }

  // So many are made.
  void end(Index elements) {
    filled_ += elements;
    const Index whole = filled_ / kLine * kLine;
    if (whole == 0) return;
    Index done = 0;
    if (first_ > 0) {  // the rest of this line is somebody else's
      std::copy(buffer_ + first_, buffer_ + kLine, line_ + first_);
      first_ = 0;
      done = kLine;
    }
    kernels_.lines(line_ + done, buffer_ + done, (whole - done) * static_cast<Index>(sizeof(T)));
    std::copy(buffer_ + whole, buffer_ + filled_, buffer_);
    line_ += whole;
    filled_ -= whole;
  }

 private:
  // What is left of a line that nothing will complete.
  void finish() {
    if (filled_ > first_) std::copy(buffer_ + first_, buffer_ + filled_, line_ + first_);
    filled_ = first_ = 0;
  }

  const StreamKernels& kernels_;
  T* const buffer_;
  T* line_ = nullptr;             // where the buffer's first element belongs: the start of a line
  Index first_ = 0, filled_ = 0;  // the buffer holds results in [first, filled)
};

}  // namespace pyconv
