// An owned block of raw memory aligned to a cache line; for packed weights that outlive a call.
// Scratch of one call comes from runtime/workspace.h instead.
#pragma once

#include <cstddef>
#include <memory>

namespace pyconv {

struct FreeBuffer {
  std::size_t mapped = 0;  // bytes; 0: from malloc
  void operator()(void* address) const;
};

// From 2 MB on on huge pages: weights that come from memory are read page after page, and every small page is
// one more address to translate (3x3 1024@7, 67 MB, Emerald Rapids: 10.5 ms on small pages, 9.5 so; two
// threads 5.5 and 4.6).
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes);
  void* data() const { return data_.get(); }
  std::size_t size() const { return bytes_; }

 private:
  std::unique_ptr<void, FreeBuffer> data_;
  std::size_t bytes_ = 0;
};

}  // namespace pyconv
