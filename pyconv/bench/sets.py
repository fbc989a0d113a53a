"""The sets the project's speed is judged by, each with what it must reach; the report shows both."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from pyconv.bench import rivals
from pyconv.bench.problem_string import parse_case
from pyconv.bench.records import CaseResult, Run
from pyconv.bench.stats import geometric_mean

JUDGED = {"quick", "layers", "pool"}  # the suites whose rows are the benchmark set's
SMALL_FLOPS = 1_000_000
ENGINES = ("onnxruntime", "openvino")


@dataclasses.dataclass(frozen=True)
class Target:
    """`subject` against the fastest of `rivals` on the chosen rows; layout "best" or one shared layout."""

    title: str
    subject: str
    rivals: tuple[str, ...]
    chosen: Callable[[CaseResult], bool]
    mean: float
    worst: float
    layout: str = "best"
    threads: int = 1


@dataclasses.dataclass(frozen=True)
class Score:
    target: Target
    rows: int
    mean: float
    worst: float
    worst_problem: str

    @property
    def reached(self) -> bool:
        return self.mean >= self.target.mean and self.worst >= self.target.worst


def _conv(result: CaseResult) -> bool:
    return result.op == "conv" and result.dtype == "float32"


def _wide_3x3(result: CaseResult) -> bool:
    return _conv(result) and result.kind == "dense 3x3" and min(channels(result)) >= 64


def _depthwise(ndim: int) -> Callable[[CaseResult], bool]:
    return lambda result: _conv(result) and result.ndim == ndim and result.kind.startswith("depthwise")


def _pool(result: CaseResult) -> bool:
    return result.op in ("max_pool", "avg_pool") and result.dtype == "float32" and result.ndim > 1


def _float64(result: CaseResult) -> bool:
    return result.op == "conv" and result.dtype == "float64"


def _small(result: CaseResult) -> bool:
    return _conv(result) and result.network in ("seed", "small calls") and result.flops < SMALL_FLOPS


def channels(result: CaseResult) -> tuple[int, int]:
    case = parse_case(result.problem)
    return case.in_ch, case.out_ch


_LAYER, _FUNCTION, _MEDIUM, _OUT = rivals.SUBJECTS
_TORCH = ("torch",)

TARGETS = (
    Target("all convolutions, layer", _LAYER, _TORCH, _conv, 2.0, 1.0),
    Target("all convolutions, layer, medium", _MEDIUM, _TORCH, _conv, 2.2, 1.0),
    Target("all convolutions, plain function", _FUNCTION, _TORCH, _conv, 1.7, 0.97),
    Target("layer against prepacked torch", _LAYER, ("torch-prepacked",), _conv, 1.5, 0.9),
    Target("dense 3x3, >= 64 channels, layer", _LAYER, _TORCH, _wide_3x3, 1.7, 1.3),
    Target("dense 3x3, >= 64 channels, layer, medium", _MEDIUM, _TORCH, _wide_3x3, 2.4, 1.6),
    Target("depthwise 2-D, layer", _LAYER, _TORCH, _depthwise(2), 1.8, 1.1),
    Target("depthwise 1-D, layer", _LAYER, _TORCH, _depthwise(1), 4.0, 1.1),
    Target("pooling 2-D/3-D, NCHW", _FUNCTION, _TORCH, _pool, 12.0, 1.5, "nchw"),
    Target("pooling 2-D/3-D, channels-last", _FUNCTION, _TORCH, _pool, 2.0, 1.05, "nhwc"),
    Target("float64 convolutions, layer", _LAYER, _TORCH, _float64, 3.0, 1.2),
    Target("seed-size calls, function", _FUNCTION, _TORCH, _small, 2.0, 1.5),
    Target("all convolutions, layer", _LAYER, _TORCH, _conv, 1.5, 0.97, threads=2),
    Target("all convolutions, layer, medium", _MEDIUM, _TORCH, _conv, 1.6, 0.97, threads=2),
    Target("layer against onnxruntime and openvino", _LAYER, ENGINES, _conv, 1.35, 0.9),
    Target("layer with out= against the engines", _OUT, ENGINES, _conv, 1.35, 0.9),
    Target("layer against onnxruntime and openvino", _LAYER, ENGINES, _conv, 1.35, 0.9, threads=2),
    Target("layer with out= against the engines", _OUT, ENGINES, _conv, 1.35, 0.9, threads=2),
)


def row_ratio(result: CaseResult, target: Target) -> float | None:
    """Against the fastest of the target's rivals, which is the one with the lowest ratio."""
    found = [result.find(target.subject, rival, target.layout) for rival in target.rivals]
    return min((ratio.value for ratio in found if ratio is not None), default=None)


def scores(run: Run) -> list[Score]:
    """A score for each target that has at least one measured row; none for rows the user chose."""
    if not JUDGED & set(run.suite.split()):
        return []
    found = []
    for target in TARGETS:
        rows = [
            (ratio, result.problem)
            for result in run.results
            if result.threads == target.threads and target.chosen(result)
            if (ratio := row_ratio(result, target)) is not None
        ]
        if rows:
            worst, problem = min(rows)
            found.append(
                Score(target, len(rows), geometric_mean([ratio for ratio, _ in rows]), worst, problem)
            )
    return found
