"""Why the output has the size it has: the formula with the numbers, and what the window never reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from . import arguments
from .arguments import Padding, Size
from .axes import SlidingAxis
from .operators import Operator

AXIS_NAMES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}


def axis_names(rank: int) -> tuple[str, ...]:
    return AXIS_NAMES.get(rank, tuple(f"axis {i}" for i in range(rank)))


def never_read(axis: SlidingAxis) -> tuple[int, ...]:
    """Positions of the padded input that no window reads: at the end, or skipped between windows."""
    read = {r.position for o in range(axis.out) for r in axis.reads(o)}
    return tuple(p for p in range(-axis.border[0], axis.size + axis.border[1]) if p not in read)


def leftovers(axis: SlidingAxis) -> str:
    """One sentence on what is never read; empty if everything is."""
    if not axis.out:
        return ""
    lost = [p for p in never_read(axis) if 0 <= p < axis.size]
    end = axis.unused
    sentences = []
    if end:
        in_padding = min(end, axis.border[1])
        where = {0: "all input", end: "all padding"}.get(in_padding, f"{in_padding} of them padding")
        sentences.append(f"the last {end} of {axis.padded} padded elements {_are(end)} never read ({where})")
    between = len([p for p in lost if p < axis.size + axis.border[1] - end])
    if between:
        reason = "stride" if axis.stride > axis.reach else "dilation and stride"
        sentences.append(f"{between} of {axis.size} input elements lie between the windows ({reason})")
    if axis.overhang:
        sentences.append(
            f"the last window hangs over the end by {axis.overhang}: those elements do not exist"
        )
    return "; ".join(sentences)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def why_empty(operator: Operator) -> str:
    """For error messages: which axis leaves no output, with its formula; empty if none does."""
    for name, axis in zip(axis_names(operator.rank), operator.axes, strict=True):
        if isinstance(axis, SlidingAxis) and not axis.out:
            return f"\n{axis.rule(name)}"
    return ""


@dataclass(frozen=True)
class ShapeExplanation:
    """Where an output shape comes from; see :func:`pyconv.explain_shape`.

    Attributes
    ----------
    operator : Operator
        What was asked.
    shape : tuple of int or None
        The output's shape, None where the kernel does not fit into the padded input.
    """

    operator: Operator

    @cached_property
    def shape(self) -> tuple[int, ...] | None:
        fits = all(axis.out for axis in self.axes)
        return self.operator.out_shape if fits else None

    @property
    def axes(self) -> tuple[SlidingAxis, ...]:
        """The numbers of each axis."""
        return tuple(axis for axis in self.operator.axes if isinstance(axis, SlidingAxis))

    def __str__(self) -> str:
        settings = "  ".join(f"{name} {text}" for name, text in self.operator.settings.items())
        kernel = "x".join(map(str, self.operator.kernel))
        result = "impossible" if self.shape is None else str(self.shape)
        lines = [f"input {self.operator.in_shape}  kernel {kernel}  {settings}  ->  output {result}"]
        for name, axis in zip(axis_names(self.operator.rank), self.axes, strict=True):
            lines.append(axis.rule(name))
            if note := leftovers(axis):
                lines.append(f"{'':7}{note}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<ShapeExplanation {self.operator.in_shape} -> {self.shape}>"

    def to_svg(self, *, theme: str = "auto") -> str:
        """One strip an axis: the padded input, the first and last windows, what is never read."""
        from .shape_picture import draw

        return draw(self, theme)

    def save(self, path: str | Path) -> None:
        """Write the picture (``.svg``, ``.png``), a page with it (``.html``) or the text (``.txt``)."""
        from .files import save

        save(self, path)

    def to_html(self) -> str:
        """A page of its own with picture and text."""
        from .page import static_page

        return static_page("Output shape", self.to_svg(), str(self))

    def _repr_html_(self) -> str:
        return f'<div style="overflow-x:auto">{self.to_svg()}</div>'


def explain_shape(
    input: Any,
    kernel: Any,
    stride: Size | None = None,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    ceil_mode: bool = False,
) -> ShapeExplanation:
    """Show why the output of a convolution or a pooling has its size.

    Along each axis it is the number of windows that fit into the padded input::

        floor((input + padding - dilation * (kernel - 1) - 1) / stride) + 1

    with ceil for floor in ``ceil_mode``, less one if the last window would start in the padding at the end.

    Parameters
    ----------
    input : array_like or tuple of int
        The input or its shape, ``(batch, in_ch, *size)``, or without the batch dimension.
    kernel : array_like, tuple of int or int
        A weight array or its shape ``(out_ch, in_ch / groups, *kernel)``, or a pooling window: one
        number, or one for each axis.
    stride : int or tuple of int, optional
        1 for a weight, the window's size for pooling, as in torch.
    padding, dilation, groups, ceil_mode
        As in :func:`pyconv.conv2d` and :func:`pyconv.max_pool2d`.

    Returns
    -------
    ShapeExplanation
        Printable, shown as a picture in notebooks; ``.shape`` is None where the kernel does not fit. The
        errors of the library's functions show the same text.

    Raises
    ------
    ValueError
        If input and kernel do not belong together in another way than by size: dimensions, channels, groups.
    TypeError
        If `input` or `kernel` is neither an array nor a shape.

    References
    ----------
    V. Dumoulin, F. Visin, "A guide to convolution arithmetic for deep learning", 2016, arXiv:1603.07285.

    Examples
    --------
    >>> import pyconv
    >>> print(pyconv.explain_shape((1, 3, 225, 224), (8, 3, 7, 7), stride=2, padding=3))
    input (1, 3, 225, 224)  kernel 7x7  stride 2  padding 3  dilation 1  groups 1  ->  output (1, 8, 113, 112)
    height = floor((input + padding - dilation * (kernel - 1) - 1) / stride) + 1
           = floor((225 + 3 + 3 - 1 * (7 - 1) - 1) / 2) + 1
           = floor(224 / 2) + 1 = 113
    width  = floor((input + padding - dilation * (kernel - 1) - 1) / stride) + 1
           = floor((224 + 3 + 3 - 1 * (7 - 1) - 1) / 2) + 1
           = floor(223 / 2) + 1 = 112
           the last 1 of 230 padded elements is never read (all padding)
    >>> pyconv.explain_shape((1, 8, 6), 3, ceil_mode=True).shape
    (1, 8, 2)
    """
    shape = _shape("input", input)
    sizes = (kernel,) if isinstance(kernel, int) else _shape("kernel", kernel)
    rank = _rank(shape, sizes, isinstance(kernel, int))
    if len(shape) == rank + 1:
        shape = (1, *shape)
    if len(sizes) == rank + 2:
        if ceil_mode:
            raise ValueError("ceil_mode belongs to pooling, got it with a weight")
        steps = 1 if stride is None else stride
        return ShapeExplanation(arguments.convolution(shape, sizes, steps, padding, dilation, groups))
    if isinstance(padding, str) or any(isinstance(p, Sequence) for p in _sequence(padding)):
        raise ValueError(f"pooling padding must be integers, got {padding!r}")
    window = arguments.per_axis("kernel", sizes, rank, least=1)
    pool = arguments.pooling(shape, window, stride, padding, dilation, ceil_mode)  # type: ignore[arg-type]
    return ShapeExplanation(pool)


def _sequence(value: Any) -> Sequence[Any]:
    return value if isinstance(value, Sequence) else (value,)


def _shape(name: str, value: Any) -> tuple[int, ...]:
    """A tuple or list of integers as it is, anything else as an array's shape."""
    if hasattr(value, "shape"):
        return tuple(int(extent) for extent in value.shape)
    if isinstance(value, Sequence) and all(not isinstance(v, Sequence) for v in value):
        shape = tuple(arguments.integer(name, v) for v in value)
        if any(extent < 0 for extent in shape):
            raise ValueError(f"{name} must have no negative extent, got {shape}")
        return shape
    raise TypeError(f"{name} must be an array or a shape, got {type(value).__name__}")


def _rank(shape: tuple[int, ...], kernel: tuple[int, ...], scalar: bool) -> int:
    """The number of spatial axes that input and kernel agree on."""
    if scalar:
        rank = len(shape) - 2
    elif len(kernel) in (len(shape), len(shape) + 1):
        rank = len(kernel) - 2
    else:
        rank = len(kernel)
    if rank not in (1, 2, 3) or len(shape) not in (rank + 1, rank + 2):
        raise ValueError(
            f"input must have 1, 2 or 3 sizes after (batch, channels), and kernel must fit it: "
            f"got input {shape}, kernel {kernel}"
        )
    return rank
