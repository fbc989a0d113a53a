#include "bindings/args.h"

#include "bindings/arrays.h"

#include "core/check.h"
#include "engine/tables.h"
#include "runtime/thread_pool.h"

namespace pyconv {
namespace {

bool is_sequence(py::handle value) {
  return PyTuple_Check(value.ptr()) || PyList_Check(value.ptr()) ||
         (PySequence_Check(value.ptr()) && !PyUnicode_Check(value.ptr()));
}

py::object item(py::handle sequence, py::ssize_t i) {
  return py::reinterpret_steal<py::object>(PySequence_GetItem(sequence.ptr(), i));
}

}  // namespace

int Options::threads() const { return num_threads > 0 ? num_threads : get_num_threads(); }
const KernelTable& Options::kernels() const { return table ? *table : kernel_table(""); }

const Options& options_or_default(py::handle options) {
  static const Options defaults;
  return options.is_none() ? defaults : options.cast<const Options&>();
}

Index parse_index(py::handle value, const char* name) {
  if (PyLong_CheckExact(value.ptr())) {
    const long long result = PyLong_AsLongLong(value.ptr());
    if (result != -1 || !PyErr_Occurred()) return result;
    PyErr_Clear();
    throw ValueError(concat(name, " must fit 64 bits, got ", ReprOf{value}));
  }
  check_type(PyIndex_Check(value.ptr()) && !PyBool_Check(value.ptr()), name, " must be an integer, got ",
             ReprOf{value});
  const auto integer = py::reinterpret_steal<py::object>(PyNumber_Index(value.ptr()));
  if (!integer) throw py::error_already_set();
  return parse_index(integer, name);
}

Spatial parse_spatial(py::handle value, const char* name, int rank, Index unused) {
  Spatial result = spatial_of(unused);
  const int first = kMaxSpatial - rank;
  if (PyLong_CheckExact(value.ptr()) || !is_sequence(value)) {
    check_type(PyIndex_Check(value.ptr()) && !PyBool_Check(value.ptr()), name,
               " must be an integer or a sequence of ", rank, " integers, got ", ReprOf{value});
    const Index all = parse_index(value, name);
    for (int dim = first; dim < kMaxSpatial; ++dim) result[dim] = all;
    return result;
  }
  const py::ssize_t length = PySequence_Size(value.ptr());
  check_value(length == 1 || length == rank, name, " must have 1 or ", rank, " entries, got ", length, ": ",
              ReprOf{value});
  for (int i = 0; i < rank; ++i) result[first + i] = parse_index(item(value, length == 1 ? 0 : i), name);
  return result;
}

namespace {

void same_padding(int rank, const Spatial& kernel, const Spatial& stride, const Spatial& dilation,
                  Spatial* begin, Spatial* end) {
  for (int dim = kMaxSpatial - rank; dim < kMaxSpatial; ++dim) {
    check_value(stride[dim] == 1, "padding='same' needs stride 1, got stride ", stride[dim]);
    const Index total = checked_mul(dilation[dim], kernel[dim] - 1, "padding='same'");
    (*begin)[dim] = total / 2;
    (*end)[dim] = total - total / 2;
  }
}

}  // namespace

void parse_padding(py::handle value, int rank, const Spatial& kernel, const Spatial& stride,
                   const Spatial& dilation, Spatial* begin, Spatial* end) {
  *begin = *end = spatial_of(0);
  if (PyUnicode_Check(value.ptr())) {
    const std::string word = value.cast<std::string>();
    if (word == "same") return same_padding(rank, kernel, stride, dilation, begin, end);
    check_value(word == "valid",
                "padding must be an integer, integers, (begin, end) pairs, 'same' or 'valid', got '", word,
                "'");
    return;
  }
  const bool sequence =
      !PyLong_CheckExact(value.ptr()) && is_sequence(value) && PySequence_Size(value.ptr()) > 0;
  if (!sequence || !is_sequence(item(value, 0))) {
    *begin = *end = parse_spatial(value, "padding", rank, 0);
    return;
  }
  const py::ssize_t length = PySequence_Size(value.ptr());
  check_value(length == rank, "padding as (begin, end) pairs needs one pair per dimension, ", rank, ", got ",
              length, ": ", ReprOf{value});
  for (int i = 0; i < rank; ++i) {
    const py::object pair = item(value, i);
    check_value(is_sequence(pair) && PySequence_Size(pair.ptr()) == 2,
                "each padding pair must be (begin, end), got ", ReprOf{pair});
    (*begin)[kMaxSpatial - rank + i] = parse_index(item(pair, 0), "padding");
    (*end)[kMaxSpatial - rank + i] = parse_index(item(pair, 1), "padding");
  }
}

AxisOrder parse_data_format(py::handle value) {
  check_type(PyUnicode_Check(value.ptr()), "data_format must be a string, got ", ReprOf{value});
  return axis_order(value.cast<std::string>());
}

PadMode parse_padding_mode(py::handle value) {
  check_type(PyUnicode_Check(value.ptr()), "padding_mode must be a string, got ", ReprOf{value});
  const std::string word = value.cast<std::string>();
  if (word == "zeros") return PadMode::kConstant;
  if (word == "reflect") return PadMode::kReflect;
  if (word == "replicate") return PadMode::kReplicate;
  check_value(word == "circular", "padding_mode must be 'zeros', 'reflect', 'replicate' or 'circular', got '",
              word, "'");
  return PadMode::kCircular;
}

void parse_activation(py::handle value, Epilogue* epilogue) {
  if (value.is_none()) return;
  const char* rule = "activation must be None, 'relu', 'relu6' or ('clip', lo, hi), got ";
  if (PyUnicode_Check(value.ptr())) {
    const std::string word = value.cast<std::string>();
    check_value(word == "relu" || word == "relu6", rule, ReprOf{value});
    return epilogue->set_activation(word == "relu" ? Activation::kRelu : Activation::kRelu6);
  }
  check_type(is_sequence(value), rule, ReprOf{value});
  check_value(PySequence_Size(value.ptr()) == 3 && item(value, 0).equal(py::str("clip")), rule,
              ReprOf{value});
  const auto bound = [&](int i) {
    const double number = PyFloat_AsDouble(item(value, i).ptr());
    if (number == -1.0 && PyErr_Occurred()) {
      PyErr_Clear();
      throw TypeError(concat("the bounds of ('clip', lo, hi) must be numbers, got ", ReprOf{value}));
    }
    return number;
  };
  epilogue->set_activation(Activation::kClip, bound(1), bound(2));
}

}  // namespace pyconv
