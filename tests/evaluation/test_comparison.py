"""Differences to `full`: how they are paired, which belong together, and where they are asked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from rgmp.config.study import SEVERAL, Changed, Effect, Expectation
from rgmp.data.attributes import Attribute
from rgmp.errors import UserError
from rgmp.evaluation.comparison import (
    Asked,
    Cell,
    Difference,
    Key,
    compare_all,
    compare_difficulties,
    pair,
    pair_all,
    repeats_of,
)
from rgmp.evaluation.crossed import analyse
from rgmp.evaluation.measures import MEASURES
from rgmp.evaluation.summary import OBJECT_DTYPES
from rgmp.evaluation.verdicts import judge

Values = npt.NDArray[np.float64]
KEY = "davis2017", "more"


def scores_of(
    values: Values,
    variant: str = "full",
    per_sequence: int = 1,
    seeds: tuple[int, ...] | None = None,
    sizes: npt.NDArray[np.int64] | None = None,
) -> pd.DataFrame:
    """What a variant reached, (S, O), the same in every measure.

    Args:
        values: of each seed and object.
        variant: its name.
        per_sequence: how many objects each sequence has.
        seeds: 0, 1, ... unless given; none: the masks have no seed.
        sizes: how many objects each sequence has, where they differ.
    """
    count = values.shape[1]
    if sizes is None:
        sizes = np.full(count // per_sequence, per_sequence)
    keys = [(f"{i:03d}", k + 1) for i, size in enumerate(sizes) for k in range(int(size))]
    numbers = range(len(values)) if seeds is None else seeds or (pd.NA,)
    table = pd.DataFrame(
        [("davis2017", variant, seed, *key) for seed in numbers for key in keys],
        columns=["benchmark", "variant", "seed", "sequence", "object"],
    )
    return table.assign(**dict.fromkeys(MEASURES, values.ravel())).astype(OBJECT_DTYPES)


def expects(**effects: Effect) -> dict[str, Expectation]:
    return {
        key.replace("_", " "): Expectation(difference=effect, because="It follows.")
        for key, effect in effects.items()
    }


def overall_of(objects: pd.DataFrame, asked: Asked) -> dict[Key, Difference]:
    return compare_all(objects, pair_all(objects), asked)


def difficulties_of(objects: pd.DataFrame, asked: Asked) -> dict[Cell, Difference]:
    return compare_difficulties(objects, pair_all(objects), asked)


def compared(*arms: pd.DataFrame, **asked: Any) -> Mapping[Any, Difference]:
    return overall_of(pd.concat(arms), Asked(margin=0.03, **asked))


def level(seeds: int = 3, objects: int = 12, seed: int = 0) -> Values:
    return np.random.default_rng(seed).uniform(0.3, 0.7, (seeds, objects))


def test_difference_that_every_seed_and_object_shows() -> None:
    found = compared(scores_of(level() + 0.1, "more"), scores_of(level()))[KEY]
    assert found.judged.verdict == "better"
    assert found.judged.analysis.like_these.interval() == pytest.approx((0.1, 0.1))
    assert found.by_seed == pytest.approx({0: 0.1, 1: 0.1, 2: 0.1})
    worse = compared(scores_of(level() - 0.1, "more"), scores_of(level()))[KEY]
    assert worse.judged.verdict == "worse"
    assert worse.judged.analysis.mean == pytest.approx(-0.1)


def test_equal_scores_are_no_difference() -> None:
    found = compared(scores_of(level(), "more"), scores_of(level()))[KEY]
    assert found.judged.verdict == "no difference beyond the margin"
    assert found.judged.analysis.like_these.interval() == (0, 0)


def test_one_seed_or_one_sequence_proves_nothing() -> None:
    one = level(seeds=1)
    found = compared(scores_of(one + 0.1, "more"), scores_of(one))[KEY]
    assert found.judged.verdict == "one seed: no verdict"
    assert found.judged.analysis.like_these.interval()[0] > 0, "of sequences alone"
    arms = scores_of(level(3, 4) + 0.1, "more", per_sequence=4), scores_of(level(3, 4), "full", 4)
    found = compared(*arms)[KEY]
    assert found.judged.verdict == "one sequence: no verdict"
    assert found.judged.analysis.like_these.interval() == (-1, 1)


def test_two_seeds_that_disagree_prove_nothing_however_many_sequences_agree() -> None:
    full = np.full((2, 30), 0.5)
    found = compared(scores_of(full + np.array([[0.10], [0.02]]), "more"), scores_of(full))[KEY]
    low, high = found.judged.analysis.like_these.interval()
    # Student's t of one degree of freedom is 12.7, times half the distance of the two
    assert high - low == pytest.approx(2 * 12.706 * 0.04, rel=1e-3)
    assert found.judged.verdict == "undecided"


def test_seeds_and_objects_are_paired() -> None:
    """Whatever seeds and objects share between the arms is no part of the difference."""
    random = np.random.default_rng(0)
    full = random.uniform(0, 1, (3, 20))
    variant = full + random.normal(0.05, 0.01, full.shape)
    assert compared(scores_of(variant, "more"), scores_of(full))[KEY].judged.verdict == "better"
    shuffled = compared(scores_of(variant[:, ::-1], "more"), scores_of(full))[KEY]
    assert shuffled.judged.verdict == "undecided"


def test_pairs_are_the_plain_means_over_the_objects_of_a_sequence() -> None:
    random = np.random.default_rng(0)
    sizes = np.array([1, 3, 2])
    full, variant = random.uniform(size=(2, 4, 6))
    found = pair(scores_of(variant, "more", sizes=sizes), scores_of(full, sizes=sizes))
    d = variant - full
    assert found.sequences == ("000", "001", "002")
    assert found.objects == (1, 3, 2)
    means = np.stack([d[:, 0], d[:, 1:4].mean(axis=1), d[:, 4:].mean(axis=1)], axis=1)
    np.testing.assert_allclose(found.differences, means)
    assert analyse(found.differences, found.objects).mean == pytest.approx(d.mean())
    several = found.with_several_objects()
    assert several is not None
    assert (several.sequences, several.objects) == (("001", "002"), (3, 2))
    assert found.among(["elk"]) is None


def test_seeds_in_common_are_compared() -> None:
    full = level()
    fewer = scores_of(full[[2, 0]] + 0.1, "more", seeds=(2, 0))
    assert compared(fewer, scores_of(full))[KEY].by_seed == pytest.approx({0: 0.1, 2: 0.1})
    with pytest.raises(UserError, match=r"more has seeds \(7, 8\), full \(0, 1, 2\)"):
        compared(scores_of(full[:2], "more", seeds=(7, 8)), scores_of(full))


def test_what_has_no_seed_is_set_against_every_seed_of_full() -> None:
    random = np.random.default_rng(0)
    full = random.uniform(0.3, 0.7, (3, 1)) + random.uniform(0, 0.1, (1, 12))
    masks = full.mean(axis=0, keepdims=True) - 0.5
    theirs = compared(scores_of(masks, "more", seeds=()), scores_of(full))[KEY]
    assert theirs.by_seed == pytest.approx(dict(enumerate((masks - full).mean(axis=1))))
    repeated = compared(scores_of(masks.repeat(3, axis=0), "more"), scores_of(full))[KEY]
    assert theirs.judged == repeated.judged


def test_other_objects_are_refused() -> None:
    full = np.full((2, 6), 0.5)
    with pytest.raises(UserError, match="more and full: 000, object 2, is scored in only one"):
        compared(scores_of(full, "more"), scores_of(full, per_sequence=2))


def test_variants_and_methods_of_others_are_families_of_their_own() -> None:
    random = np.random.default_rng(0)
    full = level()
    noisy = {name: full + random.normal(0.02, 0.05, full.shape) for name in "abc"}
    arms = [scores_of(full), *(scores_of(values, name) for name, values in noisy.items())]
    theirs = scores_of(full[:1] + random.normal(0, 0.05, (1, 12)), "theirs", seeds=())
    found = compared(*arms, theirs, external={"theirs"})
    alone = compared(*arms)
    assert all(found[key].judged == one.judged for key, one in alone.items())
    assert list(found) == [("davis2017", name) for name in ("a", "b", "c", "theirs")]
    expected = judge({name: alone["davis2017", name].judged.analysis for name in "abc"}, 0.03)
    assert {name: alone["davis2017", name].judged for name in "abc"} == expected
    assert compared(*arms[1:]) == {}, "without full there is nothing to compare"


def test_what_is_the_same_computation_is_no_member() -> None:
    random = np.random.default_rng(0)
    full = level()
    one, same = scores_of(full + random.normal(0.05, 0.06, full.shape), "more"), full
    alone = compared(scores_of(full), one)
    changed = {("davis2017", "same"): "none"}
    found = compared(scores_of(full), one, scores_of(same, "same"), changed=changed)
    assert found["davis2017", "same"].judged.verdict == "same computation"
    assert found[KEY].judged == alone[KEY].judged
    more = compared(scores_of(full), one, scores_of(same, "same"))
    assert more[KEY].judged.p_zero != alone[KEY].judged.p_zero


ATTRIBUTES = tuple(
    Attribute(sequence=f"{i:03d}", attribute=name, figure=f"figure {i // 2}" if i < 8 else f"{i}")
    for name, sequences in {"fast": range(8), "dark": range(6, 20)}.items()
    for i in sequences
)


def study() -> tuple[pd.DataFrame, Asked]:
    """Worse where it is fast by ten points; two objects in every other sequence."""
    random = np.random.default_rng(0)
    sizes = np.arange(20) % 2 + 1
    full = random.uniform(0.3, 0.7, (5, 30))
    fast = np.repeat(np.where(np.arange(20) < 8, -0.1, 0.0), sizes)
    arms = [scores_of(full, sizes=sizes)]
    for name in ("more", "less", "several"):
        values = full + fast + random.normal(0, 0.01, full.shape)
        if name == "several":
            values = np.where(np.repeat(sizes == 1, sizes), full, values)
        arms.append(scores_of(values, name, sizes=sizes))
    asked = Asked(
        margin=0.03,
        expects={
            "more": expects(overall="worse", fast="worse", dark="better"),
            "several": expects(overall="none", fast="worse"),
        },
        changed={("davis2017", "several"): "several objects"},
        attributes=ATTRIBUTES,
    )
    return pd.concat(arms), asked


def test_predictions_are_judged_together_and_the_rest_is_exploratory() -> None:
    objects, asked = study()
    found = difficulties_of(objects, asked)
    assert [key[1:] for key in found] == [
        ("more", "fast"),
        ("more", "dark"),
        ("less", "fast"),
        ("less", "dark"),
        ("several", SEVERAL),
        ("several", "fast"),
        ("several", "dark"),
    ]
    words = {key[1:]: (one.judged.verdict, one.claim) for key, one in found.items()}
    assert words["more", "fast"] == ("worse", "supported")
    assert words["less", "fast"] == words["several", "dark"] == ("exploratory", None)
    assert found["davis2017", "less", "fast"].judged.p_zero is None
    predicted = {key: one.judged.analysis for key, one in found.items() if one.expected}
    assert len(predicted) == 4
    assert judge(predicted, 0.03) == {key: found[key].judged for key in predicted}


def test_a_question_about_several_objects_is_asked_where_there_are_several() -> None:
    objects, asked = study()
    found = difficulties_of(objects, asked)
    several = found["davis2017", "several", SEVERAL]
    assert several.paired.sequences == tuple(f"{i:03d}" for i in range(1, 20, 2))
    assert several.expected == asked.expects["several"]["overall"]
    assert found["davis2017", "several", "fast"].paired.sequences == ("001", "003", "005", "007")
    overall = overall_of(objects, asked)["davis2017", "several"]
    assert (overall.expected, len(overall.paired.sequences)) == (None, 20)
    assert overall.judged.analysis.mean == pytest.approx(several.judged.analysis.mean * 20 / 30), (
        "the others are the same"
    )


def test_a_figure_that_recurs_is_the_cluster() -> None:
    objects, asked = study()
    found = difficulties_of(objects, asked)
    fast = found["davis2017", "more", "fast"]
    assert (len(fast.paired.sequences), fast.judged.analysis.sequences) == (8, 4)
    dark = found["davis2017", "more", "dark"]
    assert (len(dark.paired.sequences), dark.judged.analysis.sequences) == (14, 13)
    overall = overall_of(objects, asked)[KEY]
    assert overall.judged.analysis.sequences == 16


def test_without_attributes_nothing_is_asked_but_of_several_objects() -> None:
    objects, asked = study()
    fewer = Asked(margin=0.03, expects=asked.expects, changed=asked.changed)
    assert [key[1:] for key in difficulties_of(objects, fewer)] == [("several", SEVERAL)]
    changed: dict[tuple[str, str], Changed] = {
        ("davis2017", name): "none" for name in ("more", "less", "several")
    }
    none = Asked(margin=0.03, changed=changed, attributes=ATTRIBUTES)
    assert difficulties_of(objects, none) == {}


def test_claims_are_answered_overall() -> None:
    objects, asked = study()
    found = overall_of(objects, asked)
    assert found[KEY].claim == "supported"
    assert found["davis2017", "less"].claim is None


# ---- the same scores on two benchmarks ----

SIZES = np.array([1, 1, 1, 2, 1, 3])
ALONE = Asked(
    margin=0.03,
    expects={"more": expects(alone="worse", mixed="worse")},
    attributes=tuple(
        Attribute(sequence=f"{i:03d}", attribute=name, figure=f"{i:03d}")
        for name, sequences in {"alone": (0, 1, 2, 4), "mixed": (2, 3, 4)}.items()
        for i in sequences
    ),
)


def on_both(difference: float = -0.1) -> pd.DataFrame:
    """Two methods: the foreground of a sequence is its object where it has one, else another."""
    full = level(objects=int(SIZES.sum()))
    noise = np.random.default_rng(1).normal(difference, 0.02, full.shape) * (difference != 0)
    arms = pd.concat([scores_of(full, sizes=SIZES), scores_of(full + noise, "more", sizes=SIZES)])
    foreground = arms[arms["object"] == 1].assign(benchmark="davis2016")
    several = foreground["sequence"].isin([f"{i:03d}" for i in np.flatnonzero(SIZES > 1)])
    foreground["J&F"] += 0.01 * several * (foreground["variant"] == "full")
    foreground["F_mean"] += 0.01 * several
    return pd.concat([foreground, arms], ignore_index=True)


def repeats(objects: pd.DataFrame) -> dict[Any, str]:
    """What is said to repeat another, by difficulty or overall."""
    every: dict[Any, Difference] = {}
    every |= overall_of(objects, ALONE)
    every |= difficulties_of(objects, ALONE)
    return {key: one.repeats for key, one in every.items() if one.repeats}


def test_a_comparison_of_the_same_scores_repeats_that_of_the_first_benchmark() -> None:
    assert repeats(on_both()) == {("davis2017", "more", "alone"): "davis2016"}
    whole = on_both().query("sequence not in ['003', '005']")
    keys = [("davis2017", "more"), *(("davis2017", "more", name) for name in ("alone", "mixed"))]
    assert repeats(whole) == dict.fromkeys(keys, "davis2016"), "every sequence has one object"


@pytest.mark.parametrize("variant", ["full", "more"])
@pytest.mark.parametrize("measure", ["J_recall", "J&F"])
def test_one_other_bit_is_another_result(variant: str, measure: str) -> None:
    objects = on_both()
    one = objects.query("benchmark == 'davis2017' and sequence == '004' and seed == 1").index[
        ["full", "more"].index(variant)
    ]
    objects.loc[one, measure] = np.nextafter(objects.loc[one, measure], 1)
    assert repeats(objects) == {}


def test_other_seeds_and_other_sequences_are_another_result() -> None:
    objects = on_both()
    assert repeats(objects.query("benchmark == 'davis2016' or seed != 2")) == {}
    assert repeats(objects.query("benchmark == 'davis2017' or sequence != '004'")) == {}


def test_a_method_that_never_differs_repeats_nothing_where_scores_are_others() -> None:
    objects = on_both(difference=0)
    objects.loc[objects["benchmark"] == "davis2016", [*MEASURES]] *= 0.5
    assert repeats(objects) == {}


def test_the_third_of_three_repeats_the_first() -> None:
    objects = on_both()
    alone = objects[objects["sequence"].isin(["000", "001"])]
    third = alone[alone["benchmark"] == "davis2017"].assign(benchmark="third")
    three = pd.concat([alone, third])
    paired = {key: one.paired for key, one in overall_of(three, ALONE).items()}
    assert repeats_of(three, paired) == {
        ("davis2017", "more"): "davis2016",
        ("third", "more"): "davis2016",
    }


def test_what_repeats_another_stays_a_member_of_its_family() -> None:
    objects = on_both()
    found = difficulties_of(objects, ALONE)
    for benchmark in ("davis2016", "davis2017"):
        family = {k: one.judged.analysis for k, one in found.items() if k[0] == benchmark}
        assert len(family) == 2
        assert judge(family, 0.03) == {key: found[key].judged for key in family}
