"""The picture of an explanation: one row for each input channel, then channels + bias = output.

Two- and three-dimensional operators lay input, weight and products side by side; three-dimensional ones
repeat that for each depth tap. `strip_picture` does the one-dimensional ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import grid_picture as gp
from .canvas import Canvas, text_width
from .explanation import Explanation
from .view import ChannelView, Plane, View

TOP = 88.0
ROW_SPACE = 34.0


@dataclass
class Columns:
    """Left edges of the picture's columns and the cell widths inside them."""

    input: float
    weight: float
    product: float
    sum: float
    input_cell: float
    weight_cell: float
    product_cell: float
    sum_width: float


def draw(explanation: Explanation, theme: str = "auto") -> str:
    """The picture as SVG text."""
    view = View(explanation)
    canvas = Canvas()
    gp.draw_titles(canvas, view)
    if view.rank == 1:
        from .strip_picture import draw_strips

        draw_strips(canvas, view)
    else:
        _draw_planes(canvas, view)
    return canvas.svg(*gp.describe(view), theme)


def _draw_planes(canvas: Canvas, view: View) -> None:
    columns = _columns(view)
    _headings(canvas, view, columns)
    y = middle = TOP
    for number, channel in enumerate(view.channels):
        y, middle = _channel(canvas, view, channel, columns, y, plus=number > 0)
    if view.direct:
        _output(canvas, view, columns, middle)
    else:
        _result(canvas, view, columns, y)


def _columns(view: View) -> Columns:
    """Widths that fit every row, so that the rows' columns line up."""
    planes = [plane for channel in view.channels for plane in channel.planes]
    show_x, show_w, show_sum = (view.formats[key] for key in ("x", "w", "part"))
    cell_x = gp.cell_width(text for plane in planes for text in gp.grid_texts(plane.input, show_x))
    cell_w = gp.cell_width(
        text for plane in planes if plane.weight for text in gp.grid_texts(plane.weight, show_w)
    )
    cell_p = gp.cell_width(text for plane in planes for text in gp.grid_texts(plane.product, show_sum))

    def widest(width: float, which: str) -> float:
        grids = [getattr(plane, which) for plane in planes]
        return max((gp.measure(0, 0, g.rows, g.columns, width).right for g in grids), default=60.0)

    left = 16 + 24.0
    weight = left + widest(cell_x, "input") + 44
    product = weight + widest(cell_w, "weight") + 44 if view.explanation.w is not None else weight
    total = product + max(widest(cell_p, "product"), text_width(_product_title(view), "head")) + 56
    if any(channel.hidden for channel in view.channels):
        total = max(total, product + 230)
    return Columns(left, weight, product, total, cell_x, cell_w, cell_p, gp.sum_width(view))


def _product_title(view: View) -> str:
    return "under the window" if view.explanation.w is None else "products"


def _headings(canvas: Canvas, view: View, columns: Columns) -> None:
    n, out_ch, *_ = view.explanation.at
    y = TOP - 14
    canvas.text(columns.input, y, f"input x[{n}]", "head")
    if view.explanation.w is not None:
        canvas.text(columns.weight, y, f"weight w[{out_ch}]", "head")
    canvas.text(columns.product, y, _product_title(view), "head")
    canvas.text(columns.sum + columns.sum_width / 2, y, gp.verb(view), "head", anchor="middle")


def _channel(
    canvas: Canvas, view: View, channel: ChannelView, columns: Columns, y: float, *, plus: bool
) -> tuple[float, float]:
    """One input channel from `y` downwards; returns where the next one may start and the sum's height."""
    middles = []
    for plane in channel.planes:
        top = y + 18 + gp.INDEX
        label = f"channel {channel.channel}"
        if plane.depth:
            label += f", depth {plane.depth[0]}"
        canvas.text(columns.input, y + 12, label, "note")
        box = _plane(canvas, view, plane, columns, top)
        middles.append(box.middle)
        y = box.bottom + (ROW_SPACE - 14)
    if channel.hidden:
        show = view.formats["part"](channel.hidden_total)
        text = f"+ {len(channel.hidden)} more products, {gp.verb(view)} {show}"
        data = {"value": repr(channel.hidden_total), "count": str(len(channel.hidden))}
        canvas.group("hidden", {"channel": str(channel.channel)})
        canvas.text(columns.product, middles[-1] + _half(view) + 18, text, "note", data=data)
        canvas.end()
    middle = sum(middles) / len(middles)
    _gather(canvas, view, channel, columns, middles)
    if plus:
        canvas.text(columns.sum - 14, middle - 16, "+", "sign", anchor="middle")
    return y, middle


def _half(view: View) -> float:
    """Half the height of a products grid."""
    grid = view.channels[0].planes[0].product
    return gp.measure(0, 0, grid.rows, grid.columns, 1).bottom / 2


def _plane(canvas: Canvas, view: View, plane: Plane, columns: Columns, y: float) -> gp.GridBox:
    """Input, weight and products of one plane, centred on one another."""
    show_x, show_w, show_sum = (view.formats[key] for key in ("x", "w", "part"))
    box = gp.measure(columns.input, y, plane.input.rows, plane.input.columns, columns.input_cell)
    small = gp.measure(0, 0, plane.product.rows, plane.product.columns, 1).bottom
    if small > box.bottom - y:
        lower = y + (small - (box.bottom - y)) / 2
        box = gp.measure(columns.input, lower, plane.input.rows, plane.input.columns, columns.input_cell)
    gp.draw_grid(canvas, box, plane.input, show_x, gp.input_role, "input")
    gp.draw_indices(canvas, box, rows=True)
    gp.frame_used(canvas, box, plane.input)
    middle = box.middle
    if plane.weight:
        weight = gp.measure(
            columns.weight, middle - small / 2, plane.weight.rows, plane.weight.columns, columns.weight_cell
        )
        gp.draw_grid(canvas, weight, plane.weight, show_w, gp.weight_role, "weight")
        canvas.text(columns.weight - 22, middle + 7, "\u00d7", "sign", anchor="middle")
        canvas.text(columns.product - 22, middle + 7, "=", "sign", anchor="middle")
    else:
        canvas.arrow([(box.right + 8, middle), (columns.product - 8, middle)])
    product = gp.measure(
        columns.product, middle - small / 2, plane.product.rows, plane.product.columns, columns.product_cell
    )
    gp.draw_grid(canvas, product, plane.product, show_sum, gp.product_role, "product")
    return box if box.bottom >= product.bottom else product


def _gather(canvas: Canvas, view: View, channel: ChannelView, columns: Columns, middles: list[float]) -> None:
    """Arrows from the products of all planes to the channel's sum."""
    show = view.formats["part"]
    y = sum(middles) / len(middles)
    grid = channel.planes[0].product
    right = gp.measure(columns.product, 0, grid.rows, grid.columns, columns.product_cell).right
    if len(middles) > 1:
        bend = columns.sum - 30
        for middle in middles:
            canvas.line([(right + 6, middle), (bend, middle)])
        canvas.line([(bend, middles[0]), (bend, middles[-1])])
        canvas.arrow([(bend, y), (columns.sum - 4, y)])
    else:
        canvas.arrow([(right + 6, y), (columns.sum - 4, y)])
    line = gp.channel_summand(view, channel.total)
    canvas.group("channel", {"channel": str(channel.channel)})
    gp.draw_sum(canvas, columns.sum, y, columns.sum_width, line, show)
    canvas.end()


def _result(canvas: Canvas, view: View, columns: Columns, y: float) -> None:
    """The rest of the addition and the output map with the explained element."""
    show = view.formats["sum"]
    y += 6
    for line in gp.summands(view):
        gp.draw_sum(canvas, columns.sum, y + 4, columns.sum_width, line, show)
        canvas.text(columns.sum - 14, y + 10, line.sign, "sign", anchor="middle")
        canvas.text(columns.sum - 30, y + 8, line.name, "note", anchor="end")
        y += 34
    canvas.line([(columns.sum - 24, y - 8), (columns.sum + columns.sum_width + 4, y - 8)], width=2)
    y += 14
    result = gp.output_summand(view)
    gp.draw_sum(canvas, columns.sum, y, columns.sum_width, result, show)
    canvas.text(columns.sum - 14, y + 7, result.sign, "sign", anchor="middle")
    canvas.text(columns.sum - 30, y + 4, result.name, "note", anchor="end")
    _output(canvas, view, columns, y)


def _output(canvas: Canvas, view: View, columns: Columns, y: float) -> None:
    """The output map on the right, its marked row level with the result where there is room."""
    grid, show, e = view.output, view.formats["sum"], view.explanation
    x = columns.sum + columns.sum_width + 84
    width = gp.cell_width(gp.grid_texts(grid, show))
    row, column = next(key for key, cell in grid.cells.items() if cell.winner)
    flat = gp.measure(x, 0, grid.rows, grid.columns, width)
    _, offset, _, height = flat.place(row, column)
    top = max(y - offset - height / 2, TOP + 18 + gp.INDEX)
    box = gp.measure(x, top, grid.rows, grid.columns, width)
    _, cell_y, _, _ = box.place(row, column)
    level = cell_y + height / 2
    start = columns.sum + columns.sum_width + 4
    bend = (start + x - 26) / 2
    path = [(start, y), (bend, y), (bend, level), (x - 24, level)]
    canvas.arrow(path if abs(level - y) > 1 else [(start, y), (x - 24, y)], "flow", width=2.4)
    gp.draw_grid(canvas, box, grid, show, gp.output_role, "output")
    gp.draw_indices(canvas, box, rows=True)
    depth = f", depth {e.at[2]}" if view.rank == 3 else ""
    canvas.text(x, top - gp.INDEX - 8, f"output channel {e.at[1]}{depth}", "head")
