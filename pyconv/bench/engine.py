"""Runs cases against contestants: prepare, check, time, compare. Every suite goes through here."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

import numpy as np

from pyconv.bench import harness, machine, placement, rivals, stats
from pyconv.bench.cases import Case
from pyconv.bench.data import TOLERANCE, Data, Truth, make_data, make_truth
from pyconv.bench.harness import Method, Timing
from pyconv.bench.problem_string import format_case, parse_case
from pyconv.bench.records import FAILED, OK, REFUSED, WRONG, CaseResult, Ceilings, Comparison, Entry
from pyconv.bench.rivals import Prepared, Rival, Setup, Unsupported

CONTROL = "A/A"
COLD_SAMPLES = 10
# Seconds; what takes longer (a compiler) is not prepared again for each placement.
LONGEST_PREPARATION = 0.5
PEAK_SLACK = 1.03  # how far a kernel may seem to pass the FMA peak before the report fails
# Several threads that kept hardly more than one CPU busy, at speeds this far apart, shared one for a while.
# (PyTorch with two threads did for one row in 24: 6 ms instead of 0.34, x50 between placements, 1.01 CPUs.)
STARVED_CPUS = 1.25
STARVED_SPREAD = 5.0
CPU_SLACK = 0.15  # by how much CPU time / wall time may pass the thread count


@dataclasses.dataclass(frozen=True)
class Conditions:
    """What holds for a whole sweep over cases."""

    threads: int
    layouts: tuple[str, ...]
    rivals: tuple[Rival, ...]
    method: Method
    cold: bool = False


def measure(case: Case, conditions: Conditions) -> CaseResult:
    """Prepare, check and time every contestant on one case."""
    field = Field(case, conditions)
    calls = field.enter()
    harness.wait_until_quiet()
    timings = harness.interleave(calls, conditions.method, replace=field.move)
    for name, ready in field.prepared.items():
        cold = _cold(ready) if conditions.cold else None
        field.entries[name] = _timed(field.entries[name], timings[name], cold)
    entries = list(field.entries.values())
    control = stats.speedup(timings[field.first].blocks, timings[CONTROL].blocks) if field.prepared else None
    return _result(case, conditions, entries, _compare(entries, timings), control)


class Field:
    """The contestants of one case: prepared, checked, and moved to other memory when the harness asks."""

    def __init__(self, case: Case, conditions: Conditions) -> None:
        self.case, self.conditions = case, conditions
        self.data = make_data(case)
        self.truth = make_truth(case, self.data)
        self.entries: dict[str, Entry] = {}
        self.prepared: dict[str, Prepared] = {}
        self._rivals: dict[str, Rival] = {}
        self._shims: object = None

    @property
    def first(self) -> str:
        """Whose call takes part twice, as the control."""
        return next(name for name in self.entries if name in self.prepared)

    def enter(self) -> dict[str, harness.Call]:
        """Everybody's call on a first placement; a contestant that is refused, wrong or fails has none."""
        for rival in self.conditions.rivals:
            for layout in rival.layouts:
                if layout in self.conditions.layouts:
                    entry, ready = self._prepare(rival, layout, 0)
                    self.entries[entry.contestant] = entry
                    self._rivals[entry.contestant] = rival
                    if ready is not None:
                        self.prepared[entry.contestant] = ready
        return self._calls()

    def move(self, index: int, names: Sequence[str]) -> dict[str, harness.Call]:
        """Everybody's call, after the named ones were prepared, called and checked on placement `index`."""
        self._shims = None
        self._shims = placement.shims(index)
        first = self.first
        for name in {first if name == CONTROL else name: None for name in names}:
            earlier = self.entries[name]
            if (earlier.prepare_s or 0.0) > LONGEST_PREPARATION:
                continue
            del self.prepared[name]
            entry, ready = self._prepare(self._rivals[name], earlier.layout, index)
            if ready is None:
                self.entries[name] = entry
            else:
                self.prepared[name] = ready
                largest = max(earlier.error or 0.0, entry.error or 0.0)
                self.entries[name] = dataclasses.replace(earlier, error=largest)
        return self._calls()

    def _calls(self) -> dict[str, harness.Call]:
        calls = {name: ready.call for name, ready in self.prepared.items()}
        return calls | {CONTROL: calls[self.first]} if calls else {}

    def _prepare(self, rival: Rival, layout: str, index: int) -> tuple[Entry, Prepared | None]:
        offset = placement.offset(index, self.conditions.method.placements)
        setup = Setup(layout, self.conditions.threads, offset)
        return _enter(self.case, self.data, self.truth, rival, setup)


def _enter(case: Case, data: Data, truth: Truth, rival: Rival, setup: Setup) -> tuple[Entry, Prepared | None]:
    """Set the thread count, prepare outside the clock, make the first call and check its result."""
    entry = Entry(rival.name, setup.layout, OK)
    reported = rival.set_threads(setup.threads)
    if reported != setup.threads:
        return dataclasses.replace(entry, status=FAILED, detail=_threads(setup, reported)), None
    try:
        start = time.perf_counter()
        ready = rival.prepare(case, data, setup)
        prepared = time.perf_counter()
        result = ready.call()
        first = time.perf_counter() - prepared
        error = truth.error(ready.to_numpy(result))
    except Unsupported as reason:
        return dataclasses.replace(entry, status=REFUSED, detail=str(reason)), None
    except Exception as error_raised:  # a rival that fails is a finding, not the end of the run
        detail = f"{type(error_raised).__name__}: {error_raised}"
        return dataclasses.replace(entry, status=FAILED, detail=detail[:300]), None
    if ready.given.threads != setup.threads:
        return dataclasses.replace(entry, status=FAILED, detail=_threads(setup, ready.given.threads)), None
    entry = dataclasses.replace(
        entry,
        given=ready.given,
        algorithm=ready.algorithm,
        error=error,
        prepare_s=prepared - start,
        first_call_s=first,
    )
    if error > TOLERANCE:
        detail = f"error {error:.3g} roundoffs of sum|x||w|, allowed {TOLERANCE:g}"
        return dataclasses.replace(entry, status=WRONG, detail=detail, error=min(error, 1e308)), None
    return entry, ready


def _threads(setup: Setup, reported: int) -> str:
    return f"asked for {setup.threads} threads, reports {reported}"


def _timed(entry: Entry, timing: Timing, cold: float | None) -> Entry:
    places = [stats.p10(seconds) for seconds in timing.blocks]
    return dataclasses.replace(
        entry,
        seconds=stats.figure(timing.blocks),
        median_s=float(np.median(np.concatenate(timing.blocks))),
        cold_s=cold,
        samples=sum(seconds.size for seconds in timing.blocks),
        calls_per_sample=timing.calls_per_sample,
        cpu_per_wall=timing.cpu_per_wall,
        placements=len(places),
        placement_spread=max(places) / min(places),
    )


def _cold(ready: Prepared) -> float:
    evict = harness.cache_evictor(machine.last_level_bytes())
    return stats.p10(harness.cold_samples(ready.call, evict, COLD_SAMPLES))


def _compare(entries: Sequence[Entry], timings: dict[str, Timing]) -> list[Comparison]:
    """Each of pyconv's contestants against each rival: in each shared layout, and best against best."""
    timed: dict[str, dict[str, Entry]] = {}
    for entry in entries:
        if entry.seconds is not None:
            timed.setdefault(entry.rival, {})[entry.layout] = entry
    comparisons = []
    for subject in (name for name in timed if name in rivals.SUBJECTS):
        for rival in (name for name in timed if name not in rivals.SUBJECTS):
            pairs = {layout: (layout, layout) for layout in timed[subject] if layout in timed[rival]}
            pairs["best"] = (_fastest(timed[subject]), _fastest(timed[rival]))
            for layout, (ours, theirs) in pairs.items():
                ratio = stats.speedup(
                    timings[f"{subject}/{ours}"].blocks, timings[f"{rival}/{theirs}"].blocks
                )
                comparisons.append(Comparison(subject, rival, layout, ratio))
    return comparisons


def _fastest(entries: dict[str, Entry]) -> str:
    return min(entries, key=lambda layout: entries[layout].seconds or 0.0)


def _result(
    case: Case,
    conditions: Conditions,
    entries: list[Entry],
    comparisons: list[Comparison],
    control: stats.Ratio | None,
) -> CaseResult:
    return CaseResult(
        problem=format_case(case),
        network=case.network,
        name=case.name,
        source=case.source,
        op=case.op,
        ndim=case.ndim,
        kind=case.kind,
        dtype=case.dtype,
        batch=case.batch,
        count=case.count,
        threads=conditions.threads,
        flops=case.flops,
        flops_without_padding=case.flops_without_padding,
        bytes_moved=case.bytes_moved,
        entries=entries,
        comparisons=comparisons,
        control=control,
    )


def starved(result: CaseResult) -> list[str]:
    """Contestants whose threads the system ran one after the other: such a row is no comparison."""
    if result.threads == 1:
        return []
    return [
        entry.contestant
        for entry in result.entries
        if entry.cpu_per_wall is not None
        and entry.placement_spread is not None
        and entry.cpu_per_wall < STARVED_CPUS
        and entry.placement_spread > STARVED_SPREAD
    ]


def winograd_saving(algorithm: str, kernel: tuple[int, ...]) -> float:
    """How many times fewer multiplications a Winograd algorithm needs, at most.

    Along a dimension whose taps fill it, F(m, r) needs m + r - 1 products for m outputs instead of m r; with
    complex points F(4, 3) needs 7 instead of 12, and in two dimensions 46 instead of 144. At most two are
    transformed.
    """
    one, two = {
        "winograd_f2": (3 / 2, 9 / 4),
        "winograd_c4": (12 / 7, 144 / 46),
        "winograd_f4": (2.0, 4.0),
    }.get(algorithm, (1.0, 1.0))
    return (1.0, one, two)[min(2, sum(taps > 1 for taps in kernel))]


def faults_of(result: CaseResult, ceilings: Ceilings) -> list[str]:
    """Reasons not to believe this result."""
    faults = [
        f"{result.problem} {name}: its {result.threads} threads got one CPU, twice"
        for name in starved(result)
    ]
    kernel = parse_case(result.problem).kernel
    for entry in result.entries:
        label = f"{result.problem} {entry.contestant}, {result.threads} threads"
        if entry.status in (WRONG, FAILED) and entry.rival in rivals.SUBJECTS:
            faults.append(f"{label}: {entry.status}: {entry.detail}")
        if entry.seconds is None:
            continue
        peak = ceilings.fma_gflops.get(result.dtype)
        gflops = result.flops_without_padding / entry.seconds / 1e9 / winograd_saving(entry.algorithm, kernel)
        limit = (peak or 0.0) * result.threads
        if result.op == "conv" and peak is not None and gflops > PEAK_SLACK * limit:
            faults.append(f"{label}: {gflops:.0f} GFLOP/s is above the FMA peak of {limit:.0f} GFLOP/s")
        # A contestant that was given every CPU cannot keep more busy, whatever the system's accounting says
        # (blocks of 0.25 ms on a virtual machine with two CPUs read up to 2.7).
        could_exceed = result.threads < machine.usable_cpus()
        if (
            could_exceed
            and entry.cpu_per_wall is not None
            and entry.cpu_per_wall > result.threads + CPU_SLACK
        ):
            faults.append(f"{label}: kept {entry.cpu_per_wall:.2f} CPUs busy, was given {result.threads}")
    return faults
