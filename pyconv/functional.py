"""Convolution functions with torch.nn.functional's names, order and meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from pyconv import _core
from pyconv._arrays import convert_and_call
from pyconv._docstrings import CONV, documented
from pyconv._options import compiled

IntOrInts: TypeAlias = int | Sequence[int]
Padding: TypeAlias = int | Sequence[int] | Sequence[tuple[int, int]] | Literal["same", "valid"]
PaddingMode: TypeAlias = Literal["zeros", "reflect", "replicate", "circular"]
Activation: TypeAlias = Literal["relu", "relu6"] | tuple[Literal["clip"], float, float] | None
DataFormat: TypeAlias = Literal["channels_first", "channels_last"]

_conv: Callable[..., Any] = _core.conv


def _convert(
    rank: int,
    input: Any,
    weight: Any,
    bias: Any,
    geometry: tuple[Any, ...],
    activation: Any,
    residual: Any,
    data_format: str,
    algorithm: str,
    out: Any,
) -> Any:
    """The slow path of every convolution: arguments the extension cannot read as they are."""

    def call(a: dict[str, Any], plain_out: Any) -> Any:
        return _conv(
            rank, a["input"], a["weight"], a["bias"], *geometry, activation, a["residual"],
            data_format, algorithm, plain_out, compiled(), None,
        )  # fmt: skip

    arrays = {"input": input, "weight": weight, "bias": bias, "residual": residual}
    return convert_and_call(call, arrays, out)


@documented(CONV, 1)
def conv1d(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    residual: npt.ArrayLike | None = None,
    data_format: DataFormat = "channels_first",
    algorithm: str = "auto",
    out: Any = None,
) -> Any:
    """Convolve (cross-correlate) a 1-D signal with a bank of kernels.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.array([[[1, 2, 3, 4, 5]]], np.float32)
    >>> w = np.array([[[1, 0, -1]]], np.float32)
    >>> pyconv.conv1d(x, w)
    array([[[-2., -2., -2.]]], dtype=float32)
    >>> pyconv.conv1d(x, w, padding="same", activation="relu")
    array([[[0., 0., 0., 0., 4.]]], dtype=float32)
    """
    result = _conv(
        1, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, residual,
        data_format, algorithm, out, compiled(), None,
    )  # fmt: skip
    if result is not NotImplemented:
        return result
    geometry = (stride, padding, dilation, groups, padding_mode)
    return _convert(1, input, weight, bias, geometry, activation, residual, data_format, algorithm, out)


@documented(CONV, 2)
def conv2d(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    residual: npt.ArrayLike | None = None,
    data_format: DataFormat = "channels_first",
    algorithm: str = "auto",
    out: Any = None,
) -> Any:
    """Convolve (cross-correlate) a 2-D image with a bank of kernels.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> w = np.ones((1, 1, 2, 2), np.float32)
    >>> pyconv.conv2d(x, w, stride=2)
    array([[[[10., 18.],
             [42., 50.]]]], dtype=float32)
    """
    result = _conv(
        2, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, residual,
        data_format, algorithm, out, compiled(), None,
    )  # fmt: skip
    if result is not NotImplemented:
        return result
    geometry = (stride, padding, dilation, groups, padding_mode)
    return _convert(2, input, weight, bias, geometry, activation, residual, data_format, algorithm, out)


@documented(CONV, 3)
def conv3d(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrInts = 1,
    padding: Padding = 0,
    dilation: IntOrInts = 1,
    groups: int = 1,
    *,
    padding_mode: PaddingMode = "zeros",
    activation: Activation = None,
    residual: npt.ArrayLike | None = None,
    data_format: DataFormat = "channels_first",
    algorithm: str = "auto",
    out: Any = None,
) -> Any:
    """Convolve (cross-correlate) a 3-D volume with a bank of kernels.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.ones((1, 2, 3, 3, 3), np.float32)
    >>> w = np.ones((1, 2, 2, 2, 2), np.float32)
    >>> pyconv.conv3d(x, w, stride=(1, 1, 2)).shape
    (1, 1, 2, 2, 1)
    >>> float(pyconv.conv3d(x, w)[0, 0, 0, 0, 0])
    16.0
    """
    result = _conv(
        3, input, weight, bias, stride, padding, dilation, groups, padding_mode, activation, residual,
        data_format, algorithm, out, compiled(), None,
    )  # fmt: skip
    if result is not NotImplemented:
        return result
    geometry = (stride, padding, dilation, groups, padding_mode)
    return _convert(3, input, weight, bias, geometry, activation, residual, data_format, algorithm, out)
