"""An explanation as terminal text: aligned, readable without colour, Latin-1 characters only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .explanation import Explanation, _spot
from .numbers import Formatter
from .view import Cell, ChannelView, Grid, Labels, Plane, View

GAP = "..."
MOST_COLUMNS = 110  # a wider text is drawn again around the window only


def render(explanation: Explanation) -> str:
    """The whole explanation as lines of text."""
    text = _render(View(explanation))
    if max(map(len, text.splitlines()[2:])) > MOST_COLUMNS:
        text = _render(View(explanation, tight=True))
    return text


def _render(view: View) -> str:
    blocks = [_head(view)]
    draw = _strip if view.rank == 1 else _planes
    blocks += [[_channel_title(view, channel), *draw(view, channel)] for channel in view.channels]
    blocks.append(_addition(view))
    return "\n".join("\n".join(line.rstrip() for line in block) + "\n" for block in blocks).rstrip("\n")


def _head(view: View) -> list[str]:
    e, operator = view.explanation, view.operator
    weight = "" if e.w is None else f"  weight {e.w.shape}"
    kernel = f"  kernel {'x'.join(map(str, operator.kernel))}" if e.w is None else ""
    settings = "  ".join(f"{name} {text}" for name, text in operator.settings.items())
    shapes = f"input {operator.in_shape}{weight}{kernel}  output {operator.out_shape}"
    return [f"{operator.name}  {_spot(e.at)} = {view.formats['sum'](e.value)}", f"{shapes}  {settings}"]


def _channel_title(view: View, channel: ChannelView) -> str:
    padded = any(any(axis.border) for axis in view.operator.axes)
    mark = "   * maximum" if view.operator.combine == "max" else ""
    legend = "[ ] window" + ("   . padding" if padded else "") + mark
    extent = "x".join(str(axis.size) for axis in view.operator.axes)
    return f"{f'input channel {channel.channel} ({extent})':40}{legend}"


def _flagged(view: View) -> bool:
    """Whether cells need room for a sign: padding or the maximum."""
    return view.operator.combine == "max" or any(any(axis.border) for axis in view.operator.axes)


def _input_cell(cell: Cell | None, show: Formatter, width: int, *, flagged: bool) -> str:
    """One input number: in brackets under the window, with a dot in the padding."""
    if cell is None:
        return GAP
    flag = ("*" if cell.winner else "." if cell.padding else " ") if flagged else ""
    left, right = "[]" if cell.used else "  "
    return f"{left}{flag}{show(cell.value).rjust(width - 2 - len(flag))}{right}"


def _spread(texts: Iterable[str], columns: Labels, width: int) -> str:
    """One text for each column, right-aligned but for the closing bracket's place; a gap is narrow."""
    parts = []
    for text, column in zip(texts, columns, strict=True):
        room = width if column is not None else len(GAP) + 1
        parts.append(text if len(text) == width else text.rjust(room - 1) + " ")
    return "".join(parts)


def _label(label: int | None) -> str:
    return GAP if label is None else str(label)


def _widest(view: View, which: str, kind: str) -> int:
    """Characters of the longest number in one kind of grid, over all channels: their columns line up."""
    grids = [getattr(plane, which) for channel in view.channels for plane in channel.planes]
    cells = [cell for grid in grids if grid for cell in grid.cells.values()]
    return max((len(view.formats[kind](cell.value)) for cell in cells), default=1)


def _strip(view: View, channel: ChannelView) -> list[str]:
    """A 1-D channel: weights and products stand under the input elements they belong to."""
    plane = channel.planes[0]
    show_x, show_w, show_sum = (view.formats[key] for key in ("x", "w", "part"))
    positions, words, flagged = plane.input.columns, view.words, _flagged(view)
    tap_at = {read.position: read.tap for read in view.reads[0]}
    numbers = [_widest(view, "input", "x"), _widest(view, "weight", "w"), _widest(view, "product", "part")]
    width = 2 + flagged + max(*numbers, *(len(_label(p)) for p in positions), *map(len, words.values()), 0)

    def line(name: str, texts: Iterable[str]) -> str:
        return f"{name:9}" + _spread(texts, positions, width)

    def under(grid: Grid, show: Formatter) -> Iterator[str]:
        for position in positions:
            cell = grid.cell(0, None if position is None else tap_at.get(position))
            yield show(cell.value) if cell else ""

    lines = [line("index", map(_label, positions))]
    cells = (_input_cell(plane.input.cell(0, p), show_x, width, flagged=flagged) for p in positions)
    lines.append("input    " + _spread(cells, positions, width))
    if words:
        lines.append(line("", ("" if p is None else words.get(p, "") for p in positions)))
    if plane.weight:
        lines.append(line("x weight", under(plane.weight, show_w)))
        lines.append(line("= product", under(plane.product, show_sum)))
    total = f"{_more(view, channel)}{_verb(view)} {show_sum(channel.total)}"
    return [*lines[:-1], f"{lines[-1].rstrip()}   {total}"]


def _planes(view: View, channel: ChannelView) -> list[str]:
    """A 2-D or 3-D channel: input, weight and products side by side, one block for each depth tap."""
    lines: list[str] = []
    for number, plane in enumerate(channel.planes):
        block = _plane(view, plane)
        if plane.depth:
            lines.append(f"depth {', '.join(map(str, plane.depth))}, tap {', '.join(map(str, plane.lead))}")
        if number == len(channel.planes) - 1:
            total = f"{_verb(view)} {view.formats['part'](channel.total)}"
            middle = 1 + len(plane.input.rows) // 2
            block[middle] = f"{block[middle]}   {_more(view, channel)}{total}"
        lines += block
    return lines


def _plane(view: View, plane: Plane) -> list[str]:
    show_x, show_w, show_sum = (view.formats[key] for key in ("x", "w", "part"))
    blocks = [_input_lines(plane.input, show_x, _widest(view, "input", "x"), flagged=_flagged(view))]
    if plane.weight:
        blocks.append(_grid_lines(plane.weight, show_w, _widest(view, "weight", "w")))
        blocks.append(_grid_lines(plane.product, show_sum, _widest(view, "product", "part")))
    titles = ["input", "weight", "products"]
    height = max(map(len, blocks))
    result = [""] * height
    for number, (title, block) in enumerate(zip(titles, blocks, strict=False)):
        top = (height - len(block)) // 2
        width = max(*map(len, block), len(title) if number else 0)
        sign = {0: "", 1: "  x  ", 2: "  =  "}[number]
        for i in range(height):
            text = block[i - top] if top <= i < top + len(block) else ""
            if number and i == 0 and top:
                text = title
            mark = sign if i == height // 2 else " " * len(sign)
            result[i] += mark + text.ljust(width)
    return result


def _grid_lines(grid: Grid, show: Formatter, width: int) -> list[str]:
    """Weights or products as lines."""
    return [" ".join(_plain_cell(grid, r, c, show, width) for c in grid.columns) for r in grid.rows]


def _input_lines(grid: Grid, show: Formatter, widest: int, *, flagged: bool) -> list[str]:
    """The input as lines, with the indices of rows and columns around it."""
    width = 2 + flagged + max(widest, *(len(_label(c)) for c in grid.columns), 0)
    side = max(len(_label(row)) for row in grid.rows)
    lines = [" " * (side + 1) + _spread(map(_label, grid.columns), grid.columns, width)]
    for row in grid.rows:
        cells = (_input_cell(grid.cell(row, c), show, width, flagged=flagged) for c in grid.columns)
        lines.append(f"{_label(row):>{side}} {_spread(cells, grid.columns, width)}")
    return lines


def _plain_cell(grid: Grid, row: int | None, column: int | None, show: Formatter, width: int) -> str:
    cell = grid.cell(row, column)
    if column is None:
        return GAP
    if cell is None:
        return (GAP if row is None else "").rjust(width)
    return show(cell.value).rjust(width)


def _verb(view: View) -> str:
    return "maximum" if view.operator.combine == "max" else "sum"


def _more(view: View, channel: ChannelView) -> str:
    if not channel.hidden:
        return ""
    return f"+ {len(channel.hidden)} more, {_verb(view)} {view.formats['part'](channel.hidden_total)}   "


def _addition(view: View) -> list[str]:
    """The channels' sums under one another, bias or divisor, and the output."""
    e = view.explanation
    show = view.formats["sum"]
    rows = [(f"channel {c.channel}", view.formats["part"](c.total)) for c in view.channels]
    count, rest = view.other_channels
    if count:
        rows.append((f"{count} more, sum =", show(rest)))
    if e.bias is not None:
        rows.append(("+ bias", show(e.bias)))
    if view.operator.combine == "mean":
        rows.append(("/ divisor", str(e.divisor)))
    result = show(e.value)
    width = max(len(text) for _, text in [*rows, ("", result)])
    names = max(len(name) for name, _ in [*rows, ("output", "")])
    lines = [f"{name:{names}}  {text:>{width}}" for name, text in rows]
    return [*lines, f"{'':{names}}  {'-' * width}", f"{'output':{names}}  {result:>{width}}"]
