"""The poolings of the benchmark set."""

from __future__ import annotations

from pyconv.bench.cases import Case, benchmark_set
from pyconv.bench.suites.base import Options, Suite


def cases(_: Options) -> list[Case]:
    return [case for case in benchmark_set() if not case.is_conv]


SUITE = Suite(
    "pool",
    "the poolings of the benchmark set",
    cases,
    ("pyconv-function", "torch", "onnxruntime", "openvino"),
    threads=(1, 2),
)
