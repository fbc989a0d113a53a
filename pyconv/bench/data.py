"""Inputs of a case and the float64 truth about its outputs, in NumPy alone.

The truth is computed on whole planes of the first spatial dimension, a sample of them for large cases,
so that checking a layer never costs more than timing it.
"""

from __future__ import annotations

import dataclasses
import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyconv.bench.cases import Case

Array = NDArray[Any]

# Any correct algorithm stays far below this many units in the last place of sum|x||w| on dense random
# data: direct ones near 2, Winograd F(4x4) near 13. A wrong tap is off by thousands.
TOLERANCE = 64.0
CHECKED_MACS = 400_000_000
PAGE = 4096


@dataclasses.dataclass(frozen=True)
class Data:
    """Operands of one case, C-contiguous, channels first. A pooling has no weight and no bias."""

    input: Array
    weight: Array | None
    bias: Array | None


def make_data(case: Case) -> Data:
    """Random operands that depend on the geometry alone: the same in every run."""
    rng = np.random.default_rng(zlib.crc32(repr((case.input_shape, case.weight_shape)).encode()))
    dtype = np.dtype(case.dtype)
    x = rng.standard_normal(case.input_shape).astype(dtype)
    if not case.is_conv:
        return Data(x, None, None)
    fan_in = math.prod(case.weight_shape[1:])
    w = (rng.standard_normal(case.weight_shape) / math.sqrt(fan_in)).astype(dtype)
    b = rng.standard_normal(case.out_ch).astype(dtype) if case.bias else None
    return Data(x, w, b)


def placed(array: Array, offset: int) -> Array:
    """A C-contiguous copy that begins `offset` bytes into a page."""
    room = np.empty(array.nbytes + 2 * PAGE, np.uint8)
    start = (offset - room.ctypes.data) % PAGE
    copy = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


@dataclasses.dataclass(frozen=True)
class Truth:
    """`values` and `scale` (sum|x||w|) at output[images][:, :, planes]."""

    images: list[int]
    planes: list[int]
    values: Array
    scale: Array
    unit: float  # unit roundoff of the checked dtype; 0 demands equality

    def error(self, result: Array) -> float:
        """The largest error in units of roundoff * scale; inf for a result of another shape or with NaN."""
        shape = self.values.shape
        if result.ndim != len(shape) or result.shape[1] != shape[1] or result.shape[3:] != shape[3:]:
            return math.inf
        if result.shape[0] <= max(self.images) or result.shape[2] <= max(self.planes):
            return math.inf
        part = result[self.images][:, :, self.planes].astype(np.float64)
        difference = np.abs(part - self.values)
        if not np.isfinite(difference).all():
            return math.inf
        if self.unit == 0:
            return 0.0 if not difference.any() else math.inf
        return float((difference / (self.unit * self.scale)).max())


def make_truth(case: Case, data: Data) -> Truth:
    images = list(range(case.batch)) if case.batch <= 2 else [0, case.batch - 1]
    planes = _planes(case, len(images))
    x = data.input[images].astype(np.float64)
    unit = float(np.finfo(case.dtype).eps) / 2
    if case.op == "max_pool":
        values = _pool(case, x, planes, -math.inf, np.maximum)
        return Truth(images, planes, values, np.ones_like(values), 0.0)
    if case.is_conv:
        assert data.weight is not None
        w = data.weight.astype(np.float64)
        values, scale = _conv(case, x, w, planes), _conv(case, np.abs(x), np.abs(w), planes)
        if data.bias is not None:
            column = data.bias.astype(np.float64).reshape(1, -1, *[1] * case.ndim)
            values, scale = values + column, scale + np.abs(column)
    else:
        divisor = _divisor(case, planes)
        values = _pool(case, x, planes, 0.0, np.add) / divisor
        scale = _pool(case, np.abs(x), planes, 0.0, np.add) / divisor
    # Winograd's bound is over its tile: a corner output may carry the error of its heavier neighbours.
    floor = scale.mean(axis=tuple(range(2, scale.ndim)), keepdims=True)
    return Truth(
        images, planes, values, np.maximum(np.maximum(scale, floor), np.finfo(np.float64).tiny), unit
    )


def _planes(case: Case, images: int) -> list[int]:
    length = case.out_size[0]
    macs_per_plane = max(1, case.macs // case.batch * images // length)
    affordable = max(2, CHECKED_MACS // macs_per_plane)
    if affordable >= length:
        return list(range(length))
    inner = np.random.default_rng(length).choice(np.arange(1, length - 1), affordable - 2, replace=False)
    return [0, *sorted(inner.tolist()), length - 1]


def _padded(case: Case, x: Array, value: float) -> Array:
    """Padding as asked for, and at the end what ceil_mode's last windows reach beyond it."""
    ends = []
    for dim in range(case.ndim):
        reach = (case.out_size[dim] - 1) * case.stride[dim] + case.dilation[dim] * (case.kernel[dim] - 1) + 1
        ends.append(max(case.pad_end[dim], reach - case.in_size[dim] - case.pad_begin[dim]))
    return np.pad(x, ((0, 0), (0, 0), *zip(case.pad_begin, ends, strict=True)), constant_values=value)


def _tap(case: Case, padded: Array, tap: tuple[int, ...], planes: list[int]) -> Array:
    """The input element that each wanted output reads at one kernel position."""
    rows = [plane * case.stride[0] + tap[0] * case.dilation[0] for plane in planes]
    rest: list[slice] = []
    for dim in range(1, case.ndim):
        start = tap[dim] * case.dilation[dim]
        rest.append(slice(start, start + (case.out_size[dim] - 1) * case.stride[dim] + 1, case.stride[dim]))
    index: Any = (slice(None), slice(None), rows, *rest)
    chosen: Array = padded[index]
    return chosen


def _conv(case: Case, x: Array, w: Array, planes: list[int]) -> Array:
    padded = _padded(case, x, 0.0)
    groups, batch = case.groups, x.shape[0]
    w = w.reshape(groups, case.out_ch // groups, case.in_ch // groups, *case.kernel)
    total: Array | float = 0.0
    for tap in np.ndindex(*case.kernel):
        columns = _tap(case, padded, tap, planes).reshape(batch, groups, case.in_ch // groups, -1)
        total = total + w[(..., *tap)] @ columns
    assert isinstance(total, np.ndarray)
    return total.reshape(batch, case.out_ch, len(planes), *case.out_size[1:])


def _pool(case: Case, x: Array, planes: list[int], start: float, combine: np.ufunc) -> Array:
    padded = _padded(case, x, start)
    total = np.full((*x.shape[:2], len(planes), *case.out_size[1:]), start)
    for tap in np.ndindex(*case.kernel):
        combine(total, _tap(case, padded, tap, planes), out=total)
    return total


def _divisor(case: Case, planes: list[int]) -> Array:
    """Elements in each window: those inside the padded input, or inside the input."""
    total = np.ones(())
    for dim in range(case.ndim):
        starts = np.arange(case.out_size[dim]) * case.stride[dim] - case.pad_begin[dim]
        low, high = -case.pad_begin[dim], case.in_size[dim] + case.pad_end[dim]
        ends = np.minimum(starts + case.kernel[dim], high)
        if not case.count_include_pad:
            low, high = 0, case.in_size[dim]
        counts = np.minimum(ends, high) - np.maximum(starts, low)
        counts = counts[planes] if dim == 0 else counts
        total = np.multiply.outer(total, counts)
    return total
