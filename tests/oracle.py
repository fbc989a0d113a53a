"""The one oracle of the convolution tests: torch in float64. It shares no code with what it judges."""

from __future__ import annotations

import warnings
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

TORCH_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TORCH_PAD_MODE = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def double(array: npt.ArrayLike) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float64))


def conv(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    activation: Any = None,
    residual: npt.ArrayLike | None = None,
) -> npt.NDArray[np.float64]:
    """The convolution as pyconv.conv1d, conv2d and conv3d define it, channels first."""
    x, w = double(input), double(weight)
    rank = w.ndim - 2
    batched = x if x.ndim == w.ndim else x[None]
    border: Any = 0
    if padding == "same" and padding_mode == "zeros":
        border = "same"  # torch's own
    else:
        batched = F.pad(batched, _torch_padding(padding, w, dilation), TORCH_PAD_MODE[padding_mode])
    if (
        batched.shape[1] == 0 or w.shape[0] == 0
    ):  # torch refuses to sum over nothing: any other weight tells the size
        one = torch.zeros((1, 1, *w.shape[2:]), dtype=torch.float64)
        sized = _torch_conv(
            batched.new_zeros(len(batched), 1, *batched.shape[2:]), one, stride, border, dilation, 1
        )
        result = sized.repeat(1, w.shape[0], *(1,) * rank)
    else:
        result = _torch_conv(batched, w, stride, border, dilation, groups)
    if bias is not None:
        result = result + double(bias).reshape(-1, *(1,) * rank)
    result = result if x.ndim == w.ndim else result[0]
    if residual is not None:
        result = result + double(residual)
    return _activated(result, activation).numpy()


def _torch_conv(
    x: torch.Tensor, w: torch.Tensor, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    with warnings.catch_warnings():  # "same" with an even kernel is a copy inside torch, of which it warns
        warnings.filterwarnings("ignore", message="Using padding='same'")
        return TORCH_CONV[w.ndim - 2](x, w, None, stride, padding, dilation, groups)


def _torch_padding(padding: Any, weight: torch.Tensor, dilation: Any) -> list[int]:
    """F.pad's order: the last dimension first."""
    rank = weight.ndim - 2
    if padding == "valid":
        pairs = [(0, 0)] * rank
    elif padding == "same":
        dilations = (dilation,) * rank if isinstance(dilation, int) else dilation
        totals = [d * (k - 1) for d, k in zip(dilations, weight.shape[2:], strict=True)]
        pairs = [(total // 2, total - total // 2) for total in totals]
    else:
        sides = (padding,) * rank if isinstance(padding, int) else padding
        pairs = [side if isinstance(side, tuple) else (side, side) for side in sides]
    return list(chain.from_iterable(reversed(pairs)))


def _activated(result: torch.Tensor, activation: Any) -> torch.Tensor:
    if activation is None:
        return result
    if activation == "relu":
        return F.relu(result)
    if activation == "relu6":
        return F.relu6(result)
    kind, lo, hi = activation
    assert kind == "clip"
    return torch.clamp(result, lo, hi)
