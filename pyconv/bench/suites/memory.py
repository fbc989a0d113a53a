"""Memory a call needs beyond its operands and its output: peak resident size in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from pyconv.bench.cases import Case
from pyconv.bench.machine import usable_cpus
from pyconv.bench.quick_table import duration
from pyconv.bench.records import Measurement
from pyconv.bench.suites.base import Options, Suite

CASES = {
    "3x3 64@56": "n1c64h56w56_k64r3s3p1",
    "3x3 512@7": "n1c512h7w7_k512r3s3p1",
    "7x7 /2 3>64@224": "n1c3h224w224_k64r7s7p3u2",
    "1x1 256>64@200": "n1c256h200w200_k64r1s1",
    "3x3 64@572 (U-Net)": "n1c64h572w572_k64r3s3p1",
    "3x3 depthwise 144@112": "n1c144h112w112_k144r3s3p1g144",
    "3x3x3 64@16x56x56": "n1c64d16h56w56_k64t3r3s3p1",
    "100 megapixels, 3x3 1>1": "n1c1h10000w10000_k1r3s3p1",
}
WHO = ("pyconv", "torch")
MOST_SCRATCH = 16e6  # bytes a thread: promise 3
SLACK = 1e6  # pages of code that a first call touches, and what Python allocates meanwhile


def steps(options: Options) -> list[str]:
    counts = options.threads or tuple(sorted({1, usable_cpus()}))
    return [f"{who}: {name}, {_threads(count)}" for count in counts for name in CASES for who in WHO]


def measure(_: Options, label: str) -> Iterator[Measurement]:
    who, rest = label.split(": ", 1)
    name, words = rest.rsplit(", ", 1)
    threads = int(words.split()[0])
    command = [sys.executable, "-P", "-m", "pyconv.bench.memory_probe", who, CASES[name], str(threads)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        reason = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        yield Measurement(label, float("nan"), "MB", f"not measured: {reason}")
        return
    grown, seconds = map(float, finished.stdout.split())
    detail, at_most = f"`{CASES[name]}`, first call, {duration(seconds)}", None
    if who == "pyconv":
        scratch, packed = planned(CASES[name], threads)
        at_most = (threads * MOST_SCRATCH + packed + SLACK) / 1e6
        detail += (
            f"; planned {threads} x {scratch / 1e6:.2f} MB scratch + {packed / 1e6:.2f} MB packed weights"
        )
    yield Measurement(label, grown / 1e6, "MB", detail, at_most)


def planned(problem: str, threads: int) -> tuple[int, int]:
    """Bytes of scratch a thread and of packed weights, by the library's own account (`pyconv.plan`)."""
    import pyconv

    with pyconv.options(num_threads=threads):
        plan = pyconv.plan(problem)
    return plan.scratch_bytes_per_thread, plan.packed_bytes


def _threads(count: int) -> str:
    return f"{count} thread{'' if count == 1 else 's'}"


def cases(_: Options) -> list[Case]:
    return []


SUITE = Suite(
    "memory",
    "memory beyond operands and output against the documented limit, a 100-megapixel image included",
    cases,
    rivals=(),
    steps=steps,
    measure=measure,
)
