#include "engine/tables.h"

#include "core/check.h"

namespace pyconv {
namespace {

struct Compiled {
  Isa isa;
  const KernelTable* table;
};

constexpr Compiled kCompiled[] = {
#ifdef PYCONV_HAVE_BASELINE
    {Isa::kBaseline, &baseline::kTable},
#endif
#ifdef PYCONV_HAVE_AVX2
    {Isa::kAvx2, &avx2::kTable},
#endif
#ifdef PYCONV_HAVE_AVX512
    {Isa::kAvx512, &avx512::kTable},
#endif
#ifdef PYCONV_HAVE_NEON
    {Isa::kNeon, &neon::kTable},
#endif
};

const KernelTable& find(const std::string& name, const char* asked_by) {
  Isa isa;
  check_value(isa_from_name(name, &isa), asked_by, " must be one of baseline, avx2, avx512, neon, got '",
              name, "'");
  for (const Compiled& entry : kCompiled) {
    if (entry.isa != isa) continue;
    check_value(cpu_supports(isa), asked_by, "='", name, "' cannot run here: ", isa_refusal(isa));
    return *entry.table;
  }
  throw ValueError(concat(asked_by, "='", name, "' is not compiled into this build"));
}

const KernelTable& default_table() {
  const std::string& forced = environment().isa;
  return forced.empty() ? *available_tables().back() : find(forced, "PYCONV_ISA");
}

}  // namespace

std::vector<const KernelTable*> available_tables() {
  std::vector<const KernelTable*> tables;
  for (const Compiled& entry : kCompiled)
    if (cpu_supports(entry.isa)) tables.push_back(entry.table);
  return tables;
}

const KernelTable& kernel_table(const std::string& isa) {
  if (!isa.empty() && isa != "auto") return find(isa, "isa");
  static const KernelTable& table = default_table();
  return table;
}

}  // namespace pyconv
