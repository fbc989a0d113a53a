"""Memory a call needs beyond its operands and its output: peak resident size in fresh processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from pyconv.bench.cases import Case
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


def measure(options: Options, label: str) -> Iterator[Measurement]:
    who, name = label.split(": ", 1)
    threads = str((options.threads or (1,))[0])
    command = [sys.executable, "-m", "pyconv.bench.memory_probe", who, CASES[name], threads]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        reason = (finished.stderr.strip().splitlines() or ["no message"])[-1]
        yield Measurement(label, float("nan"), "MB", f"not measured: {reason}")
        return
    yield Measurement(
        label, float(finished.stdout) / 2**20, "MB", f"{CASES[name]}, {threads} thread(s), first large call"
    )


def cases(_: Options) -> list[Case]:
    return []


SUITE = Suite(
    "memory",
    "memory beyond operands and output, a 100-megapixel image included",
    cases,
    rivals=(),
    steps=lambda options: [f"{who}: {name}" for name in CASES for who in WHO],
    measure=measure,
)
