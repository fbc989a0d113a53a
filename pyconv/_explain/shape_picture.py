"""The picture of an output shape: one strip an axis, its first and last windows, what is never read."""

from __future__ import annotations

from . import grid_picture as gp
from .axes import SlidingAxis
from .canvas import Canvas
from .shape import ShapeExplanation, axis_names, leftovers, never_read

MOST_WINDOWS = 6  # all drawn; of more the first three and the last
ENDS = 9  # elements shown at each end of a long axis
CELL_WIDTH = 30.0
LEFT = 16.0


def draw(e: ShapeExplanation, theme: str = "auto") -> str:
    """The picture as SVG text."""
    canvas = Canvas()
    result = "the kernel does not fit" if e.shape is None else "\u00d7".join(map(str, e.shape))
    title = f"{e.operator.name}: {'×'.join(map(str, e.operator.in_shape))} \u2192 {result}"
    canvas.text(LEFT, 28, title, "title")
    settings = " \u00b7 ".join(f"{name} {text}" for name, text in e.operator.settings.items())
    kernel = "\u00d7".join(map(str, e.operator.kernel))
    canvas.text(LEFT, 48, f"kernel {kernel} \u00b7 {settings}", "subtitle")
    y = 76.0
    for name, axis in zip(axis_names(e.operator.rank), e.axes, strict=True):
        y = _axis(canvas, name, axis, y, "" if e.operator.combine == "max" else "0")
    return canvas.svg(title, str(e), theme)


def _axis(canvas: Canvas, name: str, axis: SlidingAxis, y: float, filling: str) -> float:
    """One axis from `y` downwards, padding shown as `filling`; returns where the next one may start."""
    out = str(axis.out) if axis.out else "none"
    canvas.text(LEFT, y, f"{name}: {axis.size} \u2192 {out}", "head")
    box = gp.measure(LEFT, y + 28, (0,), _positions(axis), CELL_WIDTH)
    lost = set(never_read(axis))
    for position, x, width in box.columns:
        if position is None:
            canvas.text(x + width / 2, box.middle + 4, "\u22ef", "index", anchor="middle")
            continue
        inside = 0 <= position < axis.size
        role = "lost" if axis.out and position in lost else "plain" if inside else "padding"
        canvas.box(x + 1, box.y + 1, width - 2, gp.CELL - 2, role)
        mark = "\u00d7" if role == "lost" else "" if inside else filling
        canvas.text(x + width / 2, box.middle + 4.3, mark, "faint", anchor="middle")
    gp.draw_indices(canvas, box, rows=False)
    y = _windows(canvas, axis, box)
    for line in axis.rule().splitlines():
        canvas.text(LEFT, y, line, "number")
        y += 18
    if note := leftovers(axis):
        canvas.text(LEFT, y, f"\u00d7 {note}" if lost else note, "note")
        y += 18
    return y + 22


def _positions(axis: SlidingAxis) -> tuple[int | None, ...]:
    """All positions, or both ends of a long axis; the ends are wide enough for whole windows."""
    first, end = -axis.border[0], axis.size + axis.border[1]
    ends = max(ENDS, min(axis.reach + axis.stride, 16))
    if end - first <= 2 * ends:
        return tuple(range(first, end))
    last = (
        min(end - ends, max((axis.out - 1) * axis.stride + first, first + ends)) if axis.out else end - ends
    )
    last = max(last, end - 20)
    return (*range(first, first + ends), None, *range(last, end))


def _windows(canvas: Canvas, axis: SlidingAxis, box: gp.GridBox) -> float:
    """Brackets under the strip for the first windows and the last one, named by their output position."""
    places = {label: (x, x + width) for label, x, width in box.columns if label is not None}
    y = box.bottom + 8
    if not axis.out:
        width = CELL_WIDTH * axis.reach
        canvas.line(
            [(box.x, y), (box.x, y + 6), (box.x + width, y + 6), (box.x + width, y)], "window", width=2.4
        )
        canvas.text(box.x, y + 20, f"the kernel spans {axis.reach}", "note")
        return y + 46
    shown = range(axis.out) if axis.out <= MOST_WINDOWS else (0, 1, 2, None, axis.out - 1)
    for output in shown:
        if output is None:
            canvas.text((box.x + box.right) / 2, y + 10, "\u22ee", "index", anchor="middle")
            y += 18
            continue
        start = output * axis.stride - axis.border[0]
        end = min(start + axis.reach, axis.size + axis.border[1]) - 1
        if start not in places or end not in places:
            continue
        left, right = places[start][0] + 2, places[end][1] - 2
        canvas.line([(left, y), (left, y + 7), (right, y + 7), (right, y)], "window", width=2.4)
        for tap in range(1, axis.taps):
            position = start + tap * axis.dilation
            if axis.dilation > 1 and position in places and position < end:
                middle = sum(places[position]) / 2
                canvas.line([(middle, y + 2), (middle, y + 7)], "window", width=2.4)
        canvas.text((left + right) / 2, y + 19, f"output {output}", "index", anchor="middle")
        y += 26
    return y + 14
