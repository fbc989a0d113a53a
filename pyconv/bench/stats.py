"""The statistics of one comparison: 10th percentiles for each placement of the arrays, how two
contestants compare over the placements, with a bootstrap interval.

p10 and not the mean of a placement's blocks: on a shared machine the disturbances only ever add time. A time
is the mean over placements, and not the best: no caller chooses where malloc puts an array. A ratio is taken
placement by placement, which follow each other in time, so that a slow second of the machine meets both
sides; the middle half of the ratios counts. On the eight noisiest layers of `quick`, three times each, that
gave the A/A control a standard deviation of 1.0 %; the ratio of the two means gave 1.45 %.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 10
RESAMPLES = 1000

Blocks = Sequence[NDArray[np.float64]]  # seconds per call, an array for each placement


@dataclasses.dataclass(frozen=True)
class Ratio:
    """How many times faster the subject is; [low, high] holds 95 % of the resampled values."""

    value: float
    low: float
    high: float


def p10(seconds: NDArray[np.float64]) -> float:
    return float(np.percentile(seconds, PERCENTILE))


def figure(blocks: Blocks) -> float:
    """The published time: the mean over placements of each one's p10."""
    return float(np.mean([p10(seconds) for seconds in blocks]))


def speedup(subject: Blocks, rival: Blocks, seed: int = 0) -> Ratio:
    """How many times faster `subject` is than `rival`; a slow contestant may have fewer samples."""
    if not all(side and all(seconds.size for seconds in side) for side in (subject, rival)):
        raise ValueError(f"both sides need samples; got {_sizes(subject)} and {_sizes(rival)}")
    rng = np.random.default_rng(seed)
    value = _log_ratio(*(np.log([[p10(seconds) for seconds in side]]) for side in (subject, rival)))
    # The same draw chooses the placements of both sides, or pairs would be lost.
    draw = rng.random((RESAMPLES, max(len(subject), len(rival))))
    resampled = _log_ratio(*(_resampled(side, draw, rng) for side in (subject, rival)))
    low, high = np.exp(np.percentile(resampled, (2.5, 97.5)))
    return Ratio(float(np.exp(value[0])), float(low), float(high))


def _log_ratio(subject: NDArray[np.float64], rival: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the last axis, the placements; a contestant too slow for all of them cannot be paired."""
    if subject.shape[1] == rival.shape[1]:
        return _middle(rival - subject)
    return _middle(rival) - _middle(subject)


def _middle(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean of the middle half."""
    outside = values.shape[1] // 4
    ordered = np.sort(values, axis=1)
    return np.asarray(ordered[:, outside : values.shape[1] - outside].mean(axis=1))


def _resampled(blocks: Blocks, draw: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Logarithms of p10 in RESAMPLES draws with replacement, of placements and of the blocks of each."""
    logs = np.log(np.stack([_resampled_p10(seconds, rng) for seconds in blocks], axis=1))
    chosen = (draw[:, : len(blocks)] * len(blocks)).astype(np.intp)
    return np.asarray(np.take_along_axis(logs, chosen, axis=1))


def _resampled_p10(seconds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = rng.integers(seconds.size, size=(RESAMPLES, seconds.size))
    return np.asarray(np.percentile(seconds[drawn], PERCENTILE, axis=1))


def _sizes(blocks: Blocks) -> list[int]:
    return [seconds.size for seconds in blocks]


def geometric_mean(values: list[float]) -> float:
    if not values:
        raise ValueError("the geometric mean of no values is undefined")
    return float(np.exp(np.mean(np.log(values))))
