"""What an adapter has to offer: prepare a case outside the clock, and say what it was given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from pyconv.bench.cases import Case, Sizes
from pyconv.bench.data import Data, placed

CHANNELS_FIRST = "nchw"
CHANNELS_LAST = "nhwc"
LAYOUTS = (CHANNELS_FIRST, CHANNELS_LAST)

PACKED = "packed once"
PASSED = "passed every call"
NO_WEIGHTS = "none"


class Unsupported(Exception):
    """This rival does not offer this case; the message says why and is shown in the report."""


# Byte multiples at which memory begins: NumPy's arrays, and what torch and the engines allocate themselves.
NUMPY_ALIGNMENT = 16
TENSOR_ALIGNMENT = 64


@dataclasses.dataclass(frozen=True)
class Setup:
    """`offset`: where in a page the operands shall begin (placement.py); the alignment rounds it down."""

    layout: str
    threads: int
    offset: int = 0

    def aligned(self, alignment: int) -> int:
        return self.offset // alignment * alignment

    def place(self, array: NDArray[Any]) -> NDArray[Any]:
        """For rivals that read NumPy's memory: a copy where an engine would have allocated it."""
        return placed(array, self.aligned(TENSOR_ALIGNMENT))


@dataclasses.dataclass(frozen=True)
class Given:
    """The conditions of a measurement, published beside its figure."""

    layout: str
    weights: str
    note: str = ""
    threads: int = 0  # as the library reports it; the engine compares it with what was asked for
    precision: str = ""


@dataclasses.dataclass(frozen=True)
class Prepared:
    call: Callable[[], Any]  # what is timed
    to_numpy: Callable[
        [Any], NDArray[Any]
    ]  # its result as a (batch, out_ch, *spatial) array, outside the clock
    given: Given
    algorithm: str = ""
    keep: object = None  # memory that the library reads but does not own


@dataclasses.dataclass(frozen=True)
class Rival:
    name: str
    prepare: Callable[[Case, Data, Setup], Prepared]
    set_threads: Callable[[int], int]  # process-wide; returns the number the library then reports
    requires: tuple[str, ...] = ()
    layouts: tuple[str, ...] = LAYOUTS


def given(case: Case, layout: str, threads: int, note: str = "", packed: bool = False) -> Given:
    """The usual statement: every product and every sum in the dtype of the operands."""
    weights = (PACKED if packed else PASSED) if case.is_conv else NO_WEIGHTS
    return Given(layout, weights, note, threads, f"{case.dtype} throughout")


def symmetric_padding(case: Case) -> Sizes:
    if case.pad_begin != case.pad_end:
        raise Unsupported("takes one padding for both ends")
    return case.pad_begin


def needs_conv(case: Case) -> None:
    if not case.is_conv:
        raise Unsupported("this adapter covers convolutions only")


def needs_float32(case: Case) -> None:
    if case.dtype != "float32":
        raise Unsupported("float32 only")


def as_given(threads: int) -> int:
    """For libraries that take the thread count with each case; `Given.threads` is read back from them."""
    return threads
