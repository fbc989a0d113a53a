// CPU detection, floating-point mode, scratch memory. The thread pool has test_thread_pool.cpp.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/types.h"
#include "doctest/doctest.h"
#include "runtime/aligned_buffer.h"
#include "runtime/cpu.h"
#include "runtime/fp_mode.h"
#include "runtime/os.h"
#include "runtime/workspace.h"

namespace fs = std::filesystem;
using namespace pyconv;

namespace {

std::string cpuinfo_field(const std::string& key) {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind(key, 0) == 0) return line.substr(line.find(':') + 1) + " ";
  }
  return "";
}

class FakeRoot {
 public:
  FakeRoot() {
    std::string pattern = (fs::temp_directory_path() / "pyconv-cgroup-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
  }
  ~FakeRoot() { fs::remove_all(root_); }
  void write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ + path).substr(0, (root_ + path).rfind('/')));
    std::ofstream(root_ + path) << text;
  }
  const std::string& path() const { return root_; }

 private:
  std::string root_;
};

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

TEST_CASE("buffers are aligned and whole, small ones and those on huge pages") {
  for (std::size_t bytes :
       {std::size_t{1}, std::size_t{64}, os::kHugePage - 1, os::kHugePage, 2 * os::kHugePage + 3}) {
    CAPTURE(bytes);
    AlignedBuffer buffer(bytes);
    const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
    CHECK(buffer.size() == bytes);
    CHECK(address % (bytes < os::kHugePage ? kCacheLine : os::kHugePage) == 0);
    std::memset(buffer.data(), 1, bytes);
    const AlignedBuffer moved = std::move(buffer);
    CHECK(static_cast<const char*>(moved.data())[bytes - 1] == 1);
  }
  CHECK(AlignedBuffer(0).data() == nullptr);
}

TEST_CASE("instruction sets go to names and back, and unknown names are refused") {
  for (Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kNeon}) {
    Isa parsed = isa == Isa::kNeon ? Isa::kBaseline : Isa::kNeon;
    REQUIRE(isa_from_name(isa_name(isa), &parsed));
    CHECK(parsed == isa);
    CHECK(cpu_supports(isa) == isa_refusal(isa).empty());
  }
  Isa untouched = Isa::kAvx2;
  CHECK_FALSE(isa_from_name("AVX2", &untouched));
  CHECK_FALSE(isa_from_name("", &untouched));
  CHECK(untouched == Isa::kAvx2);
  CHECK(cpu_supports(Isa::kBaseline));
}

TEST_CASE("cpuid agrees with what the kernel lists") {
#if defined(__x86_64__)
  const std::string flags = cpuinfo_field("flags");
  REQUIRE_FALSE(flags.empty());
  const auto has_all = [&](std::initializer_list<const char*> names) {
    for (const char* name : names) {
      if (flags.find(std::string(" ") + name + " ") == std::string::npos) return false;
    }
    return true;
  };
  const bool avx2 = has_all({"avx2", "fma", "f16c", "bmi2"});
  CHECK(cpu_supports(Isa::kAvx2) == avx2);
  CHECK(cpu_supports(Isa::kAvx512) == (avx2 && has_all({"avx512f", "avx512bw", "avx512dq", "avx512vl"})));
  CHECK(isa_refusal(Isa::kNeon) == "neon needs an ARM64 CPU, this one is x86-64");
#elif defined(__aarch64__)
  CHECK(cpu_supports(Isa::kNeon));
  CHECK(isa_refusal(Isa::kAvx2) == "avx2 does not exist on this kind of CPU");
#endif
  if (const std::string name = cpuinfo_field("model name"); !name.empty()) {
    CHECK(" " + cpu_model_name() + " " == name);
  }
}

TEST_CASE("cache sizes agree with sysfs") {
  const CacheSizes& sizes = cache_sizes();
  CHECK(sizes.l1d >= std::size_t{8} << 10);
  CHECK(sizes.l2 > sizes.l1d);
  CHECK(sizes.l3 >= sizes.l2);
  for (int index = 0; index < 4; ++index) {
    const std::string dir = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    std::ifstream level_file(dir + "/level"), type_file(dir + "/type"), size_file(dir + "/size");
    int level = 0;
    std::string type;
    std::size_t kilobytes = 0;
    if (!(level_file >> level) || !(type_file >> type) || !(size_file >> kilobytes)) continue;
    if (type == "Instruction") continue;
    INFO(dir);
    if (level == 1) CHECK(sizes.l1d == kilobytes << 10);
    if (level == 2) CHECK(sizes.l2 == kilobytes << 10);
    if (level == 3) CHECK(sizes.l3 == kilobytes << 10);
  }
}

TEST_CASE("cgroup quotas: v2, v1, ancestors, containers, no limit") {
  FakeRoot root;
  CHECK(cgroup_cpu_quota(root.path()) == 0);  // no cgroups at all
  root.write("/proc/self/cgroup", "0::/a/b\n");
  CHECK(cgroup_cpu_quota(root.path()) == 0);
  root.write("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  CHECK(cgroup_cpu_quota(root.path()) == 0);
  root.write("/sys/fs/cgroup/a/cpu.max", "350000 100000\n");
  CHECK(cgroup_cpu_quota(root.path()) == 3.5);
  root.write("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  CHECK(cgroup_cpu_quota(root.path()) == 0.5);
  SUBCASE("a container's mount root, under the host's path") {
    root.write("/proc/self/cgroup", "0::/docker/0123\n");
    root.write("/sys/fs/cgroup/cpu.max", "150000 100000\n");
    CHECK(cgroup_cpu_quota(root.path()) == 1.5);
  }
  SUBCASE("v1, the controller sharing a hierarchy") {
    root.write("/proc/self/cgroup", "9:cpuset:/a\n5:cpu,cpuacct:/job\n0::/none\n");
    root.write("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
    root.write("/sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
    CHECK(cgroup_cpu_quota(root.path()) == 0);
    root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
    root.write("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "50000\n");
    CHECK(cgroup_cpu_quota(root.path()) == 4);
  }
}

TEST_CASE("the process's CPUs are counted within its affinity mask") {
  const int cpus = available_cpus();
  CHECK(cpus >= 1);
  CHECK(cpus <= sysconf(_SC_NPROCESSORS_ONLN));
  const pid_t child = fork();
  if (child == 0) {
    cpu_set_t one;
    sched_getaffinity(0, sizeof one, &one);
    int first = 0;
    while (!CPU_ISSET(first, &one)) ++first;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    sched_setaffinity(0, sizeof one, &one);
    _exit(available_cpus() == 1 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}

TEST_CASE("the environment: positive integers, lists, nonsense") {
  static const char *isa, *own, *omp;
  const auto read = [] {
    return read_environment([](const char* name) -> const char* {
      const std::string key = name;
      return key == "PYCONV_ISA"           ? isa
             : key == "PYCONV_NUM_THREADS" ? own
             : key == "OMP_NUM_THREADS"    ? omp
                                           : nullptr;
    });
  };
  isa = own = omp = nullptr;
  CHECK(read().isa.empty());
  CHECK(read().pyconv_num_threads == 0);
  CHECK(read().omp_num_threads == 0);
  isa = "avx2", own = "3", omp = "4,2";
  CHECK(read().isa == "avx2");
  CHECK(read().pyconv_num_threads == 3);
  CHECK(read().omp_num_threads == 4);
  for (const char* bad : {"0", "-1", "two", "3x", "4,2", "99999999999999999999"}) {
    INFO(bad);
    own = bad, omp = bad;
    CHECK_THROWS_AS(read(), ValueError);
    own = "";
    CHECK(read().omp_num_threads == (std::string(bad) == "4,2" ? 4 : 0));
  }
  own = "two";
  CHECK_THROWS_WITH(read(), "PYCONV_NUM_THREADS must be a positive integer, got 'two'");
}

TEST_CASE("the default floating-point mode is set and the caller's comes back, flags included") {
  volatile float third = 1.0f, three = 3.0f, tiny = std::numeric_limits<float>::min();
  const float nearest = third / three;
  std::fesetround(FE_UPWARD);
  std::feclearexcept(FE_ALL_EXCEPT);
#if defined(__x86_64__)
  const unsigned flush = 0x8040;  // flush to zero, denormals are zero
  _mm_setcsr(_mm_getcsr() | flush);
  const unsigned before = _mm_getcsr();
#endif
  {
    const DefaultFpMode mode;
    CHECK(third / three == nearest);
    CHECK(tiny / three > 0.0f);
    volatile float infinite = third / (three - 3.0f);
    (void)infinite;
  }
#if defined(__x86_64__)
  CHECK(_mm_getcsr() == before);
  _mm_setcsr(before & ~flush);
#endif
  CHECK(std::fetestexcept(FE_DIVBYZERO | FE_INEXACT) == 0);
  CHECK(std::fegetround() == FE_UPWARD);
  std::fesetround(FE_TONEAREST);
}

TEST_CASE("scratch is aligned, writable to its last byte, and distinct while borrowed") {
  for (std::size_t bytes : {0ul, 1ul, 63ul, 4096ul, 4097ul, 100000ul, 524288ul, 524289ul, 1048576ul,
                            5000000ul, 16777216ul, 16777217ul}) {
    INFO(bytes);
    const ScratchBlock first(bytes), second(bytes);
    REQUIRE(first.data() != second.data());
    std::memset(first.data(), 1, bytes);
    std::memset(second.data(), 2, bytes);
    for (std::size_t at : {std::size_t{0}, bytes / 2, bytes - 1}) {
      if (bytes == 0) break;
      CHECK(first.as<char>()[at] == 1);
      CHECK(second.as<char>()[at] == 2);
    }
    const std::size_t alignment = bytes >= (1u << 20) ? 2u << 20 : 64u;
    CHECK(reinterpret_cast<std::uintptr_t>(first.data()) % alignment == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(second.data()) % alignment == 0);
  }
}

TEST_CASE("scratch is recycled: the arena that fits best is taken, so nothing more becomes resident") {
  constexpr std::size_t kMb = std::size_t{1} << 20;
  { const ScratchBlock first(40 * kMb), second(3 * kMb); }
  const std::size_t idle = idle_scratch_bytes();
  CHECK(idle >= 44 * kMb);
  for (std::size_t bytes : {kMb, 40 * kMb, 3 * kMb, 30 * kMb, kMb * 6 / 10}) {
    INFO(bytes);
    void* address = nullptr;
    {
      const ScratchBlock block(bytes);
      address = block.data();
      CHECK(idle_scratch_bytes() < idle);
    }
    CHECK(idle_scratch_bytes() == idle);
    CHECK(ScratchBlock(bytes).data() == address);
  }
  {
    const ScratchBlock small(kMb), large(40 * kMb);  // the small request leaves the large arena alone
  }
  CHECK(idle_scratch_bytes() == idle);
}

TEST_CASE("impossible sizes throw and leave nothing behind") {
  const std::size_t idle = idle_scratch_bytes();
  CHECK_THROWS_AS(ScratchBlock(SIZE_MAX), std::bad_alloc);
  CHECK_THROWS_AS(ScratchBlock(SIZE_MAX / 2), std::bad_alloc);
  CHECK_THROWS_AS(ScratchBlock(std::size_t{1} << 60), std::bad_alloc);
  CHECK(idle_scratch_bytes() == idle);
}

TEST_CASE("resident memory stays flat over 10,000 sizes, and idle scratch below its cap") {
  std::mt19937 random(1);
  std::uniform_real_distribution<double> log_size(4.0, 23.99);  // 16 bytes .. 16 MB
  const auto use_one = [&] {
    const std::size_t bytes = static_cast<std::size_t>(std::exp2(log_size(random)));
    const ScratchBlock block(bytes), small(bytes / 16);
    for (std::size_t at = 0; at < bytes; at += 4096) block.as<char>()[at] = 1;
    for (std::size_t at = 0; at < bytes / 16; at += 4096) small.as<char>()[at] = 1;
  };
  {
    const ScratchBlock largest(kMaxScratchPerThread), second(kMaxScratchPerThread / 16);
    std::memset(largest.data(), 1, kMaxScratchPerThread);
    std::memset(second.data(), 1, kMaxScratchPerThread / 16);
  }
  for (int i = 0; i < 100; ++i) use_one();
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 10000; ++i) use_one();
  CHECK(resident_bytes() < before + (std::size_t{8} << 20));

  const std::size_t cap =
      (std::size_t{64} << 20) + kMaxScratchPerThread * static_cast<std::size_t>(available_cpus());
  {
    std::vector<std::unique_ptr<ScratchBlock>> many;
    for (std::size_t i = 0; i < 3 * cap / kMaxScratchPerThread; ++i) {
      many.push_back(std::make_unique<ScratchBlock>(kMaxScratchPerThread));
    }
  }
  CHECK(idle_scratch_bytes() <= cap);
  CHECK(idle_scratch_bytes() > cap / 2);
}

TEST_CASE("scratch is borrowed by many threads at once, and by a child forked meanwhile") {
  std::vector<std::thread> threads;
  std::atomic<bool> stop{false};
  std::atomic<int> clashes{0};
  for (int id = 1; id <= 4; ++id) {
    threads.emplace_back([&, id] {
      for (std::size_t bytes = 64; !stop; bytes = bytes * 3 % 2000003 + 64) {
        const ScratchBlock block(bytes);
        int* const words = block.as<int>();
        words[0] = words[bytes / 4 - 1] = id;
        std::this_thread::yield();
        if (words[0] != id || words[bytes / 4 - 1] != id) ++clashes;
      }
    });
  }
  threads.emplace_back([&] {  // holds the lock as often as can be
    while (!stop) ScratchBlock(64);
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);  // a lock that another thread held would hang us
      const ScratchBlock small(100), large(2 << 20);
      *large.as<char>() = *small.as<char>() = 1;
      _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(clashes == 0);
}
