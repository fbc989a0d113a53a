"""What a call costs beside the arithmetic: tiny problems, the first call of a process, and the import."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from pyconv.bench.cases import SHAPES, Case, read_csv
from pyconv.bench.problem_string import parse_case
from pyconv.bench.records import Measurement
from pyconv.bench.suites.base import PYCONV, Options, Suite

TINY = ("n1c1w8_k1s3", "n1c1h1w1_k1r1s1", "n1c8h8w8_maxr2s2u2", "n1c1d4h4w4_k1t3r3s3")
REPEATS = 7

# Each program prints seconds and runs in a fresh process.
_IMPORT = "import numpy, time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
_FIRST_CALL = """
import time, numpy as np, {module}
x, w = np.ones((1, 64, 56, 56), np.float32), np.ones((64, 64, 3, 3), np.float32)
{prepare}
t = time.perf_counter(); {call}; print(time.perf_counter() - t)
"""
PROGRAMS = {
    "import pyconv, beyond NumPy's import": _IMPORT.format(module="pyconv"),
    "import torch, beyond NumPy's import": _IMPORT.format(module="torch"),
    "first pyconv.conv2d of a process, 3x3 64@56": _FIRST_CALL.format(
        module="pyconv", prepare="", call="pyconv.conv2d(x, w, padding=1)"
    ),
    "first torch conv2d of a process, 3x3 64@56": _FIRST_CALL.format(
        module="torch",
        prepare="x, w = torch.from_numpy(x), torch.from_numpy(w)",
        call="torch.nn.functional.conv2d(x, w, padding=1)",
    ),
}


def cases(_: Options) -> list[Case]:
    small = [case for case in read_csv(SHAPES / "extra.csv") if case.flops < 1_000_000]
    return [*small, *map(parse_case, TINY)]


def measure(_: Options, label: str) -> Iterator[Measurement]:
    readings = []
    for _repeat in range(REPEATS):
        command = [sys.executable, "-c", PROGRAMS[label]]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
        if finished.returncode:
            reason = (finished.stderr.strip().splitlines() or ["no message"])[-1]
            yield Measurement(label, float("nan"), "ms", f"not measured: {reason}")
            return
        readings.append(1e3 * float(finished.stdout))
    yield Measurement(label, statistics.median(readings), "ms", f"median of {REPEATS} fresh processes")


SUITE = Suite(
    "overhead",
    "tiny calls, the first call of a process, the import",
    cases,
    (*PYCONV[:2], "torch", "onnxruntime"),
    case_seconds=3.0,
    steps=lambda options: list(PROGRAMS),
    measure=measure,
)
