"""Layers from PyTorch modules; torch is never imported here, only asked for what it made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv.nn._conv import Conv1d, Conv2d, Conv3d
from pyconv.nn._module import Module
from pyconv.nn._pool import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d


def _dtype(tensor: Any) -> np.dtype[Any]:
    return np.dtype(str(tensor.dtype).removeprefix("torch."))


def _conv(kind: type[Conv1d | Conv2d | Conv3d]) -> Callable[[Any], Module]:
    def build(m: Any) -> Module:
        layer = kind(
            m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.dilation, m.groups,
            m.bias is not None, m.padding_mode, dtype=_dtype(m.weight),
        )  # fmt: skip
        layer.load_state_dict(m.state_dict())
        return layer

    return build


def _max_pool(kind: type[MaxPool1d | MaxPool2d | MaxPool3d]) -> Callable[[Any], Module]:
    def build(m: Any) -> Module:
        return kind(m.kernel_size, m.stride, m.padding, m.dilation, m.return_indices, m.ceil_mode)

    return build


def _avg_pool(kind: type[AvgPool2d | AvgPool3d]) -> Callable[[Any], Module]:
    def build(m: Any) -> Module:
        return kind(m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad, m.divisor_override)

    return build


def _avg_pool1d(m: Any) -> Module:
    return AvgPool1d(m.kernel_size, m.stride, m.padding, m.ceil_mode, m.count_include_pad)


_BUILDERS: dict[str, Callable[[Any], Module]] = {
    "Conv1d": _conv(Conv1d),
    "Conv2d": _conv(Conv2d),
    "Conv3d": _conv(Conv3d),
    "MaxPool1d": _max_pool(MaxPool1d),
    "MaxPool2d": _max_pool(MaxPool2d),
    "MaxPool3d": _max_pool(MaxPool3d),
    "AvgPool1d": _avg_pool1d,
    "AvgPool2d": _avg_pool(AvgPool2d),
    "AvgPool3d": _avg_pool(AvgPool3d),
}


def from_torch(module: Any) -> Module:
    """Build the layer that computes what a PyTorch module computes.

    Parameters
    ----------
    module : torch.nn.Module
        A convolution or pooling module of ``torch.nn``; parameters are copied.

    Returns
    -------
    Module

    Raises
    ------
    TypeError
        If there is no such layer here.

    Examples
    --------
    >>> import pyconv, torch
    >>> pyconv.nn.from_torch(torch.nn.Conv2d(3, 8, 3, padding=1))
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    name = type(module).__name__
    if name not in _BUILDERS or not type(module).__module__.startswith("torch.nn"):
        raise TypeError(
            f"cannot convert {type(module).__qualname__}; known are {', '.join(sorted(_BUILDERS))}"
        )
    return _BUILDERS[name](module)
