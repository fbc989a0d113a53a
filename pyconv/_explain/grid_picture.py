"""Draws grids of numbers and the school-style addition beside them; the pieces both layouts share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .canvas import Canvas, text_width
from .exact import Number
from .explanation import _spot
from .numbers import Formatter
from .view import Cell, Grid, Labels, View

CELL = 26.0  # height of a cell
GAP = 22.0  # width of a column, or height of a row, that stands for what is left out
INDEX = 15.0  # room for the row of column numbers


def input_role(cell: Cell) -> str:
    if cell.winner:
        return "winner"
    if cell.used:
        return "used-padding" if cell.padding else "used"
    return "padding" if cell.padding else "plain"


def weight_role(cell: Cell) -> str:
    return "weight" if cell.used else "weight-idle"


def product_role(cell: Cell) -> str:
    return "winner" if cell.winner else "product"


def output_role(cell: Cell) -> str:
    return "output" if cell.winner else "plain"


def cell_width(texts: Iterable[str], least: float = 30.0) -> float:
    """The width that shows every one of `texts`."""
    return max([least, *(text_width(text, "strong") + 9 for text in texts)])


def grid_texts(grid: Grid, show: Formatter) -> list[str]:
    return [show(cell.value) for cell in grid.cells.values()]


@dataclass
class GridBox:
    """Where a grid lies on the canvas: the left edge of every column, the top of every row."""

    x: float
    y: float
    columns: list[tuple[int | None, float, float]] = field(default_factory=list)
    rows: list[tuple[int | None, float, float]] = field(default_factory=list)

    @property
    def right(self) -> float:
        return self.columns[-1][1] + self.columns[-1][2] if self.columns else self.x

    @property
    def bottom(self) -> float:
        return self.rows[-1][1] + self.rows[-1][2] if self.rows else self.y

    @property
    def middle(self) -> float:
        return (self.y + self.bottom) / 2

    def place(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Left, top, width and height of a cell."""
        left, width = next((x, w) for label, x, w in self.columns if label == column)
        top, height = next((y, h) for label, y, h in self.rows if label == row)
        return left, top, width, height


def measure(x: float, y: float, rows: Labels, columns: Labels, width: float) -> GridBox:
    """Lay a grid out with its top left corner at (`x`, `y`)."""
    box = GridBox(x, y)
    for label in columns:
        step = GAP if label is None else width
        box.columns.append((label, x, step))
        x += step
    for label in rows:
        step = GAP if label is None else CELL
        box.rows.append((label, y, step))
        y += step
    return box


def draw_grid(
    canvas: Canvas, box: GridBox, grid: Grid, show: Formatter, role: Callable[[Cell], str], name: str
) -> None:
    """All cells of `grid`, the plain ones first so that heavy borders lie on top."""
    canvas.group(name)
    for (row, column), cell in sorted(grid.cells.items(), key=lambda item: (item[1].winner, item[1].used)):
        x, y, width, height = box.place(row, column)
        canvas.box(x + 1, y + 1, width - 2, height - 2, role(cell))
    for (row, column), cell in grid.cells.items():
        x, y, width, height = box.place(row, column)
        style = "strong" if cell.winner else "faint" if cell.padding else "number"
        number(canvas, x + width / 2, y + height / 2, cell.value, show, style)
    canvas.end()
    _gaps(canvas, box)


def _gaps(canvas: Canvas, box: GridBox) -> None:
    """Dots where rows or columns are left out."""
    for label, x, width in box.columns:
        if label is None:
            for row, y, height in box.rows:
                if row is not None:
                    canvas.text(x + width / 2, y + height / 2 + 3, "\u22ef", "index", anchor="middle")
    for label, y, height in box.rows:
        if label is None:
            for column, x, width in box.columns:
                sign = "\u22ef" if column is None else "\u22ee"
                canvas.text(x + width / 2, y + height / 2 + 4, sign, "index", anchor="middle")


def number(canvas: Canvas, x: float, y: float, value: Number, show: Formatter, style: str) -> None:
    """A number centred at (`x`, `y`), with its exact value for programs that read the picture."""
    canvas.text(x, y + 4.3, show(value), style, anchor="middle", data={"value": repr(value)})


def draw_indices(canvas: Canvas, box: GridBox, *, rows: bool) -> None:
    """Column numbers above the grid and, if asked, row numbers to its left."""
    for label, x, width in box.columns:
        if label is not None:
            canvas.text(x + width / 2, box.y - 4, str(label), "index", anchor="middle")
    if rows:
        for label, y, height in box.rows:
            if label is not None:
                canvas.text(box.x - 6, y + height / 2 + 3.5, str(label), "index", anchor="end")


def frame_used(canvas: Canvas, box: GridBox, grid: Grid) -> None:
    """The window's outline: from its first to its last shown element."""
    used = [box.place(*key) for key, cell in grid.cells.items() if cell.used]
    if used:
        left, top = min(p[0] for p in used), min(p[1] for p in used)
        right, bottom = max(p[0] + p[2] for p in used), max(p[1] + p[3] for p in used)
        canvas.frame(left, top, right - left, bottom - top)


@dataclass(frozen=True)
class Summand:
    """One line of the addition: a sign, a name and a number in a box."""

    sign: str
    name: str
    value: Number
    role: str
    group: str
    whole: bool = False  # a count, shown as an integer


def summands(view: View) -> list[Summand]:
    """What is added below the channels' own sums: the other channels, bias, or the divisor."""
    e = view.explanation
    lines = []
    count, rest = view.other_channels
    if count:
        lines.append(Summand("+", f"{count} more, sum =", rest, "sum", "rest"))
    if e.bias is not None:
        lines.append(Summand("+", f"bias b[{e.at[1]}]", e.bias, "bias", "bias"))
    if view.operator.combine == "mean":
        lines.append(Summand("\u00f7", "divisor", e.divisor, "bias", "divisor", whole=True))
    return lines


def sum_text(line: Summand, show: Formatter) -> str:
    return str(line.value) if line.whole else show(line.value)


def draw_sum(canvas: Canvas, x: float, y: float, width: float, line: Summand, show: Formatter) -> None:
    """One box of the addition, centred vertically at `y`."""
    canvas.group(line.group)
    canvas.box(x, y - CELL / 2, width, CELL, line.role, radius=4)
    text = sum_text(line, show)
    style = "strong" if line.role == "output" else "number"
    canvas.text(x + width / 2, y + 4.3, text, style, anchor="middle", data={"value": repr(line.value)})
    canvas.end()


def output_summand(view: View) -> Summand:
    e = view.explanation
    return Summand("=", _spot(e.at), e.value, "output", "value")


def channel_summand(view: View, total: Number) -> Summand:
    """A channel's own sum; where nothing is added to it, it is the output."""
    return output_summand(view) if view.direct else Summand("", "", total, "sum", "sum")


def sum_width(view: View) -> float:
    """The common width of all boxes of the addition."""
    show = view.formats["sum"]
    texts = [view.formats["part"](c.total) for c in view.channels] + [
        sum_text(line, show) for line in summands(view)
    ]
    return cell_width([*texts, show(view.explanation.value)], 52) + 6


def describe(view: View) -> tuple[str, str]:
    """Title and one-sentence description of a picture."""
    e, operator = view.explanation, view.operator
    title = f"{operator.name}: {_spot(e.at)} = {view.formats['sum'](e.value)}"
    shapes = [f"input {_times(operator.in_shape)}"]
    if e.w is not None:
        shapes.append(f"weight {_times(e.w.shape)}")
    else:
        shapes.append(f"kernel {_times(operator.kernel)}")
    shapes.append(f"output {_times(operator.out_shape)}")
    settings = [f"{name} {text}" for name, text in operator.settings.items() if _matters(name, text)]
    return title, " \u00b7 ".join([*shapes, *settings])


def _matters(name: str, text: str) -> bool:
    return text != {"padding": "0", "dilation": "1", "groups": "1"}.get(name, "")


def _times(shape: Iterable[int]) -> str:
    return "\u00d7".join(map(str, shape))


def draw_titles(canvas: Canvas, view: View) -> None:
    title, subtitle = describe(view)
    canvas.text(16, 28, title, "title")
    canvas.text(16, 48, subtitle, "subtitle")


def verb(view: View) -> str:
    return "maximum" if view.operator.combine == "max" else "sum"
