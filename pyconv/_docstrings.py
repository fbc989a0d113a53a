"""Docstrings of what exists once for each of 1, 2 and 3 dimensions: what they share is written here, once.

A function or class keeps its first line and its examples; `documented` puts the sections of its family
between them, filled in for the number of dimensions. tests/test_docstrings.py compares them with the
signatures.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

Documented = TypeVar("Documented", bound=Callable[..., object])


def documented(sections: str, rank: int, **words: str) -> Callable[[Documented], Documented]:
    """Insert `sections` after the first line of the docstring; ``{name}`` stands for a word of this rank."""

    def fill(target: Documented) -> Documented:
        if target.__doc__ is None:  # python -OO
            return target
        summary, _, rest = inspect.cleandoc(target.__doc__).partition("\n\n")
        words_of_rank = _WORDS[rank] | words
        text = sections.format_map(words_of_rank | {k: v.format_map(words_of_rank) for k, v in words.items()})
        target.__doc__ = f"{summary}\n\n{text.strip()}\n\n{rest}\n"
        return target

    return fill


def _reads(rank: int, pattern: str) -> str:
    """Where a tap reads, one axis a line; `pattern` names its output position, tap and axis."""
    names = zip("zyx"[3 - rank :], "qrs"[3 - rank :], "dhw"[3 - rank :], strict=True)
    return ",\n            ".join(pattern.format(out=out, tap=tap, axis=axis) for out, tap, axis in names)


def _words(rank: int) -> dict[str, str]:
    axes = "dhw"[3 - rank :]

    def each(pattern: str, separator: str = ", ") -> str:
        return separator.join(pattern.format(axis) for axis in axes)

    return {
        "n": str(rank),
        "in_sizes": each("in_{0}"),
        "k_sizes": each("k_{0}"),
        "out_sizes": each("out_{0}"),
        "out": ", ".join("zyx"[3 - rank :]),
        "taps": ", ".join("qrs"[3 - rank :]),
        "conv_reads": _reads(rank, "{out} * stride_{axis} + {tap} * dilation_{axis}"),
        "max_reads": _reads(rank, "{out} * stride_{axis} - padding_{axis} + {tap} * dilation_{axis}"),
        "avg_reads": _reads(rank, "{out} * stride_{axis} - padding_{axis} + {tap}"),
        "conv_size_rule": each(
            "out_{0} = floor((in_{0} + pad_begin_{0} + pad_end_{0} - dilation_{0} * (k_{0} - 1) - 1)"
            " / stride_{0}) + 1",
            "\n    ",
        ),
        "max_size_rule": each(
            "out_{0} = floor((in_{0} + 2 * padding_{0} - dilation_{0} * (k_{0} - 1) - 1) / stride_{0}) + 1",
            "\n    ",
        ),
        "avg_size_rule": each(
            "out_{0} = floor((in_{0} + 2 * padding_{0} - k_{0}) / stride_{0}) + 1", "\n    "
        ),
    }


_WORDS = {rank: _words(rank) for rank in (1, 2, 3)}

_GUIDE = (
    'V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.'
)

_CONV_FORMULA = """
An output element is a sum over input channels and kernel taps, plus the bias::

    out[n, o, {out}] = bias[o] + sum over i, {taps} of weight[o, i, {taps}] * padded[
            n, first + i,
            {conv_reads}]

where ``first`` is the first input channel of the group that ``o`` belongs to and ``padded`` is the input with
its border; residual and activation follow. The size of the result is::

    {conv_size_rule}
"""

_CONV_DTYPES = """The result has the dtype ``np.result_type`` of the arrays, which must be float32 or
float64; sums are computed in it. Its error is bounded by :func:`pyconv.testing.error_bound`. It is the same,
bit for bit, for any number of threads, batch, memory layout and instruction set with fused multiply-add."""

CONV = (
    _CONV_FORMULA
    + """
Parameters
----------
input : array_like, shape (batch, in_ch, {in_sizes}) or (in_ch, {in_sizes})
    float32 or float64, any strides. Memory that runs channels-last is computed in place in that layout, and
    the result has it too.
weight : array_like, shape (out_ch, in_ch / groups, {k_sizes})
bias : array_like, shape (out_ch,), optional
stride : int or sequence of {n} int, default 1
padding : int, sequence of {n} int, sequence of {n} (begin, end) pairs, "same" or "valid", default 0
    ``"same"`` keeps the size, needs stride 1 and puts an odd element at the end.
dilation : int or sequence of {n} int, default 1
    Distance between the taps of the kernel.
groups : int, default 1
    Must divide in_ch and out_ch; channels of different groups do not meet.
padding_mode : {{"zeros", "reflect", "replicate", "circular"}}, default "zeros"
    What lies beyond the border. Fused: no padded copy of the input is made.
activation : {{None, "relu", "relu6"}} or ("clip", lo, hi), default None
    Applied last, in registers. NaN passes through.
residual : array_like, shape of the result, optional
    Added after the bias, before the activation.
data_format : {{"channels_first", "channels_last"}}, default "channels_first"
    The order of the axes of input, residual and result; weight keeps its own.
algorithm : str, default "auto"
    A name from :func:`pyconv.plan`, or "auto": the cheapest by a model of one image's problem.
out : ndarray, optional
    Where to write the result: its exact shape and dtype, any strides; may overlap an input.

Returns
-------
ndarray, shape (batch, out_ch, {out_sizes}) or (out_ch, {out_sizes})
    A torch tensor if ``input`` is one.

Raises
------
ValueError
    If the kernel does not fit into the padded input (the message is :func:`pyconv.explain_shape`'s), other
    shapes or sizes do not belong together, ``padding_mode`` cannot fill the border, an option has no such
    value, or a forced ``algorithm`` cannot compute this problem. The message states the rule and both values.
TypeError
    If the result would be neither float32 nor float64, an argument has the wrong type, or an array is masked,
    a torch tensor that requires grad, or one that is not on the CPU.

See Also
--------
pyconv.nn.Conv{n}d : the layer, which packs its weights once.
pyconv.explain : where one output element comes from.
pyconv.plan : which algorithm runs, and why.

Notes
-----
"""
    + _CONV_DTYPES
    + """

Differences from PyTorch
------------------------
Compared with ``torch.nn.functional.conv{n}d``:

- the keyword-only arguments are added, and ``padding`` also takes a pair for each axis;
- arrays of float32 and float64 are promoted, where PyTorch refuses to mix them; 16-bit floats, integers and
  complex numbers are refused;
- no gradient is recorded;
- an input without channels gives the bias, and an empty input may be padded.

References
----------
"""
    + _GUIDE
)

CONV_LAYER = (
    """
``layer(input, residual=None, out=None)`` gives the bits of :func:`pyconv.conv{n}d` with the layer's weight,
bias and settings, sooner: weights are packed for the kernels once, on first use and after an assignment.
"""
    + _CONV_FORMULA
    + """
Parameters
----------
in_channels, out_channels : int
    Multiples of ``groups``.
kernel_size : int or sequence of {n} int
stride, padding, dilation, groups, padding_mode : optional
    As for :func:`pyconv.conv{n}d`, with its defaults.
bias : bool, default True
    Whether there is one.
dtype : float32 or float64, default float32
    Of weight and bias.
rng : numpy.random.Generator or int, optional
    Source of the initial values: uniform in ``+-1 / sqrt(fan_in)``, ``fan_in`` being the products in one
    output element, as in torch. An int is a seed; without it the values differ from run to run.
activation, data_format : optional
    As for :func:`pyconv.conv{n}d`, with its defaults.

Attributes
----------
weight : ndarray, shape (out_channels, in_channels / groups, {k_sizes})
    Read-only; assign a new array to change it (copied, its float dtype taken over).
bias : ndarray, shape (out_channels,), or None
    Read-only, likewise.

Raises
------
ValueError
    If channels are not divisible by ``groups``, or an assigned array has another shape. When called, as
    :func:`pyconv.conv{n}d`.
TypeError
    If an assigned array is neither float32 nor float64. When called, as :func:`pyconv.conv{n}d`.

Notes
-----
"""
    + _CONV_DTYPES
    + """

Differences from PyTorch
------------------------
Compared with ``torch.nn.Conv{n}d``: ``dtype`` is keyword-only and there is no ``device``; ``rng``,
``activation`` and ``data_format`` are added; parameters are read-only arrays that are replaced by assignment,
not changed in place; there are no gradients, hooks or training mode; the random numbers are NumPy's.

References
----------
"""
    + _GUIDE
)

_POOL_PARAMETERS = """
input : array_like, shape (batch, channels, {in_sizes}) or (channels, {in_sizes})
    float32 or float64, any strides; memory that runs channels-last is read in place, and the result has it
    too.
kernel_size : int or sequence of {n} int
stride : int or sequence of {n} int, default kernel_size
padding : int or sequence of {n} int, default 0
    At most half the kernel size. {padding}
"""

_POOL_CEIL = """ceil_mode : bool, default False
    Round the size up, not down: a last window may hang over the end, if it starts inside the input or the
    padding before it.
"""

_POOL_COMMON = """data_format : {{"channels_first", "channels_last"}}, default "channels_first"
    The order of the axes of input and result.
out : {out_type}, optional
    Where to write the result: its exact shape and dtype, any strides; may overlap the input.

Returns
-------
ndarray, shape (batch, channels, {out_sizes}) or (channels, {out_sizes})
    Of the input's dtype. A torch tensor if ``input`` is one.{more}

Raises
------
ValueError
    If the kernel does not fit into the padded input (the message is :func:`pyconv.explain_shape`'s), the
    padding exceeds half the kernel, or an option has no such value. The message states the rule and both
    values.
TypeError
    If the dtype is neither float32 nor float64, an argument has the wrong type, or the array is masked, a
    torch tensor that requires grad, or one that is not on the CPU.

See Also
--------
pyconv.nn.{layer} : the layer.
pyconv.explain_pool : where one output element comes from.
"""

_POOL_BITS = "The result is the same, bit for bit, for any threads, batch, memory layout and instruction set."

_POOL_REFERENCES = (
    """
References
----------
"""
    + _GUIDE
)

_MAX_FORMULA = """
An output element is the largest element of its window; padding is never chosen::

    out[n, c, {out}] = max over {taps} of input[
            n, c,
            {max_reads}]

The size of the result is the following, with ceil for floor in ``ceil_mode``::

    {max_size_rule}
"""

MAX_POOL = (
    _MAX_FORMULA
    + """
Parameters
----------"""
    + _POOL_PARAMETERS.replace("{padding}", "Padding is never chosen.")
    + """dilation : int or sequence of {n} int, default 1
    Distance between the elements of a window.
"""
    + _POOL_CEIL
    + """return_indices : bool, default False
    Also return where each maximum is: the flat position in its channel, int64.
"""
    + _POOL_COMMON.replace("{out_type}", "ndarray, or a pair with ``return_indices``").replace(
        "{more}", "\n    With ``return_indices`` a pair (values, indices)."
    )
    + """
Notes
-----
NaN wins over everything; of equal elements the index names the first, of NaNs the last. Of zeros of both
signs the first in the order of the reduction is returned: columns, then rows, then planes; row-major with
``return_indices``.
"""
    + _POOL_BITS
    + """

Differences from PyTorch
------------------------
Compared with ``torch.nn.functional.max_pool{n}d``: the keyword-only arguments are added; dtypes
other than float32 and float64, some of which PyTorch takes, are refused; no gradient is recorded.
"""
    + _POOL_REFERENCES
)

_AVG_FORMULA = """
An output element is the sum of its window divided by its number of elements::

    out[n, c, {out}] = (sum over {taps} of input[
            n, c,
            {avg_reads}]) / divisor

Padding is 0 and counts in the divisor unless ``count_include_pad`` is False; what hangs over the padded end
in ``ceil_mode`` neither adds nor counts. The size of the result is the following, with ceil for floor in
``ceil_mode``::

    {avg_size_rule}
"""

_DIVISOR = """divisor_override : int, optional
    Divide by this number (not 0) and not by the number of elements.
"""


def _avg_pool(divisor: str, difference: str) -> str:
    return (
        _AVG_FORMULA
        + """
Parameters
----------"""
        + _POOL_PARAMETERS.replace("{padding}", "Padding is zero.")
        + _POOL_CEIL
        + """count_include_pad : bool, default True
    Whether padding counts in the divisor.
"""
        + divisor
        + _POOL_COMMON.replace("{out_type}", "ndarray").replace("{more}", "")
        + """
Notes
-----
Elements are added in one fixed order, in the dtype of the input: planes, then rows, then columns.
"""
        + _POOL_BITS
        + """

Differences from PyTorch
------------------------
Compared with ``torch.nn.functional.avg_pool{n}d``: the keyword-only arguments are added; dtypes
other than float32 and float64, some of which PyTorch takes, are refused; no gradient is recorded"""
        + difference
        + """.
"""
        + _POOL_REFERENCES
    )


AVG_POOL1D = _avg_pool("", "")
AVG_POOL2D = _avg_pool(_DIVISOR, "")
AVG_POOL3D = _avg_pool(
    _DIVISOR,
    ";\nan input smaller than the kernel is accepted if the padded one is not, as in PyTorch's 1-D and 2-D",
)

_POOL_LAYER = """
Parameters
----------
kernel_size, stride, padding, {arguments} : optional but the first
    As for :func:`pyconv.{function}`, with its defaults, in the order of ``torch.nn.{layer}``.
data_format : {{"channels_first", "channels_last"}}, default "channels_first"

Raises
------
ValueError, TypeError
    When called, as :func:`pyconv.{function}`.

Notes
-----
``layer(input, out=None)`` is :func:`pyconv.{function}` with these settings, in the input's dtype, float32 or
float64.

Differences from PyTorch
------------------------
Compared with ``torch.nn.{layer}``: ``data_format`` is added; those of :func:`pyconv.{function}`.
"""

MAX_POOL_LAYER = _MAX_FORMULA + _POOL_LAYER + _POOL_REFERENCES
AVG_POOL_LAYER = _AVG_FORMULA + _POOL_LAYER + _POOL_REFERENCES
