"""What a study can find, by theory, by simulation and at its limits."""

from math import inf, sqrt

import numpy as np
import pytest
from scipy import stats

from rgmp.evaluation.crossed import Crossed, analyse
from rgmp.evaluation.power import (
    Components,
    StudySize,
    components_of,
    deciding_size,
    deviations,
    forecast,
    smallest_difference,
)

LIKE_TRIALS = Components(seeds=0.03**2, sequences=0.1**2, runs=0.11**2)


def test_components_come_from_the_mean_squares_and_are_never_negative() -> None:
    found = components_of(Crossed((0.0,) * 4, 10, ms_seeds=0.5, ms_sequences=0.3, ms_runs=0.1))
    assert found.seeds == pytest.approx(0.4 / 10)
    assert found.sequences == pytest.approx(0.2 / 4)
    assert found.runs == 0.1
    assert components_of(Crossed((0.0,) * 4, 10, 0.05, 0.02, 0.1)) == Components(0, 0, 0.1)
    with pytest.raises(ValueError, match="one seed or one sequence"):
        components_of(Crossed((0.0,), 10, 0, 0.3, 0))


def test_components_of_simulated_studies_are_right_on_average() -> None:
    random = np.random.default_rng(0)
    squares = []
    for _ in range(300):
        d = random.normal(0, 0.03, (5, 1)) + random.normal(0, 0.1, 40)
        found = analyse(d + random.normal(0, 0.11, (5, 40)), [1] * 40)
        squares.append((found.ms_seeds, found.ms_sequences, found.ms_runs))
    a, b, e = np.mean(squares, axis=0)
    assert (a - e) / 40 == pytest.approx(LIKE_TRIALS.seeds, rel=0.1)
    assert (b - e) / 5 == pytest.approx(LIKE_TRIALS.sequences, rel=0.05)
    assert e == pytest.approx(LIKE_TRIALS.runs, rel=0.02)


@pytest.mark.parametrize(("seeds", "sequences"), [(3, 10), (5, 30)])
@pytest.mark.parametrize("significance", [0.05, 0.05 / 9])
def test_smallest_difference_is_found_in_80_per_cent_of_studies(
    seeds: int, sequences: int, significance: float
) -> None:
    found = smallest_difference(LIKE_TRIALS, StudySize(seeds, sequences), significance)
    random = np.random.default_rng(0)
    hits = 0
    for _ in range(600):
        d = found + random.normal(0, 0.03, (seeds, 1)) + random.normal(0, 0.1, sequences)
        d += random.normal(0, 0.11, (seeds, sequences))
        estimate = analyse(d, [1] * sequences).like_these
        hits += estimate.mean > 0 and estimate.p_zero <= significance
    assert hits / 600 == pytest.approx(0.8, abs=0.05)


def test_with_many_of_everything_it_is_the_noncentral_t() -> None:
    size, parts = StudySize(400, 800), (0.03**2, 0.1**2, 0.11**2)
    error = sqrt(parts[0] / 400 + parts[1] / 800 + parts[2] / 320_000)
    found = smallest_difference(Components(*parts), size)
    assert found / error == pytest.approx(stats.norm.ppf(0.975) + stats.norm.ppf(0.8), rel=0.01)


def test_more_of_anything_finds_less_and_variation_hides_more() -> None:
    def least(seeds: int, sequences: int, factor: float = 1) -> float:
        parts = LIKE_TRIALS.seeds, LIKE_TRIALS.sequences, LIKE_TRIALS.runs
        return smallest_difference(
            Components(*(factor**2 * part for part in parts)), StudySize(seeds, sequences)
        )

    assert least(3, 20) > least(5, 20) > least(5, 60) > least(8, 60)
    assert least(5, 20, 3) == pytest.approx(3 * least(5, 20))
    assert least(1, 60) == least(5, 1) == inf
    assert smallest_difference(LIKE_TRIALS, StudySize(5, 20), 0.01) > least(5, 20)


def test_without_variation_everything_is_found() -> None:
    assert smallest_difference(Components(0, 0, 0), StudySize(2, 2)) == 0


def test_deciding_size_suffices_and_one_much_smaller_does_not() -> None:
    found = deciding_size(LIKE_TRIALS, 0.03, StudySize(3, 20))
    assert found is not None
    assert smallest_difference(LIKE_TRIALS, found) <= 0.03
    runs = 0.8 * found.seeds * found.sequences
    for seeds in range(3, 30):
        fewer = StudySize(seeds, max(20, int(runs / seeds)))
        if fewer.seeds * fewer.sequences <= runs:
            assert smallest_difference(LIKE_TRIALS, fewer) > 0.03


def test_deciding_size_is_what_is_there_where_that_suffices() -> None:
    assert deciding_size(LIKE_TRIALS, 0.5, StudySize(3, 20)) == StudySize(3, 20)
    assert deciding_size(LIKE_TRIALS, 0.5, StudySize(100, 5000)) == StudySize(100, 5000)


def test_no_size_decides_what_varies_too_much() -> None:
    assert deciding_size(Components(4, 4, 4), 0.001, StudySize(3, 20)) is None


def test_limits_contain_the_value_and_narrow_with_the_study() -> None:
    def crossed(seeds: int, sequences: int) -> Crossed:
        runs = LIKE_TRIALS.runs
        a, b = runs + sequences * LIKE_TRIALS.seeds, runs + seeds * LIKE_TRIALS.sequences
        return Crossed((0.0,) * seeds, sequences, a, b, runs)

    few, many = (forecast(crossed(*size), StudySize(8, 60)) for size in ((3, 20), (12, 200)))
    assert (
        few.value == pytest.approx(many.value) == smallest_difference(LIKE_TRIALS, StudySize(8, 60))
    )
    assert few.low < many.low < many.value < many.high < few.high
    assert forecast(crossed(3, 20), StudySize(8, 60)) == few, "the same draws each time"
    spread = deviations(crossed(12, 200))
    assert spread["seeds"].value == pytest.approx(0.03)
    assert spread["sequences"].value == pytest.approx(0.1)
    for measured in spread.values():
        assert measured.low < measured.value < measured.high


def test_limits_of_the_runs_are_those_of_chi_square() -> None:
    found = deviations(Crossed((0.0,) * 4, 11, 0.5, 0.3, 0.01))["runs"]
    low, high = (sqrt(0.01 * 30 / stats.chi2.ppf(p, 30)) for p in (0.975, 0.025))
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.03)
