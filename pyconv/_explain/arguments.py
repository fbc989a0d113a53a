"""torch's arguments turned into operator descriptions; every refusal states the rule and both values."""

from __future__ import annotations

import operator as op
from collections.abc import Sequence
from typing import Any

from .axes import PADDING_MODES, SlidingAxis
from .operators import Combine, Convolution, Pooling

Size = int | Sequence[int]
Padding = str | int | Sequence[int] | Sequence[Sequence[int]]


def integer(name: str, value: Any) -> int:
    """`value` as an int; bool, float and text are refused."""
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        return op.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None


def per_axis(name: str, value: Size, rank: int, *, least: int) -> tuple[int, ...]:
    """One integer for each of `rank` axes, each at least `least`."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        values = tuple(integer(name, v) for v in value)
        if len(values) == 1:
            values *= rank
    else:
        values = (integer(name, value),) * rank
    if len(values) != rank:
        raise ValueError(
            f"{name} must have 1 or {rank} values for a {rank}-D operator, got {len(values)}: {value}"
        )
    if min(values) < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return values


def borders(
    padding: Padding, rank: int, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Begin and end padding of each axis; "same" puts an odd element at the end, as torch does."""
    if isinstance(padding, str):
        if padding == "valid":
            return ((0, 0),) * rank
        if padding != "same":
            raise ValueError(f'padding must be "same", "valid", integers or pairs, got {padding!r}')
        if any(s != 1 for s in stride):
            raise ValueError(f'padding="same" needs stride 1, got stride {tuple(stride)}')
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, Sequence) and any(isinstance(p, Sequence) for p in padding):
        pairs = [per_axis("padding", pair, 2, least=0) for pair in padding]  # type: ignore[arg-type]
        if len(pairs) != rank:
            raise ValueError(f"padding must have {rank} (begin, end) pairs, got {len(pairs)}: {padding}")
        return tuple((begin, end) for begin, end in pairs)
    sides = per_axis("padding", padding, rank, least=0)  # type: ignore[arg-type]
    return tuple((side, side) for side in sides)


def check_mode(mode: str, axes: Sequence[SlidingAxis]) -> None:
    """Refuse an unknown mode, and a border that the mode cannot fill."""
    if mode not in PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, got {mode!r}")
    for number, axis in enumerate(axes):
        widest = max(axis.border)
        if mode == "reflect" and widest and widest >= axis.size:
            raise ValueError(
                f"reflect padding must be smaller than the input: axis {number} has {axis.size} elements, "
                f"padding {widest}"
            )
        if mode == "circular" and widest > axis.size:
            raise ValueError(
                f"circular padding must not exceed the input: axis {number} has {axis.size} elements, "
                f"padding {widest}"
            )
        if mode == "replicate" and widest and not axis.size:
            raise ValueError(f"replicate padding needs an element to repeat: axis {number} is empty")


def sliding_axes(
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Size,
    padding: Padding,
    dilation: Size,
    *,
    mode: str = "zeros",
    ceil_mode: bool = False,
) -> tuple[SlidingAxis, ...]:
    """The axes of a window operator, validated except for whether the kernel fits."""
    rank = len(sizes)
    if min(kernel) < 1:
        raise ValueError(f"kernel sizes must be at least 1, got {tuple(kernel)}")
    strides = per_axis("stride", stride, rank, least=1)
    dilations = per_axis("dilation", dilation, rank, least=1)
    sides = borders(padding, rank, kernel, strides, dilations)
    axes = tuple(
        SlidingAxis(size, taps, s, d, border, mode, ceil_mode)
        for size, taps, s, d, border in zip(sizes, kernel, strides, dilations, sides, strict=True)
    )
    check_mode(mode, axes)
    return axes


def convolution(
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    stride: Size = 1,
    padding: Padding = 0,
    dilation: Size = 1,
    groups: int = 1,
    *,
    padding_mode: str = "zeros",
) -> Convolution:
    """The description of ``conv{1,2,3}d`` on a batched input of shape `x_shape`."""
    rank = len(w_shape) - 2
    batch, in_ch, *sizes = x_shape
    out_ch, group_in, *kernel = w_shape
    groups = integer("groups", groups)
    if groups < 1 or in_ch % groups or out_ch % groups:
        raise ValueError(
            f"groups must divide input and output channels: in_ch {in_ch}, out_ch {out_ch}, groups {groups}"
        )
    if group_in * groups != in_ch:
        hint = ""
        if sizes and group_in * groups == sizes[-1]:
            hint = "; the last dimension would fit: is the input channels-last? (np.moveaxis(x, -1, 1))"
        raise ValueError(
            f"the input must have weight.shape[1] * groups channels: weight {tuple(w_shape)} with groups "
            f"{groups} reads {group_in * groups}, input {tuple(x_shape)} has {in_ch}{hint}"
        )
    axes = sliding_axes(sizes, kernel, stride, padding, dilation, mode=padding_mode)
    assert len(axes) == rank
    return Convolution(batch, in_ch, out_ch, axes, groups=groups)


def pooling(
    x_shape: Sequence[int],
    kernel_size: Sequence[int],
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    *,
    kind: str = "max",
) -> Pooling:
    """The description of ``max_pool{1,2,3}d`` or ``avg_pool{1,2,3}d`` on a batched input."""
    batch, in_ch, *sizes = x_shape
    rank = len(sizes)
    if kind not in ("max", "avg"):
        raise ValueError(f'kind must be "max" or "avg", got {kind!r}')
    if stride is None or (isinstance(stride, Sequence) and not stride):
        stride = kernel_size
    axes = sliding_axes(sizes, kernel_size, stride, padding, dilation, ceil_mode=bool(ceil_mode))
    for axis in axes:
        if 2 * max(axis.border) > axis.taps:
            raise ValueError(
                f"pooling padding must be at most half the kernel: padding {max(axis.border)}, "
                f"kernel {axis.taps}"
            )
        if kind == "avg" and axis.dilation != 1:
            raise ValueError(f"average pooling has no dilation (as in torch), got {axis.dilation}")
    if divisor_override is not None:
        if kind == "max":
            raise ValueError("divisor_override belongs to average pooling, got it with kind='max'")
        if rank == 1:
            raise ValueError("avg_pool1d has no divisor_override (as in torch)")
        divisor_override = integer("divisor_override", divisor_override)
        if divisor_override == 0:
            raise ValueError("divisor_override must not be 0")
    combine: Combine = "max" if kind == "max" else "mean"
    return Pooling(
        batch, in_ch, in_ch, axes, combine,
        count_include_pad=bool(count_include_pad), divisor_override=divisor_override,
    )  # fmt: skip
