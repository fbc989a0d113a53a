// A small fork-join pool. Work is cut into chunks that the caller and the workers claim one by one, so that a
// worker which never wakes up costs nothing; who computes a chunk can never change a result.
#pragma once

#include <atomic>
#include <type_traits>

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

// Hands out chunk numbers 0..total-1, each exactly once. Every participant has a range of neighbouring chunks
// to begin with and then helps the others with theirs: what one call, or the layer before it, left in the
// cache of a core is found there by the next (docs/decisions/0027-chunks-at-home.md). Ranges have cache lines
// of their own: they live on the caller's stack, whose hot variables every claim would otherwise invalidate.
class ChunkRanges {
 public:
  ChunkRanges(Index total, int participants) : count_(participants < kMost ? participants : kMost) {
    for (int i = 0; i < count_; ++i) {
      ranges_[i].next.store(total * i / count_, std::memory_order_relaxed);
      ranges_[i].end = total * (i + 1) / count_;
    }
  }
  int count() const { return count_; }
  bool claim(int range, Index* chunk) {
    *chunk = ranges_[range].next.fetch_add(1, std::memory_order_relaxed);
    return *chunk < ranges_[range].end;
  }
  bool exhausted() const {
    for (int i = 0; i < count_; ++i)
      if (ranges_[i].next.load(std::memory_order_relaxed) < ranges_[i].end) return false;
    return true;
  }
  void cancel() {
    for (int i = 0; i < count_; ++i) ranges_[i].next.store(ranges_[i].end, std::memory_order_relaxed);
  }

 private:
  static constexpr int kMost = 32;  // of more participants several begin in the same range
  struct alignas(kCacheLine) Range {
    std::atomic<Index> next;
    Index end;
  };
  Range ranges_[kMost];
  const int count_;
};

// The chunks as one participant sees them: those of its own range first.
class ChunkSource {
 public:
  ChunkSource(ChunkRanges& ranges, int participant)
      : ranges_(ranges), range_(participant % ranges.count()), left_(ranges.count()) {}
  bool next(Index* chunk) {
    for (; left_ > 0; --left_) {
      if (ranges_.claim(range_, chunk)) return true;
      if (++range_ == ranges_.count()) range_ = 0;
    }
    return false;
  }

 private:
  ChunkRanges& ranges_;
  int range_;
  int left_;  // ranges that may have chunks left
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
