"""Compares an explanation's value with what pyconv and torch compute, in units of the error bound."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import exact
from .axes import SlidingAxis
from .exact import Array, Number
from .explanation import Explanation
from .operators import Convolution, Operator, Pooling


@dataclass(frozen=True, slots=True)
class Row:
    """One library's answer; `note` says why there is none."""

    library: str
    value: Number | None
    units: float
    ok: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """The answers of all libraries; true if every one that gave an answer is within the bound."""

    value: Number
    bound: float
    rows: tuple[Row, ...]

    def __bool__(self) -> bool:
        return all(row.ok for row in self.rows)

    def __str__(self) -> str:
        lines = [f"exact    {self.value!r}   (bound {self.bound:.3g})"]
        for row in self.rows:
            verdict = row.note or f"{row.value!r}   error {row.units:.3g} of the bound"
            lines.append(f"{row.library:8} {verdict}{'' if row.ok else '   TOO FAR'}")
        return "\n".join(lines)


def check(e: Explanation) -> Check:
    """See `Explanation.check`."""
    parts = [term.product for term in e.terms if e.operator.combine != "max"]
    parts += [] if e.bias is None else [e.bias]
    divisor = abs(e.divisor) or 1
    bound = 0.0
    if (parts and e.dtype.kind != "V") or e.dtype.name == "bfloat16":
        size = exact.magnitude(parts) / divisor
        known = exact.finite(e.value)
        bound = exact.error_bound(size, len(parts) + (divisor != 1), abs(e.value) if known else 0.0, e.dtype)
    rows = []
    for library, run in (("pyconv", _pyconv), ("torch", _torch)):
        try:
            value = run(e)
        except (ImportError, AttributeError):
            continue
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            rows.append(Row(library, None, 0.0, True, f"has no answer: {reason}"))
            continue
        units = _units(value, e, bound)
        rows.append(Row(library, value, units, units <= 1))
    return Check(e.value, bound, tuple(rows))


def _units(value: Number, e: Explanation, bound: float) -> float:
    """The error in units of `bound`; equal infinities and NaN for NaN are no error."""
    expected = _wrapped(e)
    if value == expected or (value != value and expected != expected):
        return 0.0
    if not exact.finite(expected):
        skipped = any(term.index is None and not exact.finite(_weight(term.w)) for term in e.terms)
        # A kernel may skip the product of a non-finite weight with padding.
        return 0.0 if skipped else math.inf
    if not exact.finite(value):
        largest = float(np.finfo(exact.accumulator(e.dtype)).max) if e.dtype.kind != "V" else 3.3e38
        parts = [term.product for term in e.terms]
        return 0.0 if exact.magnitude(parts) + bound > largest else math.inf
    return exact.ratio(abs(value - expected), bound)


def _weight(w: Number | None) -> Number:
    return 0 if w is None else w


def _wrapped(e: Explanation) -> Number:
    """The value as an integer type keeps it: modulo its range, as NumPy's arithmetic does."""
    if e.dtype.kind not in "iu" or not isinstance(e.value, int):
        return e.value
    bits = 8 * max(e.dtype.itemsize, 4)  # 8- and 16-bit integers accumulate in 32 bits
    low = e.value % (1 << bits)
    signed = e.dtype.kind == "i" or e.dtype.itemsize < 4
    return low - (1 << bits) if signed and low >> (bits - 1) else low


def _sliding(operator: Operator) -> list[SlidingAxis]:
    axes = [axis for axis in operator.axes if isinstance(axis, SlidingAxis)]
    if len(axes) != operator.rank:
        raise NotImplementedError(f"{operator.name} is not checked")
    return axes


def _arguments(operator: Operator) -> dict[str, Any]:
    """stride and dilation (and, for pooling, padding and the rest) under torch's names."""
    axes = _sliding(operator)
    arguments: dict[str, Any] = {"stride": tuple(a.stride for a in axes)}
    if isinstance(operator, Convolution):
        return arguments | {"dilation": tuple(a.dilation for a in axes), "groups": operator.groups}
    arguments |= {"kernel_size": operator.kernel, "padding": tuple(a.border[0] for a in axes)}
    arguments["ceil_mode"] = axes[0].ceil_mode
    if operator.combine == "max":
        return arguments | {"dilation": tuple(a.dilation for a in axes)}
    assert isinstance(operator, Pooling)
    arguments["count_include_pad"] = operator.count_include_pad
    if operator.divisor_override is not None:
        arguments["divisor_override"] = operator.divisor_override
    return arguments


def _pyconv(e: Explanation) -> Number:
    pyconv = importlib.import_module("pyconv")
    function: Callable[..., Any] = getattr(pyconv, e.operator.name)
    options: Callable[..., AbstractContextManager[Any]] = getattr(
        pyconv, "options", lambda **_: nullcontext()
    )
    n, *rest = e.at
    image = e.x[n : n + 1]
    with options(precision="highest"):
        if isinstance(e.operator, Convolution):
            axes = _sliding(e.operator)
            result = function(
                image, e.w, e.b, padding=tuple(a.border for a in axes), padding_mode=axes[0].mode,
                **_arguments(e.operator),
            )  # fmt: skip
        else:
            result = function(image, **_arguments(e.operator))
    return exact.number(np.asarray(result)[(0, *rest)])


def _torch(e: Explanation) -> Number:
    torch = importlib.import_module("torch")
    n, *rest = e.at
    arrays = [None if a is None else _tensor(torch, a, e) for a in (e.x[n : n + 1], e.w, e.b)]
    image = arrays[0]
    with torch.no_grad():
        if isinstance(e.operator, Convolution):
            axes = _sliding(e.operator)
            sides = [side for axis in reversed(axes) for side in axis.border]
            if any(sides):
                mode = axes[0].mode
                image = torch.nn.functional.pad(image, sides, mode="constant" if mode == "zeros" else mode)
            result = getattr(torch.nn.functional, e.operator.name)(
                image, *arrays[1:], **_arguments(e.operator)
            )
        else:
            result = getattr(torch.nn.functional, e.operator.name)(image, **_arguments(e.operator))
    if not e.operator.in_ch and tuple(result.shape[1:]) != e.operator.out_shape[1:]:
        raise NotImplementedError(f"without input channels its output has shape {tuple(result.shape)}")
    value = result[(0, *rest)].item()
    assert isinstance(value, (int, float, complex))
    return value


def _tensor(torch: Any, array: Array, e: Explanation) -> Any:
    """`array` as a tensor in the result's dtype."""
    if e.dtype.name == "bfloat16":
        return torch.from_numpy(array.astype(np.float32)).bfloat16()
    native = e.dtype.newbyteorder("=")
    return torch.from_numpy(
        np.array(array, dtype=native, order="C")
    )  # a copy: torch warns about read-only arrays
