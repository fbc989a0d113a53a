"""What all layers share: named parameters as read-only arrays, and their state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pyconv._arrays import as_ndarray

Array = npt.NDArray[Any]


class Module:
    """A layer: call it on an array."""

    # Names in the order torch lists them; a parameter that is None is left out.
    _parameter_names: tuple[str, ...] = ()

    def __call__(self, input: Any) -> Any:
        raise NotImplementedError

    def _named_parameters(self) -> Iterator[tuple[str, Array]]:
        for name in self._parameter_names:
            value = getattr(self, name)
            if value is not None:
                yield name, value

    def parameters(self) -> Iterator[Array]:
        """Yield the parameters, weight first, then bias if there is one, as read-only arrays."""
        for _, value in self._named_parameters():
            yield value

    def state_dict(self) -> dict[str, Array]:
        """Return copies of the parameters by name, in torch's names and order."""
        return {name: value.copy() for name, value in self._named_parameters()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy parameters from ``state`` (arrays or torch tensors).

        Parameters
        ----------
        state : mapping of str to array_like
            Exactly this layer's names, each with its shape.

        Raises
        ------
        ValueError
            If a name is missing or unknown, or a shape differs; nothing is changed then.
        """
        own = dict(self._named_parameters())
        missing, unknown = sorted(own.keys() - state.keys()), sorted(state.keys() - own.keys())
        if missing or unknown:
            raise ValueError(f"state_dict does not fit {self!r}: missing {missing}, unknown {unknown}")
        checked = {name: copy_parameter(state[name], name, own[name].shape) for name in own}
        for name, value in checked.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._describe()})"

    def _describe(self) -> str:
        return ""


def copy_parameter(value: Any, name: str, shape: tuple[int, ...]) -> Array:
    """A private, C-contiguous, read-only copy of ``value``, which must have ``shape`` and a float dtype."""
    detach = getattr(
        value, "detach", None
    )  # a torch parameter requires grad; its numbers are what is asked for
    array = as_ndarray(detach() if detach is not None else value, name)
    if array.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {array.shape}")
    dtype = array.dtype.newbyteorder("=")
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{name} must be float32 or float64, got {array.dtype}; convert with .astype()")
    owned = np.array(array, dtype=dtype, order="C", copy=True)
    owned.flags.writeable = False
    return owned
