"""Figures of a data set with known answers, and what the word for a difference is worth."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from rgmp.errors import UserError
from rgmp.evaluation.comparison import compare, compare_all
from rgmp.evaluation.measures import MEASURES, Score
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.summary import OBJECT_DTYPES, per_object, summarise

Values = npt.NDArray[np.float64]


def rows_of(
    figures: dict[tuple[str, int], list[float]], seed: int | None = 0, variant: str = "full"
) -> list[Score]:
    """Rows of some objects, given J of their frames; F is 0.1 less."""
    return [
        Score("davis2017", variant, seed, *key, f"{number:05d}", value, value - 0.1)
        for key, values in figures.items()
        for number, value in enumerate(values, start=1)
    ]


def test_mean_is_over_objects_not_frames_or_sequences() -> None:
    rows = rows_of({("ant", 1): [0.8] * 10, ("ant", 2): [0.6] * 10, ("bee", 1): [0.1]})
    (summary,) = summarise(per_object(table_of(rows))).to_dict("records")
    assert (summary["benchmark"], summary["variant"], summary["seeds"]) == ("davis2017", "full", 1)
    assert np.isnan(summary["J_mean_spread"])
    assert summary["J_mean"] == pytest.approx(0.5)
    assert summary["F_mean"] == pytest.approx(0.4)
    assert summary["J&F"] == pytest.approx(0.45)
    assert summary["J_recall"] == pytest.approx(2 / 3)


def test_objects_are_sorted_and_frames_ordered_whatever_the_rows_order() -> None:
    rows = rows_of({("bee", 1): [0.9, 0.8, 0.7, 0.6, 0.5], ("ant", 2): [0.3], ("ant", 1): [0.2]})
    objects = per_object(table_of(reversed(rows)))
    assert objects["sequence"].to_list() == ["ant", "ant", "bee"]
    assert objects["object"].to_list() == [1, 2, 1]
    assert objects["J_mean"].to_list() == pytest.approx([0.2, 0.3, 0.7])
    assert objects["J_decay"][2] == pytest.approx(0.85 - 0.55)
    assert objects["F_mean"][2] == pytest.approx(0.6)
    assert objects.dtypes.astype("str").to_dict() == OBJECT_DTYPES
    assert {*zip(objects["benchmark"], objects["variant"], objects["seed"], strict=True)} == {
        ("davis2017", "full", 0)
    }


def test_methods_stay_in_their_order_each_with_its_seeds_ascending() -> None:
    rows = [
        row
        for variant, seed in (("b", 1), ("a", 0), ("b", 0))
        for row in rows_of({("ant", 1): [0.5]}, seed, variant)
    ]
    objects = per_object(table_of(rows))
    assert [*zip(objects["variant"], objects["seed"], strict=True)] == [
        ("b", 0),
        ("b", 1),
        ("a", 0),
    ]
    assert summarise(objects)["variant"].to_list() == ["b", "a"]
    assert per_object(table_of([])).dtypes.astype("str").to_dict() == OBJECT_DTYPES
    assert summarise(per_object(table_of([]))).empty


def test_spread_is_the_sample_standard_deviation_over_seeds() -> None:
    rows = [
        row
        for seed, value in ((7, 0.5), (3, 0.7))
        for row in rows_of({("ant", 1): [value], ("bee", 1): [value + 0.1]}, seed)
    ]
    objects = per_object(table_of(rows))
    assert objects["seed"].unique().tolist() == [3, 7]
    (summary,) = summarise(objects).to_dict("records")
    assert summary["seeds"] == 2
    assert summary["J_mean"] == pytest.approx(0.65)
    assert summary["J_mean_spread"] == pytest.approx(0.2 / np.sqrt(2))


def test_what_is_not_trained_here_has_no_seed_and_no_spread() -> None:
    rows = rows_of({("ant", 1): [0.5, 0.7], ("bee", 1): [0.2, 0.2]}, seed=None)
    objects = per_object(table_of(rows))
    assert objects["seed"].isna().all()
    assert objects["J_mean"].to_list() == pytest.approx([0.6, 0.2])
    (summary,) = summarise(objects).to_dict("records")
    assert summary["J_mean"] == pytest.approx(0.4)
    assert summary["seeds"] == 0
    assert np.isnan(summary["J_mean_spread"])


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (
            rows_of({("ant", 1): [0.5]}) + rows_of({("ant", 1): [0.5]}, seed=None),
            "has rows with a seed and rows without",
        ),
        (rows_of({("ant", 1): [0.5]}) * 2, "ant, object 1, frame 00001 is scored twice"),
        (
            rows_of({("ant", 1): [0.5]}) + rows_of({("ant", 1): [0.5, 0.5]}, seed=1),
            "seeds 0 and 1 are scored on different frames of ant, object 1",
        ),
        (
            rows_of({("ant", 1): [0.5]}) + rows_of({("ant", 1): [0.5], ("bee", 1): [0]}, seed=1),
            "seeds 0 and 1 are scored on different frames of bee, object 1",
        ),
    ],
)
def test_rows_that_do_not_belong_together(rows: list[Score], fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        per_object(table_of(rows))


PUBLISHED: dict[str, tuple[float, ...]] = {  # davischallenge.org, in per cent, as in MEASURES
    "davis2016": (81.8, 81.5, 91.7, 10.9, 82.0, 90.8, 10.1),
    "davis2017": (66.7, 64.8, 74.1, 18.9, 68.6, 77.7, 19.6),
}


@pytest.mark.parametrize("benchmark", PUBLISHED)
def test_frames_of_the_authors_give_their_published_row(shared: Path, benchmark: str) -> None:
    with (shared / "golden" / "official_rgmp_per_frame.csv").open(newline="") as file:
        table = [row for row in csv.DictReader(file) if row["benchmark"] == benchmark]
    rows = [
        Score(
            benchmark,
            "RGMP",
            0,
            row["sequence"],
            int(row["object"]),
            row["frame"],
            float(row["J"]),
            float(row["F"]),
        )
        for row in table
    ]
    (summary,) = summarise(per_object(table_of(rows))).to_dict("records")
    assert [100 * summary[measure] for measure in MEASURES] == pytest.approx(
        PUBLISHED[benchmark], abs=0.051
    )  # they are rounded to 0.1


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


def test_difference_that_every_seed_and_object_shows() -> None:
    full = np.random.default_rng(0).uniform(0.3, 0.7, (3, 12))
    better = compare(scores_of(full + 0.1, "more"), scores_of(full), comparisons=4)
    assert (better.mean, better.low, better.high) == pytest.approx((0.1, 0.1, 0.1))
    assert (better.verdict, len(better.by_seed)) == ("better", 3)
    assert better.level == pytest.approx(0.9875)
    worse = compare(scores_of(full), scores_of(full + 0.1, "more"), comparisons=4)
    assert worse.verdict == "worse"
    assert worse.mean == pytest.approx(-0.1)


def test_less_decay_is_better() -> None:
    full = np.random.default_rng(0).uniform(0.3, 0.7, (3, 12))
    arms = (scores_of(full - 0.1, "less"), scores_of(full))
    assert compare(*arms, comparisons=1, measure="J_decay").verdict == "better"
    assert compare(*arms, comparisons=1, measure="J_recall").verdict == "worse"


def test_equal_scores_are_inconclusive() -> None:
    scores = scores_of(np.random.default_rng(0).uniform(size=(3, 12)))
    difference = compare(scores, scores, comparisons=1)
    assert (difference.low, difference.mean, difference.high) == (0, 0, 0)
    assert difference.verdict == "inconclusive"


def test_one_seed_proves_nothing() -> None:
    full = np.random.default_rng(0).uniform(0.3, 0.7, (1, 12))
    difference = compare(scores_of(full + 0.1, "more"), scores_of(full), comparisons=1)
    assert difference.low > 0
    assert (difference.verdict, len(difference.by_seed)) == ("inconclusive", 1)


def test_one_sequence_proves_nothing() -> None:
    full = np.random.default_rng(0).uniform(0.3, 0.7, (3, 4))
    arms = (scores_of(full + 0.1, "more", per_sequence=4), scores_of(full, per_sequence=4))
    difference = compare(*arms, comparisons=1)
    assert (difference.low, difference.high) == (-1, 1)
    assert difference.verdict == "inconclusive"


def test_two_seeds_that_disagree_prove_nothing() -> None:
    """However many sequences agree: the next training may lie anywhere."""
    full = np.full((2, 30), 0.5)
    variant = full + np.array([[0.10], [0.02]])
    difference = compare(scores_of(variant, "more"), scores_of(full), comparisons=1)
    # Student's t of one degree of freedom is 12.7, times half the distance of the two
    assert difference.high - difference.low == pytest.approx(2 * 12.706 * 0.04, rel=0.05)
    assert difference.verdict == "inconclusive"


def test_seeds_and_objects_are_paired() -> None:
    """Whatever seeds and objects share between the arms is no part of the difference."""
    random = np.random.default_rng(0)
    full = random.uniform(0, 1, (3, 20))
    variant = full + random.normal(0.05, 0.01, full.shape)
    assert compare(scores_of(variant, "more"), scores_of(full), comparisons=4).verdict == "better"
    shuffled = scores_of(variant[:, ::-1], "more")
    assert compare(shuffled, scores_of(full), comparisons=4).verdict == "inconclusive"


def test_seeds_in_common_are_compared() -> None:
    full = np.random.default_rng(0).uniform(0.3, 0.7, (3, 12))
    fewer = scores_of(full[[2, 0]] + 0.1, "more", seeds=(2, 0))
    difference = compare(fewer, scores_of(full), comparisons=1)
    assert difference.mean == pytest.approx(0.1)
    assert difference.by_seed == pytest.approx({0: 0.1, 2: 0.1})
    with pytest.raises(UserError, match=r"more has seeds \(7, 8\), full \(0, 1, 2\)"):
        compare(scores_of(full[:2], "more", seeds=(7, 8)), scores_of(full), comparisons=1)


def test_what_has_no_seed_is_set_against_every_seed_of_full() -> None:
    random = np.random.default_rng(0)
    full = random.uniform(0.3, 0.7, (3, 1)) + random.uniform(0, 0.1, (1, 12))
    masks = full.mean(axis=0, keepdims=True) - 0.5
    theirs = scores_of(masks, "theirs", seeds=())
    difference = compare(theirs, scores_of(full), comparisons=1)
    assert difference.mean == pytest.approx(-0.5)
    assert difference.by_seed == pytest.approx(dict(enumerate((masks - full).mean(axis=1))))
    repeated = scores_of(masks.repeat(3, axis=0), "theirs")
    assert compare(repeated, scores_of(full), comparisons=1) == difference
    assert compare(theirs, scores_of(full[:1]), comparisons=1).verdict == "inconclusive"


def test_verdicts_of_variants_and_of_external_methods_are_families_of_their_own() -> None:
    full = np.random.default_rng(0).uniform(0.3, 0.7, (3, 12))
    arms = [scores_of(full + 0.1 * i, name) for i, name in enumerate(("full", "a", "b"))]
    theirs = scores_of(full[:1], "theirs", seeds=())
    found = compare_all(pd.concat([*arms, theirs]), {"theirs"})
    levels = {method: difference.level for (_, method), difference in found.items()}
    assert levels == {"a": 0.975, "b": 0.975, "theirs": 0.95}
    assert found["davis2017", "a"] == compare(arms[1], arms[0], comparisons=2)
    assert compare_all(pd.concat(arms[1:]), ()) == {}, "without full there is nothing to compare"


def test_other_objects_are_refused() -> None:
    full = np.full((2, 6), 0.5)
    with pytest.raises(UserError, match="more and full: 000, object 2, is scored in only one"):
        compare(scores_of(full, "more"), scores_of(full, per_sequence=2), comparisons=1)


def test_same_seed_same_interval_and_more_comparisons_a_wider_one() -> None:
    full, variant = np.random.default_rng(0).uniform(size=(2, 5, 12))
    arms = (scores_of(variant, "other"), scores_of(full))
    one, again = compare(*arms, comparisons=1), compare(*arms, comparisons=1)
    assert one == again
    other = compare(*arms, comparisons=1, seed=1)
    assert other.low == pytest.approx(one.low, abs=0.01)
    assert other.low != one.low
    four = compare(*arms, comparisons=4)
    assert four.low < one.low < one.mean < one.high < four.high


def test_objects_of_a_sequence_count_as_alike() -> None:
    """Four objects of a video that all differ by the same are no four videos."""
    by_sequence = np.random.default_rng(0).normal(0.02, 0.05, 8)
    variant, full = np.repeat(0.5 + by_sequence, 4)[None].repeat(3, axis=0), np.full((3, 32), 0.5)
    inside = compare(scores_of(variant, "x", 4), scores_of(full, per_sequence=4), comparisons=1)
    apart = compare(scores_of(variant, "x"), scores_of(full), comparisons=1)
    assert inside.high - inside.low > 1.8 * (apart.high - apart.low)


def studies(
    count: int, seeds: int, sequences: int, noise: tuple[float, float, float], difference: float
) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Simulated studies whose difference is known.

    Args:
        count: how many.
        seeds: S.
        sequences: of one to three objects each.
        noise: standard deviations of the difference over seeds, over sequences, over single runs.
        difference: the true one.
    """
    random = np.random.default_rng(0)
    for _ in range(count):
        sizes = random.integers(1, 4, sequences)
        of_seed = random.normal(0, noise[0], (seeds, 1))
        of_sequence = np.repeat(random.normal(0, noise[1], sequences), sizes)
        full = random.uniform(0.3, 0.7, (seeds, int(sizes.sum())))
        single = random.normal(0, noise[2], full.shape)
        variant = full + difference + of_seed + of_sequence + single
        yield scores_of(variant, "variant", sizes=sizes), scores_of(full, sizes=sizes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "noise", [(0.0, 0.05, 0.05), (0.02, 0.05, 0.02), (0.03, 0.03, 0.03)], ids=str
)
@pytest.mark.parametrize(("seeds", "sequences"), [(2, 6), (2, 20), (3, 20), (5, 30)])
def test_no_difference_is_taken_for_one_in_at_most_5_per_cent(
    seeds: int, sequences: int, noise: tuple[float, float, float]
) -> None:
    wrong = sum(
        compare(*study, comparisons=1, resamples=400).verdict != "inconclusive"
        for study in studies(1000, seeds, sequences, noise, difference=0)
    )
    assert wrong <= 50


@pytest.mark.slow
def test_all_words_of_a_table_are_wrong_together_in_at_most_5_per_cent() -> None:
    """Four variants that are no different, each with its own luck, against one full."""
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(1000):
        full = random.uniform(0.3, 0.7, (3, 20))
        words = set()
        for _ in range(4):
            of_seed, of_sequence = random.normal(0, 0.02, (3, 1)), random.normal(0, 0.05, 20)
            variant = full + of_seed + of_sequence + random.normal(0, 0.02, full.shape)
            arms = (scores_of(variant, "variant"), scores_of(full))
            words.add(compare(*arms, comparisons=4, resamples=200).verdict)
        wrong += words != {"inconclusive"}
    assert wrong <= 50


def rows_without_seed(objects: pd.DataFrame) -> pd.DataFrame:
    """Those of the first seed, as of masks that have none."""
    return objects[objects["seed"] == 0].assign(seed=pd.array([pd.NA], "Int64")[0])


@pytest.mark.slow
def test_masks_of_others_that_are_no_different_are_taken_for_it_in_at_most_5_per_cent() -> None:
    """Theirs is one result; full is trained with three seeds."""
    wrong = 0
    for variant, full in studies(1000, 3, 20, (0.02, 0.05, 0.02), difference=0):
        ours = full.assign(**{"J&F": 0.5 + variant["J&F"] - full["J&F"]})
        theirs = rows_without_seed(full).assign(**{"J&F": 0.5})
        wrong += compare(theirs, ours, comparisons=1, resamples=400).verdict != "inconclusive"
    assert wrong <= 50


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "noise"), [(3, (0.005, 0.05, 0.03)), (5, (0.02, 0.05, 0.03))], ids=str
)
def test_a_known_difference_is_found(seeds: int, noise: tuple[float, float, float]) -> None:
    """Ten points, as between the paper's variants, among four comparisons."""
    verdicts = [
        compare(*study, comparisons=4, resamples=400).verdict
        for study in studies(200, seeds, 20, noise, difference=-0.1)
    ]
    assert verdicts.count("worse") >= 190
    assert verdicts.count("better") == 0
