#include "runtime/cpu.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/check.h"
#include "runtime/os.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace pyconv {
namespace {

constexpr Isa kAllIsas[] = {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kNeon};

// The first line of a small file, "" if it cannot be read.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

#if defined(__x86_64__)

struct CpuidLeaf {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero if this CPU has no such leaf.
CpuidLeaf cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  CpuidLeaf r;
  if (__get_cpuid_max(leaf & 0x80000000u, nullptr) >= leaf) {
    __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  }
  return r;
}

constexpr bool bit(std::uint32_t word, int index) { return ((word >> index) & 1) != 0; }

// Register state that the operating system saves (XCR0), 0 if it saves none beyond SSE.
std::uint64_t saved_state() {
  if (!bit(cpuid(1).ecx, 27)) return 0;  // OSXSAVE
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return std::uint64_t{high} << 32 | low;
}

struct Feature {
  const char* name;
  bool present;
};

template <std::size_t N>
std::string refusal_of(const Feature (&features)[N], std::uint64_t needed_state, const char* registers) {
  std::string missing;
  for (const Feature& feature : features) {
    if (!feature.present) missing += (missing.empty() ? "" : ", ") + std::string(feature.name);
  }
  if (!missing.empty()) return "this CPU lacks " + missing;
  if ((saved_state() & needed_state) == needed_state) return "";
  return std::string("the operating system does not save the ") + registers + " registers";
}

std::string detect_refusal(Isa isa) {
  constexpr std::uint64_t kYmmState = 0x6, kZmmState = 0xe6;
  const CpuidLeaf basic = cpuid(1), extended = cpuid(7);
  const Feature avx2[] = {{"avx2", bit(extended.ebx, 5)},
                          {"fma", bit(basic.ecx, 12)},
                          {"f16c", bit(basic.ecx, 29)},
                          {"bmi2", bit(extended.ebx, 8)}};
  const Feature avx512[] = {{"avx512f", bit(extended.ebx, 16)},
                            {"avx512bw", bit(extended.ebx, 30)},
                            {"avx512dq", bit(extended.ebx, 17)},
                            {"avx512vl", bit(extended.ebx, 31)}};
  switch (isa) {
    case Isa::kBaseline:
      return "";
    case Isa::kAvx2:
      return refusal_of(avx2, kYmmState, "ymm");
    case Isa::kAvx512: {
      const std::string lower = detect_refusal(Isa::kAvx2);  // AVX-512 code uses FMA and F16C as well
      return lower.empty() ? refusal_of(avx512, kZmmState, "zmm") : lower;
    }
    case Isa::kNeon:
      return "neon needs an ARM64 CPU, this one is x86-64";
  }
  return "unknown instruction set";
}

std::string detect_model_name() {
  std::string name;
  for (std::uint32_t leaf = 0x80000002u; leaf <= 0x80000004u; ++leaf) {
    const CpuidLeaf r = cpuid(leaf);
    for (std::uint32_t word : {r.eax, r.ebx, r.ecx, r.edx}) {
      for (int byte = 0; byte < 4; ++byte) name.push_back(static_cast<char>(word >> (8 * byte)));
    }
  }
  name = name.c_str();  // padded with zeros at the end and, on some models, blanks at the start
  const std::size_t first = name.find_first_not_of(' ');
  if (first == std::string::npos) return "unknown";
  return name.substr(first, name.find_last_not_of(' ') - first + 1);
}

// Intel's leaf 4 and AMD's 0x8000001D describe one cache per subleaf in the same format.
void detect_caches(std::size_t* l1d, std::size_t* l2, std::size_t* l3) {
  const bool amd_topology = bit(cpuid(0x80000001u).ecx, 22);
  const std::uint32_t leaf = amd_topology ? 0x8000001du : 4u;
  for (std::uint32_t subleaf = 0; subleaf < 16; ++subleaf) {
    const CpuidLeaf r = cpuid(leaf, subleaf);
    enum { kNone = 0, kData = 1, kInstruction = 2 };
    const std::uint32_t type = r.eax & 31, level = (r.eax >> 5) & 7;
    if (type == kNone) return;
    if (type == kInstruction) continue;
    const std::size_t ways = (r.ebx >> 22) + 1, partitions = ((r.ebx >> 12) & 1023) + 1;
    const std::size_t size = ways * partitions * ((r.ebx & 4095) + 1) * (std::size_t{r.ecx} + 1);
    if (level == 1) *l1d = size;
    if (level == 2) *l2 = size;
    if (level == 3) *l3 = size;
  }
}

#else

std::string detect_refusal(Isa isa) {
  if (isa == Isa::kBaseline) return "";
#if defined(__aarch64__)
  if (isa == Isa::kNeon) return "";  // part of every ARM64 CPU
#endif
  return std::string(isa_name(isa)) + " does not exist on this kind of CPU";
}

std::string detect_model_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const std::size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

void detect_caches(std::size_t*, std::size_t*, std::size_t*) {}

#endif

// "32K", "1024K", "32M"; 0 if it is none.
std::size_t parse_size(const std::string& text) {
  char* end = nullptr;
  const std::size_t value = std::strtoull(text.c_str(), &end, 10);
  return value << (*end == 'K' ? 10 : *end == 'M' ? 20 : 0);
}

void sysfs_caches(std::size_t* l1d, std::size_t* l2, std::size_t* l3) {
  for (int index = 0; index < 8; ++index) {
    const std::string dir = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    const std::string level = first_line(dir + "/level");
    if (first_line(dir + "/type") == "Instruction") continue;
    std::size_t* const known = level == "1" ? l1d : level == "2" ? l2 : level == "3" ? l3 : nullptr;
    if (known != nullptr && *known == 0) *known = parse_size(first_line(dir + "/size"));
  }
}

// cgroup v2 "max 100000" or "150000 100000"; v1 keeps the same two numbers in two files, -1 for no limit.
double quota_of(const std::string& quota_text, const std::string& period_text) {
  const double quota = std::strtod(quota_text.c_str(), nullptr);
  const double period = std::strtod(period_text.c_str(), nullptr);
  return quota > 0 && period > 0 ? quota / period : 0;
}

double quota_of_group(const std::string& dir, bool unified) {
  if (!unified)
    return quota_of(first_line(dir + "/cpu.cfs_quota_us"), first_line(dir + "/cpu.cfs_period_us"));
  std::istringstream fields(first_line(dir + "/cpu.max"));
  std::string quota, period;
  fields >> quota >> period;
  return quota_of(quota, period);
}

bool lists_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

bool parse_positive(const char* text, bool list, int* value) {
  char* end = nullptr;
  const long parsed = std::strtol(text, &end, 10);
  while (*end == ' ') ++end;
  if (end == text || parsed < 1 || parsed > 1000000 || !(*end == '\0' || (list && *end == ','))) return false;
  *value = static_cast<int>(parsed);
  return true;
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kBaseline:
      return "baseline";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kNeon:
      return "neon";
  }
  return "unknown";
}

bool isa_from_name(const std::string& name, Isa* isa) {
  for (Isa candidate : kAllIsas) {
    if (name != isa_name(candidate)) continue;
    *isa = candidate;
    return true;
  }
  return false;
}

bool cpu_supports(Isa isa) {
  // cpuid traps to the hypervisor on virtual machines (some microseconds), so ask once.
  static const unsigned supported = [] {
    unsigned mask = 0;
    for (Isa candidate : kAllIsas)
      mask |= detect_refusal(candidate).empty() ? 1u << static_cast<int>(candidate) : 0u;
    return mask;
  }();
  return ((supported >> static_cast<int>(isa)) & 1) != 0;
}

std::string isa_refusal(Isa isa) { return detect_refusal(isa); }

const std::string& cpu_model_name() {
  static const std::string name = detect_model_name();
  return name;
}

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = [] {
    CacheSizes found{0, 0, 0};
    detect_caches(&found.l1d, &found.l2, &found.l3);
    if (found.l1d == 0 || found.l2 == 0 || found.l3 == 0) sysfs_caches(&found.l1d, &found.l2, &found.l3);
    if (found.l1d == 0) found.l1d = std::size_t{32} << 10;
    if (found.l2 == 0) found.l2 = std::size_t{512} << 10;
    if (found.l3 == 0) found.l3 = std::size_t{4} << 20;
    return found;
  }();
  return sizes;
}

bool has_large_l1() { return cache_sizes().l1d > std::size_t{32} << 10; }

double cgroup_cpu_quota(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  double tightest = 0;
  for (std::string line; std::getline(groups, line);) {  // "hierarchy:controllers:/path"
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool unified = controllers.empty();
    if (!unified && !lists_cpu(controllers)) continue;
    // A container may show the host's path over its own mount, so every ancestor up to the mount's root
    // counts.
    const std::string mount = root + "/sys/fs/cgroup" + (unified ? "" : "/" + controllers);
    for (std::string path = line.substr(second + 1);;) {
      const double quota = quota_of_group(mount + (path == "/" ? "" : path), unified);
      if (quota > 0 && (tightest == 0 || quota < tightest)) tightest = quota;
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
  }
  return tightest;
}

int available_cpus() {
  os::CpuSet allowed;
  const int cpus = os::process_cpus(&allowed) ? allowed.count() : 1;
  const double quota = std::ceil(cgroup_cpu_quota());
  const int granted = quota > 0 && quota < cpus ? static_cast<int>(quota) : cpus;
  return granted < 1 ? 1 : granted;
}

Environment read_environment(const char* (*get)(const char*)) {
  const auto text = [get](const char* name) {
    const char* value = get(name);
    return value == nullptr ? "" : value;
  };
  Environment env{text("PYCONV_ISA"), 0, 0};
  const char* const threads = text("PYCONV_NUM_THREADS");
  check_value(*threads == '\0' || parse_positive(threads, /*list=*/false, &env.pyconv_num_threads),
              "PYCONV_NUM_THREADS must be a positive integer, got '", threads, "'");
  parse_positive(text("OMP_NUM_THREADS"), /*list=*/true, &env.omp_num_threads);
  return env;
}

const Environment& environment() {
  static const Environment env =
      read_environment([](const char* name) -> const char* { return std::getenv(name); });
  return env;
}

}  // namespace pyconv
