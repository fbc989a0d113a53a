"""The statistics of one comparison: 10th percentiles, their mean over placements, a bootstrap interval of a
ratio of two.

p10 and not the mean of a placement's blocks: on a shared machine the disturbances only ever add time. The
mean and not the best of the placements: no caller chooses where malloc puts an array.
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
    """value = figure(denominator) / figure(numerator); [low, high] holds 95 % of the resampled values."""

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
    # The same draw chooses the placements of both sides: they follow each other in time, and so do the
    # machine's slower and faster minutes.
    draw = rng.random((RESAMPLES, max(len(subject), len(rival))))
    resampled = _resampled(rival, draw, rng) / _resampled(subject, draw, rng)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Ratio(figure(rival) / figure(subject), float(low), float(high))


def _resampled(blocks: Blocks, draw: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """The figure of RESAMPLES draws with replacement, of placements and of the blocks of each."""
    figures = np.stack([_resampled_p10(seconds, rng) for seconds in blocks], axis=1)
    chosen = (draw * len(blocks)).astype(np.intp)
    return np.asarray(np.take_along_axis(figures, chosen, axis=1).mean(axis=1))


def _resampled_p10(seconds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    drawn = rng.integers(seconds.size, size=(RESAMPLES, seconds.size))
    return np.asarray(np.percentile(seconds[drawn], PERCENTILE, axis=1))


def _sizes(blocks: Blocks) -> list[int]:
    return [seconds.size for seconds in blocks]


def geometric_mean(values: list[float]) -> float:
    if not values:
        raise ValueError("the geometric mean of no values is undefined")
    return float(np.exp(np.mean(np.log(values))))
