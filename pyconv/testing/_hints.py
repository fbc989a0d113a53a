"""The usual mistakes in a convolution, each tried on a failed comparison: the one that fits is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ._definition import Array, Definition

# Trying a mistake costs one convolution each; beyond this many multiplications the report would keep one
# waiting.
MAX_WORK = 10**9


def hints(actual: Array, wrong: Array, bound: Array, definition: Definition) -> Iterator[str]:
    """What `actual` is the exact result of, and where the wrong elements lie."""
    work = definition.magnitude().size * definition.terms
    if work <= MAX_WORK:
        for description, alter in MISTAKES:
            altered = alter(definition)
            if altered is not None and _fits(actual, altered, bound):
                yield f"this is the result {description}"
                return
        if _fits_rounded_inputs(actual, definition, bound):
            yield "errors of this size come from inputs rounded to TF32 or float16: compute in full precision"
            return
    yield from _where(wrong, definition)


def _fits(actual: Array, altered: Definition, bound: Array) -> bool:
    candidate = altered.result()
    if candidate.shape != actual.shape:
        return False
    with np.errstate(invalid="ignore"):
        error = np.abs(actual - candidate)
    # A few bounds of slack: the altered sum may be larger than the one the bound belongs to.
    return bool(np.all((error <= 4 * bound + 1e-300) | (actual == candidate)))


def _flipped(definition: Definition) -> Definition | None:
    dims = tuple(range(2, definition.weight.ndim))
    return replace(definition, weight=np.flip(definition.weight, dims))


def _swapped_kernel(definition: Definition) -> Definition | None:
    if definition.rank < 2 or definition.kernel[-1] != definition.kernel[-2]:
        return None
    return replace(definition, weight=np.swapaxes(definition.weight, -1, -2))


def _without_bias(definition: Definition) -> Definition | None:
    return None if definition.bias is None else replace(definition, bias=None)


def _without_residual(definition: Definition) -> Definition | None:
    return None if definition.residual is None else replace(definition, residual=None)


def _without_activation(definition: Definition) -> Definition | None:
    return None if definition.bounds == (-np.inf, np.inf) else replace(definition, bounds=(-np.inf, np.inf))


def _zero_padding(definition: Definition) -> Definition | None:
    return None if definition.padding_mode == "zeros" else replace(definition, padding_mode="zeros")


def _padding_ends_swapped(definition: Definition) -> Definition | None:
    swapped = tuple((end, begin) for begin, end in definition.padding)
    return None if swapped == definition.padding else replace(definition, padding=swapped)


def _padding_dims_reversed(definition: Definition) -> Definition | None:
    swapped = definition.padding[::-1]
    return None if swapped == definition.padding else replace(definition, padding=swapped)


def _channels_interleaved(definition: Definition) -> Definition | None:
    """Group g reading channels g, g + groups, ... instead of a block of neighbours."""
    if definition.groups == 1 or definition.groups == definition.input.shape[1]:
        return None
    in_ch = definition.input.shape[1]
    order = np.arange(in_ch).reshape(-1, definition.groups).T.ravel()
    return replace(definition, input=definition.input[:, order])


MISTAKES: tuple[tuple[str, Callable[[Definition], Definition | None]], ...] = (
    ("for a flipped kernel (scipy.signal convolves, torch and pyconv correlate)", _flipped),
    ("for a kernel with its last two dimensions swapped", _swapped_kernel),
    ("without the bias", _without_bias),
    ("without the residual", _without_residual),
    ("without the activation", _without_activation),
    ("with zeros as padding", _zero_padding),
    ("with begin and end padding swapped", _padding_ends_swapped),
    (
        "with the padding of the dimensions in reverse order (F.pad starts at the last)",
        _padding_dims_reversed,
    ),
    ("with the input channels of the groups interleaved", _channels_interleaved),
)


def _fits_rounded_inputs(actual: Array, definition: Definition, bound: Array) -> bool:
    """All errors within what rounding both factors to 11 significant bits gives, and finite."""
    allowed = definition.in_callers_format(2.0**-10 * definition.magnitude()) + bound
    with np.errstate(invalid="ignore"):
        return bool(np.all(np.abs(actual - definition.result()) <= allowed))


def _where(wrong: Array, definition: Definition) -> Iterator[str]:
    """A pattern in the positions of the wrong elements, (batch, out_ch, *out)."""
    mismatch = definition.from_callers_format(wrong)
    border = np.broadcast_to(definition.reads_padding(), mismatch.shape)
    if border.any() and not border.all():
        if not mismatch[~border].any():
            yield "only windows that touch the padding are wrong: look at the border code"
        elif not mismatch[border].any():
            yield "only windows inside the input are wrong: the border code is right"
    names = ("batch", "out_ch", *("d", "h", "w")[3 - definition.rank :])
    for axis, name in enumerate(names):
        others = tuple(a for a in range(mismatch.ndim) if a != axis)
        first = int(np.argmax(mismatch.any(axis=others)))
        if first > 0:
            size = mismatch.shape[axis]
            yield f"everything with {name} < {first} of {size} is right: look at the tail of {name}"
