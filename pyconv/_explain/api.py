"""The public functions `explain` and `explain_pool`: arguments in, `Explanation` out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import arguments
from .arguments import Padding, Size
from .exact import Array, as_array
from .explanation import Explanation
from .operators import Operator
from .shape import why_empty


def explain(
    x: Any,
    w: Any,
    b: Any = None,
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    at: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
) -> Explanation:
    """Show where one output element of ``conv1d``, ``conv2d`` or ``conv3d`` comes from.

    The element is the sum of one product for every input channel of its group and every tap of the kernel,
    plus the bias; each product is a term of the explanation, and the sum is taken exactly and rounded once.

    Parameters
    ----------
    x : array_like
        Input, ``(batch, in_ch, *size)``, or without the batch dimension. Floating-point numbers of up to 64
        bits, bfloat16 (of ml_dtypes or torch), complex numbers or integers, whatever pyconv computes in; a
        torch tensor may require grad.
    w : array_like
        Weight, ``(out_ch, in_ch / groups, *kernel)``; its dimensions decide between 1-D, 2-D and 3-D.
    b : array_like, optional
        Bias, ``(out_ch,)``.
    stride, padding, dilation, groups, padding_mode
        As in :func:`pyconv.conv2d`: `padding` also "same", "valid" or (begin, end) pairs.
    at : sequence of int, optional
        Which output element, ``(n, out_ch, *position)``; ``(out_ch, *position)`` for an input without
        batch dimension. Negative numbers count from the end. The first element by default.
    labels : sequence of str, optional
        A word for each element of a 1-D input, for example the tokens of a sentence.

    Returns
    -------
    Explanation
        The products as data (``.terms``, ``.channel_sums``, ``.bias``, ``.value``), printable, shown as a
        picture in notebooks, saved with ``.save("x.svg")``, ``".png"`` or the interactive ``".html"``;
        ``.check()`` compares with pyconv and torch.

    Raises
    ------
    ValueError
        As :func:`pyconv.conv2d` for shapes and settings; if `at` lies outside the output, or `labels` do not
        fit a 1-D input. The message states the rule and both values.
    TypeError
        If an array is masked or does not hold numbers, or a number of `at` is no integer.

    See Also
    --------
    explain_pool : the same for pooling.
    explain_shape : why the output has its size.
    pyconv.testing.explain_diff : where two results differ, and what kind of mistake it looks like.

    Examples
    --------
    >>> import pyconv
    >>> x = [[[1, 2, 3, 4, 5]]]
    >>> w = [[[1, 0, -1]]]
    >>> e = pyconv.explain(x, w, [10], padding=1, at=(0, 0, 0))
    >>> e.value
    8
    >>> [(t.x, t.w, t.product, t.is_padding) for t in e.terms]
    [(0, 1, 0, True), (1, 0, 0, False), (2, -1, -2, False)]
    >>> print(e)
    conv1d  output[0, 0, 0] = 8
    input (1, 1, 5)  weight (1, 1, 3)  output (1, 1, 5)  stride 1  padding 1  dilation 1  groups 1
    <BLANKLINE>
    input channel 0 (5)                     [ ] window   . padding
    index      -1    0    1    2    3    4    5
    input    [. 0][  1][  2]   3    4    5  . 0
    x weight    1    0   -1
    = product   0    0   -2   sum -2
    <BLANKLINE>
    channel 0  -2
    + bias     10
               --
    output      8
    """
    weight = as_array("w", w)
    rank = weight.ndim - 2
    if rank not in (1, 2, 3):
        raise ValueError(
            f"w must have 3, 4 or 5 dimensions (out_ch, in_ch / groups, *kernel), got shape {weight.shape}"
        )
    image, at = _batched(as_array("x", x), rank, at)
    bias = None if b is None else as_array("b", b)
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"b must have shape (out_ch,) = {weight.shape[:1]}, got {bias.shape}")
    operator = arguments.convolution(
        image.shape, weight.shape, stride, padding, dilation, groups, padding_mode=padding_mode
    )
    words = _labels(labels, operator)
    return Explanation(operator, _locate(at, operator), image, weight, bias, words)


def explain_pool(
    x: Any,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    kind: str = "max",
    at: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
) -> Explanation:
    """Show where one output element of ``max_pool`` or ``avg_pool`` (1-D, 2-D, 3-D) comes from.

    The element is the largest of its window, or the window's sum divided by `divisor`.

    Parameters
    ----------
    x : array_like
        Input, ``(batch, channels, *size)``. With a tuple as `kernel_size` the batch dimension may be absent.
        Numbers as for :func:`explain`, but a maximum needs an order: complex ones only for averages.
    kernel_size, stride, padding, dilation, ceil_mode, count_include_pad, divisor_override
        As in :func:`pyconv.max_pool2d` and :func:`pyconv.avg_pool2d`.
    kind : {"max", "avg"}, default "max"
    at : sequence of int, optional
        Which output element, ``(n, channel, *position)``. The first one by default.
    labels : sequence of str, optional
        A word for each element of a 1-D input.

    Returns
    -------
    Explanation
        With ``.argmax`` (the first of equal maxima; a NaN wins, the last of several) or ``.divisor``.

    Raises
    ------
    ValueError
        As :func:`pyconv.max_pool2d` for shapes and settings; if `at` lies outside the output, or `labels` do
        not fit a 1-D input. The message states the rule and both values.
    TypeError
        If the array is masked or does not hold numbers, or a number of `at` is no integer.

    See Also
    --------
    explain : the same for convolution.

    Examples
    --------
    >>> import pyconv
    >>> e = pyconv.explain_pool([[[1.0, 7.0, 7.0, 3.0]]], 3, stride=1, at=(0, 0, 1))
    >>> e.value, e.argmax
    (7.0, (0, 0, 1))
    >>> mean = pyconv.explain_pool([[[1.0, 7.0]]], 2, padding=1, kind="avg", count_include_pad=False)
    >>> mean.value, mean.divisor
    (1.0, 1)
    """
    array = as_array("x", x)
    rank = len(kernel_size) if isinstance(kernel_size, Sequence) else array.ndim - 2
    if isinstance(kernel_size, Sequence) and rank == 1 and array.ndim > 3:
        rank = array.ndim - 2
    if rank not in (1, 2, 3):
        raise ValueError(
            f"x must be (batch, channels, *size) with 1, 2 or 3 sizes, got shape {array.shape} "
            f"and kernel_size {kernel_size}"
        )
    if kind == "max" and array.dtype.kind == "c":
        raise TypeError(f"max pooling needs an order, got dtype {array.dtype}")
    kernel = arguments.per_axis("kernel_size", kernel_size, rank, least=1)
    image, at = _batched(array, rank, at)
    operator = arguments.pooling(
        image.shape,
        kernel,
        stride,
        padding,
        dilation,
        ceil_mode,
        count_include_pad,
        divisor_override,
        kind=kind,
    )
    words = _labels(labels, operator)
    return Explanation(operator, _locate(at, operator), image, None, None, words)


def _batched(x: Array, rank: int, at: Sequence[int] | None) -> tuple[Array, Sequence[int] | None]:
    """`x` and `at` with a batch dimension."""
    if x.ndim == rank + 2:
        return x, at
    if x.ndim != rank + 1:
        raise ValueError(
            f"x must have {rank + 2} dimensions (batch, in_ch, *size), or {rank + 1} without batch, for a "
            f"{rank}-D operator; got shape {x.shape}"
        )
    return x[None], (0, *at) if at is not None and len(at) == rank + 1 else at


def _labels(labels: Sequence[str] | None, operator: Operator) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if operator.rank != 1:
        raise ValueError(f"labels belong to a 1-D input, got a {operator.rank}-D operator")
    if len(labels) != operator.axes[0].size:
        raise ValueError(
            f"labels must name every input element: {operator.axes[0].size} elements, {len(labels)} labels"
        )
    return tuple(str(label) for label in labels)


def _locate(at: Sequence[int] | None, operator: Operator) -> tuple[int, ...]:
    """`at` with negative numbers resolved; refused outside the output."""
    shape = operator.out_shape
    if 0 in shape:
        raise ValueError(f"there is no output element to explain: the output is {shape}{why_empty(operator)}")
    if at is None:
        return (0,) * len(shape)
    index = tuple(arguments.integer("at", i) for i in at)
    if len(index) != len(shape):
        raise ValueError(f"at must be (n, channel, *position) with {len(shape)} numbers, got {index}")
    for i, extent in zip(index, shape, strict=True):
        if not -extent <= i < extent:
            raise ValueError(f"at must lie in the output of shape {shape}, got {index}")
    return tuple(i % extent for i, extent in zip(index, shape, strict=True))
