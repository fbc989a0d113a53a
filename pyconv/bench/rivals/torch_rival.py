"""PyTorch's CPU operators as everybody calls them: torch.nn.functional on plain or channels-last tensors."""

from __future__ import annotations

from typing import Any

from pyconv.bench.cases import Case
from pyconv.bench.data import PAGE, Data
from pyconv.bench.rivals.base import (
    CHANNELS_LAST,
    TENSOR_ALIGNMENT,
    Prepared,
    Rival,
    Setup,
    Unsupported,
    given,
    symmetric_padding,
)


def set_threads(threads: int) -> int:
    import torch

    torch.set_num_threads(threads)
    return int(torch.get_num_threads())


def to_tensor(array: Any, setup: Setup) -> Any:
    """A tensor in torch's own memory, in its memory format for the layout, at the place that is asked for."""
    import torch

    values = torch.from_numpy(array)
    memory_format = torch.contiguous_format
    if setup.layout == CHANNELS_LAST:
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        if values.ndim not in formats:
            raise Unsupported("torch has no channels-last format for 1-D")
        memory_format = formats[values.ndim]
    strides = torch.empty(values.shape, device="meta").contiguous(memory_format=memory_format).stride()
    room = torch.empty(values.numel() + 2 * PAGE // values.itemsize, dtype=values.dtype)
    start = (setup.aligned(TENSOR_ALIGNMENT) - room.data_ptr()) % PAGE // values.itemsize
    return room.as_strided(values.shape, strides, start).copy_(values)


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import torch

    with torch.inference_mode():
        x = to_tensor(data.input, setup)
        w = None if data.weight is None else to_tensor(data.weight, setup)
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
    stated = given(case, setup.layout, torch.get_num_threads(), "inference tensors, grad off")
    torch.set_grad_enabled(False)
    return Prepared(lambda: function(*args), lambda tensor: tensor.numpy(), stated)


def _name(case: Case) -> str:
    return "adaptive_avg_pool" if case.op == "adaptive_avg_pool" else case.op


RIVAL = Rival("torch", prepare, set_threads, requires=("torch",))
