"""Convolution and pooling for NumPy arrays on the CPU: fast, reproducible, checked against PyTorch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pyconv._options import get_num_threads, options, set_num_threads
from pyconv._pooling import avg_pool1d, avg_pool2d, avg_pool3d, max_pool1d, max_pool2d, max_pool3d
from pyconv._version import __version__
from pyconv.functional import conv1d, conv2d, conv3d

if TYPE_CHECKING:  # lazy at run time, see below
    from pyconv._plan import Plan, plan, show_config

__all__ = [
    "Plan",
    "__version__",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "conv1d",
    "conv2d",
    "conv3d",
    "explain",
    "explain_pool",
    "explain_shape",
    "get_num_threads",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "nn",
    "options",
    "plan",
    "receptive_field",
    "set_num_threads",
    "show_config",
    "testing",
]

# Loaded on first use, so that `import pyconv` stays cheap: name -> (module, attribute; None for the module).
_LAZY: dict[str, tuple[str, str | None]] = {
    "Plan": ("pyconv._plan", "Plan"),
    "plan": ("pyconv._plan", "plan"),
    "show_config": ("pyconv._plan", "show_config"),
    "nn": ("pyconv.nn", None),
    "testing": ("pyconv.testing", None),
    "explain": ("pyconv._explain", "explain"),
    "explain_pool": ("pyconv._explain", "explain_pool"),
    "explain_shape": ("pyconv._explain", "explain_shape"),
    "receptive_field": ("pyconv._explain", "receptive_field"),
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'pyconv' has no attribute {name!r}")
    module_name, attribute = _LAZY[name]
    module = import_module(module_name)
    value = module if attribute is None else getattr(module, attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(_LAZY))
