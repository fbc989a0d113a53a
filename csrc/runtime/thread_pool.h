// A small fork-join pool. Work is cut into chunks that the caller and the workers claim one by one, so that a
// worker which never wakes up costs nothing; who computes a chunk can never change a result.
#pragma once

#include <atomic>
#include <type_traits>

#include "core/aligned_buffer.h"
#include "core/types.h"

namespace pyconv {

// Non-owning reference to a callable, so that parallel_for needs no allocation.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, FunctionRef>>>
  FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(static_cast<Args&&>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, static_cast<Args&&>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

// Hands out chunk numbers 0..total-1, each exactly once, to whoever asks. It has a cache line of its own: it
// lives on the caller's stack, whose hot variables every claim would otherwise invalidate.
class alignas(kCacheLine) ChunkSource {
 public:
  explicit ChunkSource(Index total) : total_(total) {}
  bool next(Index* chunk) {
    *chunk = next_.fetch_add(1, std::memory_order_relaxed);
    return *chunk < total_;
  }
  bool exhausted() const { return next_.load(std::memory_order_relaxed) >= total_; }
  void cancel() { next_.store(total_, std::memory_order_relaxed); }

 private:
  std::atomic<Index> next_{0};
  const Index total_;
};

// Runs body(source) on the calling thread and on up to threads - 1 workers; each body takes chunks with
// source.next() until none is left, and may set up scratch of its own first. Returns when every claimed chunk
// is done. The first exception of any body is rethrown here (remaining chunks are dropped).
// threads == 1, chunks <= 1, a call from inside a body, or a pool busy with another caller: runs inline.
// `serial_us` is what the caller expects one thread to need: sleeping workers are left alone for less work
// than it costs to wake them, unless calls follow each other closely. It never changes a result. Every
// participating thread computes in the default floating-point mode, whatever the caller's is. A body must not
// fork(); any other thread may, at any time.
constexpr double kUnknownWork = 1e9;
void parallel_for(int threads, Index chunks, FunctionRef<void(ChunkSource&)> body,
                  double serial_us = kUnknownWork);

// PYCONV_NUM_THREADS, else OMP_NUM_THREADS, else min(affinity, cgroup quota); read once.
int default_num_threads();
// The process-wide number used when a call names none (>= 1; above the number of CPUs it is obeyed).
int get_num_threads();
void set_num_threads(int threads);  // ValueError below 1

}  // namespace pyconv
