"""Pooling functions with torch.nn.functional's names, order and meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from pyconv import _core
from pyconv._arrays import as_ndarray, convert_and_call, is_torch
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

    Parameters
    ----------
    input : array_like, shape (batch, channels, in_w) or (channels, in_w)
        Any strides; memory that runs channels-last is read in place and the result has it too.
    kernel_size : int or sequence of 1 int
    stride : int or sequence of 1 int, default kernel_size
    padding : int or sequence of 1 int, default 0
        At most half the kernel size. Padding is never chosen.
    dilation : int or sequence of 1 int, default 1
        Distance between the elements of a window.
    ceil_mode : bool, default False
        Let a last window hang over the end, if it starts inside the input or the padding before it.
    return_indices : bool, default False
        Also return where each maximum is: the flat position in its channel, int64.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of the axes of input and result.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap the input.
        With ``return_indices`` a pair of arrays.

    Returns
    -------
    ndarray, shape (batch, channels, out_w) or (channels, out_w)
        Size ``floor((in + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1`` along each dimension,
        rounded up in ``ceil_mode``. A torch tensor if ``input`` is one. With ``return_indices`` a pair
        (values, indices).

    Raises
    ------
    ValueError
        If sizes or options do not fit; the message states the rule and both values.
    TypeError
        If the dtype is neither float32 nor float64, or an argument has the wrong type.

    Notes
    -----
    NaN wins over everything; of equal elements the index names the first, of NaNs the last. Of zeros
    of both signs the first in the order of the reduction is returned: columns, then rows, then planes;
    row-major with ``return_indices``.
    Results do not depend on threads, batch, memory layout or instruction set, bit for bit.

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

    Parameters
    ----------
    input : array_like, shape (batch, channels, in_h, in_w) or (channels, in_h, in_w)
        Any strides; memory that runs channels-last is read in place and the result has it too.
    kernel_size : int or sequence of 2 int
    stride : int or sequence of 2 int, default kernel_size
    padding : int or sequence of 2 int, default 0
        At most half the kernel size. Padding is never chosen.
    dilation : int or sequence of 2 int, default 1
        Distance between the elements of a window.
    ceil_mode : bool, default False
        Let a last window hang over the end, if it starts inside the input or the padding before it.
    return_indices : bool, default False
        Also return where each maximum is: the flat position in its channel, int64.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of the axes of input and result.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap the input.
        With ``return_indices`` a pair of arrays.

    Returns
    -------
    ndarray, shape (batch, channels, out_h, out_w) or (channels, out_h, out_w)
        Size ``floor((in + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1`` along each dimension,
        rounded up in ``ceil_mode``. A torch tensor if ``input`` is one. With ``return_indices`` a pair
        (values, indices).

    Raises
    ------
    ValueError
        If sizes or options do not fit; the message states the rule and both values.
    TypeError
        If the dtype is neither float32 nor float64, or an argument has the wrong type.

    Notes
    -----
    NaN wins over everything; of equal elements the index names the first, of NaNs the last. Of zeros
    of both signs the first in the order of the reduction is returned: columns, then rows, then planes;
    row-major with ``return_indices``.
    Results do not depend on threads, batch, memory layout or instruction set, bit for bit.

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

    Parameters
    ----------
    input : array_like, shape (batch, channels, in_d, in_h, in_w) or (channels, in_d, in_h, in_w)
        Any strides; memory that runs channels-last is read in place and the result has it too.
    kernel_size : int or sequence of 3 int
    stride : int or sequence of 3 int, default kernel_size
    padding : int or sequence of 3 int, default 0
        At most half the kernel size. Padding is never chosen.
    dilation : int or sequence of 3 int, default 1
        Distance between the elements of a window.
    ceil_mode : bool, default False
        Let a last window hang over the end, if it starts inside the input or the padding before it.
    return_indices : bool, default False
        Also return where each maximum is: the flat position in its channel, int64.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of the axes of input and result.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap the input.
        With ``return_indices`` a pair of arrays.

    Returns
    -------
    ndarray, shape (batch, channels, out_d, out_h, out_w) or (channels, out_d, out_h, out_w)
        Size ``floor((in + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1`` along each dimension,
        rounded up in ``ceil_mode``. A torch tensor if ``input`` is one. With ``return_indices`` a pair
        (values, indices).

    Raises
    ------
    ValueError
        If sizes or options do not fit; the message states the rule and both values.
    TypeError
        If the dtype is neither float32 nor float64, or an argument has the wrong type.

    Notes
    -----
    NaN wins over everything; of equal elements the index names the first, of NaNs the last. Of zeros
    of both signs the first in the order of the reduction is returned: columns, then rows, then planes;
    row-major with ``return_indices``.
    Results do not depend on threads, batch, memory layout or instruction set, bit for bit.

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

    Parameters
    ----------
    input : array_like, shape (batch, channels, in_w) or (channels, in_w)
        Any strides; memory that runs channels-last is read in place and the result has it too.
    kernel_size : int or sequence of 1 int
    stride : int or sequence of 1 int, default kernel_size
    padding : int or sequence of 1 int, default 0
        At most half the kernel size. Padding is zero.
    ceil_mode : bool, default False
        Let a last window hang over the end, if it starts inside the input or the padding before it.
    count_include_pad : bool, default True
        Whether padding counts in the divisor (what hangs over the padded end never does).
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of the axes of input and result.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap the input.

    Returns
    -------
    ndarray, shape (batch, channels, out_w) or (channels, out_w)
        Size ``floor((in + 2 * padding - kernel) / stride) + 1`` along each dimension,
        rounded up in ``ceil_mode``. A torch tensor if ``input`` is one.

    Raises
    ------
    ValueError
        If sizes or options do not fit; the message states the rule and both values.
    TypeError
        If the dtype is neither float32 nor float64, or an argument has the wrong type.

    Notes
    -----
    Elements are added in one fixed order, in the dtype of the input: planes, then rows, then columns.
    Results do not depend on threads, batch, memory layout or instruction set, bit for bit.

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

    Parameters
    ----------
    input : array_like, shape (batch, channels, in_h, in_w) or (channels, in_h, in_w)
        Any strides; memory that runs channels-last is read in place and the result has it too.
    kernel_size : int or sequence of 2 int
    stride : int or sequence of 2 int, default kernel_size
    padding : int or sequence of 2 int, default 0
        At most half the kernel size. Padding is zero.
    ceil_mode : bool, default False
        Let a last window hang over the end, if it starts inside the input or the padding before it.
    count_include_pad : bool, default True
        Whether padding counts in the divisor (what hangs over the padded end never does).
    divisor_override : int, optional
        Divide by this number, not by the number of elements.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of the axes of input and result.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap the input.

    Returns
    -------
    ndarray, shape (batch, channels, out_h, out_w) or (channels, out_h, out_w)
        Size ``floor((in + 2 * padding - kernel) / stride) + 1`` along each dimension,
        rounded up in ``ceil_mode``. A torch tensor if ``input`` is one.

    Raises
    ------
    ValueError
        If sizes or options do not fit; the message states the rule and both values.
    TypeError
        If the dtype is neither float32 nor float64, or an argument has the wrong type.

    Notes
    -----
    Elements are added in one fixed order, in the dtype of the input: planes, then rows, then columns.
    Results do not depend on threads, batch, memory layout or instruction set, bit for bit.

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

    Parameters
    ----------
    input : array_like, shape (batch, channels, in_d, in_h, in_w) or (channels, in_d, in_h, in_w)
        Any strides; memory that runs channels-last is read in place and the result has it too.
    kernel_size : int or sequence of 3 int
    stride : int or sequence of 3 int, default kernel_size
    padding : int or sequence of 3 int, default 0
        At most half the kernel size. Padding is zero.
    ceil_mode : bool, default False
        Let a last window hang over the end, if it starts inside the input or the padding before it.
    count_include_pad : bool, default True
        Whether padding counts in the divisor (what hangs over the padded end never does).
    divisor_override : int, optional
        Divide by this number, not by the number of elements.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of the axes of input and result.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap the input.

    Returns
    -------
    ndarray, shape (batch, channels, out_d, out_h, out_w) or (channels, out_d, out_h, out_w)
        Size ``floor((in + 2 * padding - kernel) / stride) + 1`` along each dimension,
        rounded up in ``ceil_mode``. A torch tensor if ``input`` is one.

    Raises
    ------
    ValueError
        If sizes or options do not fit; the message states the rule and both values.
    TypeError
        If the dtype is neither float32 nor float64, or an argument has the wrong type.

    Notes
    -----
    Elements are added in one fixed order, in the dtype of the input: planes, then rows, then columns.
    Results do not depend on threads, batch, memory layout or instruction set, bit for bit.

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
