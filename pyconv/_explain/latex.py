"""The arithmetic of an explanation as a LaTeX formula."""

from __future__ import annotations

from .explanation import Explanation
from .numbers import Formatter
from .view import View

MOST_TERMS = 8  # products written out; more become their channel's sum


def render(e: Explanation) -> str:
    """``output = sum of products + bias = value`` in display mathematics."""
    view = View(e)
    show = view.formats["sum"]
    name = rf"\mathrm{{output}}_{{{','.join(map(str, e.at))}}}"
    if e.operator.combine == "max":
        inside = ",\\,".join(_number(view.formats["x"](t.x)) for t in e.terms[:MOST_TERMS])
        if len(e.terms) > MOST_TERMS:
            inside += r",\,\ldots"
        return rf"$$ {name} = \max({inside}) = {_number(show(e.value))} $$"
    parts = [_products(view, c.channel) for c in view.channels]
    count, rest = view.other_channels
    if count:
        parts.append(rf"\underbrace{{{_number(show(rest))}}}_{{\text{{{count} more channels}}}}")
    if e.bias is not None:
        parts.append(rf"\underbrace{{{_number(show(e.bias))}}}_{{\text{{bias}}}}")
    total = " + ".join(parts)
    if e.operator.combine == "mean":
        total = rf"\frac{{{total}}}{{{e.divisor}}}"
    return rf"$$ {name} = {total} = {_number(show(e.value))} $$"


def _products(view: View, channel: int) -> str:
    """A channel's products, or only their sum where there are many."""
    e = view.explanation
    terms = e.channel_terms(channel)
    show_x, show_w = view.formats["x"], view.formats["w"]
    inner = _number(view.formats["part"](e.channel_sums[channel - e.channels[0]]))
    if len(terms) <= MOST_TERMS:
        inner = " + ".join(_product(t.x, t.w, show_x, show_w) for t in terms)
    return rf"\underbrace{{{inner}}}_{{\text{{channel {channel}}}}}"


def _product(
    x: int | float | complex, w: int | float | complex | None, show_x: Formatter, show_w: Formatter
) -> str:
    return _number(show_x(x)) if w is None else rf"{_number(show_x(x))} \cdot {_number(show_w(w))}"


def _number(text: str) -> str:
    """A shown number as LaTeX; negative and complex ones in parentheses."""
    if "e" in text:
        mantissa, _, exponent = text.partition("e")
        text = rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if not text.endswith("j") else rf"\text{{{text}}}"
    text = text.replace("inf", r"\infty ").replace("nan", r"\mathrm{NaN}")
    return f"({text})" if text.startswith("-") or text.endswith("j") else text
