#include "bindings/arrays.h"

#include <cstdlib>

namespace pyconv {

bool is_plain(py::handle object) {
  const auto& api = py::detail::npy_api::get();
  if (reinterpret_cast<PyObject*>(Py_TYPE(object.ptr())) != reinterpret_cast<PyObject*>(api.PyArray_Type_))
    return false;
  const auto* array = py::detail::array_proxy(object.ptr());
  if ((array->flags & py::detail::npy_api::NPY_ARRAY_ALIGNED_) == 0) return false;
  const auto* descr = py::detail::array_descriptor_proxy(array->descr);
  const bool floating = descr->type_num == py::detail::npy_api::NPY_FLOAT_ ||
                        descr->type_num == py::detail::npy_api::NPY_DOUBLE_;
  return floating && (descr->byteorder == '=' || descr->byteorder == '|');
}

std::ostream& operator<<(std::ostream& text, const ShapeOf& shape) {
  const py::array& a = shape.array;
  text << "(";
  for (py::ssize_t axis = 0; axis < a.ndim(); ++axis) text << (axis ? ", " : "") << a.shape(axis);
  return text << (a.ndim() == 1 ? ",)" : ")");
}

std::ostream& operator<<(std::ostream& text, const ReprOf& repr) {
  return text << std::string(py::str(py::repr(repr.object)));
}

AxisOrder axis_order(const std::string& data_format) {
  if (data_format == "channels_first") return AxisOrder::kChannelsFirst;
  check_value(data_format == "channels_last",
              "data_format must be 'channels_first' or 'channels_last', got '", data_format, "'");
  return AxisOrder::kChannelsLast;
}

ArrayView activation_view(const py::array& a, const char* name, int rank, AxisOrder order) {
  const int ndim = static_cast<int>(a.ndim());
  check_value(ndim == rank + 2 || ndim == rank + 1, name, " of a ", rank, "-d operation must have ", rank + 2,
              " dimensions, or ", rank + 1, " unbatched, got ", ndim, ": shape ", ShapeOf{a});
  ArrayView view;
  view.batched = ndim == rank + 2;
  view.data = const_cast<void*>(a.data());
  const int first = view.batched ? 1 : 0;
  const int channel_axis = order == AxisOrder::kChannelsFirst ? first : first + rank;
  const int spatial_axis = order == AxisOrder::kChannelsFirst ? first + 1 : first;
  view.batch = view.batched ? a.shape(0) : 1;
  view.strides.batch = view.batched ? element_stride(a, 0) : 0;
  view.channels = a.shape(channel_axis);
  view.strides.channel = element_stride(a, channel_axis);
  view.size = spatial_of(1);
  view.strides.spatial = spatial_of(0);
  for (int i = 0; i < rank; ++i) {
    view.size[kMaxSpatial - rank + i] = a.shape(spatial_axis + i);
    view.strides.spatial[kMaxSpatial - rank + i] = element_stride(a, spatial_axis + i);
  }
  return view;
}

bool is_channels_last(const ArrayView& a) {
  if (a.channels <= 1 || a.strides.channel != 1) return false;
  Index least = a.channels;
  bool any = false;
  for (int dim = kW; dim >= kD; --dim) {
    if (a.size[dim] <= 1) continue;
    any = true;
    if (a.strides.spatial[dim] < least) return false;
    least = a.strides.spatial[dim] * a.size[dim];
  }
  return any;
}

namespace {

std::vector<py::ssize_t> shape_of(const ArrayView& like, AxisOrder order, int rank, Index channels,
                                  const Spatial& size) {
  std::vector<py::ssize_t> shape;
  shape.reserve(static_cast<std::size_t>(rank) + 2);
  if (like.batched) shape.push_back(like.batch);
  if (order == AxisOrder::kChannelsFirst) shape.push_back(channels);
  for (int dim = kMaxSpatial - rank; dim < kMaxSpatial; ++dim) shape.push_back(size[dim]);
  if (order == AxisOrder::kChannelsLast) shape.push_back(channels);
  return shape;
}

}  // namespace

py::array allocate_like(const ArrayView& like, AxisOrder order, int rank, Index channels, const Spatial& size,
                        DType dtype) {
  const std::vector<py::ssize_t> shape = shape_of(like, order, rank, channels, size);
  const AxisOrder memory = is_channels_last(like) ? AxisOrder::kChannelsLast
                           : order == AxisOrder::kChannelsLast && like.channels > 1 &&
                                   like.strides.channel != 1 && like.strides.spatial[kW] == 1
                               ? AxisOrder::kChannelsFirst
                               : order;
  if (memory == order) return py::array(numpy_dtype(dtype), shape);
  const std::size_t first = like.batched ? 1 : 0, n = shape.size();
  const auto itemsize = static_cast<py::ssize_t>(dtype == DType::kFloat32 ? sizeof(float) : sizeof(double));
  std::vector<py::ssize_t> strides(n);
  py::ssize_t step = itemsize;
  const auto place = [&](std::size_t axis) {
    strides[axis] = step;
    step *= shape[axis] > 0 ? shape[axis] : 1;
  };
  if (memory == AxisOrder::kChannelsLast) {  // axes (n, c, spatial...): the channel runs fastest
    place(first);
    for (std::size_t axis = n; axis-- > first + 1;) place(axis);
  } else {  // axes (n, spatial..., c): the channel runs slowest
    for (std::size_t axis = n - 1; axis-- > first;) place(axis);
    place(n - 1);
  }
  if (like.batched) place(0);
  return py::array(numpy_dtype(dtype), shape, strides);
}

void check_out(py::handle out, const ArrayView& like, AxisOrder order, int rank, Index channels,
               const Spatial& size, DType dtype) {
  check_type(py::isinstance<py::array>(out), "out must be a NumPy array");
  const py::array a = py::reinterpret_borrow<py::array>(out);
  check_type(a.dtype().num() == numpy_dtype(dtype).num(), "out must have the dtype of the result, ",
             dtype == DType::kFloat32 ? "float32" : "float64", ", got ", ReprOf{a.dtype()});
  const std::vector<py::ssize_t> shape = shape_of(like, order, rank, channels, size);
  bool same = a.ndim() == static_cast<py::ssize_t>(shape.size());
  for (std::size_t axis = 0; same && axis < shape.size(); ++axis)
    same = a.shape(static_cast<py::ssize_t>(axis)) == shape[axis];
  if (!same) {
    std::string wanted = "(";
    for (std::size_t axis = 0; axis < shape.size(); ++axis) wanted += concat(axis ? ", " : "", shape[axis]);
    throw ValueError(concat("out must have the shape of the result, ", wanted, "), got ", ShapeOf{a}));
  }
  check_value(a.writeable(), "out must be writeable, got a read-only array");
  if (a.size() == 0) return;  // whose strides may be anything
  for (py::ssize_t axis = 0; axis < a.ndim(); ++axis)
    check_value(a.shape(axis) <= 1 || a.strides(axis) != 0, "out must not hold an element twice: axis ", axis,
                " has size ", a.shape(axis), " and stride 0");
}

ActivationStrides dense_strides(Index channels, const Spatial& size, bool channels_last) {
  ActivationStrides s;
  Index step = channels_last ? channels : 1;
  for (int dim = kW; dim >= kD; --dim) {
    s.spatial[dim] = step;
    step *= size[dim];
  }
  s.channel = channels_last ? 1 : step;
  s.batch = channels_last ? step : step * channels;
  return s;
}

bool may_repeat(const py::array& a) {
  struct Axis {
    py::ssize_t distance, size;  // between neighbours; how many
  } axes[kMaxSpatial + 2];       // nearest neighbours first
  int count = 0;
  for (py::ssize_t axis = 0; axis < a.ndim(); ++axis) {
    if (a.shape(axis) <= 1) continue;
    const Axis next = {std::abs(a.strides(axis)), a.shape(axis)};
    int at = count++;
    for (; at > 0 && axes[at - 1].distance > next.distance; --at) axes[at] = axes[at - 1];
    axes[at] = next;
  }
  py::ssize_t span = a.itemsize();  // of the axes before
  for (int i = 0; i < count; ++i) {
    if (axes[i].distance < span) return true;
    span += axes[i].distance * (axes[i].size - 1);
  }
  return false;
}

bool may_overlap(const py::array& a, const py::array& b) {
  const auto extent = [](const py::array& x, const char** low, const char** high) {
    *low = *high = static_cast<const char*>(x.data());
    if (x.size() == 0) return;
    for (py::ssize_t axis = 0; axis < x.ndim(); ++axis) {
      const py::ssize_t span = x.strides(axis) * (x.shape(axis) - 1);
      (span < 0 ? *low : *high) += span;
    }
    *high += x.itemsize();
  };
  const char *a_low, *a_high, *b_low, *b_high;
  extent(a, &a_low, &a_high);
  extent(b, &b_low, &b_high);
  return a_low < b_high && b_low < a_high;
}

}  // namespace pyconv
