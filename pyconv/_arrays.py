"""Turns whatever the caller has into arrays the kernels read, and results back into the caller's kind.

The fast path never comes here: the extension reads plain ndarrays itself and answers ``NotImplemented`` for
anything else (another dtype, byte order, alignment, a list, a torch tensor, a DLPack object, a subclass).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

_COMPUTED = (np.dtype(np.float32), np.dtype(np.float64))


def _torch_tensor_type() -> Any:
    """torch.Tensor if the caller has imported torch, else a type nothing is an instance of."""
    torch = sys.modules.get("torch")
    return getattr(torch, "Tensor", ()) if torch is not None else ()


def is_torch(value: object) -> bool:
    kind = _torch_tensor_type()
    return bool(kind) and isinstance(value, kind)


def _from_torch(value: Any, name: str) -> npt.NDArray[Any]:
    if value.device.type != "cpu":
        raise TypeError(
            f"{name} is a torch tensor on {value.device}; pyconv computes on the CPU: use {name}.cpu()"
        )
    if value.requires_grad:
        raise TypeError(
            f"{name} is a torch tensor that requires grad; pyconv's functions do not record gradients. "
            f"Pass {name}.detach(), or use pyconv.torch, which does"
        )
    array: npt.NDArray[Any] = value.numpy()
    return array


def as_ndarray(value: Any, name: str) -> npt.NDArray[Any]:
    """A base-class ndarray of ``value``, without a copy where that is possible."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array; masks have no meaning here. Pass {name}.filled(value)")
    if is_torch(value):
        return _from_torch(value, name)
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray) if type(value) is not np.ndarray else value
    if hasattr(value, "__dlpack__") and not hasattr(value, "__array__"):
        return np.from_dlpack(value)
    return np.asarray(value)


def _native(array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """``array`` in ``dtype``, native and aligned, with its memory order kept."""
    if array.dtype != dtype or not array.dtype.isnative:
        return array.astype(dtype, order="K")
    return array if array.flags.aligned else array.copy(order="K")


def _common_dtype(arrays: Sequence[tuple[str, npt.NDArray[Any]]]) -> np.dtype[Any]:
    dtype = np.result_type(*(array.dtype for _, array in arrays))
    if dtype.newbyteorder("=") not in _COMPUTED:
        have = ", ".join(f"{name} is {array.dtype}" for name, array in arrays)
        raise TypeError(
            f"pyconv computes in float32 and float64: {have} (result type {dtype}); convert with .astype()"
        )
    return dtype.newbyteorder("=")


def convert_and_call(
    call: Callable[[dict[str, Any], Any], Any],
    arrays: dict[str, Any],
    out: Any = None,
    *,
    keep_result: bool = False,
) -> Any:
    """Convert ``arrays`` (name to value, None allowed) to one plain dtype and call ``call(arrays, out)``.

    A torch ``input`` gives a torch result (unless ``keep_result``). An ``out`` the kernels cannot write gets
    a copy of the result.
    """
    for name in ("input", "weight"):
        if arrays.get(name, ...) is None:
            raise TypeError(f"{name} must be an array, got None")
    converted = {name: as_ndarray(value, name) for name, value in arrays.items() if value is not None}
    dtype = _common_dtype(list(converted.items()))
    plain: dict[str, Any] = dict.fromkeys(arrays)
    plain.update({name: _native(array, dtype) for name, array in converted.items()})
    if out is not None:
        plain_out = _plain_out(out, dtype)
        result = call(plain, plain_out)
        if plain_out is None:
            _copy_into(out, result)
        return out
    result = call(plain, None)
    if is_torch(arrays["input"]) and not keep_result:
        return _to_torch(result)
    return result


def _plain_out(out: Any, dtype: np.dtype[Any]) -> npt.NDArray[Any] | None:
    """``out`` if the kernels can write it, None if the result has to be copied into it afterwards."""
    if not (isinstance(out, np.ndarray) or is_torch(out)):
        raise TypeError(f"out must be an array or a tensor, got {type(out).__name__}")
    array = as_ndarray(out, "out")
    if array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"out must have the dtype of the result, {dtype}, got {array.dtype}")
    if not array.flags.writeable:
        raise ValueError("out must be writeable, got a read-only array")
    return array if array.dtype.isnative and array.flags.aligned else None


def _copy_into(out: Any, result: npt.NDArray[Any]) -> None:
    array = as_ndarray(out, "out")
    if result.shape != array.shape:
        raise ValueError(f"out must have the shape of the result, {result.shape}, got {array.shape}")
    array[...] = result


def _to_torch(value: Any) -> Any:
    torch = sys.modules["torch"]
    return torch.from_numpy(value)
