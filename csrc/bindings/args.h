// Reading the Python arguments every operator shares: an int or one int per dimension, padding, options.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

#include "bindings/arrays.h"
#include "core/types.h"
#include "engine/conv.h"
#include "problem/epilogue.h"
#include "problem/padding.h"

namespace pyconv {

namespace py = pybind11;

// pyconv.options(...) resolved; None in Python means all defaults.
struct Options {
  int num_threads = 0;  // 0: get_num_threads()
  const KernelTable* table = nullptr;
  std::string algorithm;
  Precision precision = Precision::kHigh;

  int threads() const;
  const KernelTable& kernels() const;
};
const Options& options_or_default(py::handle options);

Index parse_index(py::handle value, const char* name);

// An int for all dimensions, or a sequence of 1 or `rank` ints. Unused leading dimensions get `unused`.
Spatial parse_spatial(py::handle value, const char* name, int rank, Index unused);

// Anything parse_spatial reads, "valid", "same" (needs stride 1; the odd pixel goes to the end), or one
// (begin, end) pair per dimension.
void parse_padding(py::handle value, int rank, const Spatial& kernel, const Spatial& stride,
                   const Spatial& dilation, Spatial* begin, Spatial* end);

AxisOrder parse_data_format(py::handle value);

PadMode parse_padding_mode(py::handle value);

// None, "relu", "relu6" or ("clip", lo, hi).
void parse_activation(py::handle value, Epilogue* epilogue);

}  // namespace pyconv
