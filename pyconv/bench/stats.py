"""The statistics of one comparison: the 10th percentile, and a bootstrap interval of a ratio of two.

p10 and not the mean: on a shared machine the disturbances only ever add time.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

PERCENTILE = 10
RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Ratio:
    """value = p10(denominator) / p10(numerator); [low, high] holds 95 % of the resampled values."""

    value: float
    low: float
    high: float


def p10(seconds: NDArray[np.float64]) -> float:
    return float(np.percentile(seconds, PERCENTILE))


def speedup(subject: NDArray[np.float64], rival: NDArray[np.float64], seed: int = 0) -> Ratio:
    """How many times faster `subject` is than `rival`; a slow contestant may have fewer samples."""
    if subject.size == 0 or rival.size == 0:
        raise ValueError(f"both sides need samples; got {subject.size} and {rival.size}")
    rng = np.random.default_rng(seed)
    resampled = _resampled(rival, rng) / _resampled(subject, rng)
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Ratio(p10(rival) / p10(subject), float(low), float(high))


def _resampled(seconds: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """p10 of each of RESAMPLES draws with replacement."""
    drawn = rng.integers(seconds.size, size=(RESAMPLES, seconds.size))
    return np.asarray(np.percentile(seconds[drawn], PERCENTILE, axis=1))


def geometric_mean(values: list[float]) -> float:
    if not values:
        raise ValueError("the geometric mean of no values is undefined")
    return float(np.exp(np.mean(np.log(values))))
