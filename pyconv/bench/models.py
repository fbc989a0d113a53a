"""The convolutions and poolings of a model as cases: from an ONNX file, or a torch module that runs once."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from pyconv.bench.cases import CONV, Case, Sizes, unique


def extract(model: str, input_shape: str) -> list[Case]:
    """`model` is a path to an .onnx file or `module:factory`; equal layers are merged with their count."""
    if model.endswith(".onnx"):
        cases = _from_onnx(Path(model))
    elif ":" in model:
        cases = _from_torch(model, tuple(int(size) for size in input_shape.split("x")))
    else:
        raise ValueError(f"--model must be a path to an .onnx file or module:factory; got {model!r}")
    if not cases:
        raise ValueError(f"{model} has no convolution or pooling this benchmark knows")
    return unique(cases)


def _from_torch(model: str, input_shape: Sizes) -> list[Case]:
    import torch

    module_name, factory = model.split(":", 1)
    network: Any = getattr(importlib.import_module(module_name), factory)()
    cases: list[Case] = []

    def remember(name: str, layer: Any) -> Any:
        def hook(_: Any, inputs: tuple[Any, ...], __: Any) -> None:
            case = _torch_case(layer, inputs[0], factory, name)
            if case is not None:
                cases.append(case)

        return hook

    for name, layer in network.named_modules():
        layer.register_forward_hook(remember(name, layer))
    with torch.inference_mode():
        network.eval()(torch.zeros(input_shape))
    return cases


def _torch_case(layer: Any, x: Any, network: str, name: str) -> Case | None:
    kind, rank = type(layer).__name__[:-2], type(layer).__name__[-2:]
    words = {"Conv": CONV, "MaxPool": "max_pool", "AvgPool": "avg_pool"}
    if kind not in words or rank not in ("1d", "2d", "3d"):
        return None
    ndim = int(rank[0])
    batch, in_ch, *size = x.shape

    def sizes(value: Any, default: int = 1) -> Sizes:
        value = default if value is None else value
        return (value,) * ndim if isinstance(value, int) else tuple(value)

    is_conv = kind == "Conv"
    if is_conv and (isinstance(layer.padding, str) or layer.padding_mode != "zeros"):
        return None
    pads = sizes(layer.padding, 0)
    return Case(
        op=words[kind],
        ndim=ndim,
        batch=batch,
        in_ch=in_ch,
        out_ch=layer.out_channels if is_conv else in_ch,
        in_size=tuple(size),
        kernel=sizes(layer.kernel_size),
        stride=sizes(layer.stride),
        pad_begin=pads,
        pad_end=pads,
        dilation=sizes(getattr(layer, "dilation", 1)),
        groups=layer.groups if is_conv else 1,
        bias=is_conv and layer.bias is not None,
        ceil_mode=getattr(layer, "ceil_mode", False),
        count_include_pad=getattr(layer, "count_include_pad", True),
        network=network,
        name=name,
        source="--model",
    )


def _from_onnx(path: Path) -> list[Case]:
    import onnx
    from onnx import shape_inference

    graph = shape_inference.infer_shapes(onnx.load(str(path))).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.name not in shapes:
            shapes[value.name] = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    words = {"Conv": CONV, "MaxPool": "max_pool", "AveragePool": "avg_pool"}
    found = (
        _onnx_case(node, words[node.op_type], shapes, path.stem)
        for node in graph.node
        if node.op_type in words
    )
    return [case for case in found if case is not None]


def _onnx_case(node: Any, op: str, shapes: dict[str, list[int]], network: str) -> Case | None:
    from onnx import helper

    given = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    shape = shapes.get(node.input[0], [])
    if len(shape) < 3 or 0 in shape or given.get("auto_pad", b"NOTSET") != b"NOTSET":
        return None  # without known sizes there is nothing to measure
    batch, in_ch, *size = shape
    ndim = len(size)
    weight = shapes[node.input[1]] if op == CONV else [in_ch, 1, *given["kernel_shape"]]
    pads = given.get("pads", [0] * 2 * ndim)
    return Case(
        op=op,
        ndim=ndim,
        batch=batch,
        in_ch=in_ch,
        out_ch=weight[0],
        in_size=tuple(size),
        kernel=tuple(weight[2:]),
        stride=tuple(given.get("strides", [1] * ndim)),
        pad_begin=tuple(pads[:ndim]),
        pad_end=tuple(pads[ndim:]),
        dilation=tuple(given.get("dilations", [1] * ndim)),
        groups=given.get("group", 1),
        bias=op == CONV and len(node.input) > 2,
        ceil_mode=bool(given.get("ceil_mode", 0)),
        count_include_pad=bool(given.get("count_include_pad", 0)),
        network=network,
        name=node.name or node.output[0],
        source="--model",
    )
