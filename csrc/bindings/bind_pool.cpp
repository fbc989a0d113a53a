// Pooling: Python arguments -> a validated problem -> plan -> execution without the GIL.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bindings/args.h"
#include "bindings/arrays.h"
#include "bindings/bind.h"
#include "engine/pool.h"
#include "engine/pool_strips.h"

namespace pyconv {
namespace {

// The Python arguments of one pooling, in the order _pooling.py passes them.
struct PoolCall {
  const std::string& kind;
  int rank;
  py::handle input, kernel_size, stride, padding, dilation;
  bool ceil_mode, return_indices, count_include_pad;
  py::handle divisor_override, data_format;
};

struct PoolInputs {
  ArrayView input;
  AxisOrder order;
  PoolSpec spec;
};

Index parse_divisor(py::handle value) {
  if (value.is_none()) return 0;
  const Index divisor = parse_index(value, "divisor_override");
  check_value(divisor != 0, "divisor_override must not be 0, got 0");
  return divisor;
}

PoolInputs read_inputs(const PoolCall& call) {
  PoolInputs inputs;
  PoolSpec& spec = inputs.spec;
  const auto input = py::reinterpret_borrow<py::array>(call.input);
  inputs.order = parse_data_format(call.data_format);
  inputs.input = activation_view(input, "input", call.rank, inputs.order);
  spec.kind = call.kind == "max" ? PoolKind::kMax : PoolKind::kAverage;
  spec.dtype = dtype_of(input);
  spec.rank = call.rank;
  spec.batch = inputs.input.batch;
  spec.channels = inputs.input.channels;
  spec.in = inputs.input.size;
  spec.kernel = parse_spatial(call.kernel_size, "kernel_size", call.rank, 1);
  // torch takes None and an empty sequence for "as the kernel".
  const bool default_stride =
      call.stride.is_none() || ((PyTuple_Check(call.stride.ptr()) || PyList_Check(call.stride.ptr())) &&
                                PySequence_Size(call.stride.ptr()) == 0);
  spec.stride = default_stride ? spec.kernel : parse_spatial(call.stride, "stride", call.rank, 1);
  spec.pad_begin = spec.pad_end = parse_spatial(call.padding, "padding", call.rank, 0);
  spec.dilation = parse_spatial(call.dilation, "dilation", call.rank, 1);
  spec.ceil_mode = call.ceil_mode;
  spec.return_indices = call.return_indices;
  spec.count_include_pad = call.count_include_pad;
  spec.divisor_override = parse_divisor(call.divisor_override);
  return inputs;
}

// A new result, or the caller's; `into` is set when the caller's has to be filled from a new one because it
// shares memory with something that is still read.
struct PoolTarget {
  py::array array;
  py::object into;
};

bool is_plain_int64(py::handle object) {
  if (!py::isinstance<py::array>(object)) return false;
  const auto array = py::reinterpret_borrow<py::array>(object);
  return (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0 &&
         array.dtype().equal(py::dtype::of<std::int64_t>());
}

py::array viewed(const py::array& array, const char* dtype) { return array.attr("view")(dtype); }

py::array allocate(const PoolInputs& inputs, const PoolProblem& p, bool indices) {
  const DType dtype = indices ? DType::kFloat64 : p.dtype;
  const py::array array = allocate_like(inputs.input, inputs.order, p.rank, p.channels, p.out, dtype);
  return indices ? viewed(array, "int64") : array;
}

PoolTarget target_of(py::handle out, const PoolInputs& inputs, const PoolProblem& p, bool indices,
                     std::initializer_list<py::handle> others) {
  if (out.is_none()) return {allocate(inputs, p, indices), py::none()};
  if (indices) {
    check_type(is_plain_int64(out), "the indices in out must be an aligned int64 array, got ", ReprOf{out});
    check_out(viewed(py::reinterpret_borrow<py::array>(out), "float64"), inputs.input, inputs.order, p.rank,
              p.channels, p.out, DType::kFloat64);
  } else {
    check_out(out, inputs.input, inputs.order, p.rank, p.channels, p.out, p.dtype);
  }
  const auto array = py::reinterpret_borrow<py::array>(out);
  bool shared = false;
  for (py::handle other : others)
    shared = shared || (!other.is_none() && may_overlap(array, py::reinterpret_borrow<py::array>(other)));
  if (shared) return {allocate(inputs, p, indices), py::reinterpret_borrow<py::object>(out)};
  return {array, py::none()};
}

py::object finished(const PoolTarget& target) {
  if (target.into.is_none()) return target.array;
  target.into[py::ellipsis()] = target.array;
  return target.into;
}

// out: None, the values' array, or with indices a pair (values, indices).
py::object pool(const std::string& kind, int rank, py::handle input, py::handle kernel_size,
                py::handle stride, py::handle padding, py::handle dilation, bool ceil_mode,
                bool return_indices, bool count_include_pad, py::handle divisor_override,
                py::handle data_format, py::handle out, py::handle options_handle) {
  py::handle out_values = out, out_indices = py::none();
  if (return_indices && !out.is_none()) {
    check_type(PyTuple_Check(out.ptr()) && PyTuple_GET_SIZE(out.ptr()) == 2,
               "with return_indices out must be a pair (values, indices)");
    out_values = PyTuple_GET_ITEM(out.ptr(), 0);
    out_indices = PyTuple_GET_ITEM(out.ptr(), 1);
  }
  if (!is_plain(input) || (!out_values.is_none() && !is_plain(out_values)))
    return py::reinterpret_borrow<py::object>(Py_NotImplemented);
  const PoolInputs inputs = read_inputs({kind, rank, input, kernel_size, stride, padding, dilation, ceil_mode,
                                         return_indices, count_include_pad, divisor_override, data_format});
  const PoolProblem problem(inputs.spec);
  check_torch_padding(problem);
  const PoolTarget values = target_of(out_values, inputs, problem, false, {input});
  const PoolTarget indices = return_indices
                                 ? target_of(out_indices, inputs, problem, true, {input, values.array})
                                 : PoolTarget{py::array(), py::none()};
  const Options& options = options_or_default(options_handle);
  const ArrayView values_view = activation_view(values.array, "out", rank, inputs.order);
  const ArrayView indices_view =
      return_indices ? activation_view(indices.array, "out", rank, inputs.order) : values_view;
  const PoolPlan plan = plan_pool({problem, inputs.input.strides, values_view.strides, indices_view.strides,
                                   options.threads(), &options.kernels()});
  {
    const py::gil_scoped_release release;
    run_pool(plan, inputs.input.data, values_view.data,
             return_indices ? static_cast<Index*>(indices_view.data) : nullptr);
  }
  if (!return_indices) return finished(values);
  return py::make_tuple(finished(values), finished(indices));
}

// What pool() would run, for tests and the benchmark.
py::dict pool_plan(const std::string& text, const std::string& data_format, py::handle options_handle) {
  const PoolProblem problem = PoolProblem::parse(text);
  const Options& options = options_or_default(options_handle);
  const bool last = axis_order(data_format) == AxisOrder::kChannelsLast;
  const auto strides = [&](const Spatial& size) { return dense_strides(problem.channels, size, last); };
  const PoolPlan plan = plan_pool({problem, strides(problem.in), strides(problem.out), strides(problem.out),
                                   options.threads(), &options.kernels()});
  py::dict d;
  d["problem"] = problem.to_string();
  d["path"] = pool_path_name(plan.path);
  d["isa"] = plan.request.table->name;
  d["threads"] = plan.request.threads;
  d["chunks"] = plan.chunks;
  d["scratch_bytes_per_thread"] =
      plan.path == PoolPath::kStrips ? strip_scratch_bytes(plan) : static_cast<std::size_t>(kPoolStackBytes);
  d["out_size"] = py::make_tuple(problem.out[kD], problem.out[kH], problem.out[kW]);
  return d;
}

}  // namespace

void register_pool(py::module_& m) {
  m.def("pool", &pool);
  m.def("pool_plan", &pool_plan);
}

}  // namespace pyconv
