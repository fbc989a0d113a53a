"""The report's figures as PNG and SVG, for documentation or a paper; needs matplotlib."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyconv.bench import summary
from pyconv.bench.records import CaseResult, Run
from pyconv.bench.rivals import SUBJECTS
from pyconv.bench.stats import Ratio, geometric_mean

OURS, THEIRS, SLOW, FAINT = "#1f63d6", "#c2610c", "#b42336", "#667085"
TORCH = "torch"
MOST_BARS = 150
SWEEP = "scaling: "
SMALL_FLOPS = 1e6

Draw = Callable[[Run, list[CaseResult]], Any]


def write(run: Run, folder: Path, stem: str) -> list[Path]:
    """Write what the run has rows for; nothing without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    import matplotlib

    threads = min((result.threads for result in run.results), default=1)
    results = [result for result in run.results if result.threads == threads]
    written = []
    # Text as text, and no random ids: the same run gives the same file.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pyconv"}):
        for name, draw in FIGURES.items():
            figure = draw(run, results)
            if figure is None:
                continue
            for suffix in ("svg", "png"):
                path = folder / f"{stem}-{name}.{suffix}"
                figure.savefig(path, dpi=120, metadata={"Date": None} if suffix == "svg" else None)
                written.append(path)
    return written


def _figure(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns)
    for one in figure.axes:
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _bars(rows: list[tuple[Ratio, str]], title: str) -> Any:
    """Sorted bars with intervals, from 1 to the left where pyconv is slower."""
    rows = sorted(rows, key=lambda row: row[0].value)[-MOST_BARS:]
    figure, axes = _figure(8, 1.2 + 0.17 * len(rows))
    values = [ratio.value for ratio, _ in rows]
    colours = [SLOW if value < 1 else OURS for value in values]
    axes.barh(range(len(rows)), [value - 1 for value in values], left=1, color=colours)
    for index, (ratio, _) in enumerate(rows):
        axes.plot([ratio.low, ratio.high], [index, index], color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_yticks(range(len(rows)), [label for _, label in rows], fontsize=6)
    axes.set_ylim(-1, len(rows))
    axes.axvline(1, color=FAINT, linewidth=1)
    axes.set_title(title, fontsize=9)
    return figure


def _where(run: Run) -> str:
    return f"{run.machine.get('processor', '')}, {run.started[:10]}"


def _ratios(run: Run, results: list[CaseResult]) -> Any:
    """pyconv (the layer; for poolings the function) against torch, row by row."""
    rows = []
    for result in results:
        ratio = result.find(SUBJECTS[0], TORCH) or result.find(SUBJECTS[1], TORCH)
        if ratio is not None and not result.network.startswith(SWEEP):
            rows.append((ratio, f"{result.network} {result.kind}".strip()))
    if not rows:
        return None
    mean = geometric_mean([ratio.value for ratio, _ in rows])
    title = f"pyconv against {TORCH}, faster layout each, {results[0].threads} thread(s): geometric mean"
    return _bars(rows, f"{title} {mean:.2f}x\n{_where(run)}")


def _networks(run: Run, results: list[CaseResult]) -> Any:
    if "networks" not in run.suite.split():
        return None
    totals = summary.network_totals(run, SUBJECTS[0], TORCH)
    rows = [(total.ratio, f"{total.network}, {total.threads} thread(s)") for total in totals]
    title = f"pyconv against {TORCH}, all convolutions and poolings of a network\n{_where(run)}"
    return _bars(rows, title) if rows else None


def _both(
    axes: Any, results: list[CaseResult], point: Callable[[CaseResult, Any], tuple[float, float]]
) -> None:
    """One dot for each side and row."""
    for names, colour, label in (((TORCH,), THEIRS, TORCH), (SUBJECTS[:2], OURS, "pyconv")):
        timed = [
            (result, entry)
            for result in results
            if (entry := next(filter(None, map(result.fastest, names)), None)) is not None
        ]
        points = [point(result, entry) for result, entry in timed]
        xs, ys = zip(*points, strict=True) if points else ((), ())
        axes.scatter(xs, ys, s=14, color=colour, label=label, alpha=0.75)
    axes.set(xscale="log", yscale="log")
    axes.legend(frameon=False, fontsize=8)


def _sizes(run: Run, results: list[CaseResult]) -> Any:
    """Time against size; on the right the first call of what was prepared against the steady state."""
    rows = [result for result in results if not result.network.startswith(SWEEP)]
    if not any(result.fastest(name) for result in rows for name in SUBJECTS[:2]):
        return None
    figure, (left, right) = _figure(10, 4, columns=2)
    _both(left, rows, lambda result, entry: (result.flops, entry.seconds))
    left.set(xlabel="operations", ylabel="seconds of a call")
    _both(right, rows, lambda _, entry: (entry.seconds, entry.first_call_s))
    right.set(xlabel="seconds, steady state", ylabel="seconds of the first call")
    return figure


def _small(run: Run, results: list[CaseResult]) -> Any:
    """What a call costs beside the arithmetic."""
    rows = [result for result in results if result.flops < SMALL_FLOPS and "overhead" in run.suite.split()]
    named = [
        (name, colour) for name, colour in ((SUBJECTS[0], OURS), (SUBJECTS[1], "#7fa7ee"), (TORCH, THEIRS))
    ]
    if not rows:
        return None
    figure, axes = _figure(7, 1.2 + 0.5 * len(rows))
    for number, (name, colour) in enumerate(named):
        timed = [(index, entry) for index, row in enumerate(rows) if (entry := row.fastest(name)) is not None]
        heights = [index + 0.25 * (1 - number) for index, _ in timed]
        axes.barh(
            heights, [1e6 * (entry.seconds or 0.0) for _, entry in timed], 0.22, color=colour, label=name
        )
    axes.set_yticks(range(len(rows)), [row.problem for row in rows], fontsize=7)
    axes.set(xlabel="microseconds of a call")
    axes.set_title(_where(run), fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _memory(run: Run, _: list[CaseResult]) -> Any:
    """Megabytes beyond operands and output, of each call for pyconv and for torch."""
    found: dict[str, dict[str, float]] = {}
    for item in run.measurements:
        if item.unit == "MB" and item.value >= 0:
            who, what = item.name.split(": ", 1)
            found.setdefault(what, {})[who] = item.value
    if not found:
        return None
    figure, axes = _figure(8, 1.2 + 0.35 * len(found))
    for offset, (who, colour) in ((0.18, ("pyconv", OURS)), (-0.18, (TORCH, THEIRS))):
        values = [max(sides.get(who, 0.0), 0.01) for sides in found.values()]
        bars = axes.barh(
            [index + offset for index in range(len(found))], values, 0.33, color=colour, label=who
        )
        axes.bar_label(bars, [f" {sides.get(who, 0.0):.3g}" for sides in found.values()], fontsize=7)
    axes.set_yticks(range(len(found)), list(found), fontsize=7)
    axes.set(xscale="log", xlabel="MB beyond operands and output")
    axes.set_title(_where(run), fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _scaling(run: Run, results: list[CaseResult]) -> Any:
    """Time against batch, channels, image and kernel size: a line for each side and thread count."""
    sweeps = dict.fromkeys(row.network for row in run.results if row.network.startswith(SWEEP))
    if not sweeps:
        return None
    figure, _ = _figure(3.3 * len(sweeps), 3.4, columns=len(sweeps))
    counts = sorted({row.threads for row in run.results})
    for one, sweep in zip(figure.axes, sweeps, strict=True):
        for name, colour in ((TORCH, THEIRS), (SUBJECTS[0], OURS)):
            for threads, style in zip(counts, ("-", "--", ":", "-.") * len(counts), strict=False):
                _line(one, run, sweep, threads, name, color=colour, linestyle=style)
        one.set(xscale="log", yscale="log", xlabel=sweep.removeprefix(SWEEP))
        ticks = sorted({float(row.name) for row in run.results if row.network == sweep})
        one.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
        one.minorticks_off()
    figure.axes[0].set(ylabel="seconds of a call")
    figure.axes[0].legend(frameon=False, fontsize=7)
    figure.suptitle(_where(run), fontsize=9)
    return figure


def _line(axes: Any, run: Run, sweep: str, threads: int, name: str, **style: Any) -> None:
    rows = [row for row in run.results if row.network == sweep and row.threads == threads]
    points = [(float(row.name), entry.seconds) for row in rows if (entry := row.fastest(name)) is not None]
    label = f"{name}, {threads} thread{'' if threads == 1 else 's'}"
    axes.plot(*zip(*points, strict=True), marker=".", label=label, **style)


def _roofline(run: Run, results: list[CaseResult]) -> Any:
    """Reached GFLOP/s over operations per byte, under the limits measured in the same run."""
    rows = [result for result in results if result.op == "conv" and result.dtype == "float32"]
    if not rows or run.ceilings is None:
        return None
    figure, axes = _figure(7, 4.5)
    _both(
        axes,
        rows,
        lambda result, entry: (result.flops / result.bytes_moved, result.flops / entry.seconds / 1e9),
    )
    peak, bandwidth = run.ceilings.fma_gflops["float32"] * rows[0].threads, run.ceilings.bandwidth_gbs
    ridge = peak / bandwidth
    intensities = [ridge, *(result.flops / result.bytes_moved for result in rows)]
    limits = [min(intensities), ridge, max(intensities)]
    axes.plot(limits, [limits[0] * bandwidth, peak, peak], color=FAINT, linewidth=1, label="measured limits")
    axes.set(xlabel="operations per byte", ylabel="GFLOP/s of direct convolution")
    axes.set_title(_where(run), fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


FIGURES: dict[str, Draw] = {
    "ratios": _ratios,
    "networks": _networks,
    "roofline": _roofline,
    "sizes": _sizes,
    "small-calls": _small,
    "memory": _memory,
    "scaling": _scaling,
}
