"""Verdicts of a family, and what becomes of claims."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from rgmp.config.study import Effect
from rgmp.evaluation.crossed import Crossed, analyse
from rgmp.evaluation.power import StudySize, components_of, smallest_difference
from rgmp.evaluation.verdicts import Judged, Verdict, Word, holm, judge, word_of

MARGIN = 0.03


def made(mean: float, error: float, seeds: int = 6, sequences: int = 40) -> Crossed:
    """An analysis with this mean and standard error, single runs alone."""
    square = error**2 * seeds * sequences
    return Crossed((mean,) * seeds, sequences, square, square, square)


def test_holm_by_hand() -> None:
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert found == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(found) == ["a", "b", "c", "d"]
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1, "b": 1}
    assert holm({}) == {}


@pytest.mark.parametrize(
    ("mean", "error", "verdict"),
    [
        (-0.10, 0.01, "worse"),
        (0.10, 0.01, "better"),
        (-0.012, 0.003, "worse, by less than the margin"),
        (0.012, 0.003, "better, by less than the margin"),
        (0.001, 0.005, "no difference beyond the margin"),
        (-0.03, 0.02, "undecided"),
    ],
)
def test_a_verdict_alone(mean: float, error: float, verdict: Verdict) -> None:
    (judged,) = judge({"it": made(mean, error)}, MARGIN).values()
    assert judged.verdict == verdict
    assert (judged.smallest is not None) == (verdict == "undecided")
    assert (judged.deciding is not None) == (verdict == "undecided")


def test_the_two_passes_are_those_of_holm_each_for_itself() -> None:
    means = {"a": -0.05, "b": -0.018, "c": 0.002, "d": 0.0}
    family = {key: made(mean, 0.006) for key, mean in means.items()}
    judged = judge(family, MARGIN)
    df = family["a"].like_these.df
    zero = {k: 2 * stats.t.sf(abs(mean) / 0.006, df) for k, mean in means.items()}
    beyond = {k: stats.t.sf((MARGIN - abs(mean)) / 0.006, df) for k, mean in means.items()}
    assert {k: j.p_zero for k, j in judged.items()} == pytest.approx(holm(zero))
    assert {k: j.p_beyond for k, j in judged.items()} == pytest.approx(holm(beyond))
    assert {k: j.verdict for k, j in judged.items()} == {
        "a": "worse",
        "b": "undecided",  # alone it would be worse
        "c": "no difference beyond the margin",
        "d": "no difference beyond the margin",
    }
    assert judge({"b": family["b"]}, MARGIN)["b"].verdict == "worse"


def test_what_would_decide_is_told_at_the_significance_that_holm_demands_next() -> None:
    family = {"far": made(-0.2, 0.015), "near": made(-0.02, 0.015), "other": made(0.01, 0.015)}
    judged = judge(family, MARGIN)
    assert judged["far"].verdict == "worse"
    near = judged["near"]
    assert near.verdict == "undecided"
    assert near.smallest is not None
    assert near.deciding is not None
    parts = components_of(family["near"])
    two_are_left = smallest_difference(parts, StudySize(6, 40), 0.05 / 2)
    assert near.smallest == two_are_left > smallest_difference(parts, StudySize(6, 40))
    assert near.deciding.seeds * near.deciding.sequences > 6 * 40


def test_one_seed_or_one_sequence_gets_no_verdict_and_is_no_member() -> None:
    random = np.random.default_rng(0)
    one_seed = analyse(random.normal(-0.5, 0.01, (1, 9)), [1] * 9)
    one_sequence = analyse(random.normal(-0.5, 0.01, (9, 1)), [1])
    family = {"seed": one_seed, "sequence": one_sequence, "both": made(-0.02, 0.008)}
    judged = judge(family, MARGIN)
    assert judged["seed"] == Judged(one_seed, "one seed: no verdict")
    assert judged["sequence"] == Judged(one_sequence, "one sequence: no verdict")
    assert judged["both"] == judge({"both": family["both"]}, MARGIN)["both"]
    assert judge({}, MARGIN) == {}


def test_equal_scores_are_no_difference() -> None:
    (judged,) = judge({"it": analyse(np.zeros((3, 5)), [1] * 5)}, MARGIN).values()
    assert (judged.verdict, judged.p_zero) == ("no difference beyond the margin", 1)


def test_verdicts_do_not_depend_on_order_and_turn_with_the_sign() -> None:
    random = np.random.default_rng(3)
    family = {k: made(random.normal(0, 0.03), 0.01) for k in range(8)}
    judged = judge(family, MARGIN)
    again = judge(dict(reversed(family.items())), MARGIN)
    assert {k: again[k] for k in judged} == judged
    turned = {
        k: Crossed(tuple(-x for x in c.by_seed), c.sequences, *([c.ms_runs] * 3))
        for k, c in family.items()
    }
    swap = {"better": "worse", "worse": "better"}
    for key, other in judge(turned, MARGIN).items():
        word, comma, rest = judged[key].verdict.partition(",")
        assert other.verdict == swap.get(word, word) + comma + rest


def test_a_wider_margin_turns_worse_into_worse_by_less() -> None:
    family = {"it": made(-0.05, 0.01)}
    assert judge(family, 0.03)["it"].verdict == "worse"
    assert judge(family, 0.10)["it"].verdict == "worse, by less than the margin"


def test_deciding_size_decides() -> None:
    """With the size that was told, a difference of the margin is found in 8 of 10 studies."""
    (judged,) = judge({"it": made(-0.02, 0.012)}, MARGIN).values()
    assert judged.deciding is not None
    assert judged.deciding != StudySize(6, 40)
    runs, random = 0.012 * sqrt(240), np.random.default_rng(0)
    found = 0
    for _ in range(400):
        shape = judged.deciding.seeds, judged.deciding.sequences
        d = random.normal(-MARGIN, runs, shape)
        found += analyse(d, [1] * shape[1]).like_these.p_zero <= 0.05
    assert 0.72 <= found / 400 <= 0.88


@pytest.mark.parametrize(
    ("expected", "verdict", "word"),
    [
        ("worse", "worse", "supported"),
        ("worse", "worse, by less than the margin", "supported, small effect"),
        ("worse", "better", "contradicted"),
        ("worse", "better, by less than the margin", "contradicted"),
        ("worse", "no difference beyond the margin", "no effect"),
        ("worse", "undecided", "undecided"),
        ("worse", "one seed: no verdict", "undecided"),
        ("better", "better", "supported"),
        ("better", "worse", "contradicted"),
        ("none", "no difference beyond the margin", "supported"),
        ("none", "worse, by less than the margin", "supported"),
        ("none", "worse", "contradicted"),
        ("none", "better", "contradicted"),
        ("none", "undecided", "undecided"),
        ("none", "one sequence: no verdict", "undecided"),
    ],
)
def test_what_becomes_of_a_claim(expected: Effect, verdict: Verdict, word: Word) -> None:
    assert word_of(expected, verdict) == word


@pytest.mark.parametrize("seeds", [3, 6])
def test_false_rejections_of_a_family_are_rare(seeds: int) -> None:
    """Half of the family is no different, the other half as far away as the margin."""
    random = np.random.default_rng(0)
    wrong_difference = wrong_equality = 0
    for _ in range(400):
        zero, beyond = {}, {}
        for i in range(6):
            d = random.normal(0, 0.02, (seeds, 1)) + random.normal(0, 0.05, 20)
            d = d + random.normal(0, 0.06, (seeds, 20)) - MARGIN * (i % 2)
            found = analyse(d, [1] * 20).like_these
            zero[i], beyond[i] = found.p_zero, found.p_beyond(MARGIN)
        wrong_difference += any(p <= 0.05 for i, p in holm(zero).items() if i % 2 == 0)
        wrong_equality += any(p <= 0.05 for i, p in holm(beyond).items() if i % 2 == 1)
    assert wrong_difference <= 0.07 * 400
    assert wrong_equality <= 0.07 * 400
