"""`Explanation`: one output element taken apart, as data; text, picture and page are made from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import exact
from .exact import Array, Number
from .operators import Operator

if TYPE_CHECKING:
    from .check import Check


@dataclass(frozen=True, slots=True)
class Term:
    """One product on its way into the output.

    Attributes
    ----------
    channel : int
        Input channel.
    tap : tuple of int
        Position in the kernel.
    index : tuple of int or None
        The element of the input that is read, ``(n, channel, *position)``; None where the padding is a
        constant.
    is_padding : bool
        Whether the tap lies in the border. A reflected, replicated or circular border has an `index` too.
    x, w, product : number
        The two factors and ``x * w``, rounded to double precision. Pooling has no weights: `w` is None,
        and `product` is `x`.
    position : tuple of int
        Where the tap lies in the input's coordinates: below 0 or beyond the end in the border.
    """

    channel: int
    tap: tuple[int, ...]
    index: tuple[int, ...] | None
    is_padding: bool
    x: Number
    w: Number | None
    product: Number
    position: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """What one output element is made of; see :func:`pyconv.explain` and :func:`pyconv.explain_pool`.

    Attributes
    ----------
    at : tuple of int
        The explained element, ``(n, channel, *position)``, counted from 0.
    terms : tuple of Term
        The products, channel after channel, taps in the kernel's order.
    channels : range
        The input channels that are read.
    channel_sums : tuple of number
        The sum of the products of each channel in `channels`, rounded once. For max pooling, the maximum.
    bias : number or None
    divisor : int
        What average pooling divides by, else 1.
    argmax : tuple of int or None
        For max pooling, the index of the element that wins: the first of equal ones, the last NaN.
    value : number
        Products and bias summed exactly, divided by `divisor` and rounded once, to double precision.
        Exact for integers.
    """

    operator: Operator
    at: tuple[int, ...]
    x: Array
    w: Array | None
    b: Array | None
    labels: tuple[str, ...] | None = None

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        n, out_ch, *pos = self.at
        return tuple(self._terms(n, out_ch, tuple(pos)))

    def _terms(self, n: int, out_ch: int, pos: tuple[int, ...]) -> Iterable[Term]:
        sizes = self.operator.in_shape[2:]
        nothing: Number = float("-inf") if self.operator.combine == "max" else self._zero
        for feed in self.operator.feeds(out_ch, pos):
            index = None if feed.source is None else (n, feed.channel, *feed.source)
            x = nothing if index is None else exact.number(self.x[index])
            outside = any(not 0 <= p < size for p, size in zip(feed.position, sizes, strict=True))
            w = None
            if feed.weight is not None and self.w is not None:
                w = exact.number(self.w[feed.weight])
            product = x if w is None else exact.multiply(x, w)
            yield Term(feed.channel, feed.tap, index, outside, x, w, product, feed.position)

    @property
    def _zero(self) -> Number:
        return 0 if self.dtype.kind in "iu" else 0.0

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the result that is explained."""
        arrays = [a.dtype for a in (self.x, self.w, self.b) if a is not None]
        return np.result_type(*arrays)

    @property
    def channels(self) -> range:
        return self.operator.channels(self.at[1])

    def channel_terms(self, channel: int) -> tuple[Term, ...]:
        """The terms of one input channel."""
        return self._by_channel.get(channel, ())

    @cached_property
    def _by_channel(self) -> dict[int, tuple[Term, ...]]:
        groups: dict[int, list[Term]] = {channel: [] for channel in self.channels}
        for term in self.terms:
            groups[term.channel].append(term)
        return {channel: tuple(terms) for channel, terms in groups.items()}

    @cached_property
    def channel_sums(self) -> tuple[Number, ...]:
        return tuple(self.fold(self.channel_terms(channel)) for channel in self.channels)

    def fold(self, terms: Sequence[Term]) -> Number:
        """The exact sum of `terms` rounded once; for max pooling their maximum."""
        if self.operator.combine != "max":
            return exact.dot(_factors(terms))
        winner = self._winner(terms)
        return winner.x if winner else float("-inf")

    @staticmethod
    def _winner(terms: Sequence[Term]) -> Term | None:
        """torch's rule: the first of equal maxima; a NaN beats everything, the last NaN wins."""
        winner: Term | None = None
        for term in terms:
            if term.index is not None and (winner is None or term.x > winner.x or term.x != term.x):  # type: ignore[operator]
                winner = term
        return winner

    @cached_property
    def argmax(self) -> tuple[int, ...] | None:
        if self.operator.combine != "max":
            return None
        winner = self._winner(self.terms)
        return winner.index if winner else None

    @cached_property
    def divisor(self) -> int:
        return self.operator.divisor(self.operator.reads(self.at[2:]))

    @cached_property
    def bias(self) -> Number | None:
        return None if self.b is None else exact.number(self.b[self.at[1]])

    @cached_property
    def value(self) -> Number:
        if self.operator.combine == "max":
            return self.fold(self.terms)
        bias = [] if self.bias is None else [(self.bias, 1)]
        factors = [*_factors(self.terms), *bias]
        if self.operator.combine == "sum":
            return exact.dot(factors)
        # A window without a single element has sum 0 and divisor 0; torch leaves the output 0.
        return exact.dot(factors, self.divisor) if self.divisor else 0.0

    def check(self) -> Check:
        """Compare `value` with what pyconv, and torch if it is installed, compute for this element.

        Returns
        -------
        Check
            True as a condition if every library is within the bound; printed, it shows each library's
            value and its error in units of the bound ``gamma * sum|x||w|``.
        """
        from .check import check

        return check(self)

    def __str__(self) -> str:
        from .text import render

        return render(self)

    def __repr__(self) -> str:
        return f"<Explanation of {self.operator.name} {_spot(self.at)} = {self.value}>"

    def to_svg(self, *, theme: str = "auto") -> str:
        """The picture as SVG text; `theme` is "light", "dark" or "auto" (as the reader's system is set)."""
        from .picture import draw

        return draw(self, theme)

    def to_html(self) -> str:
        """A page of its own, without network: hover or use the arrow keys to move the window."""
        from .page import render

        return render(self)

    def save(self, path: str | Path) -> None:
        """Write the picture (``.svg``, ``.png``), the interactive page (``.html``) or the text (``.txt``)."""
        from .files import save

        save(self, path)

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{self.to_svg()}</div>'

    def _repr_latex_(self) -> str:
        from .latex import render

        return render(self)


def _factors(terms: Iterable[Term]) -> list[tuple[Number, Number]]:
    return [(term.x, 1 if term.w is None else term.w) for term in terms]


def _spot(at: tuple[int, ...]) -> str:
    return f"output[{', '.join(map(str, at))}]"
