"""Promise 6: what is refused, and that the message states the rule and both values. torch refuses it too
where it has the same argument. A refused call has written nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import pyconv

X = np.arange(2 * 4 * 6 * 7, dtype=np.float32).reshape(2, 4, 6, 7)
W = np.ones((6, 2, 3, 3), np.float32)
B = np.ones(6, np.float32)
VALID = {"input": X, "weight": W, "bias": B, "groups": 2}
OUT_SHAPE = (2, 6, 4, 5)
TORCH_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")


@dataclass
class Refused:
    """One row: how VALID is spoilt, and what the message has to say."""

    name: str
    change: dict[str, Any]
    says: tuple[str, ...]
    error: type[Exception] = ValueError
    torch_too: bool = True
    keeps: dict[str, Any] = field(default_factory=lambda: VALID)


def ones(*shape: int, dtype: Any = np.float32) -> Any:
    return np.ones(shape, dtype)


SIZES = [
    Refused("kernel larger than the input", {"weight": ones(6, 2, 8, 3)}, ("kernel must fit", "8", "6")),
    Refused("dilated kernel larger than the input", {"dilation": (1, 4)}, ("kernel must fit", "9", "7")),
    Refused(
        "kernel larger than the padded input",
        {"weight": ones(6, 2, 3, 10), "padding": 1},
        ("(7 + 1 + 1 - 1 * (10 - 1) - 1) / 1", "spans 10", "padded input has 9"),
    ),
    Refused("empty input without padding", {"input": ones(2, 4, 0, 7)}, ("kernel must fit", "3", "0")),
    Refused("kernel of size 0", {"weight": ones(6, 2, 0, 3)}, ("kernel size must be at least 1", "0")),
    Refused("input channels", {"input": ones(2, 5, 6, 7)}, ("channels", "5", "2 * 2")),
    Refused(
        "groups do not divide out_channels",
        {"weight": ones(7, 2, 3, 3), "bias": ones(7)},
        ("divisible", "7", "2"),
    ),
    Refused("groups do not divide in_channels", {"groups": 3}, ("weight.shape[1] * groups", "4", "2 * 3")),
    Refused("no groups", {"groups": 0}, ("groups must be at least 1", "0")),
    Refused("negative groups", {"groups": -2}, ("groups must be at least 1", "-2")),
    Refused("stride 0", {"stride": 0}, ("stride must be at least 1", "0")),
    Refused("negative stride", {"stride": (1, -2)}, ("stride must be at least 1", "-2")),
    Refused("dilation 0", {"dilation": 0}, ("dilation must be at least 1", "0")),
    Refused("negative dilation", {"dilation": (-1, 1)}, ("dilation must be at least 1", "-1")),
    Refused("negative padding", {"padding": -1}, ("padding must not be negative", "-1")),
    Refused("stride beyond 64 bits", {"stride": 2**63}, ("stride must fit 64 bits", str(2**63))),
    Refused("dilation beyond 64 bits", {"dilation": 2**70}, ("dilation must fit 64 bits", str(2**70))),
    Refused("extent overflows", {"dilation": 2**62}, ("overflows 64 bits", str(2**62), "2")),
    Refused("padded size overflows", {"padding": 2**62}, ("overflows 64 bits", str(2**62)), torch_too=False),
    Refused(
        "output elements overflow",
        {"padding": 2**33},
        ("number of output elements overflows",),
        torch_too=False,
    ),
    Refused("bytes overflow", {"padding": 2**28}, ("size in bytes overflows 64 bits", "16"), torch_too=False),
    Refused("more memory than there is", {"padding": (2**47, 0)}, (), MemoryError, torch_too=False),
]

SHAPES = [
    Refused("input of rank 2", {"input": ones(6, 7)}, ("input", "4 dimensions", "(6, 7)")),
    Refused("input of rank 5", {"input": ones(1, 2, 4, 6, 7)}, ("input", "4 dimensions", "(1, 2, 4, 6, 7)")),
    Refused("weight of rank 3", {"weight": ones(6, 2, 3)}, ("weight", "4 dimensions", "(6, 2, 3)")),
    Refused("scalar input", {"input": np.float32(1)}, ("input", "4 dimensions", "()")),
    Refused("bias length", {"bias": ones(5)}, ("bias must have shape", "(6,)", "(5,)")),
    Refused("bias rank", {"bias": ones(6, 1)}, ("bias must have shape", "(6,)", "(6, 1)")),
    Refused("residual shape", {"residual": ones(2, 6, 4, 4)}, ("shape of the result", "(2, 6, 4, 4)")),
    Refused("residual unbatched", {"residual": ones(6, 4, 5)}, ("shape of the result", "(6, 4, 5)")),
    Refused("three strides", {"stride": (1, 1, 1)}, ("stride must have 1 or 2 entries", "3")),
    Refused("no strides", {"stride": ()}, ("stride must have 1 or 2 entries", "0"), torch_too=False),
    Refused("one padding pair", {"padding": ((1, 1),)}, ("pair", "2", "1")),
    Refused("a padding triple", {"padding": ((1, 1, 1), (1, 1))}, ("(begin, end)", "(1, 1, 1)")),
]

WORDS = [
    Refused("same with a stride", {"padding": "same", "stride": 2}, ("padding='same' needs stride 1", "2")),
    Refused("unknown padding", {"padding": "full"}, ("'same'", "'valid'", "'full'")),
    Refused("unknown padding mode", {"padding_mode": "wrap"}, ("padding_mode", "circular", "wrap")),
    Refused("unknown activation", {"activation": "gelu"}, ("activation", "relu6", "gelu")),
    Refused("clip the wrong way", {"activation": ("clip", 2, 1)}, ("lo <= hi", "lo=2", "hi=1")),
    Refused("clip to NaN", {"activation": ("clip", 0, float("nan"))}, ("lo <= hi", "nan")),
    Refused("clip without bounds", {"activation": ("clip", 1)}, ("clip", "lo", "hi")),
    Refused("unknown data format", {"data_format": "NHWC"}, ("channels_first", "channels_last", "NHWC")),
    Refused("unknown algorithm", {"algorithm": "fft"}, ("algorithm must be one of", "'direct'", "'fft'")),
    Refused("reflect", {"padding_mode": "reflect", "padding": (6, 0)}, ("reflect", "padding < input", "6")),
    Refused(
        "circular", {"padding_mode": "circular", "padding": 7}, ("circular", "padding <= input", "7", "6")
    ),
]

MASKED = np.ma.masked_less(X, 3)  # torch takes the data and drops the mask
TYPES = [
    Refused(
        "integers",
        {"input": X.astype(np.int32), "weight": W.astype(np.int32), "bias": None},
        ("float32", "int32"),
        TypeError,
        torch_too=False,
    ),
    Refused(
        "half precision",
        {"input": X.astype(np.float16), "weight": W.astype(np.float16), "bias": None},
        ("float16",),
        TypeError,
        torch_too=False,
    ),
    Refused("complex", {"input": X.astype(np.complex64)}, ("float32", "complex64"), TypeError),
    Refused("text", {"input": np.full(X.shape, "a")}, (), TypeError, torch_too=False),
    Refused("objects", {"input": X.astype(object)}, ("object",), TypeError, torch_too=False),
    Refused("None as input", {"input": None}, ("input", "None"), TypeError),
    Refused("None as weight", {"weight": None}, ("weight", "None"), TypeError),
    Refused("fractional stride", {"stride": 1.5}, ("stride must be an integer", "1.5"), TypeError),
    Refused(
        "boolean dilation",
        {"dilation": True},
        ("dilation must be an integer", "True"),
        TypeError,
        torch_too=False,
    ),
    Refused("text as stride", {"stride": "2"}, ("stride must be an integer", "'2'"), TypeError),
    Refused("None as groups", {"groups": None}, ("groups must be an integer", "None"), TypeError),
    Refused("fractional groups", {"groups": 2.0}, ("groups must be an integer", "2.0"), TypeError),
    Refused("None as padding", {"padding": None}, ("padding must be", "None"), TypeError),
    Refused("number as padding mode", {"padding_mode": 3}, ("padding_mode", "3"), TypeError),
    Refused("number as activation", {"activation": 3}, ("activation", "3"), TypeError),
    Refused("number as data format", {"data_format": 3}, ("data_format", "3"), TypeError),
    Refused("number as algorithm", {"algorithm": 3}, (), TypeError),
    Refused(
        "masked input", {"input": np.ma.masked_less(X, 3)}, ("masked", "filled"), TypeError, torch_too=False
    ),
    Refused(
        "a tensor with gradients",
        {"input": torch.from_numpy(X).requires_grad_()},
        ("requires grad", "pyconv.torch"),
        TypeError,
        torch_too=False,
    ),
]

TWICE = np.lib.stride_tricks.as_strided(ones(1), OUT_SHAPE, (0, 0, 0, 0))
INTEGERS, DOUBLES = ones(*OUT_SHAPE, dtype=np.int32), ones(*OUT_SHAPE, dtype=np.float64)
OUTS = [
    Refused("shape", {"out": ones(2, 6, 4, 4)}, ("out must have the shape", "(2, 6, 4, 5)", "(2, 6, 4, 4)")),
    Refused("rank", {"out": ones(6, 4, 5)}, ("out must have the shape", "(2, 6, 4, 5)", "(6, 4, 5)")),
    Refused("dtype", {"out": DOUBLES}, ("out must have the dtype", "float32", "float64"), TypeError),
    Refused("integers", {"out": INTEGERS}, ("out must have the dtype", "float32", "int32"), TypeError),
    Refused("a list", {"out": [1.0]}, ("out must be an array", "list"), TypeError),
    Refused("an element twice", {"out": TWICE}, ("twice", "stride 0")),
]

ROWS = [*SIZES, *SHAPES, *WORDS, *TYPES]


def check_message(row: Refused, message: str) -> None:
    for part in row.says:
        assert part in message, f"{part!r} is missing in {message!r}"


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_refused_and_nothing_written(row):
    arguments = row.keeps | row.change
    with pytest.raises(row.error) as without_out:
        pyconv.conv2d(**arguments)
    check_message(row, str(without_out.value))
    out = np.full(OUT_SHAPE, -7, np.float32)
    with pytest.raises((row.error, ValueError)):  # `out` may be what is noticed first
        pyconv.conv2d(**arguments, out=out)
    assert np.all(out == -7)


@pytest.mark.parametrize("row", OUTS, ids=[row.name for row in OUTS])
def test_refused_out(row):
    before = np.copy(row.change["out"])
    with pytest.raises(row.error) as caught:
        pyconv.conv2d(**VALID, **row.change)
    check_message(row, str(caught.value))
    assert np.array_equal(row.change["out"], before)


def test_read_only_out():
    out = np.full(OUT_SHAPE, -7, np.float32)
    out.flags.writeable = False
    for given in (out, out.astype(">f4")):
        given.flags.writeable = False
        with pytest.raises(ValueError, match="read-only"):
            pyconv.conv2d(**VALID, out=given)
        assert np.all(given == -7)


TORCH_ROWS = [row for row in ROWS if row.torch_too and set(row.change) <= set(TORCH_ARGUMENTS)]


@pytest.mark.parametrize("row", TORCH_ROWS, ids=lambda row: row.name)
def test_torch_refuses_it_too(row):
    arguments = row.keeps | row.change
    tensors = {
        name: torch.from_numpy(array) if isinstance(array, np.ndarray) else array
        for name, array in arguments.items()
    }
    with pytest.raises((RuntimeError, TypeError, ValueError, OverflowError, IndexError)):
        F.conv2d(**tensors)


def test_the_valid_call_is_valid():
    """Every row fails for the reason it names, not because the call it starts from fails."""
    expected = F.conv2d(*(torch.from_numpy(a) for a in (X, W, B)), groups=2).numpy()
    assert np.array_equal(pyconv.conv2d(**VALID), expected)
    assert expected.shape == OUT_SHAPE


@pytest.mark.parametrize("stride", [2**31, 2**40, 2**62, 2**63 - 1])
def test_a_stride_beyond_the_input_gives_one_output(stride):
    for kernel in (1, 3):
        result = pyconv.conv2d(X, W[:, :, :kernel, :kernel], groups=2, stride=stride)
        assert np.array_equal(result, pyconv.conv2d(X, W[:, :, :kernel, :kernel], groups=2)[..., :1, :1])


def test_forcing_what_cannot_be_done():
    with pytest.raises(ValueError, match="one of baseline, avx2, avx512, neon, got 'sse9'"):
        pyconv.options(isa="sse9")
    with pytest.raises(ValueError, match="num_threads must be at least 1, got 0"):
        pyconv.options(num_threads=0)
    with pytest.raises(ValueError, match=r"precision must be .*, got 'exact'"):
        pyconv.options(precision="exact")
    with pytest.raises(ValueError, match=r"algorithm must be one of .*, got 'fft'"):
        pyconv.options(algorithm="fft")
    with pytest.raises(ValueError, match=r"algorithm='direct' cannot compute .*: the problem is empty"):
        pyconv.conv2d(X, W[:0], groups=2, algorithm="direct")
