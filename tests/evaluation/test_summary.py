"""Figures of a data set with known answers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from rgmp.errors import UserError
from rgmp.evaluation.measures import MEASURES, Score
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.summary import OBJECT_DTYPES, per_object, summarise


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
