// What the processor and the environment offer. The environment is read here and nowhere else.
#pragma once

#include <cstddef>
#include <string>

namespace pyconv {

enum class Isa : unsigned char { kBaseline, kAvx2, kAvx512, kNeon };

const char* isa_name(Isa isa);  // "baseline", "avx2", "avx512", "neon"
bool isa_from_name(const std::string& name, Isa* isa);
bool cpu_supports(Isa isa);           // cpuid and xgetbv: the OS saves the registers too
std::string isa_refusal(Isa isa);     // "" or why this CPU cannot run it
const std::string& cpu_model_name();  // "unknown" where the system does not tell

struct CacheSizes {
  std::size_t l1d, l2, l3;  // bytes of one cache of that level, however many cores share it
};
// Where detection fails: 32 KB, 512 KB, 4 MB, which no current machine falls below by much.
const CacheSizes& cache_sizes();
// Of more than 32 KB, as Zen 5 has (and Intel since Ice Lake): what else those cores do better, their
// prefetchers and their way to L3, has no flag of its own. Only speed may depend on it.
bool has_large_l1();

// min(affinity mask, cgroup v1/v2 quota rounded up), at least 1.
int available_cpus();
// The CPUs that this process's cgroup and its ancestors grant, 0 if they set no limit. `root` is prefixed to
// /proc and /sys, for tests.
double cgroup_cpu_quota(const std::string& root = "");

// PYCONV_ISA (empty if unset), PYCONV_NUM_THREADS and OMP_NUM_THREADS (0 if unset; of a list "4,2" the
// first).
struct Environment {
  std::string isa;
  int pyconv_num_threads, omp_num_threads;
};
// ValueError if PYCONV_NUM_THREADS is no positive integer; OMP_NUM_THREADS is other libraries' and then
// ignored.
Environment read_environment(const char* (*get)(const char* name));
const Environment& environment();  // read once

}  // namespace pyconv
