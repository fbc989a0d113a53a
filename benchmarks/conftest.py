"""The pytest-benchmark suite: the same shapes, rivals and checks as `python -m pyconv bench`, one row each.

    python -P -m pytest benchmarks                        measure
    python -P -m pytest benchmarks --benchmark-disable    run each once: what CI does

Ratios to publish come from `python -m pyconv bench`, whose contestants alternate; here each runs alone.
"""

from __future__ import annotations

import pytest

from pyconv.bench import harness, rivals
from pyconv.bench.cases import Case
from pyconv.bench.data import TOLERANCE, make_data, make_truth
from pyconv.bench.problem_string import format_case
from pyconv.bench.rivals import Setup, Unsupported


@pytest.fixture(scope="module")
def truths():
    """Operands and float64 truth of the last case: the contestants of one problem follow each other."""
    return {}


@pytest.fixture
def measure(benchmark, truths):
    """Prepare a contestant on a case, benchmark it and assert its result. Group = problem."""

    def run(case: Case, name: str, layout: str, threads: int = 1) -> None:
        rival = rivals.find(name)
        reason = rivals.absence(rival)
        if reason is not None:
            pytest.skip(reason)
        if case not in truths:
            truths.clear()
            operands = make_data(case)
            truths[case] = operands, make_truth(case, operands)
            harness.wait_until_quiet()  # NumPy's BLAS computed the truth; its workers go on spinning
        operands, truth = truths[case]
        rival.set_threads(threads)
        try:
            ready = rival.prepare(case, operands, Setup(layout, threads))
        except Unsupported as refusal:
            pytest.skip(f"{name}: {refusal}")
        benchmark.group = format_case(case)
        benchmark.extra_info.update(algorithm=ready.algorithm, weights=ready.given.weights, threads=threads)
        result = benchmark(ready.call)
        assert truth.error(ready.to_numpy(result)) <= TOLERANCE

    return run
