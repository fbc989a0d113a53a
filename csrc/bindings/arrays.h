// NumPy arrays as pointers, shapes and element strides. Only plain arrays are understood here (exact ndarray,
// native byte order, aligned); pyconv/_arrays.py turns everything else into one.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <ostream>
#include <string>

#include "core/check.h"
#include "core/math.h"
#include "core/types.h"

namespace pyconv {

namespace py = pybind11;

// True for float32/float64 ndarrays that kernels can read as they are.
bool is_plain(py::handle object);

inline DType dtype_of(const py::array& a) { return a.itemsize() == 4 ? DType::kFloat32 : DType::kFloat64; }
inline py::dtype numpy_dtype(DType dtype) {
  return dtype == DType::kFloat32 ? py::dtype::of<float>() : py::dtype::of<double>();
}

// NumPy's number of an array's dtype.
inline int type_number(py::handle array) {
  return py::detail::array_descriptor_proxy(py::detail::array_proxy(array.ptr())->descr)->type_num;
}

// Text for error messages, made only when a check fails (checks sit on the path of small calls).
struct ShapeOf {
  const py::array& array;
};
std::ostream& operator<<(std::ostream& text, const ShapeOf& shape);
struct ReprOf {
  py::handle object;
};
std::ostream& operator<<(std::ostream& text, const ReprOf& repr);

// "channels_first" or "channels_last": where the channel axis of an activation array is.
enum class AxisOrder : unsigned char { kChannelsFirst, kChannelsLast };
AxisOrder axis_order(const std::string& data_format);

// An activation array seen as (batch, channel, d, h, w); an unbatched one has batch 1.
struct ArrayView {
  void* data;
  Index batch, channels;
  Spatial size;
  ActivationStrides strides;
  bool batched;
};
// `name` is the argument's name in error messages.
ArrayView activation_view(const py::array& a, const char* name, int rank, AxisOrder order);

// Whether memory runs channels-last; strides that read both ways count as channels-first.
bool is_channels_last(const ArrayView& a);

// A new array for (batch, channels, size) in the given axis order. Its memory is channels-last when `like`
// is, otherwise C-contiguous.
py::array allocate_like(const ArrayView& like, AxisOrder order, int rank, Index channels, const Spatial& size,
                        DType dtype);

// Checks a caller's `out`: exact shape, dtype, writeable, plain, no element twice.
void check_out(py::handle out, const ArrayView& like, AxisOrder order, int rank, Index channels,
               const Spatial& size, DType dtype);

// Strides of a dense array of the problem's input (or output) in the given memory format.
ActivationStrides dense_strides(Index channels, const Spatial& size, bool channels_last);

// Whether two indices of a checked `out` may mean the same element.
bool may_repeat(const py::array& a);

// Whether the memory of two arrays may overlap (their extents do).
bool may_overlap(const py::array& a, const py::array& b);

inline Index element_stride(const py::array& a, int axis) { return a.strides(axis) / a.itemsize(); }

}  // namespace pyconv
