// What the runtime needs from the operating system and C++17 does not have. A port replaces os_linux.cpp.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace pyconv::os {

// Sleeps while word == expected; may wake for no reason.
void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected);
// The same; false if the time has passed.
bool futex_wait_for(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::chrono::nanoseconds time);
// Wakes every thread that sleeps on word (each word here has one sleeper at most).
void futex_wake(std::atomic<std::uint32_t>& word);

struct CpuSet {
  static constexpr int kMaxCpus = 8192;
  std::uint64_t words[kMaxCpus / 64];

  bool contains(int cpu) const {
    return cpu >= 0 && cpu < kMaxCpus && ((words[cpu / 64] >> (cpu % 64)) & 1) != 0;
  }
  void add(int cpu) { words[cpu / 64] |= std::uint64_t{1} << (cpu % 64); }
  void remove(int cpu) { words[cpu / 64] &= ~(std::uint64_t{1} << (cpu % 64)); }
  int count() const;
};

// The CPUs this process may use: the mask of its main thread, which is what taskset and os.sched_setaffinity
// set.
bool process_cpus(CpuSet* cpus);
int current_cpu();  // -1 if unknown

using ThreadId = int;
ThreadId this_thread();
void restrict_thread(ThreadId thread, const CpuSet& cpus);  // best effort

// Starts a detached thread that receives no signals. False if the system refuses.
bool start_thread(void (*entry)(void*), void* argument);

// Handlers around fork(); any may be null. Call before the state they protect can be in use.
void at_fork(void (*prepare)(), void (*parent)(), void (*child)());

constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Zeroed pages from a multiple of kHugePage on, huge ones advised.
void* map_huge(std::size_t bytes);  // null on failure
void unmap(void* address, std::size_t bytes);

}  // namespace pyconv::os
