#include "bindings/layer_cache.h"

#include <algorithm>

namespace pyconv {
namespace {

const py::detail::PyArray_Proxy* proxy(py::handle array) { return py::detail::array_proxy(array.ptr()); }

}  // namespace

CheckedCall::Layout::Layout(py::handle array) : type_num(type_number(array)), ndim(proxy(array)->nd) {
  std::copy_n(proxy(array)->dimensions, ndim, shape);
  std::copy_n(proxy(array)->strides, ndim, strides);
}

bool CheckedCall::Layout::is_that_of(py::handle object) const {
  return is_plain(object) && type_number(object) == type_num && proxy(object)->nd == ndim &&
         std::equal(shape, shape + ndim, proxy(object)->dimensions) &&
         std::equal(strides, strides + ndim, proxy(object)->strides);
}

CheckedCall::CheckedCall(const ConvPlan& plan, int threads, py::handle options, py::handle input,
                         py::handle weight, py::object bias, py::handle result, bool allocated)
    : plan_(plan),
      options_(py::reinterpret_borrow<py::object>(options)),
      threads_(threads),
      input_(input),
      result_(result),
      allocates_(allocated),
      weight_(py::reinterpret_borrow<py::object>(weight)),
      bias_(std::move(bias)),
      dtype_(py::reinterpret_borrow<py::object>(proxy(result)->descr)) {}

bool CheckedCall::covers(py::handle input, py::handle out, py::handle options) const {
  if (!options.is(options_) || options_or_default(options).threads() != threads_) return false;
  if (!input_.is_that_of(input)) return false;
  if (out.is_none()) return allocates_;
  if (!result_.is_that_of(out)) return false;
  const auto array = py::reinterpret_borrow<py::array>(out);
  const auto meets = [&](py::handle other) {
    return !other.is_none() && may_overlap(array, py::reinterpret_borrow<py::array>(other));
  };
  return array.writeable() && !meets(input) && !meets(weight_) && !meets(bias_);
}

py::object CheckedCall::run(py::handle input, py::handle out, PackedWeights* weights) const {
  py::object result = out.is_none() ? allocate() : py::reinterpret_borrow<py::object>(out);
  const ConvOperands operands{proxy(input)->data,
                              proxy(weight_)->data,
                              nullptr,
                              bias_.is_none() ? nullptr : proxy(bias_)->data,
                              nullptr,
                              proxy(result)->data};
  const py::gil_scoped_release release;
  run_conv(plan_, operands, weights);
  return result;
}

py::object CheckedCall::allocate() const {
  const auto& numpy = py::detail::npy_api::get();
  dtype_.inc_ref();  // NumPy takes this reference
  PyObject* const array = numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, dtype_.ptr(), result_.ndim,
                                                      result_.shape, result_.strides, nullptr, 0, nullptr);
  if (array == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(array);
}

LayerCache LayerCache::renewed() const {
  LayerCache cache = *this;
  cache.last_.reset();
  return cache;
}

py::object LayerCache::again(py::handle input, py::handle out, py::handle options) const {
  const std::shared_ptr<const CheckedCall> call = last_;  // others may replace it while this one runs
  return call && call->covers(input, out, options) ? call->run(input, out, weights_.get()) : py::none();
}

bool is_frozen(py::handle argument) {
  if (!PyTuple_Check(argument.ptr()))
    return argument.is_none() || PyLong_Check(argument.ptr()) || PyFloat_Check(argument.ptr()) ||
           PyUnicode_Check(argument.ptr());
  const auto entries = py::reinterpret_borrow<py::tuple>(argument);
  return std::all_of(entries.begin(), entries.end(), is_frozen);
}

}  // namespace pyconv
