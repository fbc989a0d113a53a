"""How numbers are shown: one number of decimals for each group, so that columns line up and add up."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .exact import Number


class Formatter:
    """Formats numbers of one group (inputs, weights, or products and sums) alike.

    >>> show = Formatter([0.12394, -2.27])
    >>> show(0.12394), show(-2.27), show(float("nan"))
    ('0.1239', '-2.2700', 'nan')
    >>> Formatter([1.0, 20.0])(20.0), Formatter([0.5, 1.25])(0.5)
    ('20', '0.50')
    >>> show(0.0), show(-1e-9)
    ('0', '0.0000')
    """

    def __init__(self, values: Iterable[Number]) -> None:
        parts = [part for value in values for part in _parts(value) if math.isfinite(part)]
        largest = max(map(_absolute, parts), default=0.0)
        self.style = ".0f"
        if not all(part == int(part) for part in parts) or largest >= 1e9:
            power = math.floor(math.log10(largest))
            self.style = ".3e" if not -4 <= power <= 4 else f".{_decimals(parts, largest, power)}f"

    def __call__(self, value: Number) -> str:
        if isinstance(value, complex):
            return f"{self._real(value.real)}{self._real(value.imag, sign='+')}j"
        return self._real(value)

    def _real(self, value: float, sign: str = "") -> str:
        if isinstance(value, int) and self.style == ".0f":
            return format(value, sign + "d")
        if value == 0:
            return sign + "0"  # exactly zero, as padding is; "0.0000" is something small
        text = format(value, sign + self.style)
        return text.replace("-", sign, 1) if float(text) == 0 else text

    def half_unit(self) -> float:
        """The largest rounding error of a shown number that is not in scientific notation."""
        return 0.5 * 10.0 ** -int(self.style[1:-1])


def _parts(value: Number) -> tuple[float, ...]:
    return (value.real, value.imag) if isinstance(value, complex) else (value,)


def _absolute(part: float) -> float:
    try:
        return float(abs(part))
    except OverflowError:  # an integer beyond double precision
        return math.inf


def _decimals(parts: list[float], largest: float, power: int) -> int:
    """Five significant digits of the largest number, fewer if that many show all numbers whole."""
    most = min(4 - min(power, 4) if power >= 0 else 3 - power, 7)
    for decimals in range(most):
        if all(abs(part - round(part, decimals)) <= 1e-7 * largest for part in parts):
            return decimals
    return most
