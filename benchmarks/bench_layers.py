"""The convolutions of the benchmark set, pyconv beside PyTorch in both layouts."""

import pytest

from pyconv.bench.cases import benchmark_set
from pyconv.bench.problem_string import format_case
from pyconv.bench.rivals.base import LAYOUTS

CASES = [case for case in benchmark_set() if case.is_conv]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rival", ["pyconv-layer", "pyconv-function", "torch"])
@pytest.mark.parametrize("case", CASES, ids=format_case)
def bench_convolution(measure, case, rival, layout):
    measure(case, rival, layout)
