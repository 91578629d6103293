"""What two studies say of each other: known answers, what cannot be tested, and calibration."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from rgmp.evaluation.agreement import (
    Comparison,
    compare,
    effects,
    finding_of,
    on_common_sequences,
    welch,
)
from rgmp.evaluation.measures import Score
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.summary import per_object

Values = npt.NDArray[np.float64]


def scores_of(
    means: dict[str, dict[int | None, float]], sequences: tuple[str, ...] = ("ant", "bee")
) -> pd.DataFrame:
    """Scores in which every frame of a variant with a seed has the same J and F."""
    return table_of(
        Score("davis2017", variant, seed, sequence, 1, f"{frame:05d}", mean, mean)
        for variant, seeds in means.items()
        for seed, mean in seeds.items()
        for sequence in sequences
        for frame in (1, 2)
    )


def row_of(ours: list[float], theirs: list[float], among: int = 1) -> dict[str, object]:
    """One comparison, and others beside it in which nothing differs."""
    key = ("davis2017", "no_bptt")
    others: dict[Comparison, Values] = {
        ("davis2017", f"v{n}"): np.array([0.0, 0.1]) for n in range(1, among)
    }
    table = compare({key: np.array(ours), **others}, {key: np.array(theirs), **others})
    return {str(name): value for name, value in table.iloc[0].items()}


def test_a_difference_is_paired_by_seed_within_its_study() -> None:
    means: dict[str, dict[int | None, float]] = {
        "full": {0: 0.5, 1: 0.6, 2: 0.7},
        "no_bptt": {0: 0.4, 1: 0.55, 2: 0.7},
        "osvos": {None: 0.65},
    }
    found = effects(per_object(scores_of(means)))
    assert found["davis2017", "full"] == pytest.approx([0.5, 0.6, 0.7])
    assert found["davis2017", "no_bptt"] == pytest.approx([-0.1, -0.05, 0])
    assert found["davis2017", "osvos"] == pytest.approx([0.15, 0.05, -0.05])


def test_only_sequences_with_the_same_objects_and_frames_are_compared() -> None:
    ours = scores_of({"full": {0: 0.5}}, ("ant", "bee", "cat"))
    theirs = scores_of({"full": {7: 0.5}}, ("bee", "cat", "dog"))
    longer = theirs[theirs["sequence"] == "cat"].iloc[:1].assign(frame="00003")
    kept = on_common_sequences(ours, pd.concat([theirs, longer]))
    assert [{*scores["sequence"]} for scores in kept] == [{"bee"}, {"bee"}]
    assert [{*scores["seed"]} for scores in kept] == [{0}, {7}]


@pytest.mark.parametrize(
    ("sizes", "spreads"), [((3, 3), (1, 1)), ((2, 9), (5, 1)), ((8, 4), (1, 0))]
)
def test_it_is_the_test_of_welch(sizes: tuple[int, int], spreads: tuple[float, float]) -> None:
    random = np.random.default_rng(0)
    ours, theirs = (
        random.normal(0.5, 0.01 * spread, size) for size, spread in zip(sizes, spreads, strict=True)
    )
    estimate = welch(ours, theirs)
    expected = stats.ttest_ind_from_stats(
        *(ours.mean(), ours.std(ddof=1), len(ours)),
        *(theirs.mean(), theirs.std(ddof=1), len(theirs)),
        equal_var=False,
    )
    assert estimate.p_zero == pytest.approx(expected.pvalue)
    if spreads[1]:
        known = stats.ttest_ind(ours, theirs, equal_var=False)
        assert estimate.df == pytest.approx(known.df)
        assert estimate.interval() == pytest.approx(known.confidence_interval(0.95))


def test_p_is_that_of_holm_over_all_that_are_tested() -> None:
    ours, theirs = [0.10, 0.12, 0.14], [0.20, 0.22, 0.25]
    alone = row_of(ours, theirs)
    assert alone["p"] == pytest.approx(stats.ttest_ind(ours, theirs, equal_var=False).pvalue)
    assert row_of(ours, theirs, among=4)["p"] == pytest.approx(4 * float(str(alone["p"])))
    table = compare(
        {("davis2017", n): np.array(ours) for n in "abc"} | {("davis2017", "d"): np.zeros(3)},
        {("davis2017", n): np.array(theirs) for n in "abc"} | {("davis2017", "d"): np.zeros(3)},
    )
    assert table["p"].iloc[:3].to_list() == pytest.approx([3 * float(str(alone["p"]))] * 3)
    assert table["untested"].to_list() == ["", "", "", "same computation as full"]


def test_the_same_bits_have_a_difference_of_nothing() -> None:
    row = row_of([0.1, 0.2, 0.4], [0.1, 0.2, 0.4])
    assert (row["difference"], row["p"], row["untested"]) == (0, 1, "")


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [
        ([0.1], [0.3, 0.4], "one seed"),
        ([0.1], [0.1], "one seed"),
        ([0.0, 0.0], [0.0, 1e-12], "same computation as full"),
        ([0.3, 0.3 + 1e-12], [0.3001, 0.3001], "no seed changes it"),  # weights that are given
    ],
)
def test_where_nothing_is_known_of_other_seeds_nothing_is_tested(
    ours: list[float], theirs: list[float], why: str
) -> None:
    row = row_of(ours, theirs, among=3)
    assert row["untested"] == why
    assert row["difference"] == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert all(np.isnan(float(str(row[key]))) for key in ("low", "high", "p"))
    others = compare({("a", "b"): np.array([0.0, 0.1])}, {("a", "b"): np.array([0.0, 0.1])})
    assert others["p"].to_list() == [1]


def test_a_constant_is_tested_against_what_varies() -> None:
    row = row_of([0.0, 0.0, 0.0], [0.2, 0.21, 0.22])
    t = 0.21 / (0.01 / np.sqrt(3))
    assert row["p"] == pytest.approx(2 * stats.t.sf(t, 2))


def test_what_only_one_study_has_is_not_compared() -> None:
    ours, theirs = ({("davis2017", name): np.ones(2)} for name in ("a", "b"))
    assert compare(ours, theirs).empty


@pytest.mark.parametrize(
    ("p", "verdicts", "finding"),
    [
        (1.0, ("better", "worse"), "reversed"),
        (1.0, ("worse, by less than the margin", "better"), "reversed"),
        (np.nan, ("worse", "better, by less than the margin"), "reversed"),
        (0.05, ("worse", "worse"), "rejected"),
        (0.06, ("worse", "worse"), "same verdict"),
        (1.0, ("worse", "worse, by less than the margin"), "another verdict"),
        (1.0, ("worse", "no difference beyond the margin"), "another verdict"),
        (1.0, ("undecided", "one seed: no verdict"), "undecided in both"),
        (1.0, ("worse", "undecided"), "decided in A alone"),
        (1.0, ("undecided", "no difference beyond the margin"), "decided in B alone"),
        (np.nan, ("same computation", "same computation"), "same verdict"),
        (0.01, ("", ""), "rejected"),
        (0.2, ("", ""), "not rejected"),
        (np.nan, ("", ""), "not tested"),
    ],
)
def test_a_contradiction_is_a_reversal_or_a_rejection(
    p: float, verdicts: tuple[str, str], finding: str
) -> None:
    assert finding_of(p, verdicts, same_sequences=True) == finding


def test_verdicts_on_other_sequences_are_not_reversed() -> None:
    assert finding_of(1.0, ("better", "worse"), same_sequences=False) == "another verdict"


@pytest.mark.parametrize(
    ("sizes", "spread"),
    [((3, 3), 1.0), ((5, 8), 1.0), ((8, 8), 2.0)],
)
def test_two_runs_of_one_study_contradict_each_other_in_at_most_5_per_cent(
    sizes: tuple[int, int], spread: float
) -> None:
    """`full` and nine variants that differ from it by what each training happens to reach.

    A false rejection anywhere in the family, over 300 pairs of studies: at most 5 % and three
    standard errors of that share.
    """
    pairs, variants = 300, 9
    random = np.random.default_rng([*sizes, int(10 * spread)])
    rejected = 0
    for _ in range(pairs):
        studies = []
        for size, wide in zip(sizes, (1.0, spread), strict=True):
            reached = random.normal(0.5, 0.02 * wide, (variants + 1, size))
            reached[1:] -= reached[0]
            studies.append({("davis2017", str(n)): values for n, values in enumerate(reached)})
        rejected += bool((compare(*studies)["p"] <= 0.05).any())
    assert rejected / pairs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / pairs)
