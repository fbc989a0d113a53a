// Puts this thread into the default floating-point mode (round to nearest, no flush to zero, exceptions
// masked) and gives the caller's mode and sticky flags back, so that neither can see the other.
#pragma once

#include <cfenv>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pyconv {

class DefaultFpMode {
 public:
  DefaultFpMode(const DefaultFpMode&) = delete;
  DefaultFpMode& operator=(const DefaultFpMode&) = delete;

#if defined(__x86_64__)
  // Only SSE state: nothing here computes in x87 registers.
  DefaultFpMode() : saved_(_mm_getcsr()) { _mm_setcsr(0x1f80); }
#if defined(PYCONV_RECORDS_FP_FLAGS)
  // For the C++ tests: the sticky flags of all such modes of this thread that have ended.
  static inline thread_local unsigned raised = 0;
  ~DefaultFpMode() {
    raised |= _mm_getcsr() & 0x3f;
    _mm_setcsr(saved_);
  }
#else
  ~DefaultFpMode() { _mm_setcsr(saved_); }
#endif

 private:
  unsigned saved_;
#elif defined(__aarch64__)
  DefaultFpMode() {
    __asm__ volatile("mrs %0, fpcr\n\tmrs %1, fpsr" : "=r"(control_), "=r"(status_));
    if (control_ != 0) __asm__ volatile("msr fpcr, xzr");
  }
  ~DefaultFpMode() {
    if (control_ != 0) __asm__ volatile("msr fpcr, %0" ::"r"(control_));
    __asm__ volatile("msr fpsr, %0" ::"r"(status_));
  }

 private:
  unsigned long control_, status_;
#else
  DefaultFpMode() {
    std::fegetenv(&saved_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~DefaultFpMode() { std::fesetenv(&saved_); }

 private:
  std::fenv_t saved_;
#endif
};

}  // namespace pyconv
