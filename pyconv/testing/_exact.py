"""Inputs for which rounding cannot happen, so that results are compared with ``==``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._definition import Array

LARGEST_VALUE = 8
# Room for what a fast algorithm does to integers on its way. The transforms of Winograd F(4x4, 3x3) with
# complex points let a product of the definition grow to at most 46 times itself, with four binary places;
# those of F(2x2, 3x3) and F(3x3, 2x2) to 16 times, with two.
HEADROOM_BITS = 10


class ExactInputs(NamedTuple):
    """Small integers in a floating-point dtype; `bias` and `residual` are None where none was asked for."""

    input: Array
    weight: Array
    bias: Array | None
    residual: Array | None


def exact_inputs(
    input_shape: Sequence[int],
    weight_shape: Sequence[int],
    *,
    bias: bool = False,
    residual_shape: Sequence[int] | None = None,
    dtype: npt.DTypeLike = np.float32,
    rng: np.random.Generator | int | None = None,
) -> ExactInputs:
    """Arrays of small integers whose every partial sum is exactly representable, so that ``==`` must hold.

    Whatever the order of the additions, with or without fused multiply-add, no operation of the convolution
    has to round: every right implementation gives the same bits, and a wrong one differs by at least 1. No
    value is 0, so that a tap left out always shows.

    Parameters
    ----------
    input_shape : sequence of int
        Any layout: only the weight decides how many products are added.
    weight_shape : sequence of int
        ``(out_ch, in_ch / groups, *kernel)``.
    bias : bool, optional
        Make a bias of shape ``(out_ch,)`` too.
    residual_shape : sequence of int, optional
        Make a residual of this shape too.
    dtype : dtype, optional
        A floating-point dtype.
    rng : numpy.random.Generator or int, optional
        Where the values come from; an int is a seed. Default: seed 0, so that a test repeats.

    Returns
    -------
    ExactInputs
        The named tuple ``(input, weight, bias, residual)``.

    Raises
    ------
    ValueError
        If even the values -1 and 1 could add up to more than `dtype` can hold exactly.
    TypeError
        If `dtype` is not a floating-point type.

    Examples
    --------
    >>> import numpy as np
    >>> from pyconv.testing import exact_inputs
    >>> x, w, b, _ = exact_inputs((1, 2, 11), (3, 2, 4), bias=True)
    >>> x.shape, w.shape, b.shape, x.dtype
    ((1, 2, 11), (3, 2, 4), (3,), dtype('float32'))
    >>> bool(np.all(x == np.round(x)) and np.abs(x).max() <= 8)
    True
    """
    kind = np.dtype(dtype)
    if kind.kind != "f":
        raise TypeError(f"exact_inputs needs a floating-point dtype, got {kind}")
    largest = _largest_value(weight_shape, kind)
    generator = (
        rng if isinstance(rng, np.random.Generator) else np.random.default_rng(0 if rng is None else rng)
    )

    def integers(shape: Sequence[int]) -> Array:
        magnitude = generator.integers(1, largest, size=tuple(shape), endpoint=True)
        signed: Array = magnitude * generator.choice((-1, 1), size=tuple(shape))
        return signed.astype(kind)

    return ExactInputs(
        input=integers(input_shape),
        weight=integers(weight_shape),
        bias=integers(weight_shape[:1]) if bias else None,
        residual=None if residual_shape is None else integers(residual_shape),
    )


def _largest_value(weight_shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    products = max(1, int(np.prod(tuple(weight_shape[1:]), dtype=object)))
    exact_limit = 2 ** (np.finfo(dtype).nmant + 1)
    value = LARGEST_VALUE
    while value > 1 and (products * value * value + 2 * value) << HEADROOM_BITS > exact_limit:
        value //= 2
    if products + 2 > exact_limit:
        raise ValueError(
            f"{products} products, a bias and a residual of magnitude 1 may reach {products + 2}; "
            f"{dtype} holds integers exactly up to {exact_limit} only"
        )
    return value
