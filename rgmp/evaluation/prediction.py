"""Where one more training by the same recipe is to be expected: is a number in the normal range?

J&F of n trainings is taken as independent and normal. With 95 % one more lies in

    mean +- t_(n-1) s sqrt(1 + 1/n),

where s is their sample standard deviation: the prediction interval of one further observation (Hahn
and Meeker, Statistical Intervals, Wiley 1991). Sequences and recipe are the same, so nothing else
varies. `tests/calibration.py` counts how often it holds.
"""

from collections.abc import Sequence
from math import nan, sqrt
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from rgmp.evaluation.crossed import CONFIDENCE

LEAST = 3
"""Fewer trainings say too little of how much the next may differ: with two, t is 12.7."""


class NormalRange(NamedTuple):
    """What several trainings say of one more; fractions.

    Attributes:
        trainings: how many there were.
        mean: of them.
        sd: their sample standard deviation; NaN of a single one.
        low, high: the interval; NaN with fewer than `LEAST`.
    """

    trainings: int
    mean: float
    sd: float
    low: float
    high: float


def normal_range(values: Sequence[float], confidence: float = CONFIDENCE) -> NormalRange:
    """The prediction interval for one more training.

    Args:
        values: J&F of each training on the same sequences, at least one.
        confidence: between 0 and 1.
    """
    count, mean = len(values), float(np.mean(values))
    sd = float(np.std(values, ddof=1)) if count > 1 else nan
    if count < LEAST:
        return NormalRange(count, mean, sd, nan, nan)
    half = float(stdtrit(count - 1, (1 + confidence) / 2)) * sd * sqrt(1 + 1 / count)
    return NormalRange(count, mean, sd, mean - half, mean + half)
