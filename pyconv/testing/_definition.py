"""The convolution as its definition says, in float64 and NumPy only: what pyconv.testing judges by.

Nothing here is shared with the kernels or with pyconv.functional; it is written to be read, one tap at a
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Pairs = tuple[tuple[int, int], ...]

NUMPY_PAD_MODES = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@dataclass(frozen=True)
class Definition:
    """One convolution: `input` is (batch, in_ch, *size), in float64; one (begin, end) pair a dimension."""

    input: Array
    weight: Array
    bias: Array | None
    residual: Array | None
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int
    padding_mode: str
    bounds: tuple[float, float]
    batched: bool
    channels_last: bool

    @property
    def rank(self) -> int:
        return self.weight.ndim - 2

    @property
    def kernel(self) -> tuple[int, ...]:
        return self.weight.shape[2:]

    @property
    def out_size(self) -> tuple[int, ...]:
        return tuple(
            (size + begin + end - dilation * (kernel - 1) - 1) // stride + 1
            for size, (begin, end), dilation, kernel, stride in zip(
                self.input.shape[2:], self.padding, self.dilation, self.kernel, self.stride, strict=True
            )
        )

    @property
    def result_shape(self) -> tuple[int, ...]:
        """In the caller's format."""
        shape = (self.input.shape[0], self.weight.shape[0], *self.out_size)
        return self.in_callers_format(np.empty(shape, dtype=bool)).shape

    @property
    def terms(self) -> int:
        """Products that one output element adds up, plus one each for a bias and a residual."""
        products = int(np.prod(self.weight.shape[1:], dtype=object))
        return products + (self.bias is not None) + (self.residual is not None)

    def problem_text(self, dtype: np.dtype[Any]) -> str:
        """The problem string that ``pyconv.plan`` reads."""
        dims, taps = "dhw"[3 - self.rank :], "trs"[3 - self.rank :]
        sizes = "".join(f"{name}{n}" for name, n in zip(dims, self.input.shape[2:], strict=True))
        kernel = "".join(f"{name}{n}" for name, n in zip(taps, self.kernel, strict=True))
        padding = "x".join(f"{begin}:{end}" for begin, end in self.padding)
        stride, dilation = ("x".join(map(str, values)) for values in (self.stride, self.dilation))
        text = f"n{self.input.shape[0]}c{self.input.shape[1]}{sizes}_k{self.weight.shape[0]}{kernel}"
        text += f"p{padding}u{stride}l{dilation}g{self.groups}_f{8 * dtype.itemsize}"
        return text if self.padding_mode == "zeros" else f"{text}_{self.padding_mode}"

    def padded_input(self) -> Array:
        mode: Any = NUMPY_PAD_MODES[self.padding_mode]
        return np.pad(self.input, ((0, 0), (0, 0), *self.padding), mode=mode)

    def sum(self) -> Array:
        """(batch, out_ch, *out): sum over input channels and taps, + bias + residual; no activation yet."""
        padded = self.padded_input()
        batch, in_ch = padded.shape[:2]
        out_ch, out_count = self.weight.shape[0], int(np.prod(self.out_size))
        weight = self.weight.reshape(self.groups, out_ch // self.groups, in_ch // self.groups, *self.kernel)
        total = np.zeros((batch, self.groups, out_ch // self.groups, out_count))
        for tap in product(*map(range, self.kernel)):
            seen = padded[self._positions(tap)]
            at: tuple[Any, ...] = (..., *tap)
            total += weight[at] @ seen.reshape(batch, self.groups, in_ch // self.groups, out_count)
        result = total.reshape(batch, out_ch, *self.out_size)
        if self.bias is not None:
            result = result + self.bias.reshape(-1, *(1,) * self.rank)
        return result if self.residual is None else result + self.residual

    def result(self) -> Array:
        """The output in the caller's format."""
        return self.in_callers_format(np.clip(self.sum(), *self.bounds))

    def magnitude(self) -> Array:
        """sum |x| |w| + |bias| + |residual| of every output element, (batch, out_ch, *out)."""
        return replace(
            self,
            input=np.abs(self.input),
            weight=np.abs(self.weight),
            bias=None if self.bias is None else np.abs(self.bias),
            residual=None if self.residual is None else np.abs(self.residual),
        ).sum()

    def reads_padding(self) -> Array:
        """True at each output position whose window reaches outside the input, shape `out_size`."""
        border = np.zeros(self.out_size, dtype=bool)
        for dim, (size, (begin, _)) in enumerate(zip(self.input.shape[2:], self.padding, strict=True)):
            first = np.arange(self.out_size[dim]) * self.stride[dim] - begin
            last = first + self.dilation[dim] * (self.kernel[dim] - 1)
            outside = (first < 0) | (last >= size)
            border |= outside.reshape(-1, *(1,) * (self.rank - 1 - dim))
        return border

    def in_callers_format(self, array: Array) -> Array:
        if self.channels_last:
            array = np.moveaxis(array, 1, -1)
        return array if self.batched else array[0]

    def from_callers_format(self, array: Array) -> Array:
        batched = array if self.batched else array[None]
        return np.moveaxis(batched, -1, 1) if self.channels_last else batched

    def _positions(self, tap: Sequence[int]) -> tuple[Any, ...]:
        starts = (index * dilation for index, dilation in zip(tap, self.dilation, strict=True))
        steps = (
            slice(start, start + (out - 1) * stride + 1, stride)
            for start, out, stride in zip(starts, self.out_size, self.stride, strict=True)
        )
        return (..., *steps)


def define(
    input: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[Any] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
    activation: str | tuple[str, float, float] | None = None,
    residual: npt.ArrayLike | None = None,
    data_format: str = "channels_first",
) -> Definition:
    """The arguments of ``pyconv.conv1d``, ``conv2d`` or ``conv3d`` (the weight has the rank) resolved."""
    x, w = np.asarray(input, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    rank = w.ndim - 2
    if rank not in (1, 2, 3):
        raise ValueError(f"weight must have 3, 4 or 5 dimensions, got shape {w.shape}")
    if x.ndim not in (rank + 1, rank + 2):
        raise ValueError(
            f"input must have {rank + 1} or {rank + 2} dimensions for weight {w.shape}, got {x.shape}"
        )
    if padding_mode not in NUMPY_PAD_MODES:
        raise ValueError(f"padding_mode must be one of {', '.join(NUMPY_PAD_MODES)}, got {padding_mode!r}")
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(f"data_format must be 'channels_first' or 'channels_last', got {data_format!r}")
    dilations = _per_dim(dilation, rank)
    definition = Definition(
        input=x,
        weight=w,
        bias=None if bias is None else np.asarray(bias, dtype=np.float64),
        residual=None,
        stride=_per_dim(stride, rank),
        padding=_pairs(padding, w.shape[2:], dilations),
        dilation=dilations,
        groups=groups,
        padding_mode=padding_mode,
        bounds=_clamp_bounds(activation),
        batched=x.ndim == rank + 2,
        channels_last=data_format == "channels_last",
    )
    definition = replace(definition, input=definition.from_callers_format(x))
    if definition.input.shape[1] != w.shape[1] * groups:
        raise ValueError(
            f"input channels must be weight.shape[1] * groups: {definition.input.shape[1]} channels, "
            f"weight {w.shape}, groups {groups}"
        )
    if min(definition.out_size) < 1:
        from pyconv import explain_shape

        shapes = definition.input.shape, w.shape
        why = explain_shape(*shapes, definition.stride, definition.padding, dilations, groups)
        raise ValueError(f"the kernel must fit into the padded input:\n{why}")
    if residual is None:
        return definition
    return replace(
        definition, residual=definition.from_callers_format(np.asarray(residual, dtype=np.float64))
    )


def _per_dim(value: int | Sequence[int], rank: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int | np.integer) else tuple(value)
    if len(values) not in (1, rank):
        raise ValueError(f"expected 1 or {rank} values, got {value!r}")
    return tuple(map(int, values)) * (rank if len(values) == 1 else 1)


def _pairs(padding: str | int | Sequence[Any], kernel: Sequence[int], dilation: Sequence[int]) -> Pairs:
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise ValueError(f"padding must be 'same', 'valid' or numbers, got {padding!r}")
    sides: Sequence[Any] = (
        _per_dim(padding, len(kernel)) if isinstance(padding, int | np.integer) else padding
    )
    if isinstance(sides[0], int | np.integer):
        return tuple((side, side) for side in _per_dim(sides, len(kernel)))
    return tuple((int(begin), int(end)) for begin, end in sides)


def _clamp_bounds(activation: str | tuple[str, float, float] | None) -> tuple[float, float]:
    if activation is None:
        return -np.inf, np.inf
    if activation == "relu":
        return 0.0, np.inf
    if activation == "relu6":
        return 0.0, 6.0
    if isinstance(activation, tuple) and activation[0] == "clip":
        return float(activation[1]), float(activation[2])
    raise ValueError(f"activation must be None, 'relu', 'relu6' or ('clip', lo, hi), got {activation!r}")
