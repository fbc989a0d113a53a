"""One benchmark case: a convolution or pooling geometry, its arithmetic and where it comes from.

A case is one row of a CSV in the schema of shapes/all_layers.csv or shapes/all_pools.csv, or one
problem string (problem_string.py). It holds no arrays and knows no library.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

SHAPES = Path(__file__).parent / "shapes"
AXES = "dhw"
CONV = "conv"
POOLS = ("max_pool", "avg_pool", "adaptive_avg_pool")

Sizes = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Case:
    """One problem of `ndim` spatial dimensions; every tuple has `ndim` entries in (d, h, w) order."""

    op: str
    ndim: int
    batch: int
    in_ch: int
    out_ch: int
    in_size: Sizes
    kernel: Sizes
    stride: Sizes
    pad_begin: Sizes
    pad_end: Sizes
    dilation: Sizes
    groups: int = 1
    bias: bool = True
    ceil_mode: bool = False
    count_include_pad: bool = True
    dtype: str = "float32"
    network: str = ""
    name: str = ""
    source: str = ""
    count: int = 1

    @property
    def is_conv(self) -> bool:
        return self.op == CONV

    @property
    def is_depthwise(self) -> bool:
        return self.is_conv and self.groups > 1 and self.groups == self.in_ch

    @property
    def out_size(self) -> Sizes:
        return tuple(self._out_length(dim) for dim in range(self.ndim))

    def _out_length(self, dim: int) -> int:
        if self.op == "adaptive_avg_pool":
            return self.kernel[dim]  # an adaptive pool is described by its output size
        span = self.dilation[dim] * (self.kernel[dim] - 1) + 1
        room = self.in_size[dim] + self.pad_begin[dim] + self.pad_end[dim] - span
        if not self.ceil_mode:
            return room // self.stride[dim] + 1
        length = -(-room // self.stride[dim]) + 1
        # torch drops a last window that would start inside the end padding
        starts_outside = (length - 1) * self.stride[dim] >= self.in_size[dim] + self.pad_begin[dim]
        return length - 1 if starts_outside else length

    @property
    def macs(self) -> int:
        """Multiply-adds as usually counted: every tap of every output, padding included."""
        taps = math.prod(self.kernel) * (self.in_ch // self.groups if self.is_conv else 1)
        return self.batch * self.out_ch * math.prod(self.out_size) * taps

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def flops_without_padding(self) -> int:
        """What a kernel that skips every padded tap has to do: the honest side of the peak check."""
        if not self.is_conv:
            return self.flops
        inside = math.prod(self._taps_inside(dim) for dim in range(self.ndim))
        return 2 * self.batch * self.out_ch * (self.in_ch // self.groups) * inside

    def _taps_inside(self, dim: int) -> int:
        out_length = self._out_length(dim)
        total = 0
        for tap in range(self.kernel[dim]):
            first = tap * self.dilation[dim] - self.pad_begin[dim]
            low = max(0, -(first // self.stride[dim])) if first < 0 else 0
            high = (self.in_size[dim] - 1 - first) // self.stride[dim]
            total += max(0, min(high, out_length - 1) - low + 1)
        return total

    @property
    def itemsize(self) -> int:
        return {"float32": 4, "float64": 8}[self.dtype]

    @property
    def input_shape(self) -> Sizes:
        return (self.batch, self.in_ch, *self.in_size)

    @property
    def weight_shape(self) -> Sizes:
        return (self.out_ch, self.in_ch // self.groups, *self.kernel)

    @property
    def output_shape(self) -> Sizes:
        return (self.batch, self.out_ch, *self.out_size)

    @property
    def bytes_moved(self) -> int:
        """Compulsory traffic: input and weights once in, output once out."""
        weights = math.prod(self.weight_shape) + self.out_ch * self.bias if self.is_conv else 0
        elements = math.prod(self.input_shape) + weights + math.prod(self.output_shape)
        return elements * self.itemsize

    @property
    def kind(self) -> str:
        """The stratum of this case: what a kernel engineer would call it."""
        if not self.is_conv:
            return self.op
        if self.is_depthwise:
            words = ["depthwise"]
        else:
            words = ["grouped" if self.groups > 1 else "dense"]
            if max(self.kernel) == 1:
                words.append("pointwise")
            elif self.groups == 1 and set(self.kernel) == {3} and max(*self.stride, *self.dilation) == 1:
                words.append("x".join("3" * self.ndim))  # the layers Winograd is for
        if max(self.dilation) > 1:
            words.append("dilated")
        if max(self.stride) > 1:
            words.append("strided")
        return " ".join(words)

    @property
    def title(self) -> str:
        return f"{self.network} {self.name}".strip()


def from_row(row: Mapping[str, str]) -> Case:
    """Build a case from one CSV row; a `dtype` column is optional."""
    op = row["op"]
    if op in (CONV, "conv_transpose"):
        return _conv_from_row(row)
    for known in POOLS:
        if op == f"{known}{row['ndim']}d":
            return _pool_from_row(row, known)
    raise ValueError(f"op must be conv, conv_transpose or one of {POOLS} with a rank; got {op!r}")


def _sizes(row: Mapping[str, str], stem: str, suffix: str = "", default: int = 1) -> Sizes:
    """The last `ndim` of the columns stem_d, stem_h, stem_w (empty means `default`)."""
    axes = AXES[3 - int(row["ndim"]) :]
    texts = [row[f"{stem}_{axis}{suffix}"] for axis in axes]
    return tuple(int(text) if text else default for text in texts)


def _common(row: Mapping[str, str]) -> dict[str, object]:
    return {
        "ndim": int(row["ndim"]),
        "batch": int(row["n"]),
        "in_size": _sizes(row, "in"),
        "stride": _sizes(row, "stride"),
        "pad_begin": _sizes(row, "pad", default=0),
        "pad_end": _sizes(row, "pad", "_end", default=0),
        "dilation": _sizes(row, "dil"),
        "dtype": row.get("dtype") or "float32",
        "network": row["network"],
        "name": row["name"],
        "source": row["source"],
        "count": int(row["count"]),
    }


def _conv_from_row(row: Mapping[str, str]) -> Case:
    return Case(
        op=row["op"],
        in_ch=int(row["cin"]),
        out_ch=int(row["cout"]),
        groups=int(row["groups"]),
        kernel=_sizes(row, "k"),
        bias=row["bias"] != "0",  # empty: the benchmark lists that leave it open all add one
        **_common(row),  # type: ignore[arg-type]
    )


def _pool_from_row(row: Mapping[str, str], op: str) -> Case:
    adaptive = op == "adaptive_avg_pool"
    return Case(
        op=op,
        in_ch=int(row["c"]),
        out_ch=int(row["c"]),
        kernel=_sizes(row, "out" if adaptive else "k"),
        bias=False,
        ceil_mode=row["ceil_mode"] == "1",
        count_include_pad=row["count_include_pad"] != "0",
        **_common(row),  # type: ignore[arg-type]
    )


def read_csv(path: Path | str) -> Iterator[Case]:
    with open(path, newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                yield from_row(row)
            except (KeyError, ValueError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


def benchmark_set() -> list[Case]:
    """The committed sample (shapes/sampler.py), the rows added by hand, the sampled poolings."""
    names = ("sample_layers.csv", "extra.csv", "sample_pools.csv")
    return [case for name in names for case in read_csv(SHAPES / name)]


def all_cases() -> list[Case]:
    """Every known row of real networks, conv_transpose included."""
    return [*read_csv(SHAPES / "all_layers.csv"), *read_csv(SHAPES / "all_pools.csv")]


def unique(cases: Iterable[Case]) -> list[Case]:
    """Merge cases of equal geometry; their multiplicities add up."""
    merged: dict[Case, Case] = {}
    for case in cases:
        key = dataclasses.replace(case, network="", name="", source="", count=1)
        known = merged.get(key)
        merged[key] = case if known is None else dataclasses.replace(known, count=known.count + case.count)
    return list(merged.values())
