"""The statistics of one comparison: the 10th percentile, and a bootstrap interval of a ratio of two.

p10 and not the mean: on a shared machine the disturbances only ever add time. Samples taken in the
same round belong together, so rounds are resampled, not samples.
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
    """How many times faster `subject` is than `rival`; both were sampled in the same rounds."""
    if subject.shape != rival.shape or subject.ndim != 1 or subject.size == 0:
        raise ValueError(f"both sides need the same rounds; got shapes {subject.shape} and {rival.shape}")
    rounds = np.random.default_rng(seed).integers(subject.size, size=(RESAMPLES, subject.size))
    resampled = np.percentile(rival[rounds], PERCENTILE, axis=1) / np.percentile(
        subject[rounds], PERCENTILE, axis=1
    )
    low, high = np.percentile(resampled, (2.5, 97.5))
    return Ratio(p10(rival) / p10(subject), float(low), float(high))


def geometric_mean(values: list[float]) -> float:
    if not values:
        raise ValueError("the geometric mean of no values is undefined")
    return float(np.exp(np.mean(np.log(values))))
