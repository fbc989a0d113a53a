// OutputStream with the stores of every compiled kernel table: all of the output, and nothing beside it.
#include "algo/output_stream.h"

#include <string>
#include <vector>

#include "core/check.h"
#include "doctest/doctest.h"
#include "runtime/aligned_buffer.h"
#include "tests/kernel_support.h"

using namespace pyconv;
using namespace pyconv_tests;

namespace {

constexpr Index kLargestPiece = 150;

// Two stretches of output, `offset` elements into the first cache line and a gap apart, made in pieces.
template <class T>
std::string check_stream(const StreamKernels& kernels, Index offset, Index length, Index piece) {
  const Index gap = 5;
  std::vector<T> out(static_cast<std::size_t>(2 * length + gap + 64), T(-1));
  const auto misaligned =
      static_cast<Index>(reinterpret_cast<std::uintptr_t>(out.data()) % kCacheLine / sizeof(T));
  const Index base = OutputStream<T>::kLine - misaligned + offset;
  AlignedBuffer buffer(static_cast<std::size_t>(kLargestPiece + OutputStream<T>::kLine) * sizeof(T));
  {
    OutputStream<T> stream(kernels, static_cast<T*>(buffer.data()));
    for (Index stretch = 0; stretch < 2; ++stretch)
      for (Index i = 0; i < length; i += piece) {
        const Index at = base + stretch * (length + gap) + i, count = min_of(piece, length - i);
        T* to = stream.begin(out.data() + at);
        for (Index k = 0; k < count; ++k) to[k] = static_cast<T>(at + k);
        stream.end(count);
      }
  }
  for (Index i = 0; i < static_cast<Index>(out.size()); ++i) {
    const Index in_stretch = i < base ? length : (i - base) % (length + gap);
    const bool made = i >= base && i < base + 2 * length + gap && in_stretch < length;
    const T expected = made ? static_cast<T>(i) : T(-1);
    if (out[static_cast<std::size_t>(i)] != expected)
      return concat("[", i, "] is ", out[static_cast<std::size_t>(i)], " instead of ", expected);
  }
  return "";
}

template <class T>
void check_streams(const StreamKernels& kernels) {
  for (Index offset = 0; offset < OutputStream<T>::kLine; offset += 3)
    for (Index length : {1, 2, 7, 15, 16, 17, 64, 300, 301})
      for (Index piece : {Index{1}, Index{3}, Index{16}, Index{17}, kLargestPiece}) {
        const std::string wrong = check_stream<T>(kernels, offset, length, piece);
        if (!wrong.empty())
          FAIL_CHECK("offset " << offset << ", " << length << " in pieces of " << piece << ": " << wrong);
      }
}

}  // namespace

TEST_CASE("a stream writes what it was given, where it belongs, and nothing beside it") {
  for (const KernelTable* table : runnable_tables()) {
    CAPTURE(table->name);
    check_streams<float>(table->stream);
    check_streams<double>(table->stream);
  }
}
