"""Everything that can be measured, pyconv included: one small file for each, found by its name.

A new rival is a new file here that defines `RIVAL`; nothing else is touched.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil

from pyconv.bench.rivals.base import Given, Prepared, Rival, Setup, Unsupported

__all__ = ["Given", "Prepared", "Rival", "Setup", "Unsupported", "absence", "find", "names"]

SUBJECTS = ("pyconv-layer", "pyconv-function", "pyconv-medium", "pyconv-out")


def names() -> list[str]:
    """Names of all adapters, pyconv's own first."""
    files = {
        info.name.removesuffix("_rival") for info in pkgutil.iter_modules(__path__) if info.name != "base"
    }
    return sorted((name.replace("_", "-") for name in files), key=lambda name: (name not in SUBJECTS, name))


def find(name: str) -> Rival:
    if name not in names():
        raise ValueError(f"unknown rival {name!r}; there are {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}_rival")
    rival: Rival = module.RIVAL
    return rival


def absence(rival: Rival) -> str | None:
    """Why the rival cannot be used on this machine, or None."""
    for needed in rival.requires:
        if importlib.util.find_spec(needed) is None:
            return f"the Python package {needed!r} is not installed"
    return None
