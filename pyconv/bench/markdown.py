"""A run as Markdown: the targets, every row, and what forbids believing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyconv.bench import sets, summary
from pyconv.bench.quick_table import duration
from pyconv.bench.records import OK, CaseResult, Measurement, Run
from pyconv.bench.rivals import SUBJECTS
from pyconv.bench.stats import Ratio, geometric_mean

BUSY = 0.95  # below this share of the CPU the machine was not ours
WHOLE = {"networks", "custom"}  # suites that measure all layers of a network, or of the user's model


def render(run: Run) -> str:
    parts = [_head(run), *_faults(run), *_targets(run), *_networks(run)]
    for threads in sorted({result.threads for result in run.results}):
        results = [result for result in run.results if result.threads == threads]
        parts += [f"## Every row, {_count(threads, 'thread')}", _rows(results, run)]
    if run.measurements:
        rows = [
            [item.name, _figure(item.value, item.unit), _limit(item), item.detail]
            for item in run.measurements
        ]
        parts += ["## Other figures", table(["what", "figure", "limit", "how"], rows)]
    parts += [*_not_timed(run), *_given(run)]
    return "\n\n".join(parts) + "\n"


def method(run: Run) -> str:
    """How this run's ratios were made, in two lines."""
    placements = int(run.method.get("placements", 1))
    where = f", compared over up to {placements} placements of the arrays in memory" if placements > 1 else ""
    return (
        "Ratios say how many times faster pyconv is (above 1: pyconv ahead): 10th percentiles of interleaved "
        f"blocks (ABBA){where}, in brackets the 95 % bootstrap interval. Every result was checked against "
        "float64 before it was timed. GFLOP/s counts the operations of direct convolution."
    )


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _head(run: Run) -> str:
    facts = [
        f"# Performance: `{run.suite}`",
        method(run),
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
    if (control := summary.control(run.results)) is not None:
        facts.append(f"- A/A control: {control}")
    if (share := summary.cpu_share(run.results)) is not None:
        facts.append(
            f"- CPU time / wall time of single-threaded blocks: {share:.2f}"
            + ("" if share > BUSY else "; OTHER PROCESSES WERE RUNNING")
        )
    if words := summary.onlookers(run):
        facts.append(f"- {words}")
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
    if not WHOLE & set(run.suite.split()):
        return []
    rows = [
        [
            total.network,
            str(total.threads),
            str(total.layers),
            duration(total.ours),
            duration(total.theirs),
            _ratio(total.ratio),
        ]
        for total in summary.network_totals(run, SUBJECTS[0], "torch")
    ]
    if not rows:
        return []
    header = ["network", "threads", "layers", "pyconv", "torch", "ratio"]
    title = "## Networks: all convolutions and poolings with their multiplicities, each side's faster layout"
    return [title, table(header, rows)]


def _not_timed(run: Run) -> list[str]:
    rows = summary.not_timed(run)
    if not rows:
        return []
    return ["## Not timed", table(["contestant", "status", "why", "where"], [list(row) for row in rows])]


def _given(run: Run) -> list[str]:
    rows = [list(row) for row in summary.given_statements(run)]
    if not rows:
        return []
    header = ["contestant", "layout", "weights", "threads", "precision", "note"]
    return ["## What each contestant was given", table(header, rows)]


def _rows(results: list[CaseResult], run: Run) -> str:
    subjects = [name for name in SUBJECTS if any(result.fastest(name) for result in results)]
    others = list(
        dict.fromkeys(e.rival for result in results for e in result.entries if e.rival not in SUBJECTS)
    )
    columns = [(subject, rival, "best") for rival in others for subject in subjects]
    columns += [(subject, "torch", layout) for layout in ("nchw", "nhwc") for subject in subjects[:1]]
    columns = [key for key in columns if any(result.find(*key) for result in results)]
    cold = any(entry.cold_s is not None for result in results for entry in result.entries)
    header = ["problem", "layer", "algorithm", "time", *["cold"] * cold, "first call", "GFLOP/s", "of peak"]
    empty = [""] * (len(header) - 1)
    header += [f"{subject.removeprefix('pyconv-')} / {rival} {layout}" for subject, rival, layout in columns]
    rows = [_row(result, run, cold) + [_ratio(result.find(*key)) for key in columns] for result in results]
    means = [geometric_mean([r.value for result in results if (r := result.find(*key))]) for key in columns]
    rows.append(["geometric mean", *empty, *(f"{mean:.2f}" for mean in means)])
    return table(header, rows)


def _row(result: CaseResult, run: Run, cold: bool) -> list[str]:
    ours = result.fastest(SUBJECTS[0]) or result.fastest(SUBJECTS[1])
    cells = [f"`{result.problem}`", f"{result.network} {result.name}".strip()]
    if ours is None or ours.seconds is None:
        failed = [f"{e.status}: {e.detail}" for e in result.entries if e.rival in SUBJECTS and e.status != OK]
        return [*cells, "; ".join(failed) or "not measured", *[""] * (4 + cold)]
    gflops = result.flops / ours.seconds / 1e9
    peak = run.ceilings.fma_gflops.get(result.dtype) if run.ceilings is not None else None
    share = f"{100 * gflops / peak / result.threads:.0f} %" if peak and result.op == "conv" else ""
    return [
        *cells,
        f"{ours.algorithm or ours.rival} {ours.layout}",
        duration(ours.seconds),
        *[duration(ours.cold_s) if ours.cold_s else ""] * cold,
        duration(ours.first_call_s) if ours.first_call_s else "",
        f"{gflops:.1f}",
        share,
    ]


def _ratio(ratio: Ratio | None) -> str:
    return "" if ratio is None else f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _figure(value: float, unit: str) -> str:
    return "not measured" if value < 0 else f"{value:.3g} {unit}"


def _limit(item: Measurement) -> str:
    if item.at_most is not None:
        return f"at most {item.at_most:.3g}"
    return "" if item.at_least is None else f"at least {item.at_least:.3g}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
