"""What a suite is, and what the user can choose for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from pyconv.bench.cases import Case
from pyconv.bench.records import Measurement
from pyconv.bench.rivals.base import LAYOUTS

PYCONV = ("pyconv-layer", "pyconv-function", "pyconv-medium")
TORCH = ("torch", "torch-prepacked")
ENGINES = ("onnxruntime", "openvino")


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line, checked. Empty tuples and None mean: as the suite says."""

    suites: tuple[str, ...] = ("quick",)
    cases: tuple[Case, ...] = ()  # the user's own: problem strings, CSV rows, layers of a model
    networks: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ()
    layouts: tuple[str, ...] = LAYOUTS
    rivals: tuple[str, ...] = ()
    isa: str | None = None
    seconds: float | None = None
    cold: bool = False
    resume: bool = False  # go on where an interrupted run with the same output stopped
    output: Path = Path("bench-output")
    name: str = ""

    @property
    def stem(self) -> Path:
        """Where the report goes, without its suffix."""
        return self.output / (self.name or "-".join(self.suites))


@dataclasses.dataclass(frozen=True)
class Suite:
    name: str
    help: str
    cases: Callable[[Options], list[Case]]
    rivals: tuple[str, ...] = (*PYCONV, *TORCH, *ENGINES)
    threads: tuple[int, ...] = (1,)
    case_seconds: float = 6.0
    # Figures that are no comparison of calls; each step is announced by its label before it is measured.
    steps: Callable[[Options], list[str]] = lambda options: []
    measure: Callable[[Options, str], Iterator[Measurement]] = lambda options, label: iter(())
