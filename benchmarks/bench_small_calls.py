"""What a call costs beside the arithmetic: the seed problem and other tiny ones."""

import pytest

from pyconv.bench.problem_string import format_case
from pyconv.bench.suites import Options
from pyconv.bench.suites.overhead import cases


@pytest.mark.parametrize("rival", ["pyconv-layer", "pyconv-function", "torch", "onnxruntime"])
@pytest.mark.parametrize("case", cases(Options()), ids=format_case)
def bench_small_call(measure, case, rival):
    measure(case, rival, "nchw")
