"""pyconv as a layer that writes into a given array (`out=`): what engines with a bound output are given."""

from __future__ import annotations

from typing import Any

import numpy as np

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import Prepared, Rival, Setup
from pyconv.bench.rivals.pyconv_layer_rival import chosen_algorithm, lay_out, make_layer, set_threads, stated


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    layer: Any = make_layer(case, data)
    x = lay_out(data.input, setup)
    out = lay_out(np.empty(case.output_shape, case.dtype), setup)
    note = "output given with out=, reused by every call"
    return Prepared(
        lambda: layer(x, out=out), lambda array: array, stated(case, setup, note), chosen_algorithm(case)
    )


RIVAL = Rival("pyconv-out", prepare, set_threads, requires=("pyconv._core",))
