"""THE timing harness: every comparison of this project is made by `interleave`, in one process.

A round visits all contestants in a shuffled order and then in the reverse order (ABBA; with more
contestants ABCCBA), so a drift of the machine reaches all of them alike. Each visit first makes an
untimed call (another runtime's spinning workers disturb whoever comes next, and the contestant's own
data come back into the caches), then times a block of calls of about a quarter of a millisecond.

The rounds are cut into placements: before each one the contestants' arrays may be laid anew, because where
malloc put them decides up to a third of a memory-bound call (cache sets, 4 KB aliasing).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_QUIET_SECONDS = 0.01
# From here on a call is its own warm-up: no untimed call before it, one call is the estimate.
_LONG_CALL = 0.05
# After its arrays were laid anew a contestant's code is as cold as they are: this much is not timed.
_FIRST_SETTLE = 5e-4

Call = Callable[[], object]
Clock = Callable[[], float]
# Lays the arrays of the named contestants anew and calls each once; returns all calls. Who is missing is out.
Replace = Callable[[int, Sequence[str]], Mapping[str, Call]]


@dataclasses.dataclass(frozen=True)
class Method:
    """How long to measure. The defaults are the documented method. `case_seconds` is shared evenly by the
    contestants; one whose samples do not fit its share gets fewer, never below `min_samples`.

    Many short blocks beat few long ones: on a shared machine (EPYC 9xx4, 2 vCPUs) the A/A ratio of five
    layers had a standard deviation of 2.5 % with 60 blocks of 1 ms and 0.35 % with 240 of 0.2 ms.
    """

    samples: int = 240
    placements: int = 24
    min_samples: int = 4
    sample_seconds: float = 2.5e-4
    case_seconds: float = 6.0
    settle_seconds: float = 0.0  # untimed calls before a block go on for this long (at least one call)
    seed: int = 20


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds per call, an array for each placement with an entry for each block, in the order of time."""

    blocks: list[NDArray[np.float64]]
    calls_per_sample: int
    cpu_per_wall: float  # CPU time of the whole process / wall time: about the number of busy threads


def interleave(
    contestants: Mapping[str, Call],
    method: Method | None = None,
    clock: Clock = time.perf_counter,
    cpu_clock: Clock = time.process_time,
    replace: Replace | None = None,
) -> dict[str, Timing]:
    """Time all contestants against each other and return their samples."""
    method = method or Method()
    if not contestants:
        return {}
    calls = dict(contestants)
    estimates = {name: _estimate(call, method, clock) for name, call in calls.items()}
    counts = {name: max(1, math.ceil(method.sample_seconds / max(t, 1e-9))) for name, t in estimates.items()}
    visits = _visits(estimates, counts, method)
    order = list(calls)
    rng = np.random.default_rng(method.seed)
    samples: dict[str, list[list[float]]] = {name: [] for name in order}
    cpu = dict.fromkeys(order, 0.0)
    for index, numbers in enumerate(_placements(max(visits.values()), method.placements if replace else 1)):
        rounds = [_present(number, visits) for number in numbers]
        taking_part = [name for name in calls if any(name in present for present in rounds)]
        if index and replace:
            for name in taking_part:
                del calls[name]  # or the old arrays would live on
            calls = dict(replace(index, taking_part))
        for name in calls:
            samples[name].append([])
        for present in rounds:
            rng.shuffle(order)
            once = [name for name in order if name in present and name in calls]
            for name in (*once, *reversed(once)):
                if estimates[name] < _LONG_CALL:
                    first = _FIRST_SETTLE if index and not samples[name][-1] else 0.0
                    _settle(calls[name], max(method.settle_seconds, first), clock)
                wall, busy = _block(calls[name], counts[name], clock, cpu_clock)
                samples[name][-1].append(wall / counts[name])
                cpu[name] += busy
    return {name: _timing(blocks, counts[name], cpu[name]) for name, blocks in samples.items()}


def _timing(blocks: list[list[float]], count: int, cpu: float) -> Timing:
    wall = count * sum(map(sum, blocks))
    return Timing([np.array(values) for values in blocks if values], count, cpu / max(wall, 1e-12))


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
        # A long call has no untimed call before it, but one after its arrays were laid anew.
        untimed = max(estimate, method.settle_seconds) if estimate < _LONG_CALL else 0.5 * estimate
        affordable = int(share / (estimate * counts[name] + untimed + 1e-12))
        visits[name] = -(-max(method.min_samples, min(method.samples, affordable)) // 2)
    return visits


def _placements(rounds: int, most: int) -> list[range]:
    """Which rounds belong to each placement."""
    count = max(1, min(rounds // 2, most))  # four samples at least for whoever takes part in all rounds
    edges = [rounds * index // count for index in range(count + 1)]
    return [range(*edge) for edge in itertools.pairwise(edges)]


def _present(number: int, visits: Mapping[str, int]) -> set[str]:
    """Who takes part in this round: the visits of each contestant are spread evenly over all rounds."""
    rounds = max(visits.values())
    return {name for name, v in visits.items() if (number + 1) * v // rounds > number * v // rounds}


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
