"""pyconv as plain functions: the weights are arrays in every call and nothing is kept between calls."""

from __future__ import annotations

from typing import Any

from pyconv.bench.cases import Case
from pyconv.bench.data import Data, placed
from pyconv.bench.rivals.base import (
    NUMPY_ALIGNMENT,
    Prepared,
    Rival,
    Setup,
    Unsupported,
    given,
    symmetric_padding,
)
from pyconv.bench.rivals.pyconv_layer_rival import chosen_algorithm, lay_out, padding, set_threads


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import pyconv

    x = lay_out(data.input, setup)
    function = getattr(pyconv, f"{case.op}{case.ndim}d", None)
    if function is None:
        raise Unsupported(f"pyconv has no {case.op}{case.ndim}d yet")
    if case.is_conv:
        assert data.weight is not None
        w, b = placed(data.weight, setup.aligned(NUMPY_ALIGNMENT)), data.bias
        args: tuple[Any, ...] = (x, w, b, case.stride, padding(case), case.dilation, case.groups)
    elif case.op == "max_pool":
        args = (x, case.kernel, case.stride, symmetric_padding(case), case.dilation, case.ceil_mode)
    elif case.op == "avg_pool":
        args = (x, case.kernel, case.stride, symmetric_padding(case), case.ceil_mode, case.count_include_pad)
    else:
        args = (x, case.kernel)
    algorithm = chosen_algorithm(case) if case.is_conv else ""
    stated = given(case, setup.layout, pyconv.get_num_threads())
    return Prepared(lambda: function(*args), lambda array: array, stated, algorithm)


RIVAL = Rival("pyconv-function", prepare, set_threads, requires=("pyconv._core",))
