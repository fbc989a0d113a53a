"""PyTorch's CPU operators as everybody calls them: torch.nn.functional on plain or channels-last tensors."""

from __future__ import annotations

from typing import Any

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import (
    CHANNELS_LAST,
    Given,
    Prepared,
    Rival,
    Setup,
    Unsupported,
    symmetric_padding,
    weights_given,
)


def set_threads(threads: int) -> int:
    import torch

    torch.set_num_threads(threads)
    return int(torch.get_num_threads())


def to_tensor(array: Any, layout: str) -> Any:
    """A tensor of its own memory in torch's memory format for `layout`."""
    import torch

    tensor = torch.from_numpy(array).clone()
    if layout != CHANNELS_LAST:
        return tensor
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    if tensor.ndim not in formats:
        raise Unsupported("torch has no channels-last format for 1-D")
    return tensor.contiguous(memory_format=formats[tensor.ndim])


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import torch

    with torch.inference_mode():
        x = to_tensor(data.input, setup.layout)
        w = None if data.weight is None else to_tensor(data.weight, setup.layout)
        b = None if data.bias is None else torch.from_numpy(data.bias).clone()
    function = getattr(torch.nn.functional, f"{_name(case)}{case.ndim}d")
    padding = symmetric_padding(case)
    if case.is_conv:
        args: tuple[Any, ...] = (x, w, b, case.stride, padding, case.dilation, case.groups)
    elif case.op == "max_pool":
        args = (x, case.kernel, case.stride, padding, case.dilation, case.ceil_mode)
    elif case.op == "avg_pool":
        args = (x, case.kernel, case.stride, padding, case.ceil_mode, case.count_include_pad)
    else:
        args = (x, case.kernel)

    @torch.inference_mode()
    def checked() -> Any:
        return function(*args)

    checked()
    given = Given(setup.layout, weights_given(case, packed=False), "inference tensors, grad off")
    torch.set_grad_enabled(False)
    return Prepared(lambda: function(*args), lambda tensor: tensor.numpy(), given)


def _name(case: Case) -> str:
    return "adaptive_avg_pool" if case.op == "adaptive_avg_pool" else case.op


RIVAL = Rival("torch", prepare, set_threads, requires=("torch",))
