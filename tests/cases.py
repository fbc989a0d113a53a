"""What the convolution tests run over: the table of pyconv.testing, and every way to run a problem of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import pyconv
from pyconv import _core
from pyconv.testing import CASES, ConvCase, assert_conv_close

ALGORITHMS = [name for name, _ in _core.algorithms()]
ISAS = _core.available_isas()
FUSED_ISAS = [isa for isa in ISAS if isa != "baseline"]  # those that promise 1 covers
DIRECT_FAMILY = ["direct", "im2col"]  # one accumulation order: one set of bits
THREADS = (1, 2, 3, 4)
DTYPES = (np.float32, np.float64)
LAYOUTS = ("channels_first", "channels_last", "fortran", "strided")
CONV = {1: pyconv.conv1d, 2: pyconv.conv2d, 3: pyconv.conv3d}

# Enough of everything for tests that repeat each problem many times.
FEW_CASES = [
    ConvCase(in_ch=3, out_ch=17, size=(13, 14), kernel=(3, 3), padding=1, bias=True, activation="relu"),
    ConvCase(in_ch=40, out_ch=33, size=(7, 9), kernel=(3, 3), padding=1, residual=True),
    ConvCase(in_ch=65, out_ch=9, size=(6, 35), kernel=(1, 1)),
    ConvCase(in_ch=600, out_ch=6, size=(3, 5), kernel=(1, 1), bias=True),
    ConvCase(in_ch=6, out_ch=10, size=(9, 11), kernel=(4, 2), stride=(2, 1), dilation=(1, 2), groups=2),
    ConvCase(
        in_ch=19, out_ch=19, size=(8, 20), kernel=(3, 3), padding="same", groups=19, padding_mode="reflect"
    ),
    ConvCase(
        in_ch=2, out_ch=3, size=(301,), kernel=(9,), stride=2, padding=((3, 5),), padding_mode="circular"
    ),
    ConvCase(in_ch=5, out_ch=7, size=(4, 5, 6), kernel=(2, 3, 3), padding=1, padding_mode="replicate"),
    ConvCase(in_ch=1, out_ch=2, size=(3, 1500), kernel=(1, 1)),
    ConvCase(in_ch=24, out_ch=24, size=(9, 31), kernel=(3, 3), padding=1, groups=6, bias=True),
    # Depths of a volume share a copy: in bands; planes dilated, strided and reflected.
    ConvCase(in_ch=2, out_ch=2, size=(95, 14, 20), kernel=(3, 3, 3), padding=1, stride=(1, 2, 1), groups=2),
    ConvCase(
        in_ch=19,
        out_ch=19,
        size=(9, 10, 13),
        kernel=(2, 3, 3),
        stride=(2, 1, 1),
        dilation=(3, 1, 2),
        padding=(2, 1, 2),
        padding_mode="reflect",
        groups=19,
        bias=True,
    ),
    # Channels-last pixels 1 KB apart are copied, a line further apart.
    ConvCase(in_ch=256, out_ch=256, size=(9, 7), kernel=(3, 3), padding=1, groups=256, residual=True),
    ConvCase(in_ch=256, out_ch=256, size=(3, 5, 6), kernel=(1, 3, 3), padding=1, groups=256),
    ConvCase(
        in_ch=256,
        out_ch=256,
        size=(15, 9),
        kernel=(4, 2),
        stride=(2, 1),
        dilation=(3, 1),
        padding=(1, 0),
        groups=256,
    ),
    # Strides and dilations with a common factor: only every second or third element is read, not from the
    # first one on where the padding is no multiple of it; planes and rows mostly of padding.
    *(
        ConvCase(in_ch=channels, out_ch=out, size=(7, 14, 19), kernel=(2, 3, 3), groups=groups, **shape)
        for channels, out, groups in ((5, 18, 1), (20, 20, 20), (8, 24, 8), (16, 16, 4), (24, 12, 2))
        for shape in (
            {"stride": (3, 4, 2), "dilation": (3, 2, 4), "padding": ((1, 4), (3, 0), (0, 5))},
            {"stride": 2, "dilation": 2, "padding": 1, "bias": True, "residual": True},
            {"stride": (1, 3, 3), "dilation": (2, 6, 3), "padding": (4, 11, 2), "bias": True},
        )
    ),
    ConvCase(
        in_ch=4,
        out_ch=4,
        size=(9, 20),
        kernel=(3, 3),
        stride=2,
        dilation=2,
        padding=3,
        padding_mode="reflect",
    ),
    ConvCase(in_ch=3, out_ch=1, size=(1, 40), kernel=(2, 5), stride=(2, 4), dilation=(2, 2), padding=(1, 3)),
    # More than 32 taps: every chain's few channels are copied apart; of the last one there are fewer.
    ConvCase(in_ch=64, out_ch=20, size=(9, 21), kernel=(7, 7), padding=3, bias=True, residual=True),
    ConvCase(
        in_ch=42,
        out_ch=66,
        size=(9, 43),
        kernel=(5, 8),
        stride=(1, 2),
        groups=2,
        padding=(2, 3),
        padding_mode="reflect",
    ),
    ConvCase(in_ch=21, out_ch=17, size=(5, 9, 12), kernel=(3, 4, 5), padding=(2, 1, 2), dilation=(2, 1, 1)),
    ConvCase(in_ch=25, out_ch=24, size=(101,), kernel=(50,), stride=3, padding=25, activation="relu"),
]

# Enough work for threads: a smaller problem runs on one, whatever is asked for.
BIG_CASES = [
    ConvCase(in_ch=24, out_ch=40, size=(20, 31), kernel=(3, 3), padding=1, bias=True, activation="relu"),
    ConvCase(in_ch=70, out_ch=61, size=(21, 40), kernel=(1, 1), residual=True),
    ConvCase(in_ch=16, out_ch=20, size=(2000,), kernel=(5,), padding="same", padding_mode="circular"),
    ConvCase(in_ch=32, out_ch=32, size=(41, 45), kernel=(3, 3), padding=1, groups=8, bias=True),
    ConvCase(in_ch=96, out_ch=96, size=(41, 45), kernel=(3, 3), padding=1, groups=96, bias=True),
    ConvCase(in_ch=512, out_ch=512, size=(23, 14), kernel=(5, 3), padding=(2, 1), groups=512, bias=True),
    ConvCase(in_ch=6, out_ch=14, size=(9, 16, 33), kernel=(3, 3, 3), padding=1, stride=(1, 1, 2), groups=2),
    ConvCase(in_ch=300, out_ch=34, size=(7, 9), kernel=(3, 3), padding=1, bias=True),
    # More weights than inputs: each thread keeps to channels of its own, which do not come out even.
    ConvCase(in_ch=64, out_ch=200, size=(13, 12), kernel=(3, 3), padding=1, bias=True),
    # Weights that L2 does not hold, rows that leave tiles empty: AVX2 gathers pixels across rows and images.
    ConvCase(batch=3, in_ch=72, out_ch=250, size=(11, 9), kernel=(3, 3), stride=2, bias=True, residual=True),
    ConvCase(in_ch=40, out_ch=262, size=(16, 36), kernel=(4, 4), stride=4, activation="relu"),
    # Rows of one to three pixels: tiles go on in the next depth and image.
    ConvCase(
        batch=3, in_ch=72, out_ch=100, size=(9, 5, 5), kernel=(3, 3, 3), stride=2, bias=True, residual=True
    ),
    ConvCase(
        batch=9, in_ch=40, out_ch=90, size=(5, 6, 4), kernel=(3, 4, 4), padding=(1, 0, 0), activation="relu"
    ),
    # One pixel of each image: they follow each other as pixels do, channels-first, too.
    ConvCase(batch=9, in_ch=120, out_ch=130, size=(3, 4), kernel=(3, 4), bias=True, residual=True),
    # Channels-last output of more than 8 MB is streamed; the pixels of one tile end inside cache lines.
    ConvCase(in_ch=5, out_ch=131, size=(127, 133), kernel=(1, 1), bias=True, residual=True),
    ConvCase(in_ch=9, out_ch=111, size=(137, 141), kernel=(1, 1), groups=3, activation="relu"),
    # Chains of few channels, copied apart; of the last one there are fewer.
    ConvCase(in_ch=23, out_ch=18, size=(14, 33), kernel=(7, 7), padding=3, bias=True),
    # A padded row that does not fit L2, read in place because tiles can end where the taps inside change.
    ConvCase(in_ch=560, out_ch=12, size=(5, 33), kernel=(3, 3), padding=(2, 24), dilation=(2, 24), bias=True),
]

__all__ = [
    "ALGORITHMS",
    "BIG_CASES",
    "CASES",
    "CONV",
    "DIRECT_FAMILY",
    "DTYPES",
    "FEW_CASES",
    "FUSED_ISAS",
    "ISAS",
    "LAYOUTS",
    "THREADS",
    "ConvCase",
]


@cache
def refusal(case: ConvCase, algorithm: str) -> str:
    """Why `algorithm` cannot take this problem even if forced, "" if it can."""
    try:
        pyconv.plan(**case.arguments(), algorithm=algorithm)
    except ValueError as error:
        return str(error)
    return ""


def takers(case: ConvCase) -> list[str]:
    """The algorithms that can take a problem: never none, and a new one is tested at once."""
    return [name for name in ALGORITHMS if not refusal(case, name)]


def ways(cases: Sequence[ConvCase]) -> pytest.MarkDecorator:
    """Parametrise over every problem and every algorithm that takes it."""
    pairs = [(case, algorithm) for case in cases for algorithm in takers(case)]
    return pytest.mark.parametrize(("case", "algorithm"), pairs, ids=str)


def check(
    result: npt.NDArray[Any], expected: npt.NDArray[Any], arguments: dict[str, Any], algorithm: str
) -> None:
    """The result for exact inputs: equal where the algorithm declares itself exact, else within its bound."""
    assert result.shape == expected.shape
    if pyconv.plan(**arguments, algorithm=algorithm).exact_on_integers:
        assert np.array_equal(result, expected)
    else:
        assert_conv_close(result, expected, **arguments, algorithm=algorithm)


def in_layout(array: npt.NDArray[Any] | None, layout: str, batched: bool) -> npt.NDArray[Any] | None:
    """The same values, channels first by axes, with another order in memory."""
    if array is None or layout == "channels_first":
        return array
    if layout == "channels_last":
        channel = 1 if batched else 0
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, channel, -1)), -1, channel)
    if layout == "fortran":
        return np.asfortranarray(array)
    assert layout == "strided"  # every axis with a gap, the last one backwards
    buffer = np.full([2 * n + 1 for n in array.shape], np.nan, dtype=array.dtype)
    view = buffer[tuple(slice(1, None, 2) for _ in array.shape)][..., ::-1]
    view[...] = array
    return view


def run(arguments: dict[str, Any], *, layout: str = "channels_first", **settings: Any) -> npt.NDArray[Any]:
    """Run one call; `settings` are those of pyconv.options, and `out`."""
    out = settings.pop("out", None)
    rank = arguments["weight"].ndim - 2
    batched = arguments["input"].ndim == rank + 2
    placed = arguments | {
        "input": in_layout(arguments["input"], layout, batched),
        "residual": in_layout(arguments["residual"], layout, batched),
    }
    with pyconv.options(**settings):
        return CONV[rank](**placed, out=out)


def same_bits(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    """Equal shape, dtype and bits; every NaN is equal."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    unsigned = f"u{a.dtype.itemsize}"
    bits = [np.ascontiguousarray(x).view(unsigned) for x in (a, b)]
    return bool(np.all((bits[0] == bits[1]) | (np.isnan(a) & np.isnan(b))))
