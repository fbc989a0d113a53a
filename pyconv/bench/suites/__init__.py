"""The suites: one small file each. A suite chooses cases, or measures something that is no comparison.

Adding one (gradients, transposed convolutions, filters) is a new file here that defines `SUITE`.
"""

from __future__ import annotations

import importlib
import pkgutil

from pyconv.bench.suites.base import Options, Suite

__all__ = ["Options", "Suite", "find", "names"]


def names() -> list[str]:
    return sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name != "base")


def find(name: str) -> Suite:
    if name not in names():
        raise ValueError(f"unknown suite {name!r}; there are {', '.join(names())}")
    suite: Suite = importlib.import_module(f"{__name__}.{name}").SUITE
    return suite
