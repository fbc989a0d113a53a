"""The user's own layers: problem strings, a CSV, or the layers of a model."""

from __future__ import annotations

from pyconv.bench.cases import Case
from pyconv.bench.suites.base import Options, Suite


def cases(options: Options) -> list[Case]:
    if not options.cases:
        raise ValueError("the suite `custom` needs problem strings, --csv or --model")
    return list(options.cases)


SUITE = Suite("custom", "your own problem strings, --csv or --model", cases)
