"""How cost grows with batch, channels, image size, kernel size and threads; a sweep is a network name."""

from __future__ import annotations

import dataclasses

from pyconv.bench.cases import Case
from pyconv.bench.machine import usable_cpus
from pyconv.bench.problem_string import parse_case
from pyconv.bench.suites.base import Options, Suite

SWEEPS = {
    "batch": ("n{}c64h28w28_k64r3s3p1", (1, 2, 4, 8, 16)),
    "channels": ("n1c{0}h28w28_k{0}r3s3p1", (4, 8, 16, 32, 64, 128, 256)),
    "image size": ("n1c32h{0}w{0}_k32r3s3p1", (7, 14, 28, 56, 112, 224)),
    "kernel size": ("n1c32h56w56_k32r{0}s{0}", (1, 2, 3, 5, 7, 11)),
}


def cases(_: Options) -> list[Case]:
    return [
        dataclasses.replace(parse_case(pattern.format(value)), network=f"scaling: {sweep}", name=str(value))
        for sweep, (pattern, values) in SWEEPS.items()
        for value in values
    ]


SUITE = Suite(
    "scaling",
    "cost against batch, channels, image size, kernel size and threads",
    cases,
    ("pyconv-layer", "torch"),
    threads=tuple(sorted({1, usable_cpus()})),
    case_seconds=2.0,
)
