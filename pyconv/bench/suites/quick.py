"""Two minutes: one layer of each kind from the benchmark set."""

from __future__ import annotations

from pyconv.bench.cases import Case, benchmark_set
from pyconv.bench.suites.base import PYCONV, Options, Suite

MAX_FLOPS = 1_500_000_000  # so that a slow case does not eat the samples of all others


def cases(_: Options) -> list[Case]:
    """The first row of each (kind, rank, dtype) that is not huge, up to three ranks of one kind."""
    chosen: dict[tuple[str, int, str], Case] = {}
    for case in benchmark_set():
        if case.flops <= MAX_FLOPS and (case.dtype == "float32" or case.kind == "dense 3x3"):
            chosen.setdefault((case.kind, case.ndim, case.dtype), case)
    return list(chosen.values())


SUITE = Suite("quick", "one layer of each kind, two minutes", cases, (*PYCONV, "torch"), case_seconds=2.5)
