"""Runs suites from start to end: ceilings, sweeps over threads and cases, and whatever was measured so far
when the user has had enough."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from pyconv.bench import engine, machine, records, rivals, suites
from pyconv.bench.cases import Case
from pyconv.bench.engine import Conditions
from pyconv.bench.harness import Method
from pyconv.bench.problem_string import format_case
from pyconv.bench.progress import Step, progress
from pyconv.bench.records import Measurement, Run
from pyconv.bench.rivals import Rival
from pyconv.bench.suites import Options, Suite

# Another runtime's workers go on spinning after its call, PyTorch's for 9 ms: untimed calls outlast them.
SETTLE_SECONDS = 12e-3


@dataclasses.dataclass(frozen=True)
class Sweep:
    """One suite's cases under one set of conditions."""

    cases: tuple[Case, ...]
    conditions: Conditions


def run(options: Options, command: str) -> Run:
    """Run every chosen suite; Ctrl-C ends early and keeps what there is (`complete` says so)."""
    chosen = [suites.find(name) for name in options.suites]
    contestants, absent = _contestants(options, chosen)
    sweeps = [sweep for suite in chosen for sweep in _sweeps(options, suite, contestants)]
    steps = [(suite, label) for suite in chosen for label in suite.steps(options)]
    record = Run(
        suite=" ".join(options.suites),
        command=command,
        started=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        machine=machine.describe(),
        versions=machine.versions(),
        absent=absent,
        method=_method_record(sweeps),
    )
    if options.resume:
        _take_over(record, options.stem.with_suffix(".json"))
    sweeps = [_without_measured(sweep, record) for sweep in sweeps]
    measured = {item.name for item in record.measurements}
    steps = [(suite, label) for suite, label in steps if label not in measured]
    total = sum(len(sweep.cases) for sweep in sweeps) + len(steps)
    onlookers = machine.Onlookers()
    with _settings(options), _stoppable(), contextlib.suppress(KeyboardInterrupt):
        with progress(total, record.suite) as step:
            _measure_all(record, options, sweeps, steps, step)
        record.complete = True
    if (shares := onlookers.shares()) is not None:
        record.others, record.stolen = shares
    if not record.complete:
        print("interrupted: the report holds what was measured so far", file=sys.stderr)
    if record.ceilings is not None:
        for result in record.results:
            record.faults += engine.faults_of(result, record.ceilings)
    record.faults += filter(None, (item.fault for item in record.measurements))
    return record


def _take_over(record: Run, path: Path) -> None:
    """Go on with an interrupted run, if it was made here with these versions."""
    if not path.exists():
        return
    earlier = records.load(path)
    for field in ("suite", "machine", "versions"):
        before, now = getattr(earlier, field), getattr(record, field)
        if before != now:
            raise ValueError(f"--resume needs the same {field}: {path} has {before}, this run has {now}")
    record.started, record.ceilings = earlier.started, earlier.ceilings
    record.results, record.measurements = earlier.results, earlier.measurements


def _without_measured(sweep: Sweep, record: Run) -> Sweep:
    measured = {(row.problem, row.network, row.name, row.threads) for row in record.results}
    threads = sweep.conditions.threads
    left = [c for c in sweep.cases if (format_case(c), c.network, c.name, threads) not in measured]
    return dataclasses.replace(sweep, cases=tuple(left))


def _measure_all(
    record: Run, options: Options, sweeps: list[Sweep], steps: list[tuple[Suite, str]], step: Step
) -> None:
    dtypes = sorted({case.dtype for sweep in sweeps for case in sweep.cases}) or ["float32"]
    isa = options.isa or machine.current_isa()
    ceilings = machine.measure_ceilings(isa, dtypes)
    record.ceilings = machine.best_of(record.ceilings or ceilings, ceilings)
    for sweep in sweeps:
        for case in sweep.cases:
            step(case.title or case.kind)
            result = engine.measure(case, sweep.conditions)
            if engine.starved(result):
                result = engine.measure(case, sweep.conditions)
            record.results.append(result)
        # The clock may have been lower at the start: ceilings are the best of all readings.
        record.ceilings = machine.best_of(record.ceilings, machine.measure_ceilings(isa, dtypes))
    for suite, label in steps:
        step(label)
        record.measurements += _finite(suite.measure(options, label))


def _finite(measurements: Iterator[Measurement]) -> list[Measurement]:
    """JSON has no NaN: a figure that could not be had keeps its reason and the value -1."""
    return [
        item if item.value == item.value else dataclasses.replace(item, value=-1.0) for item in measurements
    ]


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """A request to terminate (a time limit's, a scheduler's) ends the run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _settings(options: Options) -> Iterator[None]:
    import pyconv

    with pyconv.options(isa=options.isa) if options.isa else contextlib.nullcontext():  # type: ignore[arg-type]
        yield


def _contestants(options: Options, chosen: list[Suite]) -> tuple[dict[str, Rival], dict[str, str]]:
    """The rivals that can be used, and why the others cannot."""
    wanted = dict.fromkeys(options.rivals or [name for suite in chosen for name in suite.rivals])
    found, absent = {}, {}
    for name in wanted:
        rival = rivals.find(name)
        reason = rivals.absence(rival)
        if reason is None:
            found[name] = rival
        else:
            absent[name] = reason
    return found, absent


def _sweeps(options: Options, suite: Suite, contestants: dict[str, Rival]) -> Iterator[Sweep]:
    cases = [case for case in suite.cases(options) if not options.dtypes or case.dtype in options.dtypes]
    names = [name for name in options.rivals or suite.rivals if name in contestants]
    for threads in options.threads or suite.threads:
        method = Method(
            case_seconds=options.seconds or suite.case_seconds,
            settle_seconds=SETTLE_SECONDS if threads > 1 else 0.0,
        )
        chosen = tuple(contestants[name] for name in names)
        if cases and chosen:
            yield Sweep(tuple(cases), Conditions(threads, options.layouts, chosen, method, options.cold))


def _method_record(sweeps: list[Sweep]) -> dict[str, float]:
    methods = [dataclasses.asdict(sweep.conditions.method) for sweep in sweeps]
    return {name: max(method[name] for method in methods) for name in methods[0]} if methods else {}
