// What the processor and the environment offer. The environment is read here and nowhere else.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace pyconv {

enum class Isa : unsigned char { kBaseline, kAvx2, kAvx512, kNeon };

const char* isa_name(Isa isa);            // "baseline", "avx2", "avx512", "neon"
bool isa_from_name(const std::string& name, Isa* isa);
bool cpu_supports(Isa isa);               // cpuid and xgetbv: the OS saves the registers too
std::string isa_refusal(Isa isa);         // "" or why this CPU cannot run it
std::string cpu_model_name();

struct CacheSizes {
  std::size_t l1d, l2, l3;                // bytes; documented defaults where detection fails
};
CacheSizes cache_sizes();

// min(affinity mask, cgroup v1/v2 quota rounded up), at least 1.
int available_cpus();

// Environment, read once: PYCONV_ISA (empty if unset), PYCONV_NUM_THREADS and OMP_NUM_THREADS (0 if unset).
struct Environment {
  std::string isa;
  int pyconv_num_threads, omp_num_threads;
};
const Environment& environment();

}  // namespace pyconv
