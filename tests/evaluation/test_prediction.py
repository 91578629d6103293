"""The interval in which one more training is expected."""

from math import isnan

import numpy as np
import pytest
from scipy.stats import t

from rgmp.evaluation.prediction import normal_range


def test_three_values_by_hand() -> None:
    """Mean 2, s 1, t of two degrees of freedom 4.3027, and sqrt(1 + 1/3)."""
    found = normal_range([1.0, 2.0, 3.0])
    half = 4.302652729911275 * np.sqrt(4 / 3)
    assert (found.trainings, found.mean, found.sd) == (3, 2.0, 1.0)
    assert (found.low, found.high) == pytest.approx((2 - half, 2 + half))


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.6]])
def test_fewer_than_three_give_none(values: list[float]) -> None:
    found = normal_range(values)
    assert isnan(found.low)
    assert isnan(found.high)
    assert isnan(found.sd) == (len(values) == 1)


@pytest.mark.parametrize("count", [3, 5, 8, 20])
def test_the_next_of_a_normal_sample_is_inside_as_often_as_promised(count: int) -> None:
    """20,000 samples each; the standard error is 0.0015."""
    drawn = np.random.default_rng(count).normal(0.6, 0.02, (20_000, count + 1))
    half = normal_range(drawn[0, :-1].tolist())
    factor = (half.high - half.mean) / half.sd  # the same for every sample of this size
    assert factor == pytest.approx(t.ppf(0.975, count - 1) * np.sqrt(1 + 1 / count))
    seen, following = drawn[:, :-1], drawn[:, -1]
    inside = np.abs(following - seen.mean(axis=1)) <= factor * seen.std(axis=1, ddof=1)
    assert 0.94 <= inside.mean() <= 0.96
