"""A run as Markdown: the targets, every row, and what forbids believing it."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from pyconv.bench import sets
from pyconv.bench.quick_table import duration
from pyconv.bench.records import OK, CaseResult, Run
from pyconv.bench.rivals import SUBJECTS
from pyconv.bench.stats import Ratio, geometric_mean

BUSY = 0.95  # below this share of the CPU the machine was not ours
METHOD = (
    "Ratios say how many times faster pyconv is (above 1: pyconv ahead): 10th percentiles of interleaved "
    "blocks (ABBA), averaged over several placements of the arrays in memory, in brackets the 95 % bootstrap "
    "interval. Every result was checked against float64 before it was timed. GFLOP/s counts the operations "
    "of direct convolution."
)


def render(run: Run) -> str:
    parts = [_head(run), *_faults(run), *_targets(run), *_networks(run)]
    for threads in sorted({result.threads for result in run.results}):
        results = [result for result in run.results if result.threads == threads]
        parts += [f"## Every row, {_count(threads, 'thread')}", _rows(results, run)]
    if run.measurements:
        rows = [[item.name, _figure(item.value, item.unit), item.detail] for item in run.measurements]
        parts += ["## Other figures", table(["what", "figure", "how"], rows)]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def control_spread(results: Iterable[CaseResult]) -> tuple[float, float] | None:
    """Standard deviation and worst distance from 1 of the A/A ratios."""
    values = [result.control.value for result in results if result.control is not None]
    if not values:
        return None
    return statistics.pstdev(values), max(abs(value - 1) for value in values)


def cpu_share(results: Iterable[CaseResult]) -> float | None:
    """CPU time / wall time of the single-threaded blocks: below 1, other processes ran as well."""
    shares = [
        min(1.0, entry.cpu_per_wall)
        for result in results
        if result.threads == 1
        for entry in result.entries
        if entry.cpu_per_wall is not None
    ]
    return statistics.fmean(shares) if shares else None


def network_totals(run: Run, subject: str, rival: str) -> dict[tuple[str, int], tuple[float, float, int]]:
    """(network, threads) -> seconds of all its layers for both, with multiplicities, and how many layers."""
    totals: dict[tuple[str, int], tuple[float, float, int]] = {}
    for result in run.results:
        ours = result.fastest(subject) or result.fastest(SUBJECTS[1])
        theirs = result.fastest(rival)
        if not result.network or ours is None or theirs is None:
            continue
        mine, other, layers = totals.get((result.network, result.threads), (0.0, 0.0, 0))
        totals[result.network, result.threads] = (
            mine + result.count * (ours.seconds or 0.0),
            other + result.count * (theirs.seconds or 0.0),
            layers + result.count,
        )
    return totals


def _head(run: Run) -> str:
    facts = [
        f"# Performance: `{run.suite}`",
        METHOD,
        f"- {run.started}, {run.machine.get('processor', '?')}, {run.machine.get('cpus', '?')} CPUs, "
        f"{run.machine.get('caches', '')}",
        f"- `{run.command}`" + ("" if run.complete else " (interrupted: incomplete)"),
        "- " + ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    ]
    if run.ceilings is not None:
        peaks = ", ".join(f"{dtype} {value:.1f}" for dtype, value in run.ceilings.fma_gflops.items())
        facts.append(
            f"- FMA peak of one thread, GFLOP/s ({run.ceilings.isa}): {peaks}; "
            f"read bandwidth {run.ceilings.bandwidth_gbs:.1f} GB/s"
        )
    if (spread := control_spread(run.results)) is not None:
        facts.append(
            f"- A/A control: standard deviation {100 * spread[0]:.2f} %, worst {100 * spread[1]:.2f} %"
        )
    if (share := cpu_share(run.results)) is not None:
        facts.append(
            f"- CPU time / wall time of single-threaded blocks: {share:.2f}"
            + ("" if share > BUSY else "; OTHER PROCESSES WERE RUNNING")
        )
    facts += [f"- absent: {name} ({reason})" for name, reason in run.absent.items()]
    return "\n\n".join(facts[:2]) + "\n\n" + "\n".join(facts[2:])


def _faults(run: Run) -> list[str]:
    if not run.faults:
        return []
    return ["## Not to be believed", "\n".join(f"- {fault}" for fault in run.faults)]


def _targets(run: Run) -> list[str]:
    rows = [
        [
            score.target.title + ("" if score.reached else " (not reached)"),
            str(score.target.threads),
            str(score.rows),
            f"{score.mean:.2f} (>= {score.target.mean:g})",
            f"{score.worst:.2f} (>= {score.target.worst:g})",
            f"`{score.worst_problem}`",
        ]
        for score in sets.scores(run)
    ]
    header = ["set", "threads", "rows", "geometric mean", "worst row", "which"]
    return ["## Sets", table(header, rows)] if rows else []


def _networks(run: Run) -> list[str]:
    rows = [
        [network, str(threads), str(layers), duration(ours), duration(theirs), f"{theirs / ours:.2f}"]
        for (network, threads), (ours, theirs, layers) in network_totals(run, SUBJECTS[0], "torch").items()
    ]
    if "networks" not in run.suite.split():
        return []
    header = ["network", "threads", "layers", "pyconv", "torch", "ratio"]
    return ["## Networks: all convolutions and poolings, each side's faster layout", table(header, rows)]


def _rows(results: list[CaseResult], run: Run) -> str:
    subjects = [name for name in SUBJECTS if any(result.fastest(name) for result in results)]
    others = list(
        dict.fromkeys(e.rival for result in results for e in result.entries if e.rival not in SUBJECTS)
    )
    columns = [(subject, rival, "best") for rival in others for subject in subjects]
    columns += [(subject, "torch", layout) for layout in ("nchw", "nhwc") for subject in subjects[:1]]
    columns = [key for key in columns if any(result.find(*key) for result in results)]
    header = ["problem", "layer", "algorithm", "time", "GFLOP/s", "of peak"]
    header += [f"{subject.removeprefix('pyconv-')} / {rival} {layout}" for subject, rival, layout in columns]
    rows = [_row(result, run) + [_ratio(result.find(*key)) for key in columns] for result in results]
    means = [geometric_mean([r.value for result in results if (r := result.find(*key))]) for key in columns]
    rows.append(["geometric mean", *[""] * 5, *(f"{mean:.2f}" for mean in means)])
    return table(header, rows)


def _row(result: CaseResult, run: Run) -> list[str]:
    ours = result.fastest(SUBJECTS[0]) or result.fastest(SUBJECTS[1])
    cells = [f"`{result.problem}`", f"{result.network} {result.name}".strip()]
    if ours is None or ours.seconds is None:
        failed = [f"{e.status}: {e.detail}" for e in result.entries if e.rival in SUBJECTS and e.status != OK]
        return [*cells, "; ".join(failed) or "not measured", "", "", ""]
    gflops = result.flops / ours.seconds / 1e9
    peak = run.ceilings.fma_gflops.get(result.dtype) if run.ceilings is not None else None
    share = f"{100 * gflops / peak / result.threads:.0f} %" if peak and result.op == "conv" else ""
    return [
        *cells,
        f"{ours.algorithm or ours.rival} {ours.layout}",
        duration(ours.seconds),
        f"{gflops:.1f}",
        share,
    ]


def _ratio(ratio: Ratio | None) -> str:
    return "" if ratio is None else f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _figure(value: float, unit: str) -> str:
    return "not measured" if value < 0 else f"{value:.3g} {unit}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
