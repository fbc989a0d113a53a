#include "runtime/thread_pool.h"

#include <chrono>
#include <cstdint>
#include <exception>
#include <new>

#include "core/check.h"
#include "runtime/cpu.h"
#include "runtime/fp_mode.h"
#include "runtime/os.h"

namespace pyconv {
namespace {

using Body = FunctionRef<void(ChunkSource&)>;
using std::chrono::microseconds;
using std::chrono::steady_clock;

constexpr int kMaxWorkers = 1023;

// How long an idle worker waits for the next call, and how long the join waits for the last chunk, before
// they sleep. Measurements: docs/decisions/0002-thread-pool.md.
constexpr microseconds kWorkerSpin{30};
constexpr microseconds kJoinSpin{30};

thread_local bool inside_body = false;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

template <class Ready>
bool spin_until(microseconds budget, Ready ready) {
  constexpr int kPausesPerClock = 32;  // reading the clock costs about as much
  if (ready()) return true;
  const auto deadline = steady_clock::now() + budget;
  do {
    for (int i = 0; i < kPausesPerClock; ++i) {
      pause_cpu();
      if (ready()) return true;
    }
  } while (steady_clock::now() < deadline);
  return false;
}

class InsideBody {
 public:
  InsideBody() : before_(inside_body) { inside_body = true; }
  ~InsideBody() { inside_body = before_; }

 private:
  const bool before_;
  const DefaultFpMode fp_mode_;
};

// A worker is kAwake (computing or spinning) or kParked; a caller takes it to kWaking, places it, and lets it
// go.
enum ParkState : std::uint32_t { kAwake, kParked, kWaking };

struct alignas(kCacheLine) Worker {
  std::atomic<std::uint32_t> state{kAwake};
  os::ThreadId thread = 0;  // written before the first park
};

// One job at a time. `gate_` holds (job number << 32 | free seats): a worker joins by taking a seat, and the
// caller closes the gate when it runs out of chunks, so it learns who joined and waits for nobody else.
// Everything a latecomer touches belongs to the pool, which is never freed; the job itself is read only from
// a seat.
class Pool {
 public:
  // False, with nothing done, if another caller has the pool.
  bool run(int helpers, ChunkSource& source, Body body);

 private:
  static constexpr std::uint64_t kSeats = 0xffffffffu;

  void start_workers(int count);
  void wake_sleepers(int count);
  void compute() noexcept;
  void join(std::uint32_t entered);

  struct Assignment {
    Pool* pool;
    int index;
  };
  static void worker_main(void* assignment);
  bool take_seat(std::uint64_t* last_job);
  void await_seat(Worker& self, std::uint64_t* last_job);
  static void park(Worker& self);
  void leave();

  // Read by spinning workers, written once a job.
  alignas(kCacheLine) std::atomic<std::uint64_t> gate_{0};
  ChunkSource* source_ = nullptr;
  const Body* body_ = nullptr;

  // Written by leaving workers.
  alignas(kCacheLine) std::atomic<std::uint32_t> left_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;

  // Belongs to whoever holds busy_.
  alignas(kCacheLine) std::atomic<bool> busy_{false};
  int worker_count_ = 0;
  Worker* workers_[kMaxWorkers] = {};
};

bool Pool::run(int helpers, ChunkSource& source, Body body) {
  if (busy_.exchange(true, std::memory_order_acquire)) return false;
  start_workers(helpers);
  helpers = worker_count_ < helpers ? worker_count_ : helpers;
  source_ = &source;
  body_ = &body;
  left_.store(0, std::memory_order_relaxed);
  const std::uint64_t job = (gate_.load(std::memory_order_relaxed) | kSeats) + 1;
  gate_.store(job | static_cast<std::uint64_t>(helpers));  // seq_cst: see await_seat
  wake_sleepers(helpers);
  compute();
  const std::uint64_t free_seats = gate_.exchange(job, std::memory_order_acq_rel) & kSeats;
  join(static_cast<std::uint32_t>(helpers - static_cast<int>(free_seats)));

  std::exception_ptr error;
  if (failed_.exchange(false, std::memory_order_relaxed)) error.swap(error_);
  busy_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
  return true;
}

// Fewer workers than asked for are no error: the caller computes whatever nobody else claims.
void Pool::start_workers(int count) {
  while (worker_count_ < count && worker_count_ < kMaxWorkers) {
    auto* worker = new (std::nothrow) Worker;
    auto* assignment = new (std::nothrow) Assignment{this, worker_count_};
    if (worker != nullptr) workers_[worker_count_] = worker;
    if (worker == nullptr || assignment == nullptr || !os::start_thread(worker_main, assignment)) {
      delete worker;
      delete assignment;
      return;
    }
    ++worker_count_;
  }
}

// On small virtual machines a woken worker is often queued behind the caller on the caller's own CPU. So a
// sleeper is kept off that CPU while it wakes, and only then: a standing mask would trap it behind any CPU
// hog elsewhere.
void Pool::wake_sleepers(int count) {
  os::CpuSet cpus;
  enum { kUnread, kPlace, kLeave } placing = kUnread;
  for (int i = 0; i < count; ++i) {
    Worker& worker = *workers_[i];
    std::uint32_t parked = kParked;
    if (worker.state.load() != kParked || !worker.state.compare_exchange_strong(parked, kWaking)) continue;
    if (placing == kUnread) {
      placing = kLeave;
      const int here = os::current_cpu();
      if (os::process_cpus(&cpus) && cpus.contains(here)) {
        cpus.remove(here);
        if (cpus.count() > 0) placing = kPlace;
      }
    }
    if (placing == kPlace) os::restrict_thread(worker.thread, cpus);
    worker.state.store(kAwake, std::memory_order_release);
    os::futex_wake(worker.state);
  }
}

void Pool::compute() noexcept {
  const InsideBody inside;
  try {
    (*body_)(*source_);
  } catch (...) {
    source_->cancel();
    if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
  }
}

void Pool::join(std::uint32_t entered) {
  const auto all_left = [&] { return left_.load(std::memory_order_acquire) == entered; };
  if (spin_until(kJoinSpin, all_left)) return;
  caller_sleeps_.store(
      true);  // seq_cst against left_: either leave() sees it, or the load below sees the leaver
  for (std::uint32_t left = left_.load(); left != entered; left = left_.load()) os::futex_wait(left_, left);
  caller_sleeps_.store(false, std::memory_order_relaxed);
}

void Pool::worker_main(void* raw) {
  const Assignment assignment = *static_cast<Assignment*>(raw);
  delete static_cast<Assignment*>(raw);
  Pool& pool = *assignment.pool;
  Worker& self = *pool.workers_[assignment.index];
  self.thread = os::this_thread();
  os::CpuSet cpus;
  if (os::process_cpus(&cpus)) os::restrict_thread(self.thread, cpus);  // not the mask of whoever started us
  std::uint64_t last_job = 0;
  for (;;) {
    pool.await_seat(self, &last_job);
    if (!pool.source_->exhausted()) pool.compute();
    pool.leave();
  }
}

bool Pool::take_seat(std::uint64_t* last_job) {
  std::uint64_t gate = gate_.load();
  while ((gate & kSeats) != 0 && gate >> 32 != *last_job) {
    if (gate_.compare_exchange_weak(gate, gate - 1, std::memory_order_acquire)) {
      *last_job = gate >> 32;
      return true;
    }
  }
  return false;
}

void Pool::await_seat(Worker& self, std::uint64_t* last_job) {
  for (;;) {
    if (spin_until(kWorkerSpin, [&] { return take_seat(last_job); })) return;
    // seq_cst on both sides: either we see the new job here, or its caller sees that we are parked.
    self.state.store(kParked);
    if (!take_seat(last_job)) {
      park(self);
      continue;
    }
    std::uint32_t parked = kParked;
    if (!self.state.compare_exchange_strong(parked, kAwake))
      park(self);  // a caller is placing us: let it finish
    return;
  }
}

void Pool::park(Worker& self) {
  for (std::uint32_t state = self.state.load(); state != kAwake; state = self.state.load()) {
    os::futex_wait(self.state, state);
  }
  os::CpuSet cpus;
  if (os::process_cpus(&cpus)) os::restrict_thread(self.thread, cpus);  // undo the placing
}

void Pool::leave() {
  left_.fetch_add(1);
  if (caller_sleeps_.load()) os::futex_wake(left_);
}

// Leaked at exit and in a forked child: its threads may still be using it, or are gone with it.
std::atomic<Pool*> current_pool{nullptr};

Pool& pool() {
  Pool* existing = current_pool.load(std::memory_order_acquire);
  if (existing != nullptr) return *existing;
  auto* fresh = new Pool;
  if (current_pool.compare_exchange_strong(existing, fresh, std::memory_order_acq_rel)) return *fresh;
  delete fresh;
  return *existing;
}

// The pool holds no lock across a call, so a fork needs no preparation: the child just starts over.
const bool fork_handler_installed = [] {
  os::at_fork(nullptr, nullptr, [] { current_pool.store(nullptr, std::memory_order_release); });
  return true;
}();

std::atomic<int> chosen_num_threads{0};

}  // namespace

void parallel_for(int threads, Index chunks, Body body) {
  ChunkSource source(chunks);
  if (threads > 1 && chunks > 1 && !inside_body) {
    const Index helpers = (threads < chunks ? threads : chunks) - 1;
    if (pool().run(static_cast<int>(helpers), source, body)) return;
  }
  const InsideBody inside;
  body(source);
}

int default_num_threads() {
  static const int threads = [] {
    const Environment& env = environment();
    if (env.pyconv_num_threads > 0) return env.pyconv_num_threads;
    if (env.omp_num_threads > 0) return env.omp_num_threads;
    return available_cpus();
  }();
  return threads;
}

int get_num_threads() {
  const int chosen = chosen_num_threads.load(std::memory_order_relaxed);
  return chosen > 0 ? chosen : default_num_threads();
}

void set_num_threads(int threads) {
  check_value(threads >= 1, "num_threads must be at least 1, got ", threads);
  chosen_num_threads.store(threads, std::memory_order_relaxed);
}

}  // namespace pyconv
