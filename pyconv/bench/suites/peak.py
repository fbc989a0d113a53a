"""How much of the FMA peak `direct` reaches through a layer, on every instruction set with FMA.

One thread, float32, both memory layouts, `out=`. The peak is read between the samples with the same
instruction set, and the best reading counts, so that a slow moment of the machine never flatters a share.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pyconv.bench.cases import Case
from pyconv.bench.data import make_data
from pyconv.bench.harness import Method, interleave
from pyconv.bench.problem_string import parse_case
from pyconv.bench.records import Measurement
from pyconv.bench.rivals.base import LAYOUTS, Setup
from pyconv.bench.rivals.pyconv_out_rival import prepare
from pyconv.bench.stats import p10
from pyconv.bench.suites.base import Options, Suite

LAYERS = {
    "3x3 64@56": "n1c64h56w56_k64r3s3p1",
    "3x3 256@14": "n1c256h14w14_k256r3s3p1",
    "1x1 64>256@56": "n1c64h56w56_k256r1s1",
    "7x7 stride 2 stem": "n1c3h224w224_k64r7s7p3u2",
}
ISAS = ("avx512", "avx2", "neon")
ROUNDS = 8


def steps(_: Options) -> list[str]:
    from pyconv import _core

    found = [isa for isa in ISAS if isa in _core.available_isas()]
    return [f"{isa} {layer}, {layout}" for isa in found for layer in LAYERS for layout in LAYOUTS]


def measure(_: Options, label: str) -> Iterator[Measurement]:
    import pyconv

    name, layout = label.split(", ")
    isa, layer = name.split(" ", 1)
    case = parse_case(LAYERS[layer])
    with pyconv.options(isa=isa, algorithm="direct", num_threads=1):  # type: ignore[arg-type]
        seconds, peak = _seconds_and_peak(case, layout, isa)
    share = 100 * case.flops / seconds / 1e9 / peak
    done = 100 * case.flops_without_padding / case.flops
    gflops = case.flops / seconds / 1e9
    detail = f"{gflops:.1f} of {peak:.1f} GFLOP/s; {done:.0f} % of the counted products are not padding"
    yield Measurement(label, share, "% of the FMA peak", detail)


def _seconds_and_peak(case: Case, layout: str, isa: str) -> tuple[float, float]:
    from pyconv import _core

    ready = prepare(case, make_data(case), Setup(layout, 1))
    samples: list[Any] = []
    peak = 0.0
    for _ in range(ROUNDS):
        peak = max(peak, _core.fma_peak(isa, case.dtype, 0.02))
        timing = interleave({"layer": ready.call}, Method(samples=30, case_seconds=0.2))["layer"]
        samples += timing.blocks
    return p10(np.concatenate(samples)), peak


def cases(_: Options) -> list[Case]:
    return []


SUITE = Suite(
    "peak",
    "the share of the FMA peak that dense layers reach, for each instruction set",
    cases,
    rivals=(),
    steps=steps,
    measure=measure,
)
