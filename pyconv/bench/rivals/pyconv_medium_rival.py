"""pyconv as a layer with precision="medium": Winograd F(4x4) may be chosen; otherwise as pyconv_layer."""

from __future__ import annotations

import contextvars
import dataclasses
import functools

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.rivals import pyconv_layer_rival
from pyconv.bench.rivals.base import Prepared, Rival, Setup


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    """Prepare and call inside a context of its own: the option is entered once, not in every call."""
    import pyconv

    context = contextvars.copy_context()
    context.run(pyconv.options(precision="medium").__enter__)
    ready = context.run(pyconv_layer_rival.prepare, case, data, setup)
    precision = 'float32 with precision="medium": Winograd F(4x4) may be chosen'
    stated = dataclasses.replace(ready.given, precision=precision)
    call = functools.partial(context.run, ready.call)  # a lambda more is a tenth of the smallest calls
    return Prepared(call, ready.to_numpy, stated, ready.algorithm)


RIVAL = Rival("pyconv-medium", prepare, pyconv_layer_rival.set_threads, requires=("pyconv._core",))
