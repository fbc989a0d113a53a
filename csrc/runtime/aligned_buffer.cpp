#include "runtime/aligned_buffer.h"

#include <cstdlib>
#include <new>

#include "core/types.h"
#include "runtime/os.h"

namespace pyconv {

AlignedBuffer::AlignedBuffer(std::size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const bool huge = bytes >= os::kHugePage;
  const std::size_t lines = (bytes + kCacheLine - 1) / kCacheLine * kCacheLine;
  void* const address = huge ? os::map_huge(bytes) : std::aligned_alloc(kCacheLine, lines);
  data_ = std::unique_ptr<void, FreeBuffer>(address, FreeBuffer{huge ? bytes : 0});
  if (!data_) throw std::bad_alloc();
}

void FreeBuffer::operator()(void* address) const {
  if (mapped > 0)
    os::unmap(address, mapped);
  else
    std::free(address);
}

}  // namespace pyconv
