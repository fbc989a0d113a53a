"""What of an explanation is shown: which cells, channels and outputs, and where something is left out.

Text and picture draw the same `View`, so they cannot disagree.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from . import exact
from .axes import Axis, Read
from .evaluate import evaluate
from .exact import Number
from .explanation import Explanation, Term
from .numbers import Formatter

MOST_CHANNELS = 4
MOST_CELLS = {1: 16, 2: 8, 3: 7}  # positions shown along one axis; a larger window is cut inside
FEW_CELLS = {1: 8, 2: 5, 3: 5}  # the same in a terminal that would be too narrow
MOST_PLANES = 4  # depth slices of a 3-D window
MARGIN = {1: 4, 2: 1, 3: 1}  # neighbours of the window shown where the rest is left out

Labels = tuple[int | None, ...]  # None stands for a gap: "..."


@dataclass(frozen=True, slots=True)
class Cell:
    """One shown number. `used` marks what the output reads, `winner` the maximum or the output itself."""

    value: Number
    padding: bool = False
    used: bool = False
    winner: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """Rows of cells with the index of every row and column; a gap has no cells."""

    rows: Labels
    columns: Labels
    cells: dict[tuple[int, int], Cell]

    def cell(self, row: int | None, column: int | None) -> Cell | None:
        return None if row is None or column is None else self.cells.get((row, column))


@dataclass(frozen=True, slots=True)
class Plane:
    """The two last axes of one channel; `lead` are the taps, `depth` the positions of the axes before."""

    lead: tuple[int, ...]
    depth: tuple[int, ...]
    input: Grid
    weight: Grid | None
    product: Grid


@dataclass(frozen=True, slots=True)
class ChannelView:
    """One shown input channel: its planes, its sum, and the products that did not fit."""

    channel: int
    planes: tuple[Plane, ...]
    total: Number
    hidden: tuple[Term, ...]
    hidden_total: Number


def shown(
    first: int, end: int, wanted: Sequence[int], limit: int, margin: int = 1, whole: int | None = None
) -> Labels:
    """The members of ``range(first, end)`` to show, None for each gap.

    All of them if they are at most `whole` (by default `limit`), else `wanted`, cut inside beyond `limit`,
    and up to `margin` neighbours on each side.

    >>> shown(0, 5, [1], 8)
    (0, 1, 2, 3, 4)
    >>> shown(0, 100, [50, 51], 8)
    (None, 49, 50, 51, 52, None)
    >>> shown(-2, 100, [-2, 40, 82], 8)
    (-2, None, 40, None, 82, None)
    >>> shown(0, 20, range(20), 8)
    (0, 1, 2, None, 17, 18, 19)
    """
    if end - first <= (limit if whole is None else whole):
        return tuple(range(first, end))
    members = sorted(set(wanted))
    if len(members) > limit:
        half = max(limit * 3 // 8, 2)
        members = members[:half] + members[-half:]
    elif members and members[-1] - members[0] < limit:
        margin = min(margin, (limit - (members[-1] - members[0] + 1)) // 2)
        members = list(range(max(members[0] - margin, first), min(members[-1] + margin + 1, end)))
    labels: list[int | None] = []
    expected = first
    for member in members:
        if member != expected:
            labels.append(None)
        labels.append(member)
        expected = member + 1
    return (*labels, None) if expected != end else tuple(labels)


class View:
    """The shown part of an explanation; `tight` leaves out all but the window and its neighbours."""

    def __init__(self, explanation: Explanation, *, tight: bool = False) -> None:
        self.explanation = explanation
        self.operator = explanation.operator
        self.rank = self.operator.rank
        self.tight = tight
        self.margin = 1 if tight else MARGIN[self.rank]
        self.reads = self.operator.reads(explanation.at[2:])
        limits = [(FEW_CELLS if tight else MOST_CELLS)[self.rank]] * self.rank
        if self.rank == 3:
            limits[0] = MOST_PLANES
        self.positions = tuple(map(self._positions, self.operator.axes, self.reads, limits))
        self.taps = tuple(map(self._taps, self.operator.axes, self.reads, self.positions, limits))

    def _positions(self, axis: Axis, reads: tuple[Read, ...], limit: int) -> Labels:
        begin, end = axis.border
        wanted = [read.position for read in reads]
        return shown(-begin, axis.size + end, wanted, limit, self.margin, 0 if self.tight else limit)

    def _taps(self, axis: Axis, reads: tuple[Read, ...], positions: Labels, limit: int) -> Labels:
        if axis.taps <= limit:
            return tuple(range(axis.taps))
        wanted = [read.tap for read in reads if read.position in positions]
        return shown(0, axis.taps, wanted, limit, margin=0)

    @cached_property
    def words(self) -> dict[int, str]:
        """The label of each shown element of a 1-D input; the padding has none."""
        labels = self.explanation.labels
        if labels is None:
            return {}
        return {p: labels[p] for p in self.positions[-1] if p is not None and 0 <= p < len(labels)}

    @cached_property
    def channels(self) -> tuple[ChannelView, ...]:
        """The channels that contribute most, in their own order."""
        e = self.explanation
        order = sorted(
            range(len(e.channel_sums)), key=lambda i: _weightiness(e.channel_sums[i]), reverse=True
        )
        return tuple(self._channel(e.channels[i]) for i in sorted(order[:MOST_CHANNELS]))

    @cached_property
    def other_channels(self) -> tuple[int, Number]:
        """How many channels are not shown, and what they sum to."""
        e = self.explanation
        visible = {view.channel for view in self.channels}
        rest = [term for term in e.terms if term.channel not in visible]
        return len(e.channels) - len(visible), e.fold(rest) if rest else 0

    def _channel(self, channel: int) -> ChannelView:
        e = self.explanation
        terms = e.channel_terms(channel)
        visible = [_known(taps) for taps in self.taps]
        hidden = tuple(t for t in terms if any(tap not in v for tap, v in zip(t.tap, visible, strict=True)))
        return ChannelView(
            channel,
            tuple(self._planes(channel, {term.tap: term for term in terms})),
            e.channel_sums[channel - e.channels[0]],
            hidden,
            e.fold(hidden) if hidden else 0,
        )

    def _planes(self, channel: int, terms: dict[tuple[int, ...], Term]) -> list[Plane]:
        leading = [
            [read for read in reads if read.tap in _known(taps)]
            for reads, taps in zip(self.reads[:-2], self.taps[:-2], strict=True)
        ]
        planes = []
        for reads in itertools.product(*leading):
            lead = tuple(read.tap for read in reads)
            depth = tuple(read.position for read in reads)
            kernel = self._kernel(channel, lead, terms)
            weight = kernel if self.explanation.w is not None else None
            planes.append(
                Plane(lead, depth, self._input(channel, depth), weight, self._products(lead, terms))
            )
        return planes

    def _flat(self, labels: tuple[Labels, ...]) -> tuple[Labels, Labels]:
        """Rows and columns of the last two axes; a 1-D operator has one row."""
        return (labels[-2] if self.rank > 1 else (0,)), labels[-1]

    def _join(self, lead: tuple[int, ...], row: int, column: int) -> tuple[int, ...]:
        return (*lead, row, column) if self.rank > 1 else (column,)

    def _input(self, channel: int, depth: tuple[int, ...]) -> Grid:
        e = self.explanation
        rows, columns = self._flat(self.positions)
        used = {term.position for term in e.channel_terms(channel)}
        constant: Number = float("-inf") if self.operator.combine == "max" else 0
        cells = {}
        for row, column in itertools.product(_known(rows), _known(columns)):
            position = self._join(depth, row, column)
            sources = [axis.source(p) for axis, p in zip(self.operator.axes, position, strict=True)]
            index = (e.at[0], channel, *(s for s in sources if s is not None))
            outside = any(not 0 <= p < a.size for p, a in zip(position, self.operator.axes, strict=True))
            value = constant if None in sources else exact.number(e.x[index])
            winner = index == e.argmax and not outside
            cells[row, column] = Cell(value, outside, position in used, winner)
        return Grid(rows, columns, cells)

    def _kernel(self, channel: int, lead: tuple[int, ...], terms: dict[tuple[int, ...], Term]) -> Grid:
        e = self.explanation
        rows, columns = self._flat(self.taps)
        cells = {}
        for row, column in itertools.product(_known(rows), _known(columns)):
            tap = self._join(lead, row, column)
            index = self.operator.weight_index(e.at[1], channel, tap)
            if index is not None and e.w is not None:
                cells[row, column] = Cell(exact.number(e.w[index]), used=tap in terms)
        return Grid(rows, columns, cells)

    def _products(self, lead: tuple[int, ...], terms: dict[tuple[int, ...], Term]) -> Grid:
        rows, columns = self._flat(self.taps)
        cells = {}
        argmax = self.explanation.argmax
        for row, column in itertools.product(_known(rows), _known(columns)):
            term = terms.get(self._join(lead, row, column))
            if term is not None:
                winner = argmax is not None and term.index == argmax
                cells[row, column] = Cell(term.product, term.is_padding, used=True, winner=winner)
        return Grid(rows, columns, cells)

    @property
    def direct(self) -> bool:
        """Whether the only channel's sum is the output already: nothing is added or divided."""
        plain = self.explanation.bias is None and self.operator.combine != "mean"
        return plain and len(self.explanation.channels) == 1

    @cached_property
    def output(self) -> Grid:
        """The map of the explained output channel around the explained element."""
        e = self.explanation
        n, out_ch, *pos = e.at
        grid = tuple(
            shown(0, axis.out, [o], MOST_CELLS[self.rank], MARGIN[self.rank])
            for axis, o in zip(self.operator.axes[-2:], pos[-2:], strict=True)
        )
        rows, columns = self._flat(grid)
        outputs = [[o] for o in pos[:-2]] + [_known(labels) for labels in grid]
        values = evaluate(self.operator, e.x, e.w, e.b, n, out_ch, outputs).reshape(len(_known(rows)), -1)
        cells = {}
        for (i, row), (j, column) in itertools.product(enumerate(_known(rows)), enumerate(_known(columns))):
            here = [row, column][-min(self.rank, 2) :] == list(pos[-2:])
            value = e.value if here else _plain(values[i, j])
            cells[row, column] = Cell(value, winner=here, used=here)
        return Grid(rows, columns, cells)

    @cached_property
    def formats(self) -> dict[str, Formatter]:
        """Formatters for inputs "x", weights "w", products and channel sums "part", bias and outputs "sum".

        What is added is formatted alike; an average's quotient has decimals that its elements need not have.
        """
        planes = [plane for view in self.channels for plane in view.planes]
        inputs = [c.value for plane in planes for c in plane.input.cells.values()]
        weights = [c.value for plane in planes if plane.weight for c in plane.weight.cells.values()]
        parts = [c.value for plane in planes for c in plane.product.cells.values()]
        parts += [view.total for view in self.channels] + [view.hidden_total for view in self.channels]
        outputs = [self.explanation.value, *(c.value for c in self.output.cells.values())]
        if self.operator.combine == "mean":
            return formatters(inputs, weights, inputs + parts, outputs)
        if self.operator.combine == "max":
            return formatters(*[inputs + parts + outputs] * 4)
        outputs += [
            self.other_channels[1],
            *([] if self.explanation.bias is None else [self.explanation.bias]),
        ]
        return formatters(inputs, weights, parts + outputs, parts + outputs)


def formatters(
    x: list[Number], w: list[Number], part: list[Number], total: list[Number]
) -> dict[str, Formatter]:
    """The four formatters of an explanation."""
    return {"x": Formatter(x), "w": Formatter(w), "part": Formatter(part), "sum": Formatter(total)}


def _known(labels: Labels) -> list[int]:
    return [label for label in labels if label is not None]


def _weightiness(value: Number) -> float:
    """Sorts NaN before everything: it decides the result."""
    size = abs(value)
    return float("inf") if size != size else float(size)


def _plain(value: object) -> Number:
    """An element of an evaluated map as a Python number."""
    return (
        value
        if isinstance(value, (int, float, complex)) and type(value).__module__ == "builtins"
        else exact.number(value)
    )
