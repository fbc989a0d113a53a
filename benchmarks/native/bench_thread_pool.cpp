// What a parallel region costs and gains; the figures of docs/decisions/0002-thread-pool.md. Build from
// csrc/:
//   g++ -std=c++17 -O2 -I. -pthread ../benchmarks/native/bench_thread_pool.cpp runtime/thread_pool.cpp
//   runtime/cpu.cpp runtime/os_linux.cpp -o /tmp/bench_thread_pool
// Arguments: nothing, or the sections wanted: cost scaling hog
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <thread>
#include <vector>

#include "runtime/thread_pool.h"

namespace {

using pyconv::ChunkSource;
using pyconv::Index;
using Clock = std::chrono::steady_clock;

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

void print_row(const char* what, std::vector<double> us) {
  std::sort(us.begin(), us.end());
  const auto at = [&](double q) {
    return us[static_cast<std::size_t>(q * static_cast<double>(us.size() - 1))];
  };
  std::printf("%-44s %9.2f %9.2f %9.2f %9.2f %9.2f\n", what, at(0), at(0.5), at(0.9), at(0.99), at(1));
  std::fflush(stdout);
}

void print_head(const char* title) {
  std::printf("\n%-44s %9s %9s %9s %9s %9s\n", title, "min us", "median", "p90", "p99", "max");
}

// Work that lives in registers, so that two threads share nothing.
void burn(long rounds) {
  double x = 1.0;
  for (long i = 0; i < rounds; ++i) __asm__ volatile("" : "+x"(x = x * 0.999 + 0.5));
}

double rounds_per_us() {
  double best = 1e30;
  for (int i = 0; i < 200; ++i) {
    const auto start = Clock::now();
    burn(100000);
    best = std::min(best, us_since(start));
  }
  return 100000 / best;
}

double serial(long rounds, int chunks) {
  const auto start = Clock::now();
  for (int i = 0; i < chunks; ++i) burn(rounds / chunks);
  return us_since(start);
}

double parallel(int threads, long rounds, int chunks) {
  const auto start = Clock::now();
  pyconv::parallel_for(threads, chunks, [&](ChunkSource& source) {
    for (Index chunk; source.next(&chunk);) burn(rounds / chunks);
  });
  return us_since(start);
}

void pause_us(int us) {
  if (us > 0) std::this_thread::sleep_for(std::chrono::microseconds(us));
}

void costs() {
  print_head("cost of an empty region");
  for (int threads : {1, 2, 3}) {
    for (int gap : {0, 2000}) {
      std::vector<double> us;
      for (int i = 0; i < (gap > 0 ? 500 : 20000); ++i) {
        pause_us(gap);
        const int repeat = gap > 0 ? 1 : 10;  // one call is below the clock's resolution
        const auto start = Clock::now();
        for (int j = 0; j < repeat; ++j) {
          pyconv::parallel_for(threads, 16, [](ChunkSource& source) {
            for (Index chunk; source.next(&chunk);) __asm__ volatile("");
          });
        }
        us.push_back(us_since(start) / repeat);
      }
      char name[64];
      std::snprintf(name, sizeof name, "%d threads, %s", threads, gap > 0 ? "after 2 ms of sleep" : "hot");
      print_row(name, us);
    }
  }
  print_head("until a worker has computed a chunk");
  for (int gap : {0, 2000}) {
    std::vector<double> us;
    for (int i = 0; i < 500; ++i) {
      pause_us(gap);
      std::atomic<int> arrived{0};
      const auto start = Clock::now();
      pyconv::parallel_for(2, 2, [&](ChunkSource& source) {
        Index chunk;
        if (!source.next(&chunk)) return;
        ++arrived;
        while (arrived < 2 && us_since(start) < 20000) {
        }
      });
      us.push_back(us_since(start));
    }
    print_row(gap > 0 ? "2 threads, after 2 ms of sleep" : "2 threads, hot", us);
  }
}

void work_table(const char* title, double per_us, int samples, int threads,
                std::initializer_list<int> sizes_us) {
  print_head(title);
  for (int work_us : sizes_us) {
    for (int gap : {0, 1000}) {
      const long rounds = static_cast<long>(work_us * per_us);
      const int chunks = 16 * threads;
      std::vector<double> alone, both;
      for (int i = 0; i < samples; ++i) {  // interleaved: both see the same disturbances
        pause_us(gap);
        alone.push_back(serial(rounds, chunks));
        pause_us(gap);
        for (int j = 0; gap == 0 && j < 2; ++j) parallel(threads, rounds, chunks);  // workers are awake
        both.push_back(parallel(threads, rounds, chunks));
      }
      char name[96];
      std::snprintf(name, sizeof name, "%4d us %s: serial", work_us, gap > 0 ? "after 1 ms" : "hot       ");
      print_row(name, alone);
      std::snprintf(name, sizeof name, "%4d us %s: %d threads", work_us,
                    gap > 0 ? "after 1 ms" : "hot       ", threads);
      print_row(name, both);
    }
  }
}

pid_t start_hog(int cpu) {
  const pid_t child = fork();
  if (child != 0) return child;
  if (cpu >= 0) {
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(cpu, &mask);
    sched_setaffinity(0, sizeof mask, &mask);
  }
  alarm(60);
  for (;;) burn(1000000);
}

void beside_hogs(double per_us) {
  for (int cpu : {-1, 1}) {
    const pid_t hog = start_hog(cpu);
    usleep(100000);
    work_table(cpu < 0 ? "beside a hog" : "beside a hog pinned to CPU 1", per_us, 1500, 2, {100, 300, 1000});
    kill(hog, SIGKILL);
    waitpid(hog, nullptr, 0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto wanted = [&](const char* section) {
    bool found = argc == 1;
    for (int i = 1; i < argc; ++i) found = found || std::strcmp(argv[i], section) == 0;
    return found;
  };
  const double per_us = rounds_per_us();
  if (wanted("cost")) costs();
  if (wanted("scaling")) work_table("scaling on a quiet machine", per_us, 500, 2, {20, 50, 100, 300, 1000});
  if (wanted("hog")) beside_hogs(per_us);
}
