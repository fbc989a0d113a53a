// An owned block of raw memory aligned to a cache line; for packed weights that outlive a call.
// Scratch of one call comes from runtime/workspace.h instead.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

namespace pyconv {

constexpr std::size_t kCacheLine = 64;

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes) : bytes_(bytes) {
    const std::size_t rounded = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
    if (rounded == 0) return;
    data_.reset(std::aligned_alloc(kCacheLine, rounded));
    if (!data_) throw std::bad_alloc();
  }
  void* data() const { return data_.get(); }
  std::size_t size() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<void, Free> data_;
  std::size_t bytes_ = 0;
};

}  // namespace pyconv
