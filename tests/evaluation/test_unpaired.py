"""Two methods whose trainings are not paired: the analysis, and what it finds."""

from math import inf, sqrt

import numpy as np
import numpy.typing as npt
import pytest

from rgmp.evaluation.crossed import analyse
from rgmp.evaluation.power import size_that_decides, smallest_found
from rgmp.evaluation.unpaired import Unpaired, analyse_unpaired

Values = npt.NDArray[np.float64]


def drawn(seed: int, trainings: int, sequences: int, of_trainings: float = 0.03) -> Values:
    random = np.random.default_rng(seed)
    each = of_trainings * random.standard_normal((trainings, 1))
    runs = 0.1 * random.standard_normal((trainings, sequences))
    return np.asarray(0.5 + each + runs)


def plainly(first: Values, second: Values, objects: list[int]) -> tuple[float, float, float]:
    """Mean, standard error and degrees of freedom by the formulas, a number at a time."""
    q = first.shape[1]
    weights = [count * q / sum(objects) for count in objects]
    means, columns, squares = [], [], []
    for values in (first, second):
        s = len(values)
        mean = sum(w * v for row in values for w, v in zip(weights, row, strict=True)) / (s * q)
        z = [[(v - mean) * w for w, v in zip(weights, row, strict=True)] for row in values]
        row_means = [sum(row) / q for row in z]
        column_means = [sum(row[i] for row in z) / s for i in range(q)]
        left = sum(
            (z[i][j] - row_means[i] - column_means[j]) ** 2 for i in range(s) for j in range(q)
        )
        e = left / ((s - 1) * (q - 1))
        squares.append((s, max(q * sum(r * r for r in row_means) / (s - 1), e), e))
        means.append(mean)
        columns.append(column_means)
    b = sum((x - y) ** 2 for x, y in zip(*columns, strict=True)) / (q - 1)
    b = max(b, sum(e / s for s, _, e in squares))
    total = b + sum((a - e) / s for s, a, e in squares)
    parts = b**2 / (q - 1) + sum(
        (a / s) ** 2 / (s - 1) + (e / s) ** 2 / ((s - 1) * (q - 1)) for s, a, e in squares
    )
    return means[0] - means[1], sqrt(total / q), total**2 / parts


@pytest.mark.parametrize(("one", "other"), [(2, 5), (3, 3), (8, 2)])
@pytest.mark.parametrize("of_trainings", [0.0, 0.1])
def test_it_is_what_the_formulas_say(one: int, other: int, of_trainings: float) -> None:
    first, second = drawn(1, one, 6, of_trainings), drawn(2, other, 6)
    objects = [1, 3, 2, 1, 5, 1]
    found = analyse_unpaired(first, second, objects)
    estimate = found.like_these
    expected = plainly(first, second, objects)
    assert (estimate.mean, estimate.error, estimate.df) == pytest.approx(expected, rel=1e-12)
    assert (found.seeds, found.sequences, found.decidable) == (min(one, other), 6, True)
    back = analyse_unpaired(second, first, objects).like_these
    assert (back.mean, back.error, back.df) == pytest.approx(
        (-estimate.mean, estimate.error, estimate.df)
    )
    shuffled = analyse_unpaired(first[::-1], second, objects).like_these
    assert (shuffled.mean, shuffled.error) == pytest.approx((estimate.mean, estimate.error))


def test_against_trainings_that_do_not_vary_it_is_the_analysis_of_each_minus_a_single_one() -> None:
    """What is left without A and E of one method is what `analyse` says of a single training."""
    many, single = drawn(3, 4, 9), drawn(4, 1, 9)
    found = analyse_unpaired(many, np.repeat(single, 2, axis=0), [1] * 9)
    alone = analyse(many - single, [1] * 9)
    assert found.like_these.mean == pytest.approx(alone.like_these.mean)
    assert found.like_these.error == pytest.approx(alone.like_these.error)
    assert found.like_these.df == pytest.approx(alone.like_these.df)
    assert smallest_found(found) == pytest.approx(smallest_found(alone), rel=0.02)


def test_a_smallest_difference_is_found_as_often_as_promised() -> None:
    """With the variances that an analysis measured, 80 % of studies find it; both of a kind."""
    first, second = drawn(5, 3, 20), drawn(6, 5, 20)
    measured = analyse_unpaired(first, second, [1] * 20)
    least = smallest_found(measured)
    (a1, a2), (e1, e2) = measured.by_method
    b = max(measured.ms_sequences - e1 / 3 - e2 / 5, 0)
    random, found = np.random.default_rng(7), 0
    for _ in range(1000):
        draws = [
            sqrt(max(a - e, 0) / 20) * random.standard_normal((s, 1))
            + sqrt(e) * random.standard_normal((s, 20))
            for s, a, e in ((3, a1, e1), (5, a2, e2))
        ]
        draws[0] += least + sqrt(b) * random.standard_normal(20)
        estimate = analyse_unpaired(draws[0], draws[1], [1] * 20).like_these
        found += estimate.p_zero < 0.05 and estimate.mean > 0
    assert 0.75 < found / 1000 < 0.85


def test_the_size_that_decides_has_as_many_trainings_of_both() -> None:
    measured = analyse_unpaired(drawn(8, 2, 10), drawn(9, 4, 10), [1] * 10)
    size = size_that_decides(measured, 0.03)
    assert size is not None
    assert size.seeds >= 4
    assert size.sequences >= 10
    assert size_that_decides(measured, 1e-6) is None


def test_one_sequence_or_nothing_that_varies() -> None:
    one = analyse_unpaired(drawn(1, 2, 1), drawn(2, 3, 1), [2])
    assert isinstance(one, Unpaired)
    assert not one.decidable
    assert one.like_these.error == smallest_found(one) == inf
    same = analyse_unpaired(np.full((2, 4), 0.5), np.full((3, 4), 0.4), [1] * 4)
    assert same.like_these.interval() == pytest.approx((0.1, 0.1))
    assert smallest_found(same) == 0
