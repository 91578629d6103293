"""Known answers of the crossed analysis, by hand and by a slow plain reference."""

from math import inf, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from rgmp.errors import UserError
from rgmp.evaluation.crossed import Crossed, Estimate, analyse

Values = npt.NDArray[np.float64]


def study(seeds: int = 4, sequences: int = 7, seed: int = 0) -> tuple[Values, list[int]]:
    random = np.random.default_rng(seed)
    d = -0.03 + random.normal(0, 0.03, (seeds, 1)) + random.normal(0, 0.1, sequences)
    return d + random.normal(0, 0.1, (seeds, sequences)), random.integers(1, 4, sequences).tolist()


def test_two_seeds_and_two_sequences_by_hand() -> None:
    # z = 3 -1 / 1 -3 without their mean 5: seeds +1 -1, sequences +2 -2, nothing is left
    found = analyse(np.array([[8.0, 4.0], [6.0, 2.0]]) / 100, [1, 1])
    assert found.mean == pytest.approx(0.05)
    assert found.by_seed == pytest.approx((0.06, 0.04))
    assert found.ms_seeds == pytest.approx(2 * (1 + 1) / 1e4)
    assert found.ms_sequences == pytest.approx(2 * (4 + 4) / 1e4)
    assert found.ms_runs == pytest.approx(0)
    like = found.like_these
    assert like.error == pytest.approx(sqrt((4 + 16) / 4) / 100)
    assert like.df == pytest.approx((4 + 16) ** 2 / (4**2 + 16**2))
    assert found.on_these.error == pytest.approx(0.01)
    assert found.on_these.df == 1
    assert found.on_these.interval() == pytest.approx((0.05 - 0.127062, 0.05 + 0.127062), abs=1e-6)


def slowly(d: Values, n: list[int]) -> tuple[float, float, float]:
    """Mean, standard error and degrees of freedom, sum by sum as the formulas are written."""
    s, q = d.shape
    mu = sum(n[j] * d[i, j] for i in range(s) for j in range(q)) / (s * sum(n))
    z = [[(d[i, j] - mu) * n[j] / (sum(n) / q) for j in range(q)] for i in range(s)]
    row = [sum(z[i]) / q for i in range(s)]
    column = [sum(z[i][j] for i in range(s)) / s for j in range(q)]
    ms_a = q * sum(x**2 for x in row) / (s - 1)
    ms_b = s * sum(x**2 for x in column) / (q - 1)
    e = sum((z[i][j] - row[i] - column[j]) ** 2 for i in range(s) for j in range(q))
    e /= (s - 1) * (q - 1)
    a, b = max(ms_a, e), max(ms_b, e)
    df = (a + b - e) ** 2 / (a**2 / (s - 1) + b**2 / (q - 1) + e**2 / ((s - 1) * (q - 1)))
    return mu, sqrt((a + b - e) / (s * q)), df


@pytest.mark.parametrize(("seeds", "sequences"), [(2, 2), (3, 20), (5, 10), (8, 60)])
def test_the_plain_reference_agrees(seeds: int, sequences: int) -> None:
    d, n = study(seeds, sequences, seed=seeds)
    like = analyse(d, n).like_these
    assert (like.mean, like.error, like.df) == pytest.approx(slowly(d, n))
    half = stats.t.ppf(0.975, like.df) * like.error
    ends = max(like.mean - half, -1), min(like.mean + half, 1)
    assert like.interval() == pytest.approx(ends)


def test_on_these_very_sequences_it_is_the_t_test_of_the_seeds() -> None:
    d, n = study()
    means = np.average(d, axis=1, weights=n)
    expected = stats.ttest_1samp(means, 0)
    found = analyse(d, n).on_these
    assert found.p_zero == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval()))


def test_tests_of_zero_and_of_a_margin_are_those_of_student() -> None:
    estimate = Estimate(-0.01, 0.008, 6.5)
    assert estimate.p_zero == pytest.approx(2 * stats.t.cdf(-1.25, 6.5))
    below, above = stats.t.sf((-0.01 + 0.03) / 0.008, 6.5), stats.t.cdf((-0.01 - 0.03) / 0.008, 6.5)
    assert estimate.p_beyond(0.03) == pytest.approx(max(below, above))
    assert estimate.p_beyond(0.001) > 0.5, "the mean itself is beyond"


def test_a_difference_is_the_interval_that_excludes_zero() -> None:
    for seed in range(30):
        like = analyse(*study(seed=seed)).like_these
        low, high = like.interval()
        assert (like.p_zero < 0.05) == (not low <= 0 <= high)


def test_order_of_seeds_and_sequences_does_not_matter() -> None:
    d, n = study()
    rows, columns = np.random.default_rng(1).permutation(4), np.random.default_rng(2).permutation(7)
    one, other = analyse(d, n), analyse(d[rows][:, columns], [n[i] for i in columns])
    assert other.like_these.interval() == pytest.approx(one.like_these.interval())
    assert other.like_these.df == pytest.approx(one.like_these.df)


@pytest.mark.parametrize("factor", [-1.0, 0.25, 2.0])
def test_a_turned_sign_and_a_scale_go_through(factor: float) -> None:
    d, n = study()
    one, other = analyse(d, n).like_these, analyse(factor * d, n).like_these
    assert other.mean == pytest.approx(factor * one.mean)
    assert other.error == pytest.approx(abs(factor) * one.error)
    assert (other.df, other.p_zero) == pytest.approx((one.df, one.p_zero))


def test_objects_of_a_sequence_weigh_as_its_number() -> None:
    """Three objects weigh as much as three sequences in the mean, and not in the certainty."""
    d, _ = study(sequences=6)
    weighted = analyse(d, [3, 1, 1, 1, 1, 1])
    assert weighted.mean == pytest.approx(np.average(d.mean(axis=0), weights=[3, 1, 1, 1, 1, 1]))
    assert analyse(d, [2] * 6) == analyse(d, [1] * 6), "equal numbers change nothing"


def test_a_figure_that_recurs_is_one_cluster() -> None:
    d, n = study()
    figures = ["fox", "owl", "fox", "crab", "owl", "ant", "bee"]
    found = analyse(d, n, figures)
    pooled, counts = [], []
    for figure in dict.fromkeys(figures):
        own = [i for i, name in enumerate(figures) if name == figure]
        pooled.append(np.average(d[:, own], axis=1, weights=[n[i] for i in own]))
        counts.append(sum(n[i] for i in own))
    like = analyse(np.array(pooled).T, counts).like_these
    assert found.sequences == 5
    assert found.like_these.df == pytest.approx(like.df)
    assert found.like_these.interval() == pytest.approx(like.interval())
    assert found.mean == pytest.approx(analyse(d, n).mean), "the mean stays one over objects"
    assert found.on_these.interval() == pytest.approx(analyse(d, n).on_these.interval())


def test_copies_of_a_sequence_add_no_certainty_once_they_are_one_cluster() -> None:
    d, _ = study()
    twice = np.hstack([d, d])
    assert analyse(twice, [1] * 14).like_these.error < analyse(d, [1] * 7).like_these.error
    found = analyse(twice, [1] * 14, [*range(7)] * 2).like_these
    assert found.interval() == pytest.approx(analyse(d, [1] * 7).like_these.interval())


def test_one_seed_tells_of_sequences_alone() -> None:
    d, n = study(seeds=1)
    found = analyse(d, [1] * 7)
    assert not found.decidable
    expected = stats.ttest_1samp(d[0], 0).confidence_interval()
    assert found.like_these.interval() == pytest.approx(tuple(expected))
    assert found.on_these.interval() == (-1, 1)
    assert found.on_these.p_zero == 1
    assert analyse(d, n).by_seed == pytest.approx((np.average(d[0], weights=n),))


def test_one_sequence_tells_nothing_of_others() -> None:
    found = analyse(study(sequences=1)[0], [2])
    assert not found.decidable
    assert found.like_these.error == inf
    assert found.like_these.interval() == (-1, 1)
    assert (found.like_these.p_zero, found.like_these.p_beyond(0.03)) == (1, 0.5)
    assert found.on_these.error < inf


def test_nothing_that_varies_leaves_a_point() -> None:
    none = analyse(np.zeros((3, 4)), [1, 2, 1, 1])
    assert none == Crossed((0, 0, 0), 4, 0, 0, 0)
    assert none.like_these.interval() == (0, 0)
    assert (none.like_these.p_zero, none.like_these.p_beyond(0.03)) == (1, 0)
    always = analyse(np.full((3, 4), -0.25), [1, 1, 1, 1]).like_these
    assert always.interval() == pytest.approx((-0.25, -0.25))
    assert (always.p_zero, always.p_beyond(0.03)) == pytest.approx((0, 1))


def test_components_that_vanish_do_not_narrow_the_interval() -> None:
    """Means of seeds and sequences that agree better than single runs let them."""
    d = np.array([[1.0, -1.0], [-1.0, 1.0]]) / 100
    found = analyse(d, [1, 1])
    assert (found.ms_seeds, found.ms_sequences) == (0, 0)
    assert found.like_these.error == pytest.approx(sqrt(found.ms_runs / 4))


@pytest.mark.parametrize("d", [np.zeros((0, 3)), np.zeros((2, 0)), np.array([[np.nan, 0.1]])])
def test_what_cannot_be_analysed(d: Values) -> None:
    with pytest.raises(UserError, match="empty or not finite"):
        analyse(d, [1] * d.shape[1])
