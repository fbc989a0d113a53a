// The C symbols by which threadpoolctl finds and limits this library.
#include "runtime/thread_pool.h"

#ifndef PYCONV_VERSION
#error "CMake defines PYCONV_VERSION"
#endif

#define PYCONV_EXPORT extern "C" __attribute__((visibility("default")))

// An exception (a malformed PYCONV_NUM_THREADS) must not cross into ctypes; the next convolution reports it.
PYCONV_EXPORT int pyconv_get_num_threads() {
  try {
    return pyconv::get_num_threads();
  } catch (...) {
    return 1;
  }
}

PYCONV_EXPORT void pyconv_set_num_threads(int threads) { pyconv::set_num_threads(threads < 1 ? 1 : threads); }

PYCONV_EXPORT const char* pyconv_version() { return PYCONV_VERSION; }
