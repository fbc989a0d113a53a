"""Sums of products without rounding error, rounded once at the end, and the error a library may make."""

from __future__ import annotations

import cmath
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Number = int | float | complex
Array = NDArray[Any]


def as_array(name: str, value: Any) -> Array:
    """`value` as a numeric array; a torch tensor is only looked at, so its gradient is no obstacle."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array: a masked element has no product")
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        if str(value.dtype) == "torch.bfloat16":
            value = value.float()  # exact; NumPy itself has no bfloat16
    array = np.asarray(value)
    if array.dtype.kind not in "fciu" and array.dtype.name != "bfloat16":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    if (array.dtype.itemsize > 8 and array.dtype.kind == "f") or array.dtype.itemsize > 16:
        raise TypeError(f"{name} must be at most double precision, got dtype {array.dtype}")
    return array


def number(scalar: Any) -> Number:
    """A NumPy scalar as the Python number of the same value."""
    value = scalar.item()
    return value if isinstance(value, (int, float, complex)) else float(value)


def finite(value: Number) -> bool:
    return isinstance(value, int) or cmath.isfinite(value)


def multiply(x: Number, w: Number) -> Number:
    """``x * w`` as IEEE does it: an overflow is an infinity, never an exception."""
    try:
        return x * w
    except OverflowError:  # only int * float raises
        return math.copysign(math.inf, x.real) * math.copysign(1.0, w.real)


def dot(pairs: Iterable[tuple[Number, Number]], divisor: int = 1) -> Number:
    """The sum of all ``x * w`` divided by `divisor`, rounded once, to nearest even.

    Integers stay exact integers. NaN and infinities combine as in IEEE arithmetic.

    >>> dot([(1e16, 1.0), (1.0, 1.0), (-1e16, 1.0)])
    1.0
    """
    pairs = list(pairs)
    if any(isinstance(v, complex) for pair in pairs for v in pair):
        real = [(x.real, w.real) for x, w in pairs] + [(-x.imag, w.imag) for x, w in pairs]
        imag = [(x.real, w.imag) for x, w in pairs] + [(x.imag, w.real) for x, w in pairs]
        return complex(float(_real_dot(real, divisor)), float(_real_dot(imag, divisor)))
    return _real_dot(pairs, divisor)  # type: ignore[arg-type]


def _real_dot(pairs: Sequence[tuple[float, float]], divisor: int) -> int | float:
    special = [x * w for x, w in pairs if not (finite(x) and finite(w))]
    if special:
        return sum(special) / divisor
    # Every finite float is n / 2**shift: equal shifts are added as integers, then aligned once.
    numerators: dict[int, int] = defaultdict(int)
    for x, w in pairs:
        (a, b), (c, d) = x.as_integer_ratio(), w.as_integer_ratio()
        numerators[(b * d).bit_length() - 1] += a * c
    finest = max(numerators, default=0)
    total = sum(n << (finest - shift) for shift, n in numerators.items())
    if divisor == 1 and all(isinstance(v, int) for pair in pairs for v in pair):
        return total
    try:
        return total / (divisor << finest) if divisor > 0 else -total / (-divisor << finest)
    except OverflowError:
        return math.inf if (total > 0) == (divisor > 0) else -math.inf


def unit_roundoff(dtype: np.dtype[Any]) -> float:
    """Half the spacing at 1 of a floating or complex dtype, 0 for integers."""
    if dtype.name == "bfloat16":
        return 2.0**-8
    return float(np.finfo(dtype).eps) / 2 if dtype.kind in "fc" else 0.0


def accumulator(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that sums are kept in: 16-bit floats accumulate in float32."""
    narrow = dtype.name == "bfloat16" or dtype == np.float16
    return np.dtype(np.float32) if narrow else dtype


def error_bound(magnitude: float, terms: int, value: float, dtype: np.dtype[Any]) -> float:
    """How far any order of summation may end from the exact sum: ``gamma * sum|x||w|``.

    `magnitude` is the sum of the absolute products and bias, `terms` their number, `value` the
    absolute exact result. ``gamma = n u / (1 - n u)`` (Higham, Accuracy and Stability, 3.1); a
    narrow result adds its own rounding, and every product may underflow.
    """
    acc = accumulator(dtype)
    u = unit_roundoff(acc)
    if not u or not math.isfinite(magnitude):
        return 0.0
    n = (terms + 1) * (4 if dtype.kind == "c" else 1)
    gamma = n * u / (1 - n * u) if n * u < 1 else math.inf
    tiny = float(np.finfo(acc).smallest_subnormal)
    bound = gamma * magnitude + n * tiny
    if acc != dtype:
        least = 2.0**-133 if dtype.name == "bfloat16" else float(np.finfo(dtype).smallest_subnormal)
        bound += unit_roundoff(dtype) * (value + bound) + least / 2
    # Comparisons happen in double precision, whose own rounding must not decide.
    return bound + value * sys.float_info.epsilon


def ratio(error: float, bound: float) -> float:
    """`error` in units of `bound`; no error is 0 units of any bound."""
    if error == 0:
        return 0.0
    return error / bound if bound else math.inf


def magnitude(values: Iterable[Number]) -> float:
    """The sum of the absolute values; infinite where it overflows or is not a number."""
    absolute = [float(abs(v)) for v in values]
    try:
        total = math.fsum(absolute)
    except OverflowError:
        return math.inf
    return total if not math.isnan(total) else math.inf
