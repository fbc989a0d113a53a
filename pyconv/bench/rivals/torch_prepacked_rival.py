"""PyTorch with weights packed ahead: the operator that torch.compile's freezing pass would call.

It is what an inference engine built on torch can reach, without the compiler's seconds for each shape.
"""

from __future__ import annotations

from typing import Any

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import (
    Prepared,
    Rival,
    Setup,
    Unsupported,
    given,
    needs_conv,
    needs_float32,
    symmetric_padding,
)
from pyconv.bench.rivals.torch_rival import set_threads, to_tensor


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import torch

    needs_conv(case)
    needs_float32(case)
    if case.ndim != 2:
        raise Unsupported("torch packs 2-D weights only")
    padding, operators = symmetric_padding(case), torch.ops.mkldnn
    with torch.inference_mode():
        x = to_tensor(data.input, setup)
        w = torch.from_numpy(data.weight).clone()
        b = None if data.bias is None else torch.from_numpy(data.bias).clone()
        packed = operators._reorder_convolution_weight(
            w, padding, case.stride, case.dilation, case.groups, list(case.input_shape)
        )
    convolve = operators._convolution_pointwise.default
    args: tuple[Any, ...] = (x, packed, b, padding, case.stride, case.dilation, case.groups, "none", [], "")
    torch.set_grad_enabled(False)
    note = "mkldnn weights reordered for this shape"
    stated = given(case, setup.layout, torch.get_num_threads(), note, packed=True)
    return Prepared(lambda: convolve(*args), lambda tensor: tensor.contiguous().numpy(), stated)


RIVAL = Rival("torch-prepacked", prepare, set_threads, requires=("torch",))
