"""How much of the input one output element sees through a stack of layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import arguments
from .shape import axis_names


@dataclass(frozen=True, slots=True)
class Stage:
    """After one layer, for each axis: elements seen, distance of neighbours, where the first one starts."""

    layer: str
    size: tuple[int, ...]
    jump: tuple[int, ...]
    start: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What the elements of the last output see; see :func:`pyconv.receptive_field`.

    Attributes
    ----------
    size : tuple of int
        Elements of the input that one output element depends on, for each axis, from first to last.
    jump : tuple of int
        How far the window moves in the input when the output position grows by one.
    start : tuple of int
        Where the window of output position 0 begins; negative in the padding.
    stages : tuple of Stage
        The same after every layer.
    """

    stages: tuple[Stage, ...]

    @property
    def size(self) -> tuple[int, ...]:
        return self.stages[-1].size

    @property
    def jump(self) -> tuple[int, ...]:
        return self.stages[-1].jump

    @property
    def start(self) -> tuple[int, ...]:
        return self.stages[-1].start

    def at(self, *position: int) -> tuple[range, ...]:
        """The input positions that output `position` sees, for each axis; may reach into the padding."""
        if len(position) != len(self.size):
            raise ValueError(f"position must have {len(self.size)} numbers, got {len(position)}: {position}")
        begins = [s + p * j for s, p, j in zip(self.start, position, self.jump, strict=True)]
        return tuple(range(begin, begin + size) for begin, size in zip(begins, self.size, strict=True))

    def __str__(self) -> str:
        names = axis_names(len(self.size))
        rows = [("after", f"sees ({', '.join(names)})", "moves by", "starts at")]
        rows += [(s.layer, _short(s.size), _short(s.jump), _short(s.start)) for s in self.stages]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = (
            "  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in rows
        )
        return "\n".join(lines)


def _short(values: tuple[int, ...]) -> str:
    return "x".join(map(str, values)) if len(set(values)) > 1 else str(values[0])


def receptive_field(layers: Iterable[Any], rank: int | None = None) -> ReceptiveField:
    """Say how much of the input one element of the last output depends on.

    Along each axis, from the first layer to the last, starting with size = jump = 1 and start = 0::

        size = size + (kernel - 1) * dilation * jump
        start = start - pad_begin * jump
        jump = jump * stride

    Parameters
    ----------
    layers : iterable
        From first to last: layers of `pyconv.nn` or `torch.nn` (anything with `kernel_size`), mappings or
        tuples ``(kernel_size, stride, padding, dilation)`` whose end may be left out. Containers are
        opened; layers without `kernel_size`, such as activations, change nothing and are skipped.
    rank : int, optional
        Number of axes. Taken from the layers; needed only where all of them are given by single numbers
        and the stack is not 1-D.

    Returns
    -------
    ReceptiveField
        With ``.size``, ``.jump``, ``.start``, ``.at(*position)``; printed, a table with a row for each layer.

    Raises
    ------
    ValueError
        If there is no layer with a kernel, one has no fixed window (adaptive pooling, upsampling, transposed
        convolution), or a container does not say in which order its layers run.

    References
    ----------
    A. Araujo, W. Norris, J. Sim, "Computing receptive fields of convolutional neural networks", Distill
    2019.

    Examples
    --------
    >>> import pyconv
    >>> field = pyconv.receptive_field([(7, 2, 3), (3, 2, 1), (3, 1, 1)])
    >>> field.size, field.jump, field.start
    ((19,), (4,), (-9,))
    >>> field.at(2)
    (range(-1, 18),)
    >>> print(field)
    after                        sees (length)  moves by  starts at
    kernel 7 stride 2 padding 3  7              2         -3
    kernel 3 stride 2 padding 1  11             4         -5
    kernel 3 stride 1 padding 1  19             4         -9
    """
    rows = list(_flat(layers))
    ranks = {len(v) for row in rows for v in row[1:] if isinstance(v, Sequence) and not isinstance(v, str)}
    ranks -= {1} if len(ranks) > 1 else set()
    rank = rank or max(ranks, default=1)
    stages = []
    size, jump, start = (1,) * rank, (1,) * rank, (0,) * rank
    for name, kernel, stride, padding, dilation in rows:
        kernels = arguments.per_axis("kernel_size", kernel, rank, least=1)
        strides = arguments.per_axis("stride", kernel if stride is None else stride, rank, least=1)
        dilations = arguments.per_axis("dilation", dilation, rank, least=1)
        borders = arguments.borders(padding, rank, kernels, strides, dilations)
        size = tuple(s + (k - 1) * d * j for s, k, d, j in zip(size, kernels, dilations, jump, strict=True))
        start = tuple(s - border[0] * j for s, border, j in zip(start, borders, jump, strict=True))
        jump = tuple(j * s for j, s in zip(jump, strides, strict=True))
        stages.append(Stage(name, size, jump, start))
    if not stages:
        raise ValueError("layers must contain at least one layer with a kernel_size, got none")
    return ReceptiveField(tuple(stages))


Row = tuple[str, Any, Any, Any, Any]  # name, kernel size, stride, padding, dilation


def _flat(layers: Iterable[Any]) -> Iterator[Row]:
    """The settings of every layer with a kernel; containers are opened, activations and the like skipped."""
    for layer in layers:
        if isinstance(layer, Mapping | Sequence):
            yield _settings(layer)
            continue
        name = type(layer).__name__
        for refused in ("output_size", "scale_factor", "transposed", "output_padding"):
            if getattr(layer, refused, None) and any(_numbers(getattr(layer, refused))):
                raise ValueError(f"{name} has no fixed window ({refused} is set): give the layers before it")
        if hasattr(layer, "kernel_size"):
            yield _settings(layer)
        elif isinstance(layer, Iterable):
            yield from _flat(layer)
        elif hasattr(layer, "children") and next(iter(layer.children()), None) is not None:
            raise ValueError(f"{name} does not say in which order its layers run: give them one by one")


def _numbers(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, Sequence) else (value,)


def _settings(layer: Any) -> Row:
    """Name, kernel size, stride, padding and dilation of one layer."""
    if isinstance(layer, Mapping):
        found = dict(layer)
    elif isinstance(layer, Sequence):
        found = dict(zip(("kernel_size", "stride", "padding", "dilation"), layer, strict=False))
    else:
        keys = ("kernel_size", "stride", "padding", "dilation")
        found = {key: getattr(layer, key) for key in keys if hasattr(layer, key)}
    if "kernel_size" not in found:
        raise ValueError(f"a layer needs a kernel_size, got {layer!r}")
    kernel, stride = found["kernel_size"], found.get("stride", 1)
    padding, dilation = found.get("padding", 0), found.get("dilation", 1)
    if isinstance(layer, Mapping | Sequence):
        name = f"kernel {_text(kernel)} stride {_text(stride)} padding {_text(padding)}"
    else:
        name = f"{type(layer).__name__} {_text(kernel)} stride {_text(stride)} padding {_text(padding)}"
    if dilation not in (1, (1,), (1, 1), (1, 1, 1)):
        name += f" dilation {_text(dilation)}"
    return name, kernel, stride, padding, dilation


def _text(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return str(value[0]) if len({*map(str, value)}) == 1 else str(tuple(value))
    return str(value)
