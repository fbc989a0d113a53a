"""Convolution functions with torch.nn.functional's names, order and meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import numpy.typing as npt

from pyconv import _core
from pyconv._arrays import convert_and_call
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

    ``out[n, o, p] = bias[o] + sum over i, k of
    weight[o, i, k] * padded[n, g + i, p * stride + k * dilation]``,
    where ``g`` is the first input channel of ``o``'s group.

    Parameters
    ----------
    input : array_like, shape (batch, in_ch, in_w) or (in_ch, in_w)
        Any strides. Memory that runs channels-last is computed in place in that layout, and the
        result has it too.
    weight : array_like, shape (out_ch, in_ch / groups, k_w)
    bias : array_like, shape (out_ch,), optional
    stride, dilation : int or sequence of 1 int, default 1
    padding : int, sequence of 1 int, sequence of 1 (begin, end) pairs, "same" or "valid", default 0
        ``"same"`` keeps the size, needs stride 1 and puts an odd pixel at the end.
    groups : int, default 1
        Must divide in_ch and out_ch.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default "zeros"
        What lies beyond the border. Fused: no padded copy of the input is made.
    activation : None, "relu", "relu6" or ("clip", lo, hi), optional
        Applied last, in registers. NaN passes through.
    residual : array_like, shape of the result, optional
        Added after the bias, before the activation.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of input's, residual's and the result's axes; weight keeps its order.
    algorithm : str, default "auto"
        A name from :func:`pyconv.plan`, or "auto": the cheapest by a model of one image's problem.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap an input.

    Returns
    -------
    ndarray, shape (batch, out_ch, out_w) or (out_ch, out_w)
        Size ``floor((in + pad_begin + pad_end - dilation * (kernel - 1) - 1) / stride) + 1`` along each
        dimension. A torch tensor if ``input`` is one. float32 or float64, by ``np.result_type``.

    Raises
    ------
    ValueError
        If shapes, sizes or options do not fit; the message states the rule and both values.
    TypeError
        If a dtype is neither float32 nor float64 after promotion, or an argument has the wrong type.

    See Also
    --------
    pyconv.nn.Conv1d : the layer, which packs its weights once.
    pyconv.plan : which algorithm runs, and why.

    Notes
    -----
    Differences from ``torch.nn.functional.conv1d``: the keyword-only arguments; per-side padding;
    ``padding="same"`` puts an odd pixel at the end for every padding mode. Results do not depend on
    threads, batch, memory layout or instruction set (with FMA), bit for bit.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.

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
    """Convolve (cross-correlate) a 2-D signal with a bank of kernels.

    ``out[n, o, y, x] = bias[o] + sum over i, r, s of
    weight[o, i, r, s] * padded[n, g + i, y * stride + r * dilation, x * stride + s * dilation]``,
    where ``g`` is the first input channel of ``o``'s group.

    Parameters
    ----------
    input : array_like, shape (batch, in_ch, in_h, in_w) or (in_ch, in_h, in_w)
        Any strides. Memory that runs channels-last is computed in place in that layout, and the
        result has it too.
    weight : array_like, shape (out_ch, in_ch / groups, k_h, k_w)
    bias : array_like, shape (out_ch,), optional
    stride, dilation : int or sequence of 2 int, default 1
    padding : int, sequence of 2 int, sequence of 2 (begin, end) pairs, "same" or "valid", default 0
        ``"same"`` keeps the size, needs stride 1 and puts an odd pixel at the end.
    groups : int, default 1
        Must divide in_ch and out_ch.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default "zeros"
        What lies beyond the border. Fused: no padded copy of the input is made.
    activation : None, "relu", "relu6" or ("clip", lo, hi), optional
        Applied last, in registers. NaN passes through.
    residual : array_like, shape of the result, optional
        Added after the bias, before the activation.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of input's, residual's and the result's axes; weight keeps its order.
    algorithm : str, default "auto"
        A name from :func:`pyconv.plan`, or "auto": the cheapest by a model of one image's problem.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap an input.

    Returns
    -------
    ndarray, shape (batch, out_ch, out_h, out_w) or (out_ch, out_h, out_w)
        Size ``floor((in + pad_begin + pad_end - dilation * (kernel - 1) - 1) / stride) + 1`` along each
        dimension. A torch tensor if ``input`` is one. float32 or float64, by ``np.result_type``.

    Raises
    ------
    ValueError
        If shapes, sizes or options do not fit; the message states the rule and both values.
    TypeError
        If a dtype is neither float32 nor float64 after promotion, or an argument has the wrong type.

    See Also
    --------
    pyconv.nn.Conv2d : the layer, which packs its weights once.
    pyconv.plan : which algorithm runs, and why.

    Notes
    -----
    Differences from ``torch.nn.functional.conv2d``: the keyword-only arguments; per-side padding;
    ``padding="same"`` puts an odd pixel at the end for every padding mode. Results do not depend on
    threads, batch, memory layout or instruction set (with FMA), bit for bit.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.

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
    """Convolve (cross-correlate) a 3-D signal with a bank of kernels.

    ``out[n, o, z, y, x] = bias[o] + sum over i, q, r, s of
    weight[o, i, q, r, s] * padded[n, g + i, z * stride + q * dilation, y * stride + r * dilation,
    x * stride + s * dilation]``, where ``g`` is the first input channel of ``o``'s group.

    Parameters
    ----------
    input : array_like, shape (batch, in_ch, in_d, in_h, in_w) or (in_ch, in_d, in_h, in_w)
        Any strides. Memory that runs channels-last is computed in place in that layout, and the
        result has it too.
    weight : array_like, shape (out_ch, in_ch / groups, k_d, k_h, k_w)
    bias : array_like, shape (out_ch,), optional
    stride, dilation : int or sequence of 3 int, default 1
    padding : int, sequence of 3 int, sequence of 3 (begin, end) pairs, "same" or "valid", default 0
        ``"same"`` keeps the size, needs stride 1 and puts an odd pixel at the end.
    groups : int, default 1
        Must divide in_ch and out_ch.
    padding_mode : {"zeros", "reflect", "replicate", "circular"}, default "zeros"
        What lies beyond the border. Fused: no padded copy of the input is made.
    activation : None, "relu", "relu6" or ("clip", lo, hi), optional
        Applied last, in registers. NaN passes through.
    residual : array_like, shape of the result, optional
        Added after the bias, before the activation.
    data_format : {"channels_first", "channels_last"}, default "channels_first"
        The order of input's, residual's and the result's axes; weight keeps its order.
    algorithm : str, default "auto"
        A name from :func:`pyconv.plan`, or "auto": the cheapest by a model of one image's problem.
    out : ndarray, optional
        Where to write the result: its exact shape and dtype, any strides; may overlap an input.

    Returns
    -------
    ndarray, shape (batch, out_ch, out_d, out_h, out_w) or (out_ch, out_d, out_h, out_w)
        Size ``floor((in + pad_begin + pad_end - dilation * (kernel - 1) - 1) / stride) + 1`` along each
        dimension. A torch tensor if ``input`` is one. float32 or float64, by ``np.result_type``.

    Raises
    ------
    ValueError
        If shapes, sizes or options do not fit; the message states the rule and both values.
    TypeError
        If a dtype is neither float32 nor float64 after promotion, or an argument has the wrong type.

    See Also
    --------
    pyconv.nn.Conv3d : the layer, which packs its weights once.
    pyconv.plan : which algorithm runs, and why.

    Notes
    -----
    Differences from ``torch.nn.functional.conv3d``: the keyword-only arguments; per-side padding;
    ``padding="same"`` puts an odd pixel at the end for every padding mode. Results do not depend on
    threads, batch, memory layout or instruction set (with FMA), bit for bit.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.

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
