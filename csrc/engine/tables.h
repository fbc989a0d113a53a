// Which kernel tables this build has and this machine can run.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "runtime/cpu.h"

namespace pyconv {

// Compiled in and runnable here, fastest last.
std::vector<const KernelTable*> available_tables();

// "" or "auto": PYCONV_ISA if set, else the fastest. A name that cannot run throws ValueError with the
// reason.
const KernelTable& kernel_table(const std::string& isa);

}  // namespace pyconv
