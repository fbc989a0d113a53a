"""How cost grows with batch, channels, image size, kernel size and threads; a sweep is a network name.

Beside the sweeps, the planner is asked how evenly it would cut large layers for up to 128 threads.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from pyconv.bench.cases import Case, benchmark_set, unique
from pyconv.bench.machine import usable_cpus
from pyconv.bench.problem_string import format_case, parse_case
from pyconv.bench.records import Measurement
from pyconv.bench.suites.base import Options, Suite

SWEEPS = {
    "batch": ("n{}c64h28w28_k64r3s3p1", (1, 2, 4, 8, 16)),
    "channels": ("n1c{0}h28w28_k{0}r3s3p1", (4, 8, 16, 32, 64, 128, 256)),
    "image size": ("n1c32h{0}w{0}_k32r3s3p1", (7, 14, 28, 56, 112, 224)),
    "kernel size": ("n1c32h56w56_k32r{0}s{0}", (1, 2, 3, 5, 7, 11)),
}
MOST_THREADS = 128
LARGE_FLOPS = 1e9
LEAST_BALANCE = 0.9


def thread_counts(cpus: int) -> tuple[int, ...]:
    """1, 2, 4 ... and all of them."""
    return tuple(sorted({1 << power for power in range(cpus.bit_length())} | {cpus}))


def cases(_: Options) -> list[Case]:
    return [
        dataclasses.replace(parse_case(pattern.format(value)), network=f"scaling: {sweep}", name=str(value))
        for sweep, (pattern, values) in SWEEPS.items()
        for value in values
    ]


def partitions(_: Options) -> list[str]:
    large = [case for case in benchmark_set() if case.is_conv and case.flops > LARGE_FLOPS]
    return [f"partition of {format_case(case)}" for case in unique(large)]


def measure(_: Options, label: str) -> Iterator[Measurement]:
    """Chunks are claimed one by one, so the busiest thread takes ceil(chunks / threads) of them."""
    import pyconv

    problem = label.removeprefix("partition of ")
    balances = {}
    for threads in range(1, MOST_THREADS + 1):
        with pyconv.options(num_threads=threads):
            for layout in ("channels_first", "channels_last"):
                chunks = pyconv.plan(problem, data_format=layout).chunks
                balances[layout, threads] = balance(chunks, threads)
    worst = min(balances, key=lambda key: balances[key])
    mean = sum(balances.values()) / len(balances)
    detail = f"worst of 1..{MOST_THREADS} threads in both layouts, at {worst[1]} {worst[0]}; mean {mean:.2f}"
    yield Measurement(label, balances[worst], "balance", detail, at_least=LEAST_BALANCE)


def balance(chunks: int, threads: int) -> float:
    """Mean work of a thread / work of the busiest one, for equal chunks."""
    return chunks / (threads * -(-chunks // threads))


SUITE = Suite(
    "scaling",
    "cost against batch, channels, image size, kernel size and threads; balance up to 128 threads",
    cases,
    ("pyconv-layer", "torch"),
    threads=thread_counts(usable_cpus()),
    case_seconds=2.0,
    steps=partitions,
    measure=measure,
)
