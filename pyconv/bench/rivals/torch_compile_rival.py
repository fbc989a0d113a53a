"""torch.compile with frozen weights: what inductor makes of each shape, after seconds of compilation."""

from __future__ import annotations

import importlib
from typing import Any

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import (
    Prepared,
    Rival,
    Setup,
    given,
    needs_conv,
    needs_float32,
    symmetric_padding,
)
from pyconv.bench.rivals.torch_rival import set_threads, to_tensor


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    inductor: Any = importlib.import_module("torch._inductor.config")
    torch: Any = importlib.import_module("torch")  # Any: parts of its compiler are not typed

    needs_conv(case)
    needs_float32(case)  # freezing fails on float64
    layer: Any = getattr(torch.nn, f"Conv{case.ndim}d")(
        case.in_ch,
        case.out_ch,
        case.kernel,
        case.stride,
        symmetric_padding(case),
        case.dilation,
        case.groups,
        case.bias,
        dtype=getattr(torch, case.dtype),
    )
    x = to_tensor(data.input, setup)
    layer.weight = torch.nn.Parameter(to_tensor(data.weight, setup), requires_grad=False)
    if case.bias:
        layer.bias = torch.nn.Parameter(torch.from_numpy(data.bias).clone(), requires_grad=False)
    torch.set_grad_enabled(False)
    torch.compiler.reset()
    with inductor.patch(freezing=True):
        compiled = torch.compile(layer.eval())
        compiled(x)
    note = "compiled and frozen for this shape"
    stated = given(case, setup.layout, torch.get_num_threads(), note, packed=True)
    return Prepared(lambda: compiled(x), lambda tensor: tensor.contiguous().numpy(), stated)


RIVAL = Rival("torch-compile", prepare, set_threads, requires=("torch",))
