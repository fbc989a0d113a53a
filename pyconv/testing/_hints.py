"""The usual mistakes in a convolution, each tried on a failed comparison: the one that fits is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from ._definition import NUMPY_PAD_MODES, Array, Definition

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
        with np.errstate(invalid="ignore"):
            found = (
                _pad_value(actual, definition, bound)
                or _shift(actual, definition, bound)
                or permuted(actual, definition)
            )
        if found:
            yield found
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


def _bias_twice(definition: Definition) -> Definition | None:
    return None if definition.bias is None else replace(definition, bias=2 * definition.bias)


def _swapped_channels(definition: Definition) -> Definition | None:
    out_ch, in_ch = definition.weight.shape[:2]
    if out_ch != in_ch or out_ch == 1 or definition.groups > 1:
        return None
    return replace(definition, weight=np.swapaxes(definition.weight, 0, 1))


def _other_padding(mode: str) -> Callable[[Definition], Definition | None]:
    """The result with another padding mode than the one asked for."""

    def alter(definition: Definition) -> Definition | None:
        widest = max(max(pair) for pair in definition.padding)
        if mode == definition.padding_mode or not widest or widest >= min(definition.input.shape[2:]):
            return None
        return replace(definition, padding_mode=mode)

    return alter


def _without_residual(definition: Definition) -> Definition | None:
    return None if definition.residual is None else replace(definition, residual=None)


def _without_activation(definition: Definition) -> Definition | None:
    return None if definition.bounds == (-np.inf, np.inf) else replace(definition, bounds=(-np.inf, np.inf))


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
    ("for a weight with output and input channels swapped", _swapped_channels),
    ("without the bias", _without_bias),
    ("with the bias added twice", _bias_twice),
    ("without the residual", _without_residual),
    ("without the activation", _without_activation),
    *((f"with padding_mode={mode!r}", _other_padding(mode)) for mode in NUMPY_PAD_MODES),
    ("with begin and end padding swapped", _padding_ends_swapped),
    (
        "with the padding of the dimensions in reverse order (F.pad starts at the last)",
        _padding_dims_reversed,
    ),
    ("with the input channels of the groups interleaved", _channels_interleaved),
)


def permuted(actual: Array, definition: Definition) -> str | None:
    """Whether `actual` is the right result with its dimensions in another order."""
    right = definition.result()
    if actual.ndim != right.ndim:
        return None
    scale = np.abs(right[np.isfinite(right)]).max(initial=0)
    for order in permutations(range(right.ndim)):
        moved = np.transpose(right, order)
        if order == tuple(range(right.ndim)) or moved.shape != actual.shape:
            continue
        # No bound can be taken over to another order; a layout is wrong by far more than any rounding.
        if np.allclose(actual, moved, rtol=1e-3, atol=1e-3 * scale, equal_nan=True):
            return f"this is the right result with its dimensions in the order {order}: which layout is it?"
    return None


def _pad_value(actual: Array, definition: Definition, bound: Array) -> str | None:
    """Whether one constant other than 0 in the padding explains everything: the result is linear in it."""
    linear = definition.bounds == (-np.inf, np.inf) and np.isfinite(actual).all()
    if definition.padding_mode != "zeros" or not linear:
        return None
    ones = np.ones_like(definition.input)
    inside = replace(definition, input=ones, bias=None, residual=None)
    around = replace(inside, padding_mode="replicate") if ones.size else inside
    effect = around.result() - inside.result()  # of a 1 in every padded element
    if effect.shape != actual.shape or not effect.any():
        return None
    right = definition.result()
    value = float(np.vdot(effect, actual - right).real / np.vdot(effect, effect).real)
    # A float32 result knows the value to about that many digits; a round one is what was written.
    value = float(f"{value:.5g}")
    fits = np.abs(actual - right - value * effect) <= 4 * bound * (1 + abs(value)) + 1e-300
    return f"this is the result with {value:g} instead of 0 in the padding" if value and fits.all() else None


def _shift(actual: Array, definition: Definition, bound: Array) -> str | None:
    """Whether the result is the right one moved by one element along one spatial dimension."""
    right = definition.from_callers_format(definition.result())
    moved, allowed = (definition.from_callers_format(array) for array in (actual, bound))
    if right.shape != moved.shape:
        return None
    for axis, name in enumerate(("d", "h", "w")[3 - definition.rank :], start=2):
        head = tuple(slice(None, -1) if a == axis else slice(None) for a in range(right.ndim))
        tail = tuple(slice(1, None) if a == axis else slice(None) for a in range(right.ndim))
        if right.shape[axis] < 3 or np.array_equal(right[head], right[tail]):
            continue
        slack = 4 * np.maximum(allowed[head], allowed[tail]) + 1e-300
        for one, other, way in ((tail, head, "late"), (head, tail, "early")):
            if np.all(np.abs(moved[one] - right[other]) <= slack):
                return (
                    f"this is the right result one element too {way} along {name}: look at the start offset"
                )
    return None


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
