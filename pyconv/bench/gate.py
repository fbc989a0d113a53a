"""The regression gate: ratios against torch, now and in a committed run; what fell is measured a second time.

Times differ between hours of the same machine, ratios much less, but they still do: a change counts when it
passes the noise floor, the two intervals are apart, and a second measurement of the row says the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from pyconv.bench.compare import NOISE_FLOOR, Change, compare, render
from pyconv.bench.problem_string import parse_case
from pyconv.bench.records import Run
from pyconv.bench.stats import geometric_mean
from pyconv.bench.suites import Options

RIVAL = "torch"


def check(baseline: Run, now: Run, measure: Callable[[Options], Run], options: Options) -> int:
    """1 when rows, or all rows together, are slower against torch than in the baseline; 0 otherwise."""
    same_machine(baseline, now)
    changes = _against_torch(baseline, now)
    if not changes:
        raise ValueError(f"the baseline has no comparison with {RIVAL} in common with this run")
    suspects = [change for change in changes if change.is_regression]
    if suspects:
        print(f"{len(suspects)} comparisons look slower; measuring those rows again")
        again = _against_torch(baseline, measure(_only(suspects, now, options)))
        slower = {change.key for change in again if change.is_regression}
        changes = [
            dataclasses.replace(change, clear=change.clear and change.key in slower)
            if change.is_regression
            else change
            for change in changes
        ]
    print(render(changes))
    mean = geometric_mean([change.factor for change in changes])
    if mean < 1 - NOISE_FLOOR:
        print(f"all rows together are slower: the geometric mean fell to {mean:.3f}")
    failed = mean < 1 - NOISE_FLOOR or any(change.is_regression for change in changes)
    print("regression gate: " + ("FAILED" if failed else f"passed, {len(changes)} comparisons"))
    return int(failed)


def same_machine(baseline: Run, now: Run) -> None:
    """Ratios of another processor, instruction set or method say nothing about this one."""
    for what, before, after in (
        ("processor", baseline.machine.get("processor"), now.machine.get("processor")),
        ("method (placements)", baseline.method.get("placements"), now.method.get("placements")),
        ("instruction set", baseline.ceilings and baseline.ceilings.isa, now.ceilings and now.ceilings.isa),
    ):
        if before != after:
            raise ValueError(f"the baseline was measured on another {what}: {before}, this is {after}")


def _against_torch(baseline: Run, now: Run) -> list[Change]:
    return [change for change in compare(baseline, now) if change.rival == RIVAL]


def _only(suspects: list[Change], now: Run, options: Options) -> Options:
    """The same conditions for the suspected rows alone."""
    problems = dict.fromkeys(change.problem for change in suspects)
    rivals = dict.fromkeys(entry.rival for result in now.results for entry in result.entries)
    return dataclasses.replace(
        options,
        suites=("custom",),
        cases=tuple(map(parse_case, problems)),
        threads=tuple(sorted({change.threads for change in suspects})),
        rivals=tuple(rivals),
        resume=False,
    )
