"""How much of the FMA peak `direct` reaches through a layer: python benchmarks/direct_share.py

One thread, float32, both memory layouts, every instruction set of this CPU with fused multiply-add. The
peak is read between the samples with the same instruction set, and the best reading counts, so that a
share is never flattered by a slow moment of the machine. Prints a Markdown table.
"""

import sys

import numpy as np

import pyconv
from pyconv import _core
from pyconv.bench.harness import Method, interleave
from pyconv.bench.markdown import table
from pyconv.bench.problem_string import parse_case

LAYERS = {
    "3x3 64@56": "n1c64h56w56_k64r3s3p1",
    "3x3 256@14": "n1c256h14w14_k256r3s3p1",
    "1x1 64>256@56": "n1c64h56w56_k256r1s1",
    "7x7 stride 2 stem": "n1c3h224w224_k64r7s7p3u2",
}
ROUNDS = 8


def gflops(problem, isa):
    """(channels-last, channels-first, peak) in GFLOP/s."""
    case = parse_case(problem)
    rng = np.random.default_rng(0)
    x = rng.standard_normal(case.input_shape, dtype=np.float32)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    layer = pyconv.nn.Conv2d(case.in_ch, case.out_ch, case.kernel, case.stride, case.pad_begin, rng=rng)
    outs = layer(last), layer(x)
    calls = {"last": lambda: layer(last, out=outs[0]), "first": lambda: layer(x, out=outs[1])}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    peak = 0.0
    for _ in range(ROUNDS):
        peak = max(peak, _core.fma_peak(isa, "float32", 0.02))
        for name, timing in interleave(calls, Method(samples=30, case_seconds=0.4)).items():
            seconds[name] += timing.seconds.tolist()
    return *(case.flops / np.percentile(seconds[name], 10) / 1e9 for name in calls), peak


def main():
    isas = [isa for isa in ("avx512", "avx2", "neon") if isa in _core.available_isas()]
    rows = []
    for isa in isas:
        for title, problem in LAYERS.items():
            with pyconv.options(isa=isa, algorithm="direct", num_threads=1):
                last, first, peak = gflops(problem, isa)
            shares = (f"{value:.0f} ({100 * value / peak:.0f} %)" for value in (last, first))
            rows.append([isa, title, *shares, f"{peak:.0f}"])
            print(f"{isa} {title}", file=sys.stderr)
    print(
        table(
            ["instruction set", "layer", "channels-last GFLOP/s", "channels-first GFLOP/s", "FMA peak"], rows
        )
    )


if __name__ == "__main__":
    main()
