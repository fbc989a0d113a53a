"""Tools for testing convolutions, pyconv's own and anybody's: what is right, and how far off is allowed."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt

from ._bounds import error_bound
from ._case import ConvCase
from ._compare import assert_conv_close
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


def explain_diff(
    actual: npt.ArrayLike,
    desired: npt.ArrayLike | None,
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    *args: Any,
    **kwargs: Any,
) -> Any:
    """Explain the element where `actual` is most wrong: the products behind it, term by term.

    The arguments are those of :func:`assert_conv_close`; the result is what :func:`pyconv.explain` returns
    for that element, with the actual value beside the desired one.
    """
    from pyconv._explain import diff

    return diff(actual, desired, input, weight, bias, *args, **kwargs)
