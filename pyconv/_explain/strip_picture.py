"""The picture of a 1-D explanation: weights and products stand under the elements they belong to."""

from __future__ import annotations

from . import grid_picture as gp
from .canvas import Canvas, text_width
from .view import ChannelView, Grid, View

TOP = 66.0
LEFT = 104.0


def draw_strips(canvas: Canvas, view: View) -> None:
    """All channels, the addition on the right, the output strip below."""
    width = _cell_width(view)
    strip = gp.measure(LEFT, 0, (0,), view.positions[-1], width)
    x = strip.right + 60
    y = middle = TOP
    for number, channel in enumerate(view.channels):
        y, middle = _channel(canvas, view, channel, y, width, x, plus=number > 0)
    if view.direct:
        _output(canvas, view, x, middle, y + 14)
    else:
        _result(canvas, view, x, y)


def _cell_width(view: View) -> float:
    """One width for all strips, so that columns line up."""
    keys = (("input", "x"), ("weight", "w"), ("product", "part"))
    planes = [plane for channel in view.channels for plane in channel.planes]
    texts = [
        text
        for which, key in keys
        for plane in planes
        if getattr(plane, which) is not None
        for text in gp.grid_texts(getattr(plane, which), view.formats[key])
    ]
    words = [text_width(word, "word") + 8 for word in view.words.values()]
    return max(gp.cell_width(texts), *words, 0)


def _channel(
    canvas: Canvas, view: View, channel: ChannelView, y: float, width: float, x: float, *, plus: bool
) -> tuple[float, float]:
    """One channel's strips from `y` downwards; returns where the next one may start and the sum's height."""
    plane = channel.planes[0]
    show_x, show_w, show_sum = (view.formats[key] for key in ("x", "w", "part"))
    box = gp.measure(LEFT, y + gp.INDEX, (0,), view.positions[-1], width)
    gp.draw_indices(canvas, box, rows=False)
    gp.draw_grid(canvas, box, plane.input, show_x, gp.input_role, "input")
    gp.frame_used(canvas, box, plane.input)
    canvas.text(16, box.middle + 4.5, f"channel {channel.channel}", "head")
    y = box.bottom + 5
    for position, word in view.words.items():
        left, _, cell, _ = box.place(0, position)
        canvas.text(left + cell / 2, y + 11, word, "word", anchor="middle")
    y += 18 if view.words else 0
    middle, right = box.middle, box.right
    if plane.weight:
        weight = _under(view, plane.weight, box, y)
        gp.draw_grid(canvas, weight, _shown(view, plane.weight), show_w, gp.weight_role, "weight")
        name = f"\u00d7 w[{view.explanation.at[1]}, {channel.channel - view.explanation.channels[0]}]"
        canvas.text(LEFT - 10, weight.middle + 4.5, name, "note", anchor="end")
        product = _under(view, plane.product, box, weight.bottom + 3)
        gp.draw_grid(canvas, product, _shown(view, plane.product), show_sum, gp.product_role, "product")
        canvas.text(LEFT - 10, product.middle + 4.5, "= products", "note", anchor="end")
        y, middle = product.bottom, product.middle
        right = max((left + w for label, left, w in product.columns if label is not None), default=box.right)
    if channel.hidden:
        middle = _hidden(canvas, view, channel, right + 10, middle)
        right += 10
    canvas.arrow([(right + 6, middle), (x - 4, middle)])
    if plus:
        canvas.text(x - 14, middle - 16, "+", "sign", anchor="middle")
    canvas.group("channel", {"channel": str(channel.channel)})
    line = gp.channel_summand(view, channel.total)
    gp.draw_sum(canvas, x, middle, gp.sum_width(view), line, show_sum)
    canvas.end()
    label = f"{gp.verb(view)} of channel {channel.channel}"
    canvas.text(x + gp.sum_width(view) + 10, middle + 4.5, label, "note")
    return y + 20, middle


def _hidden(canvas: Canvas, view: View, channel: ChannelView, x: float, y: float) -> float:
    """The note on products that are not shown."""
    shown = view.formats["part"](channel.hidden_total)
    text = f"+ {len(channel.hidden)} more, {gp.verb(view)} {shown}"
    data = {"value": repr(channel.hidden_total), "count": str(len(channel.hidden))}
    canvas.group("hidden", {"channel": str(channel.channel)})
    canvas.text(x, y - 6, text, "note", data=data)
    canvas.end()
    return y


def _tap_positions(view: View) -> dict[int, int]:
    return {read.tap: read.position for read in view.reads[-1]}


def _shown(view: View, grid: Grid) -> Grid:
    """The cells whose tap stands under a shown input element."""
    shown = {p for p in view.positions[-1] if p is not None}
    where = _tap_positions(view)
    cells = {key: cell for key, cell in grid.cells.items() if where.get(key[1]) in shown}
    return Grid((0,), tuple(column for _, column in sorted(cells)), cells)


def _under(view: View, grid: Grid, box: gp.GridBox, y: float) -> gp.GridBox:
    """A strip whose cells stand under the positions their taps read."""
    where = _tap_positions(view)
    result = gp.GridBox(box.x, y, rows=[(0, y, gp.CELL)])
    for _, tap in sorted(_shown(view, grid).cells):
        left, _, width, _ = box.place(0, where[tap])
        result.columns.append((tap, left, width))
    return result


def _result(canvas: Canvas, view: View, x: float, y: float) -> None:
    """Bias or divisor, the result, and an arrow to its place in the output."""
    show, width = view.formats["sum"], gp.sum_width(view)
    y += 8
    for line in gp.summands(view):
        gp.draw_sum(canvas, x, y + 4, width, line, show)
        canvas.text(x - 14, y + 10, line.sign, "sign", anchor="middle")
        canvas.text(x + width + 10, y + 8.5, line.name.removesuffix(", sum ="), "note")
        y += 34
    canvas.line([(x - 24, y - 8), (x + width + 4, y - 8)], width=2)
    y += 14
    result = gp.output_summand(view)
    gp.draw_sum(canvas, x, y, width, result, show)
    canvas.text(x - 14, y + 7, result.sign, "sign", anchor="middle")
    canvas.text(x + width + 10, y + 4.5, result.name, "note")
    _output(canvas, view, x, y, y)


def _output(canvas: Canvas, view: View, x: float, y: float, free: float) -> None:
    """The output strip below `free`; the arrow leads there from the result, which stands at `y`."""
    grid, show = view.output, view.formats["sum"]
    width = gp.cell_width(gp.grid_texts(grid, show))
    box = gp.measure(LEFT, free + 38, grid.rows, grid.columns, width)
    column = view.explanation.at[-1]
    left, top, cell, _ = box.place(0, column)
    centre = left + cell / 2
    if free == y and centre < x - 40:
        path = [(x - 28, y), (centre, y), (centre, top - 3)]
    else:  # something stands to the left of the result: go around it
        start, bend = x + gp.sum_width(view) / 2, free + 14
        path = [(start, y + gp.CELL / 2 + 2), (start, bend), (centre, bend), (centre, top - 3)]
    canvas.arrow(path, "flow", width=2.4)
    gp.draw_grid(canvas, box, grid, show, gp.output_role, "output")
    for label, at, step in box.columns:
        if label is not None:
            canvas.text(at + step / 2, box.bottom + 12, str(label), "index", anchor="middle")
    canvas.text(16, box.middle - 2, "output", "head")
    canvas.text(16, box.middle + 13, f"channel {view.explanation.at[1]}", "note")
