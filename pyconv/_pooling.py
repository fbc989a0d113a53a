"""Pooling functions with torch.nn.functional's names, order and meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from pyconv import _core
from pyconv._arrays import as_ndarray, convert_and_call, is_torch
from pyconv._docstrings import AVG_POOL1D, AVG_POOL2D, AVG_POOL3D, MAX_POOL, documented
from pyconv._options import compiled

IntOrInts: TypeAlias = int | Sequence[int]
DataFormat: TypeAlias = Literal["channels_first", "channels_last"]

_pool: Callable[..., Any] = _core.pool


def _convert(kind: str, rank: int, input: Any, geometry: tuple[Any, ...], data_format: str, out: Any) -> Any:
    """The slow path of every pooling: arguments the extension cannot read as they are."""
    with_indices = bool(geometry[5])

    def call(a: dict[str, Any], plain_out: Any) -> Any:
        return _pool(kind, rank, a["input"], *geometry, data_format, plain_out, compiled())

    if not with_indices:
        return convert_and_call(call, {"input": input}, out)
    pair = convert_and_call(call, {"input": input}, keep_result=True)
    if out is not None:
        for target, result, name in zip(out, pair, ("values", "indices"), strict=True):
            array = as_ndarray(target, f"the {name} in out")
            if array.shape != result.shape or array.dtype != result.dtype:
                raise ValueError(
                    f"the {name} in out must have the shape and dtype of the result, "
                    f"{result.shape} and {result.dtype}, got {array.shape} and {array.dtype}"
                )
            array[...] = result
        return out
    if is_torch(input):
        import torch

        return tuple(torch.from_numpy(result) for result in pair)
    return pair


@documented(MAX_POOL, 1, layer="MaxPool1d")
def max_pool1d(
    input: npt.ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    data_format: DataFormat = "channels_first",
    out: Any = None,
) -> Any:
    """Take the maximum over sliding windows of a 1-D signal.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.array([[[1, 3, 2, 5, 4, 0]]], np.float32)
    >>> pyconv.max_pool1d(x, 2)
    array([[[3., 5., 4.]]], dtype=float32)
    >>> values, indices = pyconv.max_pool1d(x, 3, stride=2, padding=1, return_indices=True)
    >>> indices
    array([[[1, 3, 3]]])
    """
    geometry = (kernel_size, stride, padding, dilation, ceil_mode, return_indices, True, None)
    result = _pool("max", 1, input, *geometry, data_format, out, compiled())
    if result is not NotImplemented:
        return result
    return _convert("max", 1, input, geometry, data_format, out)


@documented(MAX_POOL, 2, layer="MaxPool2d")
def max_pool2d(
    input: npt.ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    data_format: DataFormat = "channels_first",
    out: Any = None,
) -> Any:
    """Take the maximum over sliding windows of a 2-D image.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> pyconv.max_pool2d(x, 2)
    array([[[[ 5.,  7.],
             [13., 15.]]]], dtype=float32)
    """
    geometry = (kernel_size, stride, padding, dilation, ceil_mode, return_indices, True, None)
    result = _pool("max", 2, input, *geometry, data_format, out, compiled())
    if result is not NotImplemented:
        return result
    return _convert("max", 2, input, geometry, data_format, out)


@documented(MAX_POOL, 3, layer="MaxPool3d")
def max_pool3d(
    input: npt.ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    dilation: IntOrInts = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    *,
    data_format: DataFormat = "channels_first",
    out: Any = None,
) -> Any:
    """Take the maximum over sliding windows of a 3-D volume.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.arange(64, dtype=np.float32).reshape(1, 1, 4, 4, 4)
    >>> pyconv.max_pool3d(x, (4, 2, 2)).ravel()
    array([53., 55., 61., 63.], dtype=float32)
    """
    geometry = (kernel_size, stride, padding, dilation, ceil_mode, return_indices, True, None)
    result = _pool("max", 3, input, *geometry, data_format, out, compiled())
    if result is not NotImplemented:
        return result
    return _convert("max", 3, input, geometry, data_format, out)


@documented(AVG_POOL1D, 1, layer="AvgPool1d")
def avg_pool1d(
    input: npt.ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    *,
    data_format: DataFormat = "channels_first",
    out: Any = None,
) -> Any:
    """Average over sliding windows of a 1-D signal.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.array([[[1, 3, 2, 6]]], np.float32)
    >>> pyconv.avg_pool1d(x, 2)
    array([[[2., 4.]]], dtype=float32)
    >>> pyconv.avg_pool1d(x, 3, stride=3, padding=1, count_include_pad=False)
    array([[[2., 4.]]], dtype=float32)
    """
    geometry = (kernel_size, stride, padding, 1, ceil_mode, False, count_include_pad, None)
    result = _pool("avg", 1, input, *geometry, data_format, out, compiled())
    if result is not NotImplemented:
        return result
    return _convert("avg", 1, input, geometry, data_format, out)


@documented(AVG_POOL2D, 2, layer="AvgPool2d")
def avg_pool2d(
    input: npt.ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    data_format: DataFormat = "channels_first",
    out: Any = None,
) -> Any:
    """Average over sliding windows of a 2-D image.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    >>> pyconv.avg_pool2d(x, 2)
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]], dtype=float32)
    >>> pyconv.avg_pool2d(x, 4, divisor_override=1)
    array([[[[120.]]]], dtype=float32)
    """
    geometry = (kernel_size, stride, padding, 1, ceil_mode, False, count_include_pad, divisor_override)
    result = _pool("avg", 2, input, *geometry, data_format, out, compiled())
    if result is not NotImplemented:
        return result
    return _convert("avg", 2, input, geometry, data_format, out)


@documented(AVG_POOL3D, 3, layer="AvgPool3d")
def avg_pool3d(
    input: npt.ArrayLike,
    kernel_size: IntOrInts,
    stride: IntOrInts | None = None,
    padding: IntOrInts = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    data_format: DataFormat = "channels_first",
    out: Any = None,
) -> Any:
    """Average over sliding windows of a 3-D volume.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = np.arange(64, dtype=np.float32).reshape(1, 1, 4, 4, 4)
    >>> pyconv.avg_pool3d(x, (4, 2, 2)).ravel()
    array([26.5, 28.5, 34.5, 36.5], dtype=float32)
    """
    geometry = (kernel_size, stride, padding, 1, ceil_mode, False, count_include_pad, divisor_override)
    result = _pool("avg", 3, input, *geometry, data_format, out, compiled())
    if result is not NotImplemented:
        return result
    return _convert("avg", 3, input, geometry, data_format, out)
