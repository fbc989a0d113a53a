"""pyconv as a layer: pyconv.nn.Conv*d, which packs its weights once. A pooling has none: see the function."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.bench.cases import Case
from pyconv.bench.data import Data, placed
from pyconv.bench.problem_string import format_case
from pyconv.bench.rivals.base import (
    CHANNELS_LAST,
    NUMPY_ALIGNMENT,
    Given,
    Prepared,
    Rival,
    Setup,
    given,
    needs_conv,
)


def set_threads(threads: int) -> int:
    import pyconv

    pyconv.set_num_threads(threads)
    return pyconv.get_num_threads()


def lay_out(array: Any, setup: Setup) -> Any:
    """The (batch, ch, *spatial) array in the memory order and at the place that `setup` asks for."""
    offset = setup.aligned(NUMPY_ALIGNMENT)
    if setup.layout == CHANNELS_LAST:
        return np.moveaxis(placed(np.moveaxis(array, 1, -1), offset), -1, 1)
    return placed(array, offset)


def padding(case: Case) -> Any:
    """One number per dimension where both ends agree, pairs otherwise."""
    if case.pad_begin == case.pad_end:
        return case.pad_begin
    return tuple(zip(case.pad_begin, case.pad_end, strict=True))


def chosen_algorithm(case: Case) -> str:
    import pyconv

    return pyconv.plan(format_case(case)).algorithm


def make_layer(case: Case, data: Data) -> Any:
    import pyconv

    needs_conv(case)
    geometry = (case.kernel, case.stride, padding(case), case.dilation, case.groups)
    make = getattr(pyconv.nn, f"Conv{case.ndim}d")
    layer = make(case.in_ch, case.out_ch, *geometry, case.bias, dtype=case.dtype)
    layer.weight = data.weight
    if case.bias:
        layer.bias = data.bias
    return layer


def stated(case: Case, setup: Setup, note: str = "") -> Given:
    import pyconv

    return given(case, setup.layout, pyconv.get_num_threads(), note, packed=True)


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    layer = make_layer(case, data)
    x = lay_out(data.input, setup)
    return Prepared(lambda: layer(x), lambda array: array, stated(case, setup), chosen_algorithm(case))


RIVAL = Rival("pyconv-layer", prepare, set_threads, requires=("pyconv._core",))
