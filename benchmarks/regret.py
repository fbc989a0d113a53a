"""What the cost model's choice costs: python benchmarks/regret.py --rows 40 --threads 1

`auto` has to make one choice for an image problem, whatever the memory layout, the threads and the batch
(promise 1). For each convolution of the benchmark set every algorithm that is predicted to need less than
--factor times the chosen one's time is forced in turn, in both layouts and with each thread count, through a
layer. An algorithm's time is the geometric mean over these conditions.

    regret          time of the chosen algorithm / time of the best single algorithm
    free optimum    the same against the best algorithm of each condition, which promise 1 forbids to use

Prints a Markdown table, worst row first, and writes it with --output.
"""

import argparse
import contextvars
import dataclasses
import sys
from pathlib import Path

import pyconv
from pyconv.bench.cases import Case, benchmark_set
from pyconv.bench.engine import Conditions, measure
from pyconv.bench.harness import Method
from pyconv.bench.markdown import table
from pyconv.bench.problem_string import format_case, parse_case
from pyconv.bench.progress import progress
from pyconv.bench.rivals import Rival
from pyconv.bench.rivals.base import LAYOUTS
from pyconv.bench.rivals.pyconv_layer_rival import prepare, set_threads
from pyconv.bench.run import SETTLE_SECONDS
from pyconv.bench.stats import geometric_mean

Times = dict[str, dict[tuple[str, int], float]]  # algorithm -> (layout, threads) -> seconds


@dataclasses.dataclass(frozen=True)
class Row:
    """`predicted`: the cost model's microseconds for one image, of the algorithms that were timed."""

    problem: str
    chosen: str
    predicted: dict[str, float]
    times: Times

    def mean(self, algorithm: str) -> float:
        return geometric_mean(list(self.times[algorithm].values()))

    @property
    def best(self) -> str:
        return min(self.times, key=self.mean)

    @property
    def regret(self) -> float:
        return self.mean(self.chosen) / self.mean(self.best)

    @property
    def free_regret(self) -> float:
        conditions = self.times[self.chosen]
        best = [min(times[condition] for times in self.times.values()) for condition in conditions]
        return self.mean(self.chosen) / geometric_mean(best)


def candidates(problem: str, factor: float) -> tuple[str, dict[str, float]]:
    """What `auto` chooses, and the predicted costs of what its precision admits and is worth timing."""
    plan = pyconv.plan(problem)
    costs = {one.algorithm: one.cost_us for one in plan.candidates if not one.refusal}
    limit = factor * costs[plan.algorithm]
    return plan.algorithm, {name: cost for name, cost in costs.items() if cost <= limit}


def forced(algorithm: str) -> Rival:
    """A layer that is told which algorithm to use."""

    def prepare_forced(case, data, setup):
        context = contextvars.copy_context()
        context.run(pyconv.options(algorithm=algorithm).__enter__)
        ready = context.run(prepare, case, data, setup)
        run, call = context.run, ready.call
        return dataclasses.replace(ready, call=lambda: run(call), algorithm=algorithm)

    return Rival(algorithm, prepare_forced, set_threads)


def measured(case: Case, threads: list[int], factor: float, seconds: float) -> Row | None:
    """None where the chosen algorithm is the only candidate: there is nothing to regret."""
    chosen, predicted = candidates(format_case(case), factor)
    if len(predicted) < 2:
        return None
    times: Times = {name: {} for name in predicted}
    for count in threads:
        settle = SETTLE_SECONDS if count > 1 else 0.0
        method = Method(case_seconds=seconds, settle_seconds=settle)
        result = measure(case, Conditions(count, LAYOUTS, tuple(map(forced, predicted)), method))
        for entry in result.entries:
            if entry.seconds is None:
                raise RuntimeError(f"{result.problem}, {entry.contestant}: {entry.status}: {entry.detail}")
            times[entry.rival][entry.layout, count] = entry.seconds
    return Row(format_case(case), chosen, predicted, times)


def sample(rows: int) -> list[Case]:
    """About `rows` convolutions, evenly spread over the set sorted by kind, rank and size."""
    cases = [case for case in benchmark_set() if case.is_conv]
    cases.sort(key=lambda case: (case.kind, case.ndim, case.flops))
    step = max(1.0, len(cases) / rows)
    return [cases[int(index * step)] for index in range(min(rows, len(cases)))]


def render(rows: list[Row], unopposed: int) -> str:
    rows = sorted(rows, key=lambda row: -row.regret)
    lines = [
        [
            f"`{row.problem}`",
            f"{row.chosen} ({row.predicted[row.chosen]:.0f} us)",
            f"{row.best} ({row.predicted[row.best]:.0f} us)",
            f"{row.regret:.3f}",
            f"{row.free_regret:.3f}",
            "; ".join(f"{name} {_times(row.times[name])}" for name in row.times),
        ]
        for row in rows
    ]
    # Where there is one candidate the choice costs nothing: those rows count as 1.
    ones = [1.0] * unopposed
    summary = (
        f"{len(rows)} problems with several candidates, {unopposed} with one: geometric mean of the regret "
        f"{geometric_mean([row.regret for row in rows] + ones):.3f}, worst {rows[0].regret:.3f}; "
        f"against the free optimum {geometric_mean([row.free_regret for row in rows] + ones):.3f}, "
        f"worst {max(row.free_regret for row in rows):.3f}"
    )
    header = ["problem", "chosen (predicted)", "best (predicted)", "regret", "free optimum", "microseconds"]
    return f"{summary}\n\n{table(header, lines)}\n"


def _times(times: dict[tuple[str, int], float]) -> str:
    return ", ".join(f"{layout}x{count} {1e6 * value:.0f}" for (layout, count), value in times.items())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("problems", nargs="*", help="problem strings; by default rows of the benchmark set")
    parser.add_argument("--rows", type=int, default=1000, help="how many rows of the set (default: all)")
    parser.add_argument("--threads", default="1", help="thread counts, such as 1,2 (default %(default)s)")
    parser.add_argument("--factor", type=float, default=3.0, help="candidates by predicted cost (default 3)")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each problem and thread count")
    parser.add_argument("--output", type=Path, help="write the table to this file as well")
    arguments = parser.parse_args()
    cases = [parse_case(text) for text in arguments.problems] or sample(arguments.rows)
    threads = [int(count) for count in arguments.threads.split(",")]
    rows: list[Row] = []
    with progress(len(cases), "regret") as step:
        try:
            for case in cases:
                step(format_case(case))
                row = measured(case, threads, arguments.factor, arguments.seconds)
                rows += [row] if row is not None else []
        except KeyboardInterrupt:
            cases = cases[: cases.index(case)]
            print(f"interrupted after {len(cases)} problems", file=sys.stderr)
    if not rows:
        print("no problem has two candidates")
        return
    text = render(rows, len(cases) - len(rows))
    print(text)
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
