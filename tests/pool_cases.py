"""What the pooling tests run over: a table of problems, ways to run them, torch in float64 as the oracle."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

import pyconv
from pyconv import _core

ISAS = _core.available_isas()
THREADS = (1, 2, 3, 4)
DTYPES = (np.float32, np.float64)
LAYOUTS = ("channels_first", "channels_last", "fortran", "reversed")
FUNCTIONS = {
    (kind, rank): getattr(pyconv, f"{kind}_pool{rank}d") for kind in ("max", "avg") for rank in (1, 2, 3)
}
TORCH = {(kind, rank): getattr(F, f"{kind}_pool{rank}d") for kind in ("max", "avg") for rank in (1, 2, 3)}


@dataclass(frozen=True)
class PoolCase:
    """One pooling; fields that a kind or rank does not have stay at their defaults."""

    kind: str
    channels: int
    size: tuple[int, ...]
    kernel: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None = None
    padding: int | tuple[int, ...] = 0
    dilation: int | tuple[int, ...] = 1
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None
    batch: int | None = 2

    @property
    def rank(self) -> int:
        return len(self.size)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*(() if self.batch is None else (self.batch,)), self.channels, *self.size)

    @property
    def taps(self) -> int:
        kernel = self.kernel
        return int(np.prod(kernel)) if isinstance(kernel, tuple) else kernel**self.rank

    @property
    def options(self) -> dict[str, Any]:
        common = {"stride": self.stride, "padding": self.padding, "ceil_mode": self.ceil_mode}
        if self.kind == "max":
            return {**common, "dilation": self.dilation}
        common["count_include_pad"] = self.count_include_pad
        return common if self.rank == 1 else {**common, "divisor_override": self.divisor_override}

    def run(self, x: npt.NDArray[Any], **more: Any) -> Any:
        settings = {k: more.pop(k) for k in ("num_threads", "isa") if k in more}
        with pyconv.options(**settings):
            return FUNCTIONS[self.kind, self.rank](x, self.kernel, **self.options, **more)

    def oracle(self, x: npt.NDArray[Any], **more: Any) -> Any:
        """torch's answer in float64; a pair with return_indices."""
        result = TORCH[self.kind, self.rank](
            torch.from_numpy(np.array(x, np.float64)), self.kernel, **self.options, **more
        )
        return tuple(r.numpy() for r in result) if isinstance(result, tuple) else result.numpy()

    def random(self, dtype: npt.DTypeLike = np.float32, seed: int = 0) -> npt.NDArray[Any]:
        return np.random.default_rng(seed).standard_normal(self.shape).astype(dtype)

    def integers(self, dtype: npt.DTypeLike = np.float32, seed: int = 0) -> npt.NDArray[Any]:
        """Small integers: ties for max, exact sums for averages."""
        return np.random.default_rng(seed).integers(-4, 5, self.shape).astype(dtype)

    def bound(self, x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Error allowed for an average: one rounding per addition and division, times sum |x| / divisor."""
        if self.kind == "max":
            return np.zeros(1)
        unit = np.finfo(x.dtype).eps / 2
        terms = self.taps + 2
        return np.abs(self.oracle(np.abs(x))) * (terms * unit / (1 - terms * unit))


def in_layout(x: npt.NDArray[Any], layout: str, batched: bool = True) -> npt.NDArray[Any]:
    """The same array in another memory order."""
    if layout == "channels_first":
        return np.ascontiguousarray(x)
    if layout == "channels_last":
        axis = 1 if batched else 0
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, axis, -1)), -1, axis)
    if layout == "fortran":
        return np.asfortranarray(x)
    flipped = np.ascontiguousarray(x[..., ::-1])
    return flipped[..., ::-1]


def same_bits(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Equal bit for bit, any NaN for any NaN: payloads are outside promise 1."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    integer = np.dtype(f"i{a.dtype.itemsize}")
    bits = np.ascontiguousarray(a).view(integer) == np.ascontiguousarray(b).view(integer)
    return bool((bits | (np.isnan(a) & np.isnan(b))).all())


def both(**fields: Any) -> list[PoolCase]:
    return [PoolCase("max", **fields), PoolCase("avg", **fields)]


# Sizes around vector lengths, every stride the line kernel treats differently, small maps, clipped windows.
CASES = [
    *both(channels=3, size=(16, 17), kernel=3, stride=2, padding=1),
    *both(channels=5, size=(14, 33), kernel=2),
    *both(channels=17, size=(9, 7), kernel=3, stride=1, padding=1),
    *both(channels=64, size=(7, 7), kernel=7, stride=1),
    *both(channels=33, size=(13, 13), kernel=3, stride=2, ceil_mode=True),
    *both(channels=2, size=(31, 70), kernel=(5, 13), stride=1, padding=(2, 6)),
    *both(channels=9, size=(12, 40), kernel=(2, 3), stride=(1, 3), padding=(1, 0)),
    *both(channels=4, size=(11, 64), kernel=4, stride=4),
    *both(channels=16, size=(5, 18), kernel=3, stride=(3, 5), padding=1, ceil_mode=True),
    *both(channels=1, size=(40, 41), kernel=(3, 2), stride=(2, 2), batch=None),
    *both(channels=2, size=(2, 2), kernel=3, stride=2, padding=1, ceil_mode=True),
    *both(channels=6, size=(1, 1), kernel=1),
    *both(channels=4, size=(301,), kernel=3, stride=1, padding=1),
    *both(channels=3, size=(1000,), kernel=60, stride=160),
    *both(channels=2, size=(5003,), kernel=2, stride=2),
    *both(channels=1, size=(4999,), kernel=801, stride=3, padding=400),
    *both(channels=20, size=(9,), kernel=4, stride=3, padding=2, ceil_mode=True, batch=None),
    *both(channels=5, size=(6, 9, 10), kernel=3, stride=1, padding=1),
    *both(channels=18, size=(4, 6, 8), kernel=2),
    *both(channels=3, size=(5, 9, 34), kernel=(1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
    *both(channels=2, size=(7, 7, 7), kernel=(3, 2, 4), stride=(2, 3, 1), ceil_mode=True, batch=None),
    # Long channels-last pixels under windows that share no column.
    *both(channels=781, size=(7, 7), kernel=7),
    *both(channels=840, size=(3, 6, 5), kernel=(2, 3, 2), padding=(0, 1, 1), ceil_mode=True),
    PoolCase("avg", 800, (7, 8), (3, 2), stride=(2, 3), padding=(1, 1), count_include_pad=False),
    PoolCase("max", 7, (20, 21), 3, stride=1, padding=1, dilation=2),
    PoolCase("max", 3, (15, 50), (2, 4), stride=(2, 3), dilation=(3, 2), padding=(1, 2), ceil_mode=True),
    PoolCase("max", 2, (4000,), 3, stride=1, dilation=1100),
    PoolCase("max", 4, (9, 8, 12), 2, stride=2, dilation=(2, 1, 3)),
    PoolCase("avg", 3, (16, 17), 3, stride=2, padding=1, count_include_pad=False),
    PoolCase("avg", 40, (7, 9), 3, stride=2, padding=1, count_include_pad=False, ceil_mode=True),
    PoolCase("avg", 5, (10, 11), 4, stride=3, padding=2, ceil_mode=True),
    PoolCase("avg", 5, (10, 11), 3, padding=1, divisor_override=5),
    PoolCase("avg", 5, (6, 7, 8), 3, stride=2, padding=1, divisor_override=-2, ceil_mode=True),
    PoolCase("avg", 5, (6, 7, 8), 3, stride=2, padding=1, count_include_pad=False, ceil_mode=True),
    PoolCase("avg", 4, (50,), 5, stride=2, padding=2, count_include_pad=False, ceil_mode=True),
]
MAX_CASES = [case for case in CASES if case.kind == "max"]
__all__ = [
    "CASES",
    "DTYPES",
    "FUNCTIONS",
    "ISAS",
    "LAYOUTS",
    "MAX_CASES",
    "THREADS",
    "TORCH",
    "PoolCase",
    "replace",
]
