#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "runtime/os.h"

namespace pyconv::os {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free,
              "the kernel reads the word itself");

void futex_wait(std::atomic<std::uint32_t>& word, std::uint32_t expected) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

bool futex_wait_for(std::atomic<std::uint32_t>& word, std::uint32_t expected, std::chrono::nanoseconds time) {
  constexpr std::int64_t kSecond = 1000000000;
  timespec timeout{};
  timeout.tv_sec = static_cast<time_t>(time.count() / kSecond);
  timeout.tv_nsec = static_cast<long>(time.count() % kSecond);
  return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, &timeout, nullptr, 0) == 0 ||
         errno != ETIMEDOUT;
}

void futex_wake(std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 0x7fffffff, nullptr, nullptr, 0);
}

int CpuSet::count() const {
  int total = 0;
  for (std::uint64_t word : words) total += __builtin_popcountll(word);
  return total;
}

bool process_cpus(CpuSet* cpus) {
  *cpus = {};
  auto* mask = reinterpret_cast<cpu_set_t*>(cpus->words);
  return sched_getaffinity(getpid(), sizeof(cpus->words), mask) == 0 ||
         sched_getaffinity(0, sizeof(cpus->words), mask) == 0;
}

int current_cpu() { return sched_getcpu(); }

ThreadId this_thread() { return static_cast<ThreadId>(syscall(SYS_gettid)); }

void restrict_thread(ThreadId thread, const CpuSet& cpus) {
  sched_setaffinity(thread, sizeof(cpus.words), reinterpret_cast<const cpu_set_t*>(cpus.words));
}

namespace {
struct Start {
  void (*entry)(void*);
  void* argument;
};
void* run_start(void* raw) {
  const Start start = *static_cast<Start*>(raw);
  delete static_cast<Start*>(raw);
  start.entry(start.argument);
  return nullptr;
}
}  // namespace

bool start_thread(void (*entry)(void*), void* argument) {
  auto* start = new Start{entry, argument};
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);  // inherited by the new thread
  pthread_t thread;
  const bool started = pthread_create(&thread, nullptr, run_start, start) == 0;
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  if (!started) {
    delete start;
    return false;
  }
  pthread_setname_np(thread, "pyconv");
  pthread_detach(thread);
  return true;
}

void at_fork(void (*prepare)(), void (*parent)(), void (*child)()) { pthread_atfork(prepare, parent, child); }

void* map_huge(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t whole = (bytes + page - 1) / page * page, reserved = whole + kHugePage;
  void* raw = mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  const std::size_t skipped = (kHugePage - reinterpret_cast<std::uintptr_t>(raw) % kHugePage) % kHugePage;
  char* const address = static_cast<char*>(raw) + skipped;
  if (skipped != 0) munmap(raw, skipped);
  munmap(address + whole, kHugePage - skipped);  // never empty: skipped < kHugePage
  madvise(address, whole, MADV_HUGEPAGE);
  return address;
}

void unmap(void* address, std::size_t bytes) { munmap(address, bytes); }

}  // namespace pyconv::os
