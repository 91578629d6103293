"""Every method against every other: intervals, verdicts and what would be found."""

from itertools import permutations
from math import inf, sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from rgmp.evaluation.crossed import analyse
from rgmp.evaluation.measures import MEASURES
from rgmp.evaluation.pairwise import Compared, Pair, compare_methods
from rgmp.evaluation.power import size_that_decides, smallest_found
from rgmp.evaluation.summary import OBJECT_DTYPES
from rgmp.evaluation.unpaired import analyse_unpaired
from rgmp.evaluation.verdicts import holm

Values = npt.NDArray[np.float64]
MARGIN = 0.03


def scores_of(name: str, values: Values, objects: int = 1) -> pd.DataFrame:
    """What a method reached on each sequence, of one training (Q,) or of several (S, Q)."""
    rows = [
        ("davis2017", name, pd.NA if values.ndim == 1 else seed, f"{q:03d}", number, reached)
        for seed, of_seed in enumerate(np.atleast_2d(values))
        for q, reached in enumerate(of_seed)
        for number in range(1, objects + 1)
    ]
    table = pd.DataFrame(rows, columns=[*[*OBJECT_DTYPES][:5], "J&F"])
    others = dict.fromkeys(MEASURES[1:], table["J&F"])
    return table.assign(**others)[[*OBJECT_DTYPES]].astype(OBJECT_DTYPES)


def compared(**methods: Values) -> Compared:
    return compare_methods(pd.concat(scores_of(*one) for one in methods.items()), MARGIN)


def pairs_of(found: Compared) -> dict[tuple[str, str], Pair]:
    return {(one.first, one.second): one for one in found.pairs}


def test_interval_of_single_trainings_by_hand() -> None:
    """Mean 0.25, standard deviation 0.12910 of four: 3.1824 standard errors of 0.06455."""
    base = np.array([0.5, 0.4, 0.3, 0.2])
    (one,) = compared(low=base, high=base + np.array([0.1, 0.2, 0.3, 0.4])).pairs
    assert (one.first, one.second) == ("high", "low")
    estimate = one.judged.analysis.like_these
    assert estimate.mean == pytest.approx(0.25)
    assert estimate.interval() == pytest.approx((0.25 - 0.20543, 0.25 + 0.20543), abs=1e-5)
    assert estimate.df == 3
    assert one.judged.p_zero == pytest.approx(0.03047, abs=1e-5)
    assert one.judged.verdict == "better"


def test_mean_of_a_method_has_the_interval_of_its_sequences() -> None:
    values = np.array([0.5, 0.4, 0.3, 0.2])
    found = compared(a=values, b=values).means["a"]
    half = 3.182446 * values.std(ddof=1) / 2
    assert found.interval() == pytest.approx((0.35 - half, 0.35 + half), abs=1e-6)


def test_all_pairs_are_one_family_of_holm() -> None:
    random = np.random.default_rng(0)
    base = random.uniform(0.3, 0.6, 12)
    shifts = {"a": 0.12, "b": 0.05, "c": 0.04, "d": 0.0}
    methods = {name: base + shift + random.normal(0, 0.05, 12) for name, shift in shifts.items()}
    found = pairs_of(compared(**methods))
    assert len(found) == 6
    plain = {(a, b): stats.ttest_rel(methods[a], methods[b]).pvalue for a, b in found}
    assert {pair: one.judged.p_zero for pair, one in found.items()} == pytest.approx(holm(plain))
    undecided = sum(p > 0.05 for p in holm(plain).values())
    for pair, one in found.items():
        error = stats.sem(methods[pair[0]] - methods[pair[1]])
        limit = stats.t.isf(0.025 / undecided, 11)
        assert stats.nct.sf(limit, 11, one.smallest / error) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize("other", [3, 5])
def test_several_trainings_are_independent_of_each_other(other: int) -> None:
    random = np.random.default_rng(1)
    a, b = random.uniform(0.3, 0.7, (3, 10)), random.uniform(0.3, 0.7, (other, 10))
    (one,) = compared(a=a + 0.2, b=b).pairs
    assert one.judged.analysis == analyse_unpaired(a + 0.2, b, [1] * 10)
    assert one.trainings == (3, other)
    (again,) = compared(a=(a + 0.2)[::-1], b=b).pairs
    assert again.judged.p_zero == pytest.approx(one.judged.p_zero)


def test_a_single_training_is_set_against_each_of_several_whichever_is_better() -> None:
    random = np.random.default_rng(2)
    many, single = random.uniform(0.4, 0.6, (3, 10)), random.uniform(0.4, 0.6, 10)
    for shift in (0.3, -0.3):
        (one,) = compared(many=many, single=single + shift).pairs
        sign = 1 if one.first == "many" else -1
        assert one.judged.analysis == analyse(sign * (many - single - shift), [1] * 10)
        assert one.judged.verdict == "better"


def test_two_trainings_are_their_mean_since_they_tell_little_of_a_third() -> None:
    random = np.random.default_rng(6)
    two, many = random.uniform(0.4, 0.6, (2, 10)), random.uniform(0.2, 0.4, (4, 10))
    single = random.uniform(0.1, 0.3, 10)
    found = pairs_of(compared(two=two, many=many, single=single))
    mean = two.mean(axis=0)
    assert found["two", "many"].judged.analysis == analyse(mean - many, [1] * 10)
    assert found["two", "single"].judged.analysis == analyse((mean - single)[None], [1] * 10)
    assert found["two", "many"].trainings == (2, 4)


@pytest.mark.parametrize("trainings", [1, 3])
def test_the_order_of_methods_changes_nothing(trainings: int) -> None:
    random = np.random.default_rng(3)
    methods = {name: random.uniform(0.3, 0.7, (trainings, 8)) for name in "abc"}
    methods["same"] = methods["a"]
    if trainings == 1:
        methods = {name: values[0] for name, values in methods.items()}
    first = compared(**methods)
    assert first.methods.index("a") == first.methods.index("same") - 1
    for order in permutations(methods):
        again = compared(**{name: methods[name] for name in order})
        pd.testing.assert_frame_equal(again.summary, first.summary)
        assert [(p.first, p.second, p.judged, p.smallest) for p in again.pairs] == [
            (p.first, p.second, p.judged, p.smallest) for p in first.pairs
        ]


def test_the_same_masks_are_no_difference_and_one_sequence_gives_no_verdict() -> None:
    values = np.array([0.5, 0.6, 0.7])
    (one,) = compared(a=values, b=values).pairs
    assert one.judged.verdict == "no difference beyond the margin"
    assert one.smallest == 0
    for alone in (values[:1], np.array([[0.5], [0.6]])):
        found = compared(a=alone, b=alone - 0.2)
        assert found.pairs[0].judged.verdict == "one sequence: no verdict"
        assert found.pairs[0].smallest == inf
        assert found.decided == set()


def test_sequences_that_decide_are_the_fewest_that_find_the_margin() -> None:
    random = np.random.default_rng(4)
    analysis = analyse(random.normal(0, 0.06, (1, 12)), [1] * 12)
    size = size_that_decides(analysis, MARGIN, 0.01)
    assert size is not None
    assert size.seeds == 1

    def power(sequences: int) -> float:
        error = sqrt(analysis.ms_sequences / sequences)
        limit = stats.t.isf(0.005, sequences - 1)
        return float(stats.nct.sf(limit, sequences - 1, MARGIN / error))

    assert power(size.sequences) >= 0.8 > power(size.sequences - 1)
    assert smallest_found(analysis, 0.01) > MARGIN
    assert size_that_decides(analysis, 1e-5) is None
    assert size_that_decides(analysis, 0.5) == type(size)(1, 12)


def test_decided_pairs_name_the_better_first() -> None:
    random = np.random.default_rng(5)
    base = random.uniform(0.3, 0.5, 10)
    found = compared(low=base, high=base + 0.2, other=base + random.normal(0, 0.2, 10))
    assert ("high", "low") in found.decided
    assert found.methods[0] == "high"
