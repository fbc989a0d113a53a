// Convolution: Python arguments -> a validated problem -> plan -> execution without the GIL.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <iterator>

#include "bindings/args.h"
#include "bindings/arrays.h"
#include "bindings/bind.h"
#include "bindings/layer_cache.h"
#include "engine/conv.h"
#include "problem/window.h"

namespace pyconv {
namespace {

// The Python arguments of one convolution, in the order functional.py passes them.
struct ConvArgs {
  int rank;
  py::handle input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, residual,
      data_format;

  // Of a layer: what is no array stays what it was until the layer is told otherwise.
  bool are_frozen() const {
    const py::handle settings[] = {stride, padding, dilation, groups, padding_mode, activation, data_format};
    return std::all_of(std::begin(settings), std::end(settings), is_frozen);
  }
};

// Arrays the fast path cannot read: pyconv/_arrays.py converts them and calls again.
bool needs_conversion(const ConvArgs& args, py::handle out) {
  if (!is_plain(args.input) || !is_plain(args.weight)) return true;
  const int type = type_number(args.input);
  if (type_number(args.weight) != type) return true;
  for (py::handle optional : {args.bias, args.residual})
    if (!optional.is_none() && (!is_plain(optional) || type_number(optional) != type)) return true;
  return !out.is_none() && !is_plain(out);
}

struct ConvInputs {
  ArrayView input;
  AxisOrder order;
  WeightStrides weight_strides;
  ConvSpec spec;
};

void read_weight(const py::array& weight, int rank, ConvInputs* inputs) {
  check_value(weight.ndim() == rank + 2, "weight of conv", rank, "d must have ", rank + 2,
              " dimensions (out_channels, in_channels / groups, *kernel), got ", weight.ndim(), ": shape ",
              ShapeOf{weight});
  inputs->spec.out_ch = weight.shape(0);
  inputs->weight_strides = {element_stride(weight, 0), element_stride(weight, 1), spatial_of(0)};
  for (int i = 0; i < rank; ++i) {
    const int dim = kMaxSpatial - rank + i;
    inputs->spec.kernel[dim] = weight.shape(2 + i);
    inputs->weight_strides.kernel[dim] = element_stride(weight, 2 + i);
  }
}

ConvInputs read_inputs(const ConvArgs& args) {
  ConvInputs inputs;
  const auto input = py::reinterpret_borrow<py::array>(args.input);
  const auto weight = py::reinterpret_borrow<py::array>(args.weight);
  ConvSpec& spec = inputs.spec;
  inputs.order = parse_data_format(args.data_format);
  inputs.input = activation_view(input, "input", args.rank, inputs.order);
  spec.dtype = dtype_of(input);
  spec.rank = args.rank;
  spec.batch = inputs.input.batch;
  spec.in_ch = inputs.input.channels;
  spec.in = inputs.input.size;
  read_weight(weight, args.rank, &inputs);
  spec.groups = parse_index(args.groups, "groups");
  spec.stride = parse_spatial(args.stride, "stride", args.rank, 1);
  spec.dilation = parse_spatial(args.dilation, "dilation", args.rank, 1);
  parse_padding(args.padding, args.rank, spec.kernel, spec.stride, spec.dilation, &spec.pad_begin,
                &spec.pad_end);
  spec.pad_mode = parse_padding_mode(args.padding_mode);
  parse_activation(args.activation, &spec.epilogue);
  spec.epilogue.has_bias = !args.bias.is_none();
  spec.epilogue.has_residual = !args.residual.is_none();
  check_value(spec.groups >= 1, "groups must be at least 1, got ", spec.groups);
  const Index read = checked_mul(weight.shape(1), spec.groups, "in_channels");
  const bool last_fits = inputs.order == AxisOrder::kChannelsFirst && spec.in[kW] == read;
  check_value(spec.in_ch == read, "input channels must equal weight.shape[1] * groups: input has ",
              spec.in_ch, " channels (shape ", ShapeOf{input}, "), weight expects ", weight.shape(1), " * ",
              spec.groups, " (shape ", ShapeOf{weight}, ")",
              last_fits ? "; the last dimension would fit: is data_format='channels_last' meant?" : "");
  if (spec.epilogue.has_bias) {
    const auto bias = py::reinterpret_borrow<py::array>(args.bias);
    check_value(bias.ndim() == 1 && bias.shape(0) == spec.out_ch, "bias must have shape (out_channels,) = (",
                spec.out_ch, ",), got ", ShapeOf{bias});
  }
  return inputs;
}

py::array as_array(py::handle a) { return py::reinterpret_borrow<py::array>(a); }

// The kernels walk a residual with out's strides.
bool walk_alike(const ArrayView& a, const ArrayView& b) {
  const auto alike = [](Index size, Index x, Index y) { return size <= 1 || x == y; };
  bool same = alike(a.batch, a.strides.batch, b.strides.batch) &&
              alike(a.channels, a.strides.channel, b.strides.channel);
  for (int dim = 0; dim < kMaxSpatial; ++dim)
    same = same && alike(a.size[dim], a.strides.spatial[dim], b.strides.spatial[dim]);
  return same;
}

ArrayView residual_view(const py::array& residual, const ConvInputs& inputs, const ConvProblem& p) {
  const ArrayView view = activation_view(residual, "residual", p.rank, inputs.order);
  check_value(view.batched == inputs.input.batched && view.batch == p.batch && view.channels == p.out_ch &&
                  view.size == p.out,
              "residual must have the shape of the result, got ", ShapeOf{residual}, " for ", p);
  return view;
}

// Where the kernels write and what they add: the caller's arrays where one walk fits both, dense ones
// otherwise.
struct ConvTarget {
  py::object result;  // the caller's `out`, or an array to copy into it
  py::object residual;
};

ConvTarget make_target(const ConvArgs& args, py::handle out, const ConvInputs& inputs, const ConvProblem& p) {
  const auto dense = [&] {
    return allocate_like(inputs.input, inputs.order, p.rank, p.out_ch, p.out, p.dtype);
  };
  const auto view_of = [&](py::handle a) {
    return activation_view(as_array(a), "out", p.rank, inputs.order);
  };
  ConvTarget target;
  if (!out.is_none()) {
    check_out(out, inputs.input, inputs.order, p.rank, p.out_ch, p.out, p.dtype);
    // Where elements share memory, the order of the writes decides: NumPy's, not that of the threads.
    target.result = may_repeat(as_array(out)) ? dense() : py::reinterpret_borrow<py::object>(out);
    for (py::handle other : {args.input, args.weight, args.bias, args.residual})
      if (!other.is_none() && may_overlap(as_array(out), as_array(other))) target.result = dense();
  }
  if (args.residual.is_none()) {
    if (!target.result) target.result = dense();
    return target;
  }
  const ArrayView residual = residual_view(as_array(args.residual), inputs, p);
  target.residual = py::reinterpret_borrow<py::object>(args.residual);
  if (!target.result || (target.result.is(out) && !walk_alike(residual, view_of(out))))
    target.result = dense();
  if (!walk_alike(residual, view_of(target.result))) {
    target.residual = dense();
    target.residual[py::ellipsis()] = args.residual;
  }
  return target;
}

// None, or the bias with unit stride.
py::object contiguous_bias(py::handle bias) {
  if (bias.is_none() || element_stride(as_array(bias), 0) == 1)
    return py::reinterpret_borrow<py::object>(bias);
  return bias.attr("copy")();
}

// The argument names an algorithm, else the options may, else the cost model does.
const ConvAlgorithm& select(const ConvProblem& problem, const std::string& algorithm,
                            const Options& options) {
  const bool asked = algorithm != "auto" || options.algorithm.empty();
  return select_conv(problem, options.precision, asked ? algorithm : options.algorithm);
}

py::object conv(int rank, py::handle input, py::handle weight, py::handle bias, py::handle stride,
                py::handle padding, py::handle dilation, py::handle groups, py::handle padding_mode,
                py::handle activation, py::handle residual, py::handle data_format,
                const std::string& algorithm, py::handle out, py::handle options_handle, LayerCache* cache) {
  const ConvArgs args{rank,     input,  weight,       bias,       stride,   padding,
                      dilation, groups, padding_mode, activation, residual, data_format};
  if (needs_conversion(args, out)) return py::reinterpret_borrow<py::object>(Py_NotImplemented);
  const Options& options = options_or_default(options_handle);
  const ConvInputs inputs = read_inputs(args);
  const ConvProblem problem(inputs.spec);
  const ConvAlgorithm& chosen = select(problem, algorithm, options);  // refuses before anything is allocated
  const ConvTarget target = make_target(args, out, inputs, problem);
  const ArrayView out_view = activation_view(as_array(target.result), "out", rank, inputs.order);
  const py::object unit_bias = contiguous_bias(bias);
  const Request request{problem,           inputs.input.strides, out_view.strides, inputs.weight_strides,
                        options.threads(), &options.kernels()};
  const ConvPlan plan = plan_conv(request, chosen);
  const ConvOperands operands{inputs.input.data,
                              py::detail::array_proxy(weight.ptr())->data,
                              nullptr,
                              bias.is_none() ? nullptr : as_array(unit_bias).data(),
                              residual.is_none() ? nullptr : as_array(target.residual).data(),
                              out_view.data};
  {
    const py::gil_scoped_release release;
    run_conv(plan, operands, cache == nullptr ? nullptr : &cache->weights());
  }
  const bool direct = out.is_none() || target.result.is(out);
  if (cache != nullptr && direct && residual.is_none() && args.are_frozen())
    cache->remember(std::make_shared<CheckedCall>(plan, request.threads, options_handle, input, weight,
                                                  unit_bias, target.result, out.is_none()));
  if (direct) return target.result;
  out[py::ellipsis()] = target.result;
  return py::reinterpret_borrow<py::object>(out);
}

py::dict describe(const ConvPlan& plan, const ConvProblem& problem, Precision precision) {
  py::list candidates;
  for (const Candidate& c : conv_candidates(problem, precision))
    candidates.append(py::make_tuple(c.algorithm->name, c.cost_us, c.refusal));
  const ErrorBound bound = plan.algorithm->bound(problem);
  const Blocking& b = plan.blocking;
  py::dict d;
  d["problem"] = problem.to_string();
  d["algorithm"] = plan.algorithm->name;
  d["isa"] = plan.request.table->name;
  d["threads"] = plan.request.threads;
  d["chunks"] = plan.chunks;
  d["packed_bytes"] = plan.packed_bytes;
  d["scratch_bytes_per_thread"] = plan.scratch_per_thread;
  d["candidates"] = candidates;
  d["bound"] =
      py::make_tuple(bound.elementwise ? "elementwise" : "tile", bound.factor, bound.exact_on_integers);
  d["flops"] = problem.flops();
  d["out_size"] = py::make_tuple(problem.out[kD], problem.out[kH], problem.out[kW]);
  d["tile"] = b.kind == TileKind::kOcVector      ? "oc_vector"
              : b.kind == TileKind::kPixelVector ? "pixel_vector"
                                                 : "transposed";
  d["in_place"] = b.in_place;
  d["band"] = py::make_tuple(b.rows, b.cols, b.oc_per_chunk);
  return d;
}

py::dict plan(const std::string& text, const std::string& data_format, const std::string& algorithm,
              py::handle options_handle) {
  const ConvProblem problem = ConvProblem::parse(text);
  const Options& options = options_or_default(options_handle);
  const bool channels_last = axis_order(data_format) == AxisOrder::kChannelsLast;
  const Index taps = problem.taps();
  const WeightStrides weight{problem.in_ch_per_group() * taps, taps,
                             Spatial{{problem.kernel[kH] * problem.kernel[kW], problem.kernel[kW], 1}}};
  const Request request{problem,
                        dense_strides(problem.in_ch, problem.in, channels_last),
                        dense_strides(problem.out_ch, problem.out, channels_last),
                        weight,
                        options.threads(),
                        &options.kernels()};
  return describe(plan_conv(request, select(problem, algorithm, options)), problem, options.precision);
}

// The problem string of a call, and whether its input runs channels-last; NotImplemented as for conv.
py::object conv_problem(int rank, py::handle input, py::handle weight, py::handle bias, py::handle stride,
                        py::handle padding, py::handle dilation, py::handle groups, py::handle padding_mode,
                        py::handle activation, py::handle residual, py::handle data_format) {
  const ConvArgs args{rank,     input,  weight,       bias,       stride,   padding,
                      dilation, groups, padding_mode, activation, residual, data_format};
  if (needs_conversion(args, py::none())) return py::reinterpret_borrow<py::object>(Py_NotImplemented);
  const ConvInputs inputs = read_inputs(args);
  const bool memory_last = is_channels_last(inputs.input);
  return py::make_tuple(ConvProblem(inputs.spec).to_string(),
                        memory_last ? "channels_last" : "channels_first");
}

py::list algorithms() {
  py::list rows;
  for (const ConvAlgorithm* algorithm : conv_algorithms())
    rows.append(py::make_tuple(algorithm->name, algorithm->summary));
  return rows;
}

// (kind, factor, exact on integers) of one registry row for a problem; "" is `auto`.
py::tuple error_bound(const std::string& text, const std::string& algorithm, const std::string& precision) {
  const ConvProblem problem = ConvProblem::parse(text);
  const ErrorBound bound = select_conv(problem, precision_from_name(precision), algorithm).bound(problem);
  return py::make_tuple(bound.elementwise ? "elementwise" : "tile", bound.factor, bound.exact_on_integers);
}

// Outputs (d, h, w) that share the bound of a tile.
py::tuple bound_tile(const std::string& text, const std::string& algorithm) {
  const ConvProblem problem = ConvProblem::parse(text);
  const Spatial tile = select_conv(problem, Precision::kMedium, algorithm).bound(problem).tile;
  return py::make_tuple(tile[kD], tile[kH], tile[kW]);
}

Window checked_window(Index in, Index pad_begin, Index pad_end, Index kernel, Index stride, Index dilation,
                      bool ceil_mode) {
  const Window window{in, pad_begin, pad_end, kernel, stride, dilation, ceil_mode};
  check_window(window, kW);
  return window;
}

// The size rule of one dimension, for pyconv.explain_shape: the number, 0 if nothing fits, and the text.
void register_size_rule(py::module_& m) {
  m.def(
      "output_size",
      [](Index in, Index pad_begin, Index pad_end, Index kernel, Index stride, Index dilation,
         bool ceil_mode) {
        const Window window = checked_window(in, pad_begin, pad_end, kernel, stride, dilation, ceil_mode);
        return max_of(window.positions(), 0);
      },
      py::arg("size"), py::arg("pad_begin"), py::arg("pad_end"), py::arg("kernel"), py::arg("stride"),
      py::arg("dilation"), py::arg("ceil_mode"));
  m.def(
      "size_rule",
      [](Index in, Index pad_begin, Index pad_end, Index kernel, Index stride, Index dilation, bool ceil_mode,
         const std::string& name) {
        return size_rule(checked_window(in, pad_begin, pad_end, kernel, stride, dilation, ceil_mode), name);
      },
      py::arg("size"), py::arg("pad_begin"), py::arg("pad_end"), py::arg("kernel"), py::arg("stride"),
      py::arg("dilation"), py::arg("ceil_mode"), py::arg("name"));
}

}  // namespace

void register_conv(py::module_& m) {
  py::class_<LayerCache>(m, "LayerCache")
      .def(py::init<>())
      .def("again", &LayerCache::again, py::arg("input"), py::arg("out"), py::arg("options"))
      .def("renewed", &LayerCache::renewed)
      .def_property_readonly("nbytes", [](const LayerCache& cache) { return cache.weights().bytes(); });
  m.def("conv", &conv, py::arg("rank"), py::arg("input"), py::arg("weight"), py::arg("bias"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"),
        py::arg("padding_mode"), py::arg("activation"), py::arg("residual"), py::arg("data_format"),
        py::arg("algorithm"), py::arg("out"), py::arg("options"), py::arg("cache").none(true));
  m.def("conv_problem", &conv_problem, py::arg("rank"), py::arg("input"), py::arg("weight"), py::arg("bias"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"),
        py::arg("padding_mode"), py::arg("activation"), py::arg("residual"), py::arg("data_format"));
  m.def("plan", &plan, py::arg("problem"), py::arg("data_format"), py::arg("algorithm"), py::arg("options"));
  m.def("algorithms", &algorithms);
  m.def("error_bound", &error_bound, py::arg("problem"), py::arg("algorithm"), py::arg("precision"));
  m.def("bound_tile", &bound_tile, py::arg("problem"), py::arg("algorithm"));
  register_size_rule(m);
}

}  // namespace pyconv
