"""A case as a one-node ONNX model with constant weights: what the inference engines are given."""

from __future__ import annotations

from typing import Any

from pyconv.bench.cases import Case
from pyconv.bench.data import Data

_OPERATORS = {"conv": "Conv", "max_pool": "MaxPool", "avg_pool": "AveragePool"}


def build(case: Case, data: Data) -> bytes:
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    element = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}[case.dtype]
    constants = {"w": data.weight, "b": data.bias}
    initializers = [
        numpy_helper.from_array(array, name) for name, array in constants.items() if array is not None
    ]
    node = helper.make_node(
        _OPERATORS[case.op], ["x", *(tensor.name for tensor in initializers)], ["y"], **_attributes(case)
    )
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_tensor_value_info("x", element, case.input_shape)],
        [helper.make_tensor_value_info("y", element, case.output_shape)],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    model.ir_version = 9  # the oldest that knows opset 19: readable by engines of several years
    onnx.checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized


def _attributes(case: Case) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "kernel_shape": case.kernel,
        "strides": case.stride,
        "pads": [*case.pad_begin, *case.pad_end],
        "dilations": case.dilation,
    }
    if case.is_conv:
        return attributes | {"group": case.groups}
    attributes["ceil_mode"] = int(case.ceil_mode)
    if case.op == "avg_pool":
        attributes["count_include_pad"] = int(case.count_include_pad)
    return attributes
