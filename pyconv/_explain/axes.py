"""How one spatial axis of an operator reads its input: the sizes, the border, and who reads what.

Everything that explains (terms, pictures, shapes, hints) goes through `Axis.reads`; no other file
knows about strides, dilation or padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pyconv import _core

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Read(NamedTuple):
    """One tap of one output position along one axis.

    `position` counts in the input's coordinates and lies outside ``[0, size)`` in the border;
    `source` is the input index whose value is read there, None where the border is a constant.
    """

    tap: int
    position: int
    source: int | None


class Axis(Protocol):
    """One spatial axis of an operator."""

    @property
    def size(self) -> int:
        """Extent of the input."""

    @property
    def out(self) -> int:
        """Extent of the output."""

    @property
    def taps(self) -> int:
        """Extent of the kernel."""

    @property
    def border(self) -> tuple[int, int]:
        """Padding before the first and after the last input element."""

    def reads(self, output: int) -> tuple[Read, ...]:
        """What output position `output` reads, in the order of the taps."""

    def source(self, position: int) -> int | None:
        """The input index behind `position`, None where the border is a constant."""


def border_source(position: int, size: int, mode: str) -> int | None:
    """The input index that padding mode `mode` puts at `position`, None for the constant of "zeros".

    >>> [border_source(p, 4, "reflect") for p in (-2, -1, 0, 3, 4)]
    [2, 1, 0, 3, 2]
    """
    if 0 <= position < size:
        return position
    if mode == "zeros" or size == 0:
        return None
    if mode == "replicate":
        return 0 if position < 0 else size - 1
    if mode == "circular":
        return position % size
    period = max(2 * (size - 1), 1)
    folded = position % period
    return min(folded, period - folded) if size > 1 else 0


@dataclass(frozen=True, slots=True)
class SlidingAxis:
    """A window of `taps` elements, `dilation` apart, that moves by `stride` over the padded input."""

    size: int
    taps: int
    stride: int = 1
    dilation: int = 1
    border: tuple[int, int] = (0, 0)
    mode: str = "zeros"
    ceil_mode: bool = False

    @property
    def reach(self) -> int:
        """Distance from the first to the last element of the window, plus one."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def padded(self) -> int:
        """Extent of the input with its border."""
        return self.border[0] + self.size + self.border[1]

    @property
    def out(self) -> int:
        """Number of windows; 0 where the kernel does not fit."""
        return _core.output_size(*self._numbers)

    def rule(self, name: str = "") -> str:
        """The size rule with this axis' numbers, one step a line: the text of the library's own errors.

        >>> print(SlidingAxis(224, 7, stride=2, border=(3, 3)).rule("width"))
        width  = floor((input + padding - dilation * (kernel - 1) - 1) / stride) + 1
               = floor((224 + 3 + 3 - 1 * (7 - 1) - 1) / 2) + 1
               = floor(223 / 2) + 1 = 112
        """
        return _core.size_rule(*self._numbers, name)

    @property
    def _numbers(self) -> tuple[int, int, int, int, int, int, bool]:
        return (self.size, *self.border, self.taps, self.stride, self.dilation, self.ceil_mode)

    @property
    def unused(self) -> int:
        """Elements at the end of the padded input that no window reaches."""
        return max(self.padded - self._last_end, 0) if self.out else self.padded

    @property
    def overhang(self) -> int:
        """Elements of the last window that lie beyond the padded input, as `ceil_mode` allows."""
        return max(self._last_end - self.padded, 0) if self.out else 0

    @property
    def _last_end(self) -> int:
        return (self.out - 1) * self.stride + self.reach

    def source(self, position: int) -> int | None:
        return border_source(position, self.size, self.mode)

    def reads(self, output: int) -> tuple[Read, ...]:
        start = output * self.stride - self.border[0]
        positions = ((tap, start + tap * self.dilation) for tap in range(self.taps))
        # Only ceil_mode lets a window hang over the padded input; what hangs over does not exist.
        end = self.size + self.border[1]
        return tuple(Read(tap, p, self.source(p)) for tap, p in positions if p < end)
