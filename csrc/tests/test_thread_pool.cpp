// The fork-join pool: every chunk once, nesting, exceptions, many callers, fork, floating-point mode,
// affinity. Run under ThreadSanitizer as well.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "core/check.h"
#include "doctest/doctest.h"
#include "runtime/cpu.h"
#include "runtime/fp_mode.h"
#include "runtime/thread_pool.h"

using namespace pyconv;
using namespace std::chrono_literals;

// ThreadSanitizer cannot follow a forked child that starts threads ("dup thread with used id").
#if defined(__SANITIZE_THREAD__)
constexpr bool kNoThreadsInChild = true;
#else
constexpr bool kNoThreadsInChild = false;
#endif

extern "C" {
int pyconv_get_num_threads();
void pyconv_set_num_threads(int);
const char* pyconv_version();
}

namespace {

Index sum_of_squares(int threads, Index chunks) {
  std::atomic<Index> total{0};
  parallel_for(threads, chunks, [&](ChunkSource& source) {
    for (Index chunk; source.next(&chunk);) total += chunk * chunk;
  });
  return total;
}

Index expected_squares(Index chunks) { return chunks < 1 ? 0 : (chunks - 1) * chunks * (2 * chunks - 1) / 6; }

// Runs a body in which `threads` different threads meet; false if they do not within ten seconds.
bool all_participate(int threads) {
  std::atomic<int> arrived{0};
  std::atomic<bool> met{true};
  parallel_for(threads, threads, [&](ChunkSource& source) {
    Index chunk;
    if (!source.next(&chunk)) return;
    ++arrived;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (arrived < threads) {
      if (std::chrono::steady_clock::now() > deadline) {
        met = false;
        return;
      }
      std::this_thread::yield();
    }
  });
  return met && arrived == threads;
}

// Runs `work` in a forked child and says whether it returned true within its time.
template <class Work>
bool holds_in_child(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);  // a hang is a failure, not a hanging test
    _exit(work() ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && status == 0;
}

const auto kLongerThanAnySpin = 5ms;

}  // namespace

TEST_CASE("every chunk is handed out exactly once, for any number of threads and chunks") {
  for (int threads : {1, 2, 3, 8}) {
    for (Index chunks : {0, 1, 2, 3, 7, 16, 100, 5000}) {
      INFO(threads, " threads, ", chunks, " chunks");
      std::vector<std::atomic<int>> hits(static_cast<std::size_t>(chunks));
      parallel_for(threads, chunks, [&](ChunkSource& source) {
        for (Index chunk; source.next(&chunk);) ++hits[static_cast<std::size_t>(chunk)];
      });
      bool all_once = true;
      for (const auto& count : hits) all_once = all_once && count == 1;
      CHECK(all_once);
    }
  }
}

TEST_CASE("plain writes of the workers are visible to the caller, and its own to them") {
  for (int round = 0; round < 300; ++round) {
    std::vector<int> in(64, round), out(64, -1);
    parallel_for(4, 64, [&](ChunkSource& source) {
      for (Index chunk; source.next(&chunk);) {
        out[static_cast<std::size_t>(chunk)] = in[static_cast<std::size_t>(chunk)] + 1;
      }
    });
    REQUIRE(out == std::vector<int>(64, round + 1));
  }
}

TEST_CASE("threads above the number of CPUs are obeyed") {
  for (int threads : {2, 3, 6, 17}) CHECK(all_participate(threads));
}

TEST_CASE("a sleeping worker is woken, and a job never waits for, or is touched by, one that comes late") {
  REQUIRE(all_participate(3));
  for (int round = 0; round < 200; ++round) {
    if (round % 4 == 0) std::this_thread::sleep_for(1ms);
    // So short that most workers arrive after the end; the frame they would touch is then gone.
    REQUIRE(sum_of_squares(3, 4) == expected_squares(4));
  }
  std::this_thread::sleep_for(kLongerThanAnySpin);
  CHECK(all_participate(3));
}

TEST_CASE("a nested call runs inline on the thread that makes it") {
  std::atomic<bool> elsewhere{false};
  std::atomic<Index> total{0};
  parallel_for(3, 6, [&](ChunkSource& outer) {
    for (Index i; outer.next(&i);) {
      const auto here = std::this_thread::get_id();
      parallel_for(3, 10, [&](ChunkSource& inner) {
        if (std::this_thread::get_id() != here) elsewhere = true;
        for (Index j; inner.next(&j);) total += j;
      });
    }
  });
  CHECK_FALSE(elsewhere);
  CHECK(total == 6 * 45);
  const auto caller = std::this_thread::get_id();
  parallel_for(1, 1, [&](ChunkSource&) {  // an outer call held to one thread holds the inner one to it too
    parallel_for(3, 3, [&](ChunkSource& inner) {
      if (std::this_thread::get_id() != caller) elsewhere = true;
      for (Index j; inner.next(&j);) std::this_thread::sleep_for(1ms);
    });
  });
  CHECK_FALSE(elsewhere);
  CHECK(all_participate(3));  // and the flag does not stick
}

TEST_CASE("an exception in any body reaches the caller, and the pool survives it") {
  const auto caller = std::this_thread::get_id();
  for (int threads : {1, 4}) {
    for (int round = 0; round < 50; ++round) {
      CHECK_THROWS_WITH_AS(parallel_for(threads, 100,
                                        [&](ChunkSource& source) {
                                          for (Index chunk; source.next(&chunk);) {
                                            if (chunk >= 10) throw std::runtime_error("chunk failed");
                                          }
                                        }),
                           "chunk failed", std::runtime_error);
      REQUIRE(sum_of_squares(threads, 50) == expected_squares(50));
    }
  }
  // The chunks nobody has claimed yet are dropped: all of these would take hours.
  std::atomic<bool> joined{false};
  CHECK_THROWS_AS(parallel_for(2, Index{1} << 40,
                               [&](ChunkSource& source) {
                                 for (Index chunk; source.next(&chunk);) {
                                   if (std::this_thread::get_id() != caller) joined = true;
                                   if (joined && std::this_thread::get_id() == caller)
                                     throw ValueError("stop");
                                 }
                               }),
                  ValueError);
  std::atomic<bool> thrown{false};
  CHECK_THROWS_AS(parallel_for(2, 2,
                               [&](ChunkSource& source) {
                                 for (Index chunk; source.next(&chunk);) {
                                   if (std::this_thread::get_id() != caller) {
                                     thrown = true;
                                     throw ValueError("from a worker");
                                   }
                                   while (!thrown) std::this_thread::yield();
                                 }
                               }),
                  ValueError);
  CHECK(all_participate(4));
}

TEST_CASE("many callers at once neither wait for each other nor mix their work") {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int id = 0; id < 8; ++id) {
    callers.emplace_back([&, id] {
      for (int round = 0; round < 200; ++round) {
        if (sum_of_squares(1 + (id + round) % 4, 20 + id) != expected_squares(20 + id)) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);

  // A caller that finds the pool taken computes inline while the other one is still at work.
  std::atomic<bool> entered{false}, release{false};
  std::thread holder([&] {
    parallel_for(2, 2, [&](ChunkSource& source) {
      for (Index chunk; source.next(&chunk);) {
        entered = true;
        while (!release) std::this_thread::yield();
      }
    });
  });
  while (!entered) std::this_thread::yield();
  CHECK(sum_of_squares(2, 30) == expected_squares(30));
  release = true;
  holder.join();
}

TEST_CASE("a forked child computes: after a region, and forked during one" *
          doctest::skip(kNoThreadsInChild)) {
  REQUIRE(all_participate(3));
  CHECK(holds_in_child([] { return all_participate(3) && sum_of_squares(2, 9) == expected_squares(9); }));

  std::atomic<bool> entered{false}, release{false};
  std::thread holder([&] {
    parallel_for(3, 3, [&](ChunkSource& source) {
      for (Index chunk; source.next(&chunk);) {
        entered = true;
        while (!release) std::this_thread::yield();
      }
    });
  });
  while (!entered) std::this_thread::yield();
  CHECK(holds_in_child([] {
    return all_participate(3) && holds_in_child([] { return all_participate(2); });  // and its child
  }));
  release = true;
  holder.join();
  CHECK(all_participate(3));  // the parent's pool is as before
}

TEST_CASE("children forked while callers are busy all finish" * doctest::skip(kNoThreadsInChild)) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> callers;
  for (int id = 0; id < 3; ++id) {
    callers.emplace_back([&] {
      while (!stop) sum_of_squares(3, 40);
    });
  }
  for (int round = 0; round < 20; ++round) {
    CHECK(holds_in_child([] { return sum_of_squares(3, 40) == expected_squares(40); }));
  }
  stop = true;
  for (std::thread& caller : callers) caller.join();
}

TEST_CASE("every participant computes in the default floating-point mode, the caller's is kept") {
#if defined(__x86_64__)
  const unsigned original = _mm_getcsr(),
                 odd = 0x8040 | 0x6000 | 0x1f80 | 0x1;  // FTZ, DAZ, toward zero, a flag
  for (int threads : {1, 4}) {
    _mm_setcsr(odd);
    std::atomic<int> wrong{0};
    parallel_for(threads, 64, [&](ChunkSource& source) {
      if ((_mm_getcsr() & ~0x3fu) != 0x1f80) ++wrong;
      for (Index chunk; source.next(&chunk);) std::this_thread::yield();
    });
    const unsigned after = _mm_getcsr();
    _mm_setcsr(original);
    CHECK(wrong == 0);
    CHECK(after == odd);
  }
#endif
}

TEST_CASE("workers started by a caller in an odd floating-point mode do not inherit it" *
          doctest::skip(kNoThreadsInChild)) {
#if defined(__x86_64__)
  const unsigned original = _mm_getcsr();
  _mm_setcsr(0x8040 | 0x6000 | 0x1f80);
  const bool clean = holds_in_child([] {  // a child's pool is fresh
    std::atomic<int> wrong{0};
    parallel_for(3, 3, [&](ChunkSource& source) {
      if ((_mm_getcsr() & ~0x3fu) != 0x1f80) ++wrong;
      for (Index chunk; source.next(&chunk);) std::this_thread::sleep_for(10ms);
    });
    return wrong == 0;
  });
  _mm_setcsr(original);
  CHECK(clean);
#endif
}

namespace {

struct ThreadMasks {
  bool equal_process = true;
  int workers = 0;
};

// The masks that workers compute under.
ThreadMasks worker_masks(int threads) {
  cpu_set_t process;
  sched_getaffinity(getpid(), sizeof process, &process);
  const auto caller = std::this_thread::get_id();
  ThreadMasks result;
  std::mutex mutex;
  std::atomic<int> arrived{0};
  parallel_for(threads, threads, [&](ChunkSource& source) {
    Index chunk;
    if (!source.next(&chunk)) return;
    cpu_set_t own;
    sched_getaffinity(0, sizeof own, &own);
    if (std::this_thread::get_id() != caller) {
      const std::lock_guard<std::mutex> lock(mutex);
      result.equal_process = result.equal_process && CPU_EQUAL(&own, &process);
      ++result.workers;
    }
    ++arrived;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (arrived < threads && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  return result;
}

ThreadMasks woken_worker_masks(int threads) {
  all_participate(threads);
  std::this_thread::sleep_for(kLongerThanAnySpin);
  return worker_masks(threads);
}

void keep_first_cpu_only() {
  cpu_set_t mask;
  sched_getaffinity(0, sizeof mask, &mask);
  int first = 0;
  while (!CPU_ISSET(first, &mask)) ++first;
  CPU_ZERO(&mask);
  CPU_SET(first, &mask);
  sched_setaffinity(0, sizeof mask, &mask);
}

}  // namespace

TEST_CASE("a woken worker runs with the process's whole mask; a caller pinned to one CPU does not pin it") {
  for (int round = 0; round < 20; ++round) {
    const ThreadMasks masks = woken_worker_masks(3);
    REQUIRE(masks.workers == 2);
    REQUIRE(masks.equal_process);
  }
  std::thread pinned([] {
    keep_first_cpu_only();
    const ThreadMasks masks = worker_masks(20);  // more workers than before: some are started here
    CHECK(masks.workers == 19);
    CHECK(masks.equal_process);
  });
  pinned.join();
}

TEST_CASE("small work wakes nobody, a burst of small calls does") {
  REQUIRE(all_participate(2));
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> helped{false};
  const auto call = [&](double serial_us) {
    parallel_for(
        2, 16,
        [&](ChunkSource& source) {
          for (Index chunk; source.next(&chunk);) {
            std::this_thread::sleep_for(100us);  // long enough for a woken worker to come
            if (std::this_thread::get_id() != caller) helped = true;
          }
        },
        serial_us);
  };
  int rounds_with_help = 0;
  for (int round = 0; round < 20; ++round) {
    std::this_thread::sleep_for(kLongerThanAnySpin);
    helped = false;
    call(20);
    rounds_with_help += helped ? 1 : 0;
  }
  CHECK(rounds_with_help < 5);  // 0, unless another process kept the worker from falling asleep
  helped = false;
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!helped && std::chrono::steady_clock::now() < deadline) call(20);
  CHECK(helped);
}

TEST_CASE("a straggler is moved to the CPU that its caller leaves idle, and is free again afterwards") {
  if (available_cpus() < 2) return;  // nowhere to move from
  const auto caller = std::this_thread::get_id();
  for (int round = 0; round < 5; ++round) {
    REQUIRE(all_participate(2));
    std::atomic<bool> started{false}, moved{false};
    parallel_for(2, 2, [&](ChunkSource& source) {
      Index chunk;
      if (!source.next(&chunk)) return;
      const auto deadline = std::chrono::steady_clock::now() + 10s;
      const auto in_time = [&] { return std::chrono::steady_clock::now() < deadline; };
      if (std::this_thread::get_id() == caller) {
        while (!started && in_time()) std::this_thread::yield();
        return;
      }
      started = true;
      cpu_set_t own;
      do {
        std::this_thread::sleep_for(1ms);
        sched_getaffinity(0, sizeof own, &own);
        moved = CPU_COUNT(&own) == 1;
      } while (!moved && in_time());
    });
    CHECK(moved);
    CHECK(woken_worker_masks(2).equal_process);
  }
}

TEST_CASE("a process held to one CPU, from its start or later, still gets its threads" *
          doctest::skip(kNoThreadsInChild)) {
  CHECK(holds_in_child([] {
    keep_first_cpu_only();
    return all_participate(3) && woken_worker_masks(3).equal_process;
  }));
  CHECK(holds_in_child([] {
    if (!all_participate(3)) return false;
    keep_first_cpu_only();
    const ThreadMasks masks = woken_worker_masks(3);
    return masks.workers == 2 && masks.equal_process && sum_of_squares(3, 10) == expected_squares(10);
  }));
}

TEST_CASE("the number of threads: default, set from many threads, refused below 1") {
  const int original = get_num_threads();
  CHECK(original == default_num_threads());
  CHECK(original >= 1);
  std::vector<std::thread> setters;
  for (int value = 1; value <= 4; ++value) {
    setters.emplace_back([value] {
      for (int i = 0; i < 100; ++i) {
        set_num_threads(value);
        const int seen = get_num_threads();
        if (seen < 1 || seen > 4) throw std::logic_error("torn value");
      }
    });
  }
  for (std::thread& setter : setters) setter.join();
  set_num_threads(77);
  CHECK(get_num_threads() == 77);
  CHECK_THROWS_WITH_AS(set_num_threads(0), "num_threads must be at least 1, got 0", ValueError);
  CHECK(get_num_threads() == 77);
  CHECK(pyconv_get_num_threads() == 77);
  pyconv_set_num_threads(5);
  CHECK(get_num_threads() == 5);
  pyconv_set_num_threads(-3);  // C callers cannot catch
  CHECK(get_num_threads() == 1);
  CHECK(std::string(pyconv_version()) == PYCONV_VERSION);
  set_num_threads(original);
}
