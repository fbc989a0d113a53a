"""THE timing harness: every comparison of this project is made by `interleave`, in one process.

A round visits all contestants in a shuffled order and then in the reverse order (ABBA; with more
contestants ABCCBA), so a drift of the machine reaches all of them alike. Each visit first makes an
untimed call (another runtime's spinning workers disturb whoever comes next, and the contestant's own
data come back into the caches), then times a block of calls of about a quarter of a millisecond.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

_QUIET_SECONDS = 0.01
# From here on a call is its own warm-up: no untimed call before it, one call is the estimate.
_LONG_CALL = 0.05

Call = Callable[[], object]
Clock = Callable[[], float]


@dataclasses.dataclass(frozen=True)
class Method:
    """How long to measure. The defaults are the documented method. `case_seconds` is shared evenly by the
    contestants; one whose samples do not fit its share gets fewer, never below `min_samples`.

    Many short blocks beat few long ones: on a shared machine (EPYC 9xx4, 2 vCPUs) the A/A ratio of five
    layers had a standard deviation of 2.5 % with 60 blocks of 1 ms and 0.35 % with 240 of 0.2 ms.
    """

    samples: int = 240
    min_samples: int = 4
    sample_seconds: float = 2.5e-4
    case_seconds: float = 6.0
    settle_seconds: float = 0.0  # untimed calls before a block go on for this long (at least one call)
    seed: int = 20


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds per call, one entry for each block, in the order of time."""

    seconds: NDArray[np.float64]
    calls_per_sample: int
    cpu_per_wall: float  # CPU time of the whole process / wall time: about the number of busy threads


def interleave(
    contestants: Mapping[str, Call],
    method: Method | None = None,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
) -> dict[str, Timing]:
    """Time all contestants against each other and return their samples."""
    method = method or Method()
    if not contestants:
        return {}
    estimates = {name: _estimate(call, method, clock) for name, call in contestants.items()}
    counts = {name: max(1, math.ceil(method.sample_seconds / max(t, 1e-9))) for name, t in estimates.items()}
    visits = _visits(estimates, counts, method)
    rounds = max(visits.values())
    order = list(contestants)
    rng = np.random.default_rng(method.seed)
    seconds: dict[str, list[float]] = {name: [] for name in order}
    cpu = dict.fromkeys(order, 0.0)
    for number in range(rounds):
        rng.shuffle(order)
        present = [name for name in order if _is_visited(number, visits[name], rounds)]
        for name in (*present, *reversed(present)):
            if estimates[name] < _LONG_CALL:
                _settle(contestants[name], method.settle_seconds, clock)
            wall, busy = _block(contestants[name], counts[name], clock, cpu_clock)
            seconds[name].append(wall / counts[name])
            cpu[name] += busy
    return {
        name: Timing(
            np.array(values),
            counts[name],
            cpu[name] / max(sum(values) * counts[name], 1e-12),
        )
        for name, values in seconds.items()
    }


def _estimate(call: Call, method: Method, clock: Clock) -> float:
    """Seconds of one warm call, from growing blocks: a single short call is mostly clock."""
    start = clock()
    call()
    if (first := clock() - start) >= _LONG_CALL:
        return first
    repeats = 1
    while True:
        start = clock()
        for _ in itertools.repeat(None, repeats):
            call()
        elapsed = clock() - start
        if elapsed >= 0.2 * method.sample_seconds or repeats >= 1 << 20:
            return elapsed / repeats
        repeats *= 4


def _visits(estimates: Mapping[str, float], counts: Mapping[str, int], method: Method) -> dict[str, int]:
    """In how many rounds each contestant takes part; a round gives it two samples."""
    share = method.case_seconds / len(estimates)
    visits = {}
    for name, estimate in estimates.items():
        untimed = max(estimate, method.settle_seconds) if estimate < _LONG_CALL else 0.0
        affordable = int(share / (estimate * counts[name] + untimed + 1e-12))
        visits[name] = -(-max(method.min_samples, min(method.samples, affordable)) // 2)
    return visits


def _is_visited(number: int, visits: int, rounds: int) -> bool:
    """Spreads `visits` evenly over all rounds."""
    return (number + 1) * visits // rounds > number * visits // rounds


def _settle(call: Call, seconds: float, clock: Clock) -> None:
    settled = clock() + seconds
    call()
    while clock() < settled:
        call()


def _block(call: Call, count: int, clock: Clock, cpu_clock: Clock) -> tuple[float, float]:
    cpu_start = cpu_clock()
    start = clock()
    for _ in itertools.repeat(None, count):
        call()
    wall = clock() - start
    return wall, cpu_clock() - cpu_start


def wait_until_quiet(
    limit: float = 2.0,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Sleep until this process uses no CPU: workers of a library that has just been used go on spinning.

    NumPy's BLAS, which checks the results, spins for about a tenth of a second. False: they never stopped.
    """
    end = clock() + limit
    while clock() < end:
        start = cpu_clock()
        sleep(_QUIET_SECONDS)
        if cpu_clock() - start < 0.1 * _QUIET_SECONDS:
            return True
    return False


def cold_samples(
    call: Call, evict: Call, samples: int, clock: Clock = time.perf_counter
) -> NDArray[np.float64]:
    """Single calls, each after `evict` has pushed the contestant's data out of the caches."""
    seconds = np.empty(samples)
    for index in range(samples):
        evict()
        start = clock()
        call()
        seconds[index] = clock() - start
    return seconds


def cache_evictor(last_level_bytes: int) -> Call:
    """A call that reads and writes four times the last-level cache."""
    buffer = np.zeros(4 * last_level_bytes // 8)

    def evict() -> None:
        np.add(buffer, 1.0, out=buffer)

    return evict
