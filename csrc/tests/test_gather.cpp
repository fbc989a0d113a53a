// gather2d and add_rows of every compiled kernel table against the loops of their contracts, between guarded
// edges.
#include <string>
#include <vector>

#include "core/check.h"
#include "doctest/doctest.h"
#include "tests/kernel_support.h"

using namespace pyconv;
using namespace pyconv_tests;

namespace {

struct GatherCase {
  Index rows, cols, dst_stride, src_i_stride, src_j_stride;
};

template <class T>
std::string check_gather(const DenseKernels<T>& dense, const GatherCase& test, GuardAt guard) {
  const Index i_reach = (test.rows - 1) * test.src_i_stride, j_reach = (test.cols - 1) * test.src_j_stride;
  const Index lowest = min_of(i_reach, 0) + min_of(j_reach, 0);
  const Index highest = max_of(i_reach, 0) + max_of(j_reach, 0);
  GuardedBuffer<T> src(highest - lowest + 1, guard);
  GuardedBuffer<T> dst((test.rows - 1) * test.dst_stride + test.cols, guard);
  std::mt19937 rng(static_cast<unsigned>(test.rows * 131 + test.cols));
  src.fill_random(rng);
  const T* origin = src.data() - lowest;

  dense.gather2d(dst.data(), test.dst_stride, origin, test.src_i_stride, test.src_j_stride, test.rows,
                 test.cols);

  for (Index i = 0; i < test.rows; ++i) {
    for (Index j = 0; j < test.cols; ++j) {
      T& actual = dst[i * test.dst_stride + j];
      const T expected = origin[i * test.src_i_stride + j * test.src_j_stride];
      if (!same_bits(actual, expected))
        return concat("(", i, ", ", j, "): ", actual, " instead of ", expected);
      actual = std::numeric_limits<T>::quiet_NaN();
    }
  }
  for (Index i = 0; i < dst.size(); ++i)
    if (!std::isnan(dst[i])) return concat("dst[", i, "] lies between rows, and was written");
  if (!src.canaries_intact() || !dst.canaries_intact()) return "wrote outside a buffer";
  return "";
}

template <class T>
void check_gathers(const DenseKernels<T>& dense) {
  const Index lanes = dense.lanes;
  const Index sizes[] = {1, 2, 3, 4, lanes - 1, lanes, lanes + 1, 2 * lanes - 1, 2 * lanes + 3};
  for (Index rows : sizes) {
    for (Index cols : sizes) {
      if (rows < 1 || cols < 1) continue;
      const GatherCase cases[] = {
          {rows, cols, cols, cols, 1},              // one contiguous copy
          {rows, cols, cols + 3, cols + 1, 1},      // rows
          {rows, cols, cols, -cols - 2, 1},         // rows, upwards
          {rows, cols, cols + 2, 1, rows},          // transpose
          {rows, cols, cols, 1, rows + 1},          // transpose, or a few lines in turn
          {rows, cols, cols, 1, -rows - 1},         // mirrored
          {rows, cols, cols + 1, 2, 2 * rows + 1},  // neither is contiguous
          {rows, cols, cols, -3, 3 * rows},         //
          {rows, cols, cols, 9 * cols, 3},          // every third, ...
          {rows, cols, cols + 1, 5 * cols + 2, 4},  //
          {rows, cols, cols, 9 * cols, 5},          //
          {rows, cols, cols, 9 * cols, 6},          //
          {rows, cols, cols, 9 * cols, 7},          //
          {rows, cols, cols, 9 * cols, 8},          //
          {rows, cols, cols, 1, 3},                 // channels of short pixels, some more than once
          {rows, cols, cols, 1, 8},                 //
          {rows, cols, cols, 0, 1},
          {rows, cols, cols, 1, 0},  // broadcast
          {rows, cols, cols, 0, 0},
      };
      for (const GatherCase& test : cases) {
        for (GuardAt guard : {GuardAt::kBegin, GuardAt::kEnd}) {
          const std::string wrong = check_gather(dense, test, guard);
          if (wrong.empty()) continue;
          FAIL_CHECK("gather of " << rows << "x" << cols << ", strides " << test.src_i_stride << " and "
                                  << test.src_j_stride << ": " << wrong);
        }
      }
    }
  }
}

template <class T>
std::string check_add_rows(const DenseKernels<T>& dense, Index rows, Index cols, GuardAt guard) {
  const Index step = cols + 3;
  GuardedBuffer<T> src((rows - 1) * step + cols, guard), dst(cols, guard);
  std::mt19937 rng(static_cast<unsigned>(rows * 131 + cols));
  src.fill_random(rng);
  dst.fill_random(rng);
  std::vector<T> expected(dst.data(), dst.data() + cols);
  for (Index r = 0; r < rows; ++r)
    for (Index j = 0; j < cols; ++j) expected[static_cast<std::size_t>(j)] += src[r * step + j];
  dense.add_rows(dst.data(), src.data(), step, rows, cols);
  for (Index j = 0; j < cols; ++j)
    if (!same_bits(dst[j], expected[static_cast<std::size_t>(j)])) return concat("column ", j, " is wrong");
  return src.canaries_intact() && dst.canaries_intact() ? "" : "wrote outside a buffer";
}

template <class T>
void check_sums_of_rows(const DenseKernels<T>& dense) {
  const Index lanes = dense.lanes;
  for (Index rows : {1, 2, 7})
    for (Index cols : {Index{1}, lanes - 1, lanes, 3 * lanes + 1})
      for (GuardAt guard : {GuardAt::kBegin, GuardAt::kEnd}) {
        if (cols < 1) continue;
        const std::string wrong = check_add_rows(dense, rows, cols, guard);
        if (!wrong.empty()) FAIL_CHECK("sum of " << rows << " rows of " << cols << ": " << wrong);
      }
}

}  // namespace

TEST_CASE("gather2d copies, transposes and broadcasts, and touches nothing else") {
  for (const KernelTable* table : runnable_tables()) {
    CAPTURE(table->name);
    check_gathers(table->dense_f32);
    check_gathers(table->dense_f64);
  }
}

TEST_CASE("add_rows adds in order, and touches nothing else") {
  for (const KernelTable* table : runnable_tables()) {
    CAPTURE(table->name);
    check_sums_of_rows(table->dense_f32);
    check_sums_of_rows(table->dense_f64);
  }
}
