"""Operators as descriptions: which inputs and weights feed an output, and how they are combined.

A new operator is one subclass of `Operator` (and, where it does not slide, one `Axis`): terms, sums,
pictures, the interactive page and the hint finder read nothing else.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .axes import Axis, Read, SlidingAxis

Combine = Literal["sum", "max", "mean"]


class Feed(NamedTuple):
    """One input element, or padding, on its way into an output element."""

    channel: int
    tap: tuple[int, ...]
    position: tuple[int, ...]
    source: tuple[int, ...] | None
    weight: tuple[int, ...] | None


@dataclass(frozen=True)
class Operator(ABC):
    """What every operator states about itself; sizes are those of the whole call."""

    batch: int
    in_ch: int
    out_ch: int
    axes: tuple[Axis, ...]

    combine: Combine = "sum"

    @property
    @abstractmethod
    def name(self) -> str:
        """The public function's name."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, str]:
        """The arguments that differ from their defaults matter to a reader: name and text of each."""

    @abstractmethod
    def channels(self, out_ch: int) -> range:
        """The input channels that output channel `out_ch` reads."""

    @abstractmethod
    def weight_index(self, out_ch: int, channel: int, tap: tuple[int, ...]) -> tuple[int, ...] | None:
        """Where the weight of (`channel`, `tap`) lies in the weight array; None without weights."""

    def divisor(self, reads: tuple[tuple[Read, ...], ...]) -> int:
        """What the sum of the elements in `reads` (one tuple an axis) is divided by."""
        return 1

    @property
    def rank(self) -> int:
        return len(self.axes)

    @property
    def in_shape(self) -> tuple[int, ...]:
        return (self.batch, self.in_ch, *(axis.size for axis in self.axes))

    @property
    def out_shape(self) -> tuple[int, ...]:
        return (self.batch, self.out_ch, *(axis.out for axis in self.axes))

    @property
    def kernel(self) -> tuple[int, ...]:
        return tuple(axis.taps for axis in self.axes)

    def reads(self, pos: tuple[int, ...]) -> tuple[tuple[Read, ...], ...]:
        """What output position `pos` reads along each axis."""
        return tuple(axis.reads(o) for axis, o in zip(self.axes, pos, strict=True))

    def feeds(self, out_ch: int, pos: tuple[int, ...]) -> Iterator[Feed]:
        """Everything that output (`out_ch`, `pos`) is made of: channels first, then taps in order."""
        reads = self.reads(pos)
        for channel in self.channels(out_ch):
            for combination in itertools.product(*reads):
                tap = tuple(read.tap for read in combination)
                sources = [read.source for read in combination]
                known = tuple(s for s in sources if s is not None)
                yield Feed(
                    channel,
                    tap,
                    tuple(read.position for read in combination),
                    known if len(known) == len(sources) else None,
                    self.weight_index(out_ch, channel, tap),
                )


@dataclass(frozen=True)
class Convolution(Operator):
    """conv1d, conv2d, conv3d: a sum over the group's input channels and the kernel's taps."""

    groups: int = 1

    @property
    def name(self) -> str:
        return f"conv{self.rank}d"

    @property
    def settings(self) -> dict[str, str]:
        return sliding_settings(self.axes) | {"groups": str(self.groups)}

    def channels(self, out_ch: int) -> range:
        group = out_ch // (self.out_ch // self.groups)
        size = self.in_ch // self.groups
        return range(group * size, (group + 1) * size)

    def weight_index(self, out_ch: int, channel: int, tap: tuple[int, ...]) -> tuple[int, ...]:
        return (out_ch, channel % (self.in_ch // self.groups), *tap)


@dataclass(frozen=True)
class Pooling(Operator):
    """max_pool and avg_pool: every output channel reads the input channel of the same number."""

    count_include_pad: bool = True
    divisor_override: int | None = None

    @property
    def name(self) -> str:
        return f"{'max' if self.combine == 'max' else 'avg'}_pool{self.rank}d"

    @property
    def settings(self) -> dict[str, str]:
        settings = sliding_settings(self.axes)
        if any(isinstance(axis, SlidingAxis) and axis.ceil_mode for axis in self.axes):
            settings["ceil_mode"] = "True"
        if self.combine == "mean" and self.divisor_override is not None:
            settings["divisor_override"] = str(self.divisor_override)
        elif self.combine == "mean" and any(any(axis.border) for axis in self.axes):
            settings["count_include_pad"] = str(self.count_include_pad)
        return settings

    def channels(self, out_ch: int) -> range:
        return range(out_ch, out_ch + 1)

    def weight_index(self, out_ch: int, channel: int, tap: tuple[int, ...]) -> None:
        return None

    def divisor(self, reads: tuple[tuple[Read, ...], ...]) -> int:
        if self.combine != "mean":
            return 1
        if self.divisor_override is not None:
            return self.divisor_override
        if self.count_include_pad:
            return math.prod(len(axis) for axis in reads)
        return math.prod(sum(read.source is not None for read in axis) for axis in reads)


def sliding_settings(axes: tuple[Axis, ...]) -> dict[str, str]:
    """Stride, padding and dilation of sliding axes as a reader would write them."""
    sliding = [axis for axis in axes if isinstance(axis, SlidingAxis)]
    borders = [axis.border for axis in sliding]
    symmetric = all(begin == end for begin, end in borders)
    settings = {
        "stride": _short([str(axis.stride) for axis in sliding]),
        "padding": _short([str(b[0]) if symmetric else f"({b[0]}, {b[1]})" for b in borders]),
        "dilation": _short([str(axis.dilation) for axis in sliding]),
    }
    if sliding[0].mode != "zeros" and any(any(b) for b in borders):
        settings["padding_mode"] = sliding[0].mode
    return settings


def _short(values: list[str]) -> str:
    """One value where all axes agree, else the tuple."""
    return values[0] if len(set(values)) == 1 else f"({', '.join(values)})"
