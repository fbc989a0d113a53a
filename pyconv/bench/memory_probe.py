"""python -m pyconv.bench.memory_probe pyconv|torch PROBLEM THREADS: bytes that one first call needs.

Prints how far the peak resident size rose during the call, less the output, whose pages the call touches
first, and the seconds of the call. Runs in a process of its own, because a peak never falls.
"""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyconv.bench.problem_string import parse_case


def main(who: str, problem: str, threads: int) -> tuple[int, float]:
    case = parse_case(problem)
    rng = np.random.default_rng(1)
    x = rng.random(case.input_shape, np.float32)
    w = rng.random(case.weight_shape, np.float32)
    function = getattr(_import(who, threads), f"conv{case.ndim}d")
    operands: tuple[Any, ...] = (x, w) if who == "pyconv" else tuple(map(_tensor, (x, w)))
    corner = (slice(1), slice(1), *map(slice, case.kernel))
    function(operands[0][corner], operands[1][corner])  # code and threads are there; no big buffer is
    before = _peak_bytes(reset=True)
    start = time.perf_counter()
    result = function(*operands, None, case.stride, case.pad_begin, case.dilation, case.groups)
    seconds = time.perf_counter() - start
    grown = _peak_bytes(reset=False) - before
    assert tuple(result.shape) == case.output_shape
    return max(0, grown - math.prod(case.output_shape) * case.itemsize), seconds


def _import(who: str, threads: int) -> object:
    if who == "pyconv":
        import pyconv

        pyconv.set_num_threads(threads)
        return pyconv
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    return torch.nn.functional


def _tensor(array: NDArray[Any]) -> Any:
    import torch

    return torch.from_numpy(array)


def _peak_bytes(reset: bool) -> int:
    """Linux: VmHWM, which writing 5 to clear_refs sets back to the current size."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("/proc/self/status has no VmHWM: this probe needs Linux")


if __name__ == "__main__":
    print(*main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
