"""Two runs side by side: what became slower, by ratios against the same rival, never by absolute times.

A ratio of ratios cancels the machine. A change counts when it passes the noise floor and both intervals
are clear of each other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from pyconv.bench.records import CaseResult, Run
from pyconv.bench.stats import Ratio, geometric_mean

NOISE_FLOOR = 0.03

Key = tuple[str, int, str, str, str]


@dataclasses.dataclass(frozen=True)
class Change:
    """factor > 1: the subject became faster relative to the rival."""

    problem: str
    threads: int
    subject: str
    rival: str
    layout: str
    before: float
    after: float
    clear: bool  # outside the noise: past the floor, and the intervals do not touch

    @property
    def key(self) -> Key:
        return self.problem, self.threads, self.subject, self.rival, self.layout

    @property
    def factor(self) -> float:
        return self.after / self.before

    @property
    def is_regression(self) -> bool:
        return self.clear and self.factor < 1


def compare(before: Run, after: Run) -> list[Change]:
    """Every comparison that both runs hold, worst change first."""
    old = {key: ratio for result in before.results for key, ratio in _ratios(result)}
    changes = []
    for result in after.results:
        for key, new in _ratios(result):
            if key not in old:
                continue
            apart = new.high < old[key].low or new.low > old[key].high
            past = abs(new.value / old[key].value - 1) > NOISE_FLOOR
            changes.append(Change(*key, old[key].value, new.value, apart and past))
    return sorted(changes, key=lambda change: change.factor)


def render(changes: list[Change]) -> str:
    if not changes:
        return "the two runs have no comparison in common"
    factors = [change.factor for change in changes]
    size = geometric_mean([max(factor, 1 / factor) for factor in factors]) - 1
    lines = [
        f"{len(changes)} comparisons in common, geometric mean of the change {geometric_mean(factors):.3f}, "
        f"typical size {100 * size:.1f} %"
    ]
    for change in changes:
        if change.clear:
            word = "SLOWER" if change.is_regression else "faster"
            lines.append(
                f"{word}  {change.before:.2f} -> {change.after:.2f} ({change.factor:.2f}x)  "
                f"{change.problem}, {change.threads} threads  "
                f"{change.subject} / {change.rival} {change.layout}"
            )
    if len(lines) == 1:
        lines.append(f"no change beyond the noise floor of {100 * NOISE_FLOOR:.0f} %")
    return "\n".join(lines)


def _ratios(result: CaseResult) -> Iterator[tuple[Key, Ratio]]:
    for item in result.comparisons:
        yield (result.problem, result.threads, item.subject, item.rival, item.layout), item.ratio
