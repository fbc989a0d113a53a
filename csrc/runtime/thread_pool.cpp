#include "runtime/thread_pool.h"

#include <algorithm>
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

// Tuned on a two-core virtual machine, docs/decisions/0002-thread-pool.md has the figures.
constexpr microseconds kWorkerSpin{100};  // an idle worker waits this long for the next call before it sleeps
constexpr microseconds kJoinSpin{30};     // the join waits at least this long for the last chunk
constexpr microseconds kLongestSpin{100};  // and sleeps rather than spin longer than this
constexpr double kWakeWorthUs = 70;        // less serial work than this is done sooner without waking anybody

thread_local bool inside_body = false;

void pause_cpu() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

template <class Ready>
bool spin_until(steady_clock::duration budget, Ready ready) {
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

// Another thread takes a worker from kParked (asleep) or kComputing to kPlacing, sets its CPU mask, and says
// so.
enum WorkerState : std::uint32_t { kAwake, kComputing, kParked, kPlacing, kPlaced };

struct alignas(kCacheLine) Worker {
  std::atomic<std::uint32_t> state{kAwake};
  os::ThreadId thread = 0;  // written before the state first changes
};

// One job at a time. `gate_` holds (job number << 32 | free seats): a worker joins by taking a seat, and the
// caller closes the gate when it runs out of chunks, so it learns who joined and waits for nobody else.
// Everything a latecomer touches belongs to the pool, which is never freed; the job itself is read only from
// a seat.
class Pool {
 public:
  // False, with nothing done, if another caller has the pool.
  bool run(int helpers, Index chunks, ChunkRanges& ranges, Body body, double serial_us);

 private:
  static constexpr std::uint64_t kSeats = 0xffffffffu;

  bool worth_waking(steady_clock::time_point now, double serial_us);
  void start_workers(int count);
  void wake_below(int parent);
  static void wake(Worker& worker);
  void compute(int participant) noexcept;
  void join(std::uint32_t entered, steady_clock::duration chunk_time);
  void pull_straggler();

  struct Assignment {
    Pool* pool;
    int index;
  };
  static void worker_main(void* assignment);
  bool take_seat(std::uint64_t* last_job);
  void await_seat(Worker& self, std::uint64_t* last_job, steady_clock::duration spin);
  static void settle(Worker& self);
  void leave();

  // Read by spinning workers, written once a job.
  alignas(kCacheLine) std::atomic<std::uint64_t> gate_{0};
  ChunkRanges* ranges_ = nullptr;
  const Body* body_ = nullptr;
  int helpers_ = 0;
  bool wake_sleepers_ = false;

  // Written by leaving workers.
  alignas(kCacheLine) std::atomic<std::uint32_t> left_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;

  // Belongs to whoever holds busy_; workers_ is constant once its worker runs.
  alignas(kCacheLine) std::atomic<bool> busy_{false};
  int worker_count_ = 0;
  steady_clock::time_point last_end_{};
  double unpaid_us_ = 0;
  Worker* workers_[kMaxWorkers] = {};
};

bool Pool::run(int helpers, Index chunks, ChunkRanges& ranges, Body body, double serial_us) {
  if (busy_.exchange(true, std::memory_order_acquire)) return false;
  const auto start = steady_clock::now();
  wake_sleepers_ = worth_waking(start, serial_us);
  if (wake_sleepers_) start_workers(helpers);
  helpers_ = worker_count_ < helpers ? worker_count_ : helpers;
  ranges_ = &ranges;
  body_ = &body;
  left_.store(0, std::memory_order_relaxed);
  const std::uint64_t job = (gate_.load(std::memory_order_relaxed) | kSeats) + 1;
  gate_.store(job | static_cast<std::uint64_t>(helpers_));  // seq_cst: see await_seat
  wake_below(-1);
  compute(0);
  const auto free_seats = static_cast<int>(gate_.exchange(job, std::memory_order_acq_rel) & kSeats);
  const int entered = helpers_ - free_seats;
  last_end_ = steady_clock::now();
  if (entered > 0) join(static_cast<std::uint32_t>(entered), (last_end_ - start) * (entered + 1) / chunks);

  std::exception_ptr error;
  if (failed_.exchange(false, std::memory_order_relaxed)) error.swap(error_);
  busy_.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
  return true;
}

// A sleeper is woken once a burst of calls (so close together that it would have stayed awake) has computed
// serially for as long as waking costs: then no call, and no sequence of them, does much worse than the
// better way.
bool Pool::worth_waking(steady_clock::time_point now, double serial_us) {
  if (now - last_end_ > kWorkerSpin) unpaid_us_ = 0;
  unpaid_us_ += serial_us;
  return unpaid_us_ >= kWakeWorthUs;
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

// Waking costs its caller microseconds, so it is shared out: each participant (the calling thread is -1)
// wakes two.
void Pool::wake_below(int parent) {
  if (!wake_sleepers_) return;
  for (int child = 2 * parent + 2; child <= 2 * parent + 3 && child < helpers_; ++child)
    wake(*workers_[child]);
}

// On small virtual machines a woken thread is often queued behind its waker on the waker's own CPU. So a
// sleeper is kept off that CPU while it wakes, and only then: a standing mask would trap it behind any CPU
// hog elsewhere.
void Pool::wake(Worker& worker) {
  std::uint32_t parked = kParked;
  if (worker.state.load() != kParked || !worker.state.compare_exchange_strong(parked, kPlacing)) return;
  os::CpuSet cpus;
  if (os::process_cpus(&cpus)) {
    const int here = os::current_cpu();
    if (cpus.contains(here) && cpus.count() > 1) cpus.remove(here);
    os::restrict_thread(worker.thread, cpus);
  }
  worker.state.store(kPlaced);
  os::futex_wake(worker.state);
}

void Pool::compute(int participant) noexcept {
  const InsideBody inside;
  try {
    ChunkSource source(*ranges_, participant);
    (*body_)(source);
  } catch (...) {
    ranges_->cancel();
    if (!failed_.exchange(true, std::memory_order_relaxed)) error_ = std::current_exception();
  }
}

void Pool::join(std::uint32_t entered, steady_clock::duration chunk_time) {
  const auto all_left = [&] { return left_.load(std::memory_order_acquire) == entered; };
  const auto patience = std::max<steady_clock::duration>(chunk_time, kJoinSpin);
  const auto spin = std::min<steady_clock::duration>(patience, kLongestSpin);
  if (spin_until(spin, all_left)) return;
  // seq_cst against left_: either leave() sees the flag, or the load below sees the leaver.
  caller_sleeps_.store(true);
  auto rest = patience - spin;
  for (std::uint32_t left = left_.load(); left != entered; left = left_.load()) {
    const bool overdue = rest == rest.zero() || !os::futex_wait_for(left_, left, rest);
    if (overdue) pull_straggler();
    rest = patience;
  }
  caller_sleeps_.store(false, std::memory_order_relaxed);
}

// A worker that needs longer than a chunk has lost its CPU to another process, which keeps it for a time
// slice (4 ms here). The caller's CPU is about to idle: move one such worker there.
void Pool::pull_straggler() {
  os::CpuSet cpus;
  const int here = os::current_cpu();
  if (!os::process_cpus(&cpus) || !cpus.contains(here)) return;
  cpus = {};
  cpus.add(here);
  for (int i = 0; i < worker_count_; ++i) {
    Worker& worker = *workers_[i];
    std::uint32_t computing = kComputing;
    if (worker.state.load() != kComputing || !worker.state.compare_exchange_strong(computing, kPlacing))
      continue;
    os::restrict_thread(worker.thread, cpus);
    worker.state.store(kPlaced);
    os::futex_wake(worker.state);
    return;
  }
}

void widen(os::ThreadId thread) {
  os::CpuSet cpus;
  if (os::process_cpus(&cpus)) os::restrict_thread(thread, cpus);
}

void Pool::worker_main(void* raw) {
  const Assignment assignment = *static_cast<Assignment*>(raw);
  delete static_cast<Assignment*>(raw);
  Pool& pool = *assignment.pool;
  Worker& self = *pool.workers_[assignment.index];
  self.thread = os::this_thread();
  widen(self.thread);  // a thread starts with the mask of whoever started it
  std::uint64_t last_job = 0;
  steady_clock::duration spin = kWorkerSpin;
  for (;;) {
    pool.await_seat(self, &last_job, spin);
    pool.wake_below(assignment.index);
    if (!pool.ranges_->exhausted()) pool.compute(assignment.index + 1);
    pool.leave();
    spin = kWorkerSpin;
    std::uint32_t computing = kComputing;
    if (!self.state.compare_exchange_strong(computing, kAwake)) {
      settle(self);
      spin = spin.zero();  // we were moved to the caller's CPU: make room for it
    }
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

void Pool::await_seat(Worker& self, std::uint64_t* last_job, steady_clock::duration spin) {
  for (; !spin_until(spin, [&] { return take_seat(last_job); }); spin = kWorkerSpin) {
    // seq_cst on both sides: either we see the new job here, or its caller sees that we are parked.
    self.state.store(kParked);
    const bool seated = take_seat(last_job);
    std::uint32_t parked = kParked;
    if (!seated || !self.state.compare_exchange_strong(parked, kAwake)) settle(self);
    if (seated) break;
  }
  self.state.store(kComputing, std::memory_order_release);
}

// Waits until whoever wakes or moves this worker is done with its mask, then undoes the mask.
void Pool::settle(Worker& self) {
  std::uint32_t state = self.state.load();
  for (; state == kParked || state == kPlacing; state = self.state.load()) os::futex_wait(self.state, state);
  if (state == kPlaced) widen(self.thread);
  self.state.store(kAwake, std::memory_order_release);
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

void parallel_for(int threads, Index chunks, Body body, double serial_us) {
  if (threads > 1 && chunks > 1 && !inside_body) {
    const auto helpers = static_cast<int>(threads < chunks ? threads : chunks) - 1;
    ChunkRanges ranges(chunks, helpers + 1);
    if (pool().run(helpers, chunks, ranges, body, serial_us)) return;
  }
  ChunkRanges all(chunks, 1);
  ChunkSource source(all, 0);
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
