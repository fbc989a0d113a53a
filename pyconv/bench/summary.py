"""What a whole run says beyond its rows: the control, the totals of networks, what everybody was given."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable

from pyconv.bench.records import OK, CaseResult, Run
from pyconv.bench.rivals import SUBJECTS
from pyconv.bench.stats import Ratio, geometric_mean

INSIDE = 0.01
MOST_OTHERS = 0.05
_NORMAL_95 = 1.96


@dataclasses.dataclass(frozen=True)
class Control:
    """The A/A ratios of a run: one contestant of each row against itself. All would be 1 without noise."""

    rows: int
    mean: float  # geometric
    deviation: float
    worst: float  # largest distance from 1
    inside: int  # rows within 1 %

    def __str__(self) -> str:
        return (
            f"geometric mean {self.mean:.4f}, standard deviation {100 * self.deviation:.2f} %, "
            f"{self.inside} of {self.rows} rows within 1 %, worst {100 * self.worst:.2f} %"
        )


def control(results: Iterable[CaseResult]) -> Control | None:
    values = [result.control.value for result in results if result.control is not None]
    if not values:
        return None
    apart = [abs(value - 1) for value in values]
    inside = sum(distance <= INSIDE for distance in apart)
    return Control(len(values), geometric_mean(values), statistics.pstdev(values), max(apart), inside)


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


def onlookers(run: Run) -> str:
    """What else ran on the machine, and a warning where it was too much to believe the figures."""
    if run.others is None or run.stolen is None:
        return ""
    others, stolen = 100 * run.others, 100 * run.stolen
    words = f"other processes used {others:.1f} % of the CPUs' time, other machines {stolen:.1f} %"
    return words + ("; TOO MUCH TO BELIEVE THE FIGURES" if run.others + run.stolen > MOST_OTHERS else "")


@dataclasses.dataclass(frozen=True)
class Total:
    """All measured layers of a network, each side's faster layout, with multiplicities."""

    network: str
    threads: int
    layers: int
    ours: float
    theirs: float
    ratio: Ratio


def network_totals(run: Run, subject: str, rival: str) -> list[Total]:
    rows: dict[tuple[str, int], list[tuple[int, float, float, float]]] = {}
    for result in run.results:
        name = subject if result.fastest(subject) else SUBJECTS[1]  # a pooling has no layer
        ours, theirs, ratio = result.fastest(name), result.fastest(rival), result.find(name, rival)
        if not result.network or ours is None or theirs is None or ratio is None:
            continue
        log_deviation = math.log(ratio.high / ratio.low) / 2 / _NORMAL_95
        rows.setdefault((result.network, result.threads), []).append(
            (result.count, ours.seconds or 0.0, theirs.seconds or 0.0, log_deviation)
        )
    return [_total(network, threads, layers) for (network, threads), layers in rows.items()]


def _total(network: str, threads: int, layers: list[tuple[int, float, float, float]]) -> Total:
    """The interval adds the layers' relative errors, weighted by their share of the time, as independent."""
    ours = sum(count * mine for count, mine, _, _ in layers)
    theirs = sum(count * other for count, _, other, _ in layers)
    variance = sum((count * other / theirs * deviation) ** 2 for count, _, other, deviation in layers)
    factor = math.exp(_NORMAL_95 * math.sqrt(variance))
    value = theirs / ours
    ratio = Ratio(value, value / factor, value * factor)
    return Total(network, threads, sum(count for count, *_ in layers), ours, theirs, ratio)


def given_statements(run: Run) -> list[tuple[str, ...]]:
    """Each different thing a contestant was given: (rival, layout, weights, threads, precision, note)."""
    seen: dict[tuple[str, ...], None] = {}
    for result in run.results:
        for entry in result.entries:
            if (given := entry.given) is not None:
                threads = str(given.threads or result.threads)
                row = (entry.rival, given.layout, given.weights, threads, given.precision, given.note)
                seen[row] = None
    return sorted(seen)


def not_timed(run: Run) -> list[tuple[str, str, str, str]]:
    """(contestant, status, reason, how many rows or which one) for whatever has no figure."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for result in run.results:
        for entry in result.entries:
            if entry.status != OK:
                key = (entry.contestant, entry.status, entry.detail)
                groups.setdefault(key, []).append(result.problem)
    return [
        (*key, f"{len(problems)} rows" if len(problems) > 1 else f"`{problems[0]}`")
        for key, problems in sorted(groups.items(), key=lambda item: (_ORDER.index(item[0][1]), item[0]))
    ]


_ORDER = ("wrong", "failed", "refused")
