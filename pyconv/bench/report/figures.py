"""The report's two headline figures as PNG and SVG, for a README or a paper; needs matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from pyconv.bench.records import CaseResult, Run
from pyconv.bench.rivals import SUBJECTS
from pyconv.bench.stats import geometric_mean

OURS, THEIRS, SLOW, FAINT = "#1f63d6", "#c2610c", "#b42336", "#667085"
TORCH = "torch"
MOST_BARS = 150


def write(run: Run, folder: Path, stem: str) -> list[Path]:
    """Write what the run has rows for; nothing without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    threads = min((result.threads for result in run.results), default=1)
    results = [result for result in run.results if result.threads == threads]
    written = []
    for name, draw in (("ratios", _ratios), ("roofline", _roofline)):
        figure = draw(run, results)
        if figure is None:
            continue
        for suffix in ("svg", "png"):
            path = folder / f"{stem}-{name}.{suffix}"
            figure.savefig(path, dpi=120)
            written.append(path)
    return written


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _ratios(run: Run, results: list[CaseResult]) -> Any:
    """Sorted bars with intervals: pyconv (the layer; for poolings the function) against torch."""
    rows = []
    for result in results:
        ratio = result.find(SUBJECTS[0], TORCH) or result.find(SUBJECTS[1], TORCH)
        if ratio is not None:
            rows.append((ratio, f"{result.network} {result.kind}".strip()))
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: row[0].value)[-MOST_BARS:]
    figure, axes = _figure(8, 1.2 + 0.17 * len(rows))
    values = [ratio.value for ratio, _ in rows]
    axes.barh(
        range(len(rows)), [v - 1 for v in values], left=1, color=[SLOW if v < 1 else OURS for v in values]
    )
    for index, (ratio, _) in enumerate(rows):
        axes.plot([ratio.low, ratio.high], [index, index], color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_yticks(range(len(rows)), [label for _, label in rows], fontsize=6)
    axes.set_ylim(-1, len(rows))
    axes.axvline(1, color=FAINT, linewidth=1)
    axes.set_title(
        f"pyconv against {TORCH}, faster layout each, {results[0].threads} thread(s): geometric mean "
        f"{geometric_mean(values):.2f}x\n{run.machine.get('processor', '')}, {run.started[:10]}",
        fontsize=9,
    )
    return figure


def _roofline(run: Run, results: list[CaseResult]) -> Any:
    """Reached GFLOP/s over operations per byte, under the limits measured in the same run."""
    rows = [result for result in results if result.op == "conv" and result.dtype == "float32"]
    if not rows or run.ceilings is None:
        return None
    figure, axes = _figure(7, 4.5)
    for name, colour in ((TORCH, THEIRS), (SUBJECTS[0], OURS)):
        timed = [(result, entry) for result in rows if (entry := result.fastest(name)) is not None]
        axes.scatter(
            [result.flops / result.bytes_moved for result, _ in timed],
            [result.flops / (entry.seconds or 1.0) / 1e9 for result, entry in timed],
            s=14, color=colour, label=name, alpha=0.75,
        )  # fmt: skip
    peak, bandwidth = run.ceilings.fma_gflops["float32"] * rows[0].threads, run.ceilings.bandwidth_gbs
    intensities = [result.flops / result.bytes_moved for result in rows]
    start, end, ridge = (
        min(*intensities, peak / bandwidth),
        max(*intensities, peak / bandwidth),
        peak / bandwidth,
    )
    axes.plot(
        [start, ridge, end],
        [start * bandwidth, peak, peak],
        color=FAINT,
        linewidth=1,
        label="measured limits",
    )
    axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s of direct convolution")
    axes.legend(frameon=False, fontsize=8)
    return figure
