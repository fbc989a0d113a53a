"""Every convolution and pooling of whole networks; the report adds them up with their multiplicities."""

from __future__ import annotations

from pyconv.bench.cases import Case, all_cases, unique
from pyconv.bench.suites.base import Options, Suite

DEFAULT = ("resnet50", "mobilenet_v2", "vgg16")


def available() -> list[str]:
    return sorted({case.network for case in all_cases()})


def cases(options: Options) -> list[Case]:
    chosen: list[Case] = []
    everything = all_cases()
    for network in options.networks or DEFAULT:
        rows = [case for case in everything if case.network == network]
        if not rows:
            raise ValueError(f"unknown network {network!r}; there are {', '.join(available())}")
        chosen += unique(case for case in rows if case.op in ("conv", "max_pool", "avg_pool"))
    return chosen


SUITE = Suite(
    "networks",
    f"all layers of a network (--network, by default {', '.join(DEFAULT)}), with a total for each",
    cases,
    ("pyconv-layer", "pyconv-function", "torch"),
    case_seconds=2.0,
)
