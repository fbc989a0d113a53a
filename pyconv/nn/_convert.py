"""Layers from PyTorch modules; torch is never imported here, only asked for what it made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pyconv.nn._conv import Conv1d, Conv2d, Conv3d
from pyconv.nn._module import Module


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


_BUILDERS: dict[str, Callable[[Any], Module]] = {
    "Conv1d": _conv(Conv1d),
    "Conv2d": _conv(Conv2d),
    "Conv3d": _conv(Conv3d),
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
    >>> import pyconv, torch  # doctest: +SKIP
    >>> layer = pyconv.nn.from_torch(torch.nn.Conv2d(3, 8, 3))  # doctest: +SKIP
    """
    name = type(module).__name__
    if name not in _BUILDERS or not type(module).__module__.startswith("torch.nn"):
        raise TypeError(
            f"cannot convert {type(module).__qualname__}; known are {', '.join(sorted(_BUILDERS))}"
        )
    return _BUILDERS[name](module)
