"""A few cases as a table for the terminal: what the demo and `bench PROBLEM` print."""

from __future__ import annotations

from collections.abc import Sequence

from pyconv.bench import rivals
from pyconv.bench.engine import Conditions
from pyconv.bench.harness import Method
from pyconv.bench.records import CaseResult, Ceilings, Entry
from pyconv.bench.rivals import SUBJECTS
from pyconv.bench.rivals.base import LAYOUTS

TORCH = "torch"


def conditions(threads: int, case_seconds: float = 1.5) -> Conditions:
    """pyconv as layer and as function, and torch where it is importable."""
    wanted = (*SUBJECTS[:2], TORCH)
    chosen = tuple(rival for rival in map(rivals.find, wanted) if rivals.absence(rival) is None)
    return Conditions(threads, LAYOUTS, chosen, Method(case_seconds=case_seconds))


def render(labels: Sequence[str], results: Sequence[CaseResult], ceilings: Ceilings) -> str:
    header = ["layer", "algorithm", "time", "GFLOP/s", "of FMA peak", "PyTorch", "ratio"]
    rows = [_row(label, result, ceilings) for label, result in zip(labels, results, strict=True)]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in (header, *rows)]
    lines.insert(1, "-" * len(lines[0]))
    peaks = ", ".join(f"{dtype} {value:.0f} GFLOP/s" for dtype, value in ceilings.fma_gflops.items())
    lines.append(
        f"FMA peak of one thread ({ceilings.isa}): {peaks}; read bandwidth {ceilings.bandwidth_gbs:.0f} GB/s"
    )
    lines.append(
        "GFLOP/s counts direct convolution's operations, so Winograd may pass the peak; pooling shows GB/s."
    )
    return "\n".join(lines)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _row(label: str, result: CaseResult, ceilings: Ceilings) -> list[str]:
    subject = SUBJECTS[0] if result.fastest(SUBJECTS[0]) else SUBJECTS[1]
    ours, theirs = result.fastest(subject), result.fastest(TORCH)
    if ours is None or ours.seconds is None:
        problems = "; ".join(
            f"{entry.status}: {entry.detail}" for entry in result.entries if entry.rival == subject
        )
        return [label, problems or "not measured", "", "", "", "", ""]
    rate, share = _rate(result, ours, ceilings)
    ratio = result.find(subject, TORCH)
    return [
        label,
        f"{ours.algorithm or result.op} {ours.layout}",
        duration(ours.seconds),
        rate,
        share,
        duration(theirs.seconds) if theirs is not None and theirs.seconds is not None else "-",
        f"{ratio.value:.2f}x" if ratio is not None else "",
    ]


def _rate(result: CaseResult, entry: Entry, ceilings: Ceilings) -> tuple[str, str]:
    assert entry.seconds is not None
    if result.op != "conv":
        return f"{result.bytes_moved / entry.seconds / 1e9:.1f} GB/s", ""
    gflops = result.flops / entry.seconds / 1e9
    return f"{gflops:.1f}", f"{100 * gflops / ceilings.fma_gflops[result.dtype] / result.threads:.0f} %"


def duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.2f} {unit}"
    return f"{seconds * 1e9:.0f} ns"
