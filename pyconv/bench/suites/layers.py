"""The convolutions of the benchmark set: what the project's speed is judged by."""

from __future__ import annotations

from pyconv.bench.cases import Case, benchmark_set
from pyconv.bench.suites.base import Options, Suite


def cases(_: Options) -> list[Case]:
    return [case for case in benchmark_set() if case.is_conv]


SUITE = Suite("layers", "the convolutions of the benchmark set", cases, threads=(1, 2))
