"""All outputs of one (image, output channel), for maps, pages and hints, from the same description.

Plain loops over taps and channels in double precision: it serves explanations, not speed.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .exact import Array
from .operators import Operator


def wide(array: Array) -> Array:
    """`array` in a type that neither overflows nor rounds small sums: objects for integers."""
    if array.dtype.kind in "iu":
        return array.astype(object)
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def evaluate(
    operator: Operator,
    x: Array,
    w: Array | None,
    b: Array | None,
    n: int,
    out_ch: int,
    outputs: Sequence[Sequence[int]] | None = None,
    channels: Sequence[int] | None = None,
    pad_value: float = 0.0,
) -> Array:
    """Output values at the grid `outputs` (one list of positions an axis; all by default).

    `channels` restricts the sum to some input channels, `pad_value` replaces the constant border.
    """
    if outputs is None:
        outputs = [range(axis.out) for axis in operator.axes]
    if channels is None:
        channels = operator.channels(out_ch)
    table = [[axis.reads(o) for o in outs] for axis, outs in zip(operator.axes, outputs, strict=True)]
    shape = tuple(len(outs) for outs in outputs)
    image = x[n]
    dtype = wide(image[:0]).dtype
    total = np.full(shape, -np.inf if operator.combine == "max" else 0, dtype=dtype)
    with np.errstate(all="ignore"):
        for tap in itertools.product(*(range(taps) for taps in operator.kernel)):
            gather = [_column(rows, t) for rows, t in zip(table, tap, strict=True)]
            indices = np.ix_(*(source for source, _, _ in gather))
            exists = _outer([present for _, present, _ in gather])
            inside = exists & _outer([known for _, _, known in gather])
            for channel in channels:
                if not image[channel].size:
                    values = np.full(shape, pad_value, dtype=dtype)
                else:
                    values = np.where(inside, wide(image[channel][indices]), pad_value)
                if operator.combine == "max":
                    total = np.where(inside, _greater(total, values), total)
                    continue
                index = operator.weight_index(out_ch, channel, tap)
                weight = 1 if index is None or w is None else wide(w[index].reshape(1))[0]
                total = total + np.where(exists, values * weight, 0)
        if b is not None:
            total = total + wide(b[out_ch].reshape(1))[0]
    if operator.combine == "mean":
        combos = itertools.product(*table)
        divisors = np.array([operator.divisor(reads) or 1 for reads in combos]).reshape(shape)
        total = total.astype(np.result_type(total, np.float64) if total.dtype != object else float) / divisors
    return total


def _column(rows: Sequence[Sequence[tuple[int, int, int | None]]], tap: int) -> tuple[Array, Array, Array]:
    """For one tap of one axis: the source of every output, whether it is read, whether it is input."""
    found = [next((read for read in row if read[0] == tap), None) for row in rows]
    source = np.array([0 if r is None or r[2] is None else r[2] for r in found], dtype=np.intp)
    present = np.array([r is not None for r in found], dtype=bool)
    known = np.array([r is not None and r[2] is not None for r in found], dtype=bool)
    return source, present, known


def _outer(flags: Sequence[Array]) -> Array:
    """True where every axis is true, over the grid of all axes."""
    result = np.ones((1,) * len(flags), dtype=bool)
    for number, flag in enumerate(flags):
        shape = [1] * len(flags)
        shape[number] = len(flag)
        result = result & flag.reshape(shape)
    return result


def _greater(a: Array, b: Array) -> Array:
    """Elementwise maximum that lets NaN through, for objects too."""
    return np.where((b > a) | (b != b), b, a) if a.dtype == object else np.maximum(a, b)
