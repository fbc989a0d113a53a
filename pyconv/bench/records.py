"""What one run of a suite found, as plain dataclasses that go to JSON and come back equal."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from pyconv.bench.rivals.base import Given
from pyconv.bench.stats import Ratio

SCHEMA = 1

OK = "ok"
WRONG = "wrong"  # its result disagrees with the float64 truth, so it was not timed
REFUSED = "refused"  # it does not offer this case
FAILED = "failed"  # it raised


@dataclasses.dataclass(frozen=True)
class Entry:
    """One contestant (a rival in one layout) on one case."""

    rival: str
    layout: str
    status: str
    detail: str = ""
    given: Given | None = None
    algorithm: str = ""
    error: float | None = None  # largest, in units of roundoff * sum|x||w|
    prepare_s: float | None = None  # packing, building a session, compiling: everything before the first call
    first_call_s: float | None = None
    seconds: float | None = None  # mean over placements of the 10th percentile, warm caches
    median_s: float | None = None
    cold_s: float | None = None  # 10th percentile, operands outside the caches
    samples: int = 0
    calls_per_sample: int = 0
    cpu_per_wall: float | None = None
    placements: int = 1  # of the arrays in memory
    placement_spread: float | None = None  # slowest / fastest of them

    @property
    def contestant(self) -> str:
        return f"{self.rival}/{self.layout}"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How many times faster `subject` is than `rival`; layout "best" takes each one's faster layout."""

    subject: str
    rival: str
    layout: str
    ratio: Ratio


@dataclasses.dataclass(frozen=True)
class CaseResult:
    problem: str
    network: str
    name: str
    source: str
    op: str
    ndim: int
    kind: str
    dtype: str
    batch: int
    count: int
    threads: int
    flops: int
    flops_without_padding: int
    bytes_moved: int
    entries: list[Entry]
    comparisons: list[Comparison]
    control: Ratio | None = None  # A/A: one contestant against itself

    def find(self, subject: str, rival: str, layout: str = "best") -> Ratio | None:
        for item in self.comparisons:
            if (item.subject, item.rival, item.layout) == (subject, rival, layout):
                return item.ratio
        return None

    def fastest(self, rival: str) -> Entry | None:
        timed = [entry for entry in self.entries if entry.rival == rival and entry.seconds is not None]
        return min(timed, key=lambda entry: entry.seconds or 0.0, default=None)


@dataclasses.dataclass(frozen=True)
class Ceilings:
    """What the machine can do, measured in the same run: per thread, the best of all readings."""

    fma_gflops: dict[str, float]
    bandwidth_gbs: float
    isa: str


@dataclasses.dataclass(frozen=True)
class Measurement:
    """A figure that is not a comparison of calls: memory, balance, first calls. -1: could not be had."""

    name: str
    value: float
    unit: str
    detail: str = ""
    at_most: float | None = None  # what it must keep to; passing it is a fault
    at_least: float | None = None

    @property
    def fault(self) -> str | None:
        if self.value < 0:
            return None
        if self.at_most is not None and self.value > self.at_most:
            return f"{self.name}: {self.value:.4g} {self.unit}, allowed {self.at_most:.4g}"
        if self.at_least is not None and self.value < self.at_least:
            return f"{self.name}: {self.value:.4g} {self.unit}, at least {self.at_least:.4g} is asked for"
        return None


@dataclasses.dataclass
class Run:
    suite: str
    command: str
    started: str
    machine: dict[str, str]
    versions: dict[str, str]
    absent: dict[str, str]
    method: dict[str, float]
    ceilings: Ceilings | None = None
    results: list[CaseResult] = dataclasses.field(default_factory=list)
    measurements: list[Measurement] = dataclasses.field(default_factory=list)
    faults: list[str] = dataclasses.field(default_factory=list)  # whatever forbids believing the report
    others: float | None = None  # share of all CPUs' time that other processes used meanwhile
    stolen: float | None = None  # share that the hypervisor gave to other machines
    complete: bool = False
    schema: int = SCHEMA


def save(run: Run, path: Path) -> None:
    """Six digits are more than a measurement has, and keep a committed file small."""
    exact = json.dumps(dataclasses.asdict(run))
    rounded = json.loads(exact, parse_float=lambda text: float(f"{float(text):.6g}"))
    rows = rounded.pop("results")
    head = json.dumps(rounded, indent=1)[:-2]  # without the closing brace: one line for each result follows
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    path.write_text(f'{head},\n "results": [\n{lines}\n]}}\n', encoding="utf-8")


def load(path: Path) -> Run:
    document = json.loads(path.read_text(encoding="utf-8"))
    if document.get("schema") != SCHEMA:
        raise ValueError(f"{path}: the schema must be {SCHEMA}; got {document.get('schema')!r}")
    run: Run = _decode(Run, document)
    return run


def _decode(kind: Any, value: Any) -> Any:
    """Build `kind` (a dataclass, list, dict, optional or plain type) from parsed JSON."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{key: _decode(hints[key], item) for key, item in value.items()})  # type: ignore[operator]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return None if value is None else _decode(arguments[0], value)
    if origin is list:
        return [_decode(arguments[0], item) for item in value]
    if origin is dict:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    return value
