// What the kernel tests share: the tables this machine can run, and buffers whose edges are guarded. A kernel
// that reads past an edge meets an inaccessible page (masked loads too, which the address sanitizer does not
// see); one that writes past the other edge hits a canary.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <utility>
#include <vector>

#include "core/math.h"
#include "core/types.h"
#include "kernels/kernel_table.h"
#include "runtime/cpu.h"
#include "runtime/fp_mode.h"
#include "runtime/workspace.h"

namespace pyconv_tests {

using pyconv::Index;

inline std::vector<const pyconv::KernelTable*> runnable_tables() {
  std::vector<const pyconv::KernelTable*> tables = {&pyconv::baseline::kTable};
#if defined(PYCONV_HAVE_AVX2)
  if (pyconv::cpu_supports(pyconv::Isa::kAvx2)) tables.push_back(&pyconv::avx2::kTable);
#endif
#if defined(PYCONV_HAVE_AVX512)
  if (pyconv::cpu_supports(pyconv::Isa::kAvx512)) tables.push_back(&pyconv::avx512::kTable);
#endif
#if defined(PYCONV_HAVE_NEON)
  if (pyconv::cpu_supports(pyconv::Isa::kNeon)) tables.push_back(&pyconv::neon::kTable);
#endif
  return tables;
}

// Which side of the data lies against the inaccessible page; the other side ends in canaries.
enum class GuardAt { kBegin, kEnd };

template <class T>
class GuardedBuffer {
 public:
  // Filled with NaN: an element that nobody wrote, or that nobody should read, shows.
  GuardedBuffer(Index count, GuardAt guard) : count_(count) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t bytes = static_cast<std::size_t>(count + kCanaries) * sizeof(T);
    const std::size_t usable = (bytes + page - 1) / page * page;
    mapped_ = usable + page;
    base_ = static_cast<char*>(
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    const bool at_begin = guard == GuardAt::kBegin;
    mprotect(at_begin ? base_ : base_ + usable, page, PROT_NONE);
    char* first = at_begin ? base_ + page : base_ + usable - static_cast<std::size_t>(count) * sizeof(T);
    data_ = reinterpret_cast<T*>(first);
    canary_ = at_begin ? data_ + count : data_ - kCanaries;
    for (Index i = 0; i < count; ++i) data_[i] = std::numeric_limits<T>::quiet_NaN();
    for (Index i = 0; i < kCanaries; ++i) canary_[i] = kCanary;
  }
  GuardedBuffer(GuardedBuffer&& other) noexcept
      : count_(other.count_),
        mapped_(other.mapped_),
        base_(std::exchange(other.base_, nullptr)),
        data_(other.data_),
        canary_(other.canary_) {}
  ~GuardedBuffer() {
    if (base_ != nullptr) munmap(base_, mapped_);
  }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() const { return data_; }
  Index size() const { return count_; }
  T& operator[](Index i) const { return data_[i]; }
  bool canaries_intact() const {
    for (Index i = 0; i < kCanaries; ++i)
      if (canary_[i] != kCanary) return false;
    return true;
  }
  void fill_random(std::mt19937& rng) const {
    std::uniform_real_distribution<T> uniform(T(-1), T(1));
    for (Index i = 0; i < count_; ++i) data_[i] = uniform(rng);
  }

 private:
  static constexpr Index kCanaries = 64;
  static constexpr T kCanary = T(-12345.5);

  Index count_;
  std::size_t mapped_;
  char* base_;
  T* data_;
  T* canary_;
};

// Leaves what nobody should compute with in the scratch that the next borrower of so many bytes gets:
// denormals, of float and of double.
inline void spoil_scratch(std::size_t bytes) {
  const pyconv::ScratchBlock first(bytes), second(bytes);
  for (const pyconv::ScratchBlock* block : {&first, &second})
    std::fill_n(block->as<std::uint32_t>(), bytes / sizeof(std::uint32_t), 1u);
}

// Runs f; whether it computed with a denormal or with a signalling NaN on this thread, as far as the
// processor can tell.
template <class F>
bool meets_garbage(F&& f) {
#if defined(__x86_64__)
  constexpr unsigned kInvalid = 1, kDenormal = 2;
  pyconv::DefaultFpMode::raised = 0;
  f();
  return (pyconv::DefaultFpMode::raised & (kInvalid | kDenormal)) != 0;
#else
  f();
  return false;
#endif
}

// The same bits; NaN equals NaN whatever its payload (outside promise 1).
template <class T>
bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}

}  // namespace pyconv_tests
