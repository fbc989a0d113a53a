"""Where a contestant's arrays lie: several deterministic draws, the same for every contestant.

A memory-bound call can be a third slower for where its input and output happen to lie: they share cache
sets, or agree in the low twelve bits of their addresses. One allocation for each case would publish that
accident. Inputs and plain weights begin at an offset into a page; outputs are allocated by each library in
each call, as its users have it, so the heap is shifted under them.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyconv.bench.data import PAGE
from pyconv.bench.rivals.base import NUMPY_ALIGNMENT, TENSOR_ALIGNMENT

IN_LINE = TENSOR_ALIGNMENT // NUMPY_ALIGNMENT  # how many places in a cache line
SHIMS = 8
LARGEST_SHIM = 64 << 10


def offset(index: int, count: int) -> int:
    """Bytes into a page: spread over its cache lines, and in turn over the places in a line.

    NumPy's arrays begin anywhere in a line that is a multiple of 16 bytes. That alone made a depthwise layer
    that reads its input in place 1.45 times slower at 16 and 48 than at 0.
    """
    line = PAGE // TENSOR_ALIGNMENT * index // count
    in_line = random.Random(index // IN_LINE).sample(range(IN_LINE), IN_LINE)[index % IN_LINE]
    return line * TENSOR_ALIGNMENT + in_line * NUMPY_ALIGNMENT


def shims(index: int) -> list[NDArray[Any]]:
    """Memory that shifts whatever the allocator hands out next, for as long as the list lives."""
    rng = random.Random(~index)
    return [np.empty(rng.randrange(NUMPY_ALIGNMENT, LARGEST_SHIM), np.uint8) for _ in range(SHIMS)]
