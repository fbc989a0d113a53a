"""Measured rows and runs for the tests of what is made of them."""

import dataclasses

from pyconv.bench.problem_string import parse_case
from pyconv.bench.records import CaseResult, Ceilings, Comparison, Entry, Run
from pyconv.bench.stats import Ratio

LAYER_TORCH = ("pyconv-layer", "torch", "best")


def result_of(problem, ratios, seconds=1e-3, **labels):
    """A measured row: `ratios` maps (subject, rival, layout) to how many times faster the subject is."""
    case = parse_case(problem)
    contestants = dict.fromkeys(name for subject, rival, _ in ratios for name in (subject, rival))
    entries = [
        Entry(name, "nchw", "ok", seconds=seconds, first_call_s=seconds, samples=60) for name in contestants
    ]
    comparisons = [
        Comparison(*key, Ratio(value, 0.99 * value, 1.01 * value)) for key, value in ratios.items()
    ]
    row = CaseResult(
        problem, "net", "layer", "test", case.op, case.ndim, case.kind, case.dtype, case.batch, 1, 1,
        case.flops, case.flops_without_padding, case.bytes_moved, entries, comparisons, Ratio(1.0, 0.9, 1.1),
    )  # fmt: skip
    return dataclasses.replace(row, **labels)


def run_of(*results, suite="layers"):
    made = Run(
        suite, "python -m pyconv bench", "2026-01-02", {"processor": "P"}, {"numpy": "2"}, {"jax": "gone"}, {}
    )
    made.ceilings = Ceilings({"float32": 100.0, "float64": 50.0}, 20.0, "avx2")
    made.results += results
    made.complete = True
    return made
