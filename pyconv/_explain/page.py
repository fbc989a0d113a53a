"""The interactive page: the numbers around one output element as JSON, with the script that moves the window.

The script (`page.js`) knows nothing of strides, dilation or padding: for every output position the
page carries what it reads along each axis, taken from the operator's description.
"""

from __future__ import annotations

import itertools
import json
import math
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np

from . import exact
from .evaluate import evaluate
from .exact import Array, Number
from .explanation import Explanation
from .grid_picture import describe
from .view import View, formatters, shown

MOST_OUTPUTS = {1: (24,), 2: (8, 8), 3: (3, 6, 6)}
MOST_CHANNELS = 6


def render(e: Explanation) -> str:
    """The page as HTML text; complex numbers get the picture without interaction."""
    if e.dtype.kind == "c":
        return static_page(describe(View(e))[0], e.to_svg(), str(e))
    title, subtitle = describe(View(e))
    data = json.dumps(Model(e).data(), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    body = (
        f'<header><h1 id="title">{escape(title)}</h1><p>{escape(subtitle)}</p></header>'
        f'<div id="app"></div><script type="application/json" id="model">{data}</script>'
        f"<script>{_asset('page.js')}</script>"
    )
    return _document(title, body)


def static_page(title: str, svg: str, text: str) -> str:
    """A page of its own with a picture and its text."""
    return _document(title, f"<figure>{svg}</figure><pre>{escape(text)}</pre>")


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{_asset('page.css')}</style></head><body>{body}</body></html>\n"
    )


def _asset(name: str) -> str:
    return files("pyconv._explain").joinpath(name).read_text(encoding="utf-8")


class Model:
    """What the script is given: a neighbourhood of outputs, the inputs they read, a few channels."""

    def __init__(self, e: Explanation) -> None:
        self.e = e
        self.operator = e.operator
        n, out_ch, *pos = e.at
        self.n, self.out_ch, self.start = n, out_ch, pos
        self.outputs = [
            _around(o, axis.out, most)
            for o, axis, most in zip(pos, e.operator.axes, MOST_OUTPUTS[e.operator.rank], strict=True)
        ]
        self.reads = [
            [axis.reads(o) for o in outs] for axis, outs in zip(self.operator.axes, self.outputs, strict=True)
        ]
        self.positions = [self._positions(i) for i in range(self.operator.rank)]

    def _positions(self, axis: int) -> list[int]:
        """Every input position between the first and the last that is read; all of a short axis."""
        begin, end = self.operator.axes[axis].border
        everything = shown(-begin, self.operator.axes[axis].size + end, [], 8)
        if everything and None not in everything:
            return [p for p in everything if p is not None]
        read = sorted({r.position for reads in self.reads[axis] for r in reads})
        return list(range(read[0], read[-1] + 1))

    def _channels(self) -> list[int]:
        sums = self.e.channel_sums
        size = [math.inf if s != s else abs(s) for s in sums]
        best = sorted(range(len(sums)), key=size.__getitem__, reverse=True)[:MOST_CHANNELS]
        return [self.e.channels[i] for i in sorted(best)]

    def data(self) -> dict[str, Any]:
        e, operator = self.e, self.operator
        channels = self._channels()
        outputs = evaluate(operator, e.x, e.w, e.b, self.n, self.out_ch, self.outputs)
        here = tuple(outs.index(o) for outs, o in zip(self.outputs, self.start, strict=True))
        outputs[here] = e.value
        x = [self._inputs(channel) for channel in channels]
        w = [self._weights(channel) for channel in channels] if e.w is not None else None
        rest = self._rest(channels)
        return {
            "name": operator.name, "n": self.n, "channel": self.out_ch, "combine": operator.combine,
            "outputs": self.outputs, "start": here, "positions": self.positions,
            "sizes": operator.in_shape[2:], "taps": operator.kernel,
            "reads": [[[list(r) for r in reads] for reads in axis] for axis in self.reads],
            "channels": channels, "x": _plain(x), "w": _plain(w),
            "bias": None if e.bias is None else _number(e.bias),
            "rest": rest, "y": _plain(outputs.ravel().tolist()), "divisors": self._divisors(),
            "labels": e.labels, "formats": self._formats(x, w, outputs, rest),
        }  # fmt: skip

    def _inputs(self, channel: int) -> list[Number]:
        """Values at all positions of one channel, the border filled as the operator fills it."""
        axes = self.operator.axes
        nothing: Number = -math.inf if self.operator.combine == "max" else 0
        values = []
        for position in itertools.product(*self.positions):
            sources = [axis.source(p) for axis, p in zip(axes, position, strict=True)]
            known = tuple(s for s in sources if s is not None)
            whole = len(known) == len(sources)
            values.append(exact.number(self.e.x[(self.n, channel, *known)]) if whole else nothing)
        return values

    def _weights(self, channel: int) -> list[Number]:
        assert self.e.w is not None
        values = []
        for tap in itertools.product(*map(range, self.operator.kernel)):
            index = self.operator.weight_index(self.out_ch, channel, tap)
            assert index is not None
            values.append(exact.number(self.e.w[index]))
        return values

    def _rest(self, channels: list[int]) -> dict[str, Any] | None:
        """What the channels that are not on the page add to every output."""
        others = [channel for channel in self.operator.channels(self.out_ch) if channel not in channels]
        if not others:
            return None
        e = self.e
        sums = evaluate(self.operator, e.x, e.w, None, self.n, self.out_ch, self.outputs, others)
        return {"count": len(others), "sums": _plain(sums.ravel().tolist())}

    def _divisors(self) -> list[int]:
        if self.operator.combine != "mean":
            return []
        return [self.operator.divisor(reads) for reads in itertools.product(*self.reads)]

    def _formats(
        self, x: list[list[Number]], w: list[list[Number]] | None, outputs: Array, rest: dict[str, Any] | None
    ) -> dict[str, str]:
        """The number formats for inputs, weights and everything that is added."""
        inputs = [value for values in x for value in values]
        weights = [value for values in w or [] for value in values]
        parts = list(self.e.channel_sums)
        parts += [exact.multiply(a, b) for a, b in itertools.product(inputs[:64], weights[:64])]
        totals = [*outputs.ravel().tolist(), self.e.value]
        if self.operator.combine == "max":
            found = formatters(*[inputs + totals] * 4)
        elif self.operator.combine == "mean":
            found = formatters(inputs, weights, inputs + parts, totals)
        else:
            totals += [] if self.e.bias is None else [self.e.bias]
            totals += [value for value in (rest or {"sums": []})["sums"] if not isinstance(value, str)]
            found = formatters(inputs, weights, parts + totals, parts + totals)
        return {name: formatter.style for name, formatter in found.items()}


def _around(center: int, extent: int, most: int) -> list[int]:
    """At most `most` neighbours of `center` in ``range(extent)``."""
    first = min(max(center - most // 2, 0), max(extent - most, 0))
    return list(range(first, min(first + most, extent)))


def _number(value: Any) -> float | int | str:
    """JSON has no NaN and no infinities."""
    value = float(value) if isinstance(value, np.floating) else value
    return value if isinstance(value, int) or math.isfinite(value) else str(value)


def _plain(values: Any) -> Any:
    if isinstance(values, list):
        return [_plain(value) for value in values]
    return None if values is None else _number(values)
