"""Hypothesis strategies for convolution problems.

The kernel, stride and dilation are drawn first, then the padding, then sizes that fit them: no draw is thrown
away. Use them with integers, for which equality is exact:

>>> import pyconv
>>> from hypothesis import given
>>> from pyconv.testing import assert_conv_close
>>> from pyconv.testing.strategies import conv_cases
>>> @given(conv_cases(rank=2))
... def test_conv2d(case):
...     arguments = case.arguments("exact")
...     assert_conv_close(pyconv.conv2d(**arguments), None, **arguments)
>>> test_conv2d()
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from ._case import ConvCase

__all__ = ["activations", "conv_cases"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def activations() -> st.SearchStrategy[str | tuple[str, float, float] | None]:
    """Draw None, "relu", "relu6" or ("clip", lo, hi) with integer bounds.

    Returns
    -------
    SearchStrategy

    Examples
    --------
    >>> from hypothesis import find
    >>> from pyconv.testing.strategies import activations
    >>> find(activations(), lambda activation: activation is not None)
    'relu'
    """
    ends = st.tuples(st.integers(-20, 20), st.integers(0, 40))
    clips = ends.map(lambda pair: ("clip", float(pair[0]), float(pair[0] + pair[1])))
    return st.one_of(st.none(), st.sampled_from(["relu", "relu6"]), clips)


@st.composite
def conv_cases(
    draw: st.DrawFn,
    *,
    rank: int | None = None,
    padding_modes: Sequence[str] = PADDING_MODES,
    largest_kernel: int = 5,
    largest_size: int = 20,
    largest_channels: int = 40,
) -> ConvCase:
    """Draw valid convolution problems, as :class:`pyconv.testing.ConvCase`.

    Parameters
    ----------
    rank : int, optional
        The number of spatial dimensions. Default: 1, 2 or 3.
    padding_modes : sequence of str, default all four
        The padding modes to choose from.
    largest_kernel, largest_size, largest_channels : int, default 5, 20, 40
        Upper limits for one kernel dimension, for what one input dimension has beyond the kernel, and for the
        input and output channels of all groups together.

    Returns
    -------
    SearchStrategy

    Examples
    --------
    >>> from hypothesis import find
    >>> from pyconv.testing.strategies import conv_cases
    >>> str(find(conv_cases(rank=2), lambda case: case.groups == 2))
    'n1c2h1w1_k2r1s1p0:0x0:0u1x1l1x1g2'
    """
    dims = draw(st.integers(1, 3)) if rank is None else rank

    def each(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(values, min_size=dims, max_size=dims)))

    kernel = each(st.integers(1, largest_kernel))
    stride, dilation = each(st.integers(1, 4)), each(st.integers(1, 3))
    mode = draw(st.sampled_from(list(padding_modes)))
    pads = each(st.tuples(st.integers(0, 4), st.integers(0, 4)))
    same = draw(st.booleans()) and set(stride) == {1}
    if same:
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        pads = tuple((total // 2, total - total // 2) for total in totals)
    spare = each(st.integers(0, largest_size))
    size = tuple(
        max(d * (k - 1) + 1 - sum(pad), _least_size(mode, pad)) + extra
        for k, d, pad, extra in zip(kernel, dilation, pads, spare, strict=True)
    )
    groups = draw(st.sampled_from([1, 1, 2, 3, 5]))
    per_group = st.integers(1, max(1, largest_channels // groups))
    return ConvCase(
        in_ch=groups * draw(per_group),
        out_ch=groups * draw(per_group),
        size=size,
        kernel=kernel,
        batch=draw(st.sampled_from([1, 2, 3, None])),
        stride=stride,
        padding="same" if same else pads,
        dilation=dilation,
        groups=groups,
        padding_mode=mode,
        bias=draw(st.booleans()),
        residual=draw(st.booleans()),
        activation=draw(activations()),
    )


def _least_size(mode: str, pad: tuple[int, int]) -> int:
    if mode == "reflect":
        return max(pad) + 1
    return max(*pad, 1) if mode == "circular" else 1
