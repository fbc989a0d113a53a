"""No kernel touches a byte outside its arrays: each of them lies against a page that cannot be read."""

from __future__ import annotations

import ctypes
import mmap
import sys

import numpy as np
import pytest
from cases import BIG_CASES, CONV, FEW_CASES, ISAS, ConvCase, run, same_bits, ways

import pyconv

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs mprotect")

PAGE = mmap.PAGESIZE
_libc = ctypes.CDLL(None, use_errno=True)

# Vectors of channels that are not full, few output channels: kernels that read whole vectors where they may.
NARROW_CASES = [
    ConvCase(in_ch=54, out_ch=54, size=(9, 40), kernel=(3, 3), padding=1, groups=54, bias=True),
    ConvCase(in_ch=5, out_ch=5, size=(7, 33), kernel=(3, 3), groups=5),
    ConvCase(in_ch=17, out_ch=17, size=(300,), kernel=(5,), stride=2, groups=17),
    ConvCase(in_ch=20, out_ch=20, size=(5, 9, 31), kernel=(3, 3, 3), padding=1, groups=20),
    ConvCase(in_ch=37, out_ch=2, size=(9, 41), kernel=(1, 1), bias=True),
    ConvCase(in_ch=64, out_ch=5, size=(33, 50), kernel=(1, 1), residual=True),
    ConvCase(in_ch=64, out_ch=1, size=(9, 41), kernel=(1, 1), stride=2),
]


def beside_guard(array, guard):
    """A copy of `array`, strides kept, that starts right after or ends right before an unreadable page."""
    order = np.argsort([-stride for stride in array.strides], kind="stable")
    pages = -(-array.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 1) * PAGE)
    raw = np.frombuffer(memory, np.uint8)
    wall = 0 if guard == "before" else pages * PAGE
    address = ctypes.c_void_p(raw.ctypes.data + wall)
    assert _libc.mprotect(address, ctypes.c_size_t(PAGE), 0) == 0, ctypes.get_errno()
    begin = PAGE if guard == "before" else pages * PAGE - array.nbytes
    flat = raw[begin : begin + array.nbytes].view(array.dtype)
    placed = flat.reshape([array.shape[axis] for axis in order]).transpose(np.argsort(order))
    assert placed.strides == array.strides
    placed[...] = array
    return placed


def channels_last(array):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, 1, -1)), -1, 1)


@ways([*FEW_CASES, *BIG_CASES, *NARROW_CASES])
@pytest.mark.parametrize("guard", ["before", "after"])
def test_nothing_outside_the_arrays_is_touched(case, algorithm, guard):
    arguments = case.arguments("dense", np.float32)
    rank = arguments["weight"].ndim - 2
    if arguments["input"].ndim == rank + 1:  # with a batch axis both layouts are one transposition
        arguments |= {k: arguments[k][None] for k in ("input", "residual") if arguments[k] is not None}
    for isa in ISAS:
        for threads in (1, 3):
            settings = {"algorithm": algorithm, "isa": isa, "num_threads": threads}
            expected = run(arguments, **settings)
            for layout in (np.ascontiguousarray, channels_last):
                placed = dict(arguments)
                for name in ("input", "residual"):
                    if arguments[name] is not None:
                        placed[name] = beside_guard(layout(arguments[name]), guard)
                for name in ("weight", "bias"):
                    if arguments[name] is not None:
                        placed[name] = beside_guard(np.ascontiguousarray(arguments[name]), guard)
                out = beside_guard(layout(np.full_like(expected, np.nan)), guard)
                with pyconv.options(**settings):
                    assert CONV[rank](**placed, out=out) is out
                assert same_bits(out, expected), (isa, layout.__name__, threads)
