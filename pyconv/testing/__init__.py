"""Tools for testing convolutions, pyconv's own and anybody's: what is right, and how far off is allowed."""

from __future__ import annotations

from typing import Any

from ._bounds import error_bound
from ._case import ConvCase
from ._compare import assert_conv_close, explain_diff
from ._exact import ExactInputs, exact_inputs

__all__ = [
    "CASES",
    "ConvCase",
    "ExactInputs",
    "assert_conv_close",
    "error_bound",
    "exact_inputs",
    "explain_diff",
]


def __getattr__(name: str) -> Any:
    if name == "CASES":  # built on first use
        from ._table import CASES

        return CASES
    if name == "strategies":  # needs hypothesis
        from importlib import import_module

        return import_module("pyconv.testing.strategies")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
