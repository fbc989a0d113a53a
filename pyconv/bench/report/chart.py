"""README's speed chart: a bar for each set of layers, as SVG with a light and a dark theme."""

from __future__ import annotations

import math

from pyconv._explain.canvas import Canvas, text_width
from pyconv.bench.records import Run
from pyconv.bench.sets import Score, scores

MARGIN, TOP, ROW, BAR = 16.0, 66.0, 25.0, 15.0
OCTAVE = 92.0  # pixels for a factor of two
TITLE = "How many times faster than PyTorch"


def draw(run: Run) -> str:
    """A bar to the geometric mean of the ratios and a mark at the worst row; the axis is logarithmic."""
    rows = scores(run)
    low = math.floor(math.log2(min([0.5, *(score.worst for score in rows)])))
    high = math.ceil(math.log2(max([2.0, *(score.mean for score in rows)])))
    one = MARGIN + max((text_width(_name(score), "note") for score in rows), default=0) + 24 - OCTAVE * low
    canvas = Canvas()
    canvas.text(MARGIN, 26, f"{TITLE}, or than what is named", "title")
    where = f"{run.machine.get('processor', '?')}, {run.started[:10]}"
    canvas.text(MARGIN, 46, f"bar: geometric mean of a set, mark: its worst row; {where}", "subtitle")
    bottom = TOP + ROW * len(rows)
    for octave in range(low, high + 1):
        x = one + OCTAVE * octave
        canvas.line([(x, TOP - 4), (x, bottom + 2)], width=0.4 if octave else 1.6)
        canvas.text(x, bottom + 18, f"{2.0**octave:g}x", "index", anchor="middle")
    for number, score in enumerate(rows):
        _row(canvas, score, TOP + ROW * number, one)
    return canvas.svg(TITLE, "; ".join(f"{_name(s)}: {s.mean:.2f}x, worst {s.worst:.2f}x" for s in rows))


def _name(score: Score) -> str:
    threads = score.target.threads
    return score.target.title + (f", {threads} threads" if threads > 1 else "")


def _row(canvas: Canvas, score: Score, y: float, one: float) -> None:
    """One set, its bar from `one`, where both sides are equally fast."""
    mean, worst = (one + OCTAVE * math.log2(ratio) for ratio in (score.mean, score.worst))
    canvas.text(MARGIN, y + 14, _name(score), "note")
    role = "output" if mean >= one else "lost"
    canvas.box(min(one, mean), y + 3, max(abs(mean - one), 1), BAR, role, radius=1)
    canvas.line([(worst, y + 1), (worst, y + BAR + 5)], "window", width=2.6)
    canvas.text(max(one, mean, worst) + 8, y + 14, f"{score.mean:.2f}x", "number")
