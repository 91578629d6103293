"""The figures of the same masks by every convention."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.known_scores import table, tree_of
from support.two_boxes import FRAMES, labels, save

from rgmp.data.annotations import Annotation
from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError, UserError
from rgmp.evaluation.convention_frames import measure_frames, open_trees
from rgmp.evaluation.conventions import (
    CONVENTION_DTYPES,
    End,
    Frame,
    conventions_of,
    frames_table,
    matches_of,
)
from rgmp.evaluation.measures import Score
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.scoring import score
from rgmp.evaluation.summary import per_object, summarise
from rgmp.reporting.conventions import matches, printed

NEITHER: End = "neither"


def frame(
    sequence: str,
    number: int,
    figures: tuple[float, float, float],
    *,
    end: End = NEITHER,
    thing: int = 1,
    absent: bool = False,
    annotation: Annotation = "objects",
) -> Frame:
    """A frame with J, F, and F on VOT's boundaries."""
    j, f, vot = figures
    measured = Score("davis2017", "mine", None, sequence, thing, f"{number:05d}", j, f)
    return Frame(annotation, measured, end, absent, vot)


def row_of(found: pd.DataFrame, **values: str) -> pd.Series:
    """The one row with these values, where DAVIS's convention does not say otherwise."""
    wanted = {
        "boundary": "davis",
        "mean_over": "objects",
        "ends": "neither",
        "absent": "counted",
        "sequences": "val",
    } | values
    rows = found[(found[[*wanted]] == pd.Series(wanted)).all(axis=1)]
    assert len(rows) == 1
    row: pd.Series = rows.iloc[0]
    return row


def made() -> list[Frame]:
    """A sequence of two objects, and one that is longer."""
    return [
        frame("ant", 0, (1, 1, 1), end="first"),
        frame("ant", 0, (1, 1, 1), end="first", thing=2),
        frame("ant", 1, (0.5, 0.25, 0.125)),
        frame("ant", 1, (0, 0, 0), thing=2, absent=True),
        frame("ant", 2, (0, 0, 0), end="last"),
        frame("ant", 2, (1, 1, 1), end="last", thing=2, absent=True),
        frame("bee", 0, (1, 1, 1), end="first"),
        frame("bee", 1, (1, 1, 0.5)),
        frame("bee", 2, (1, 0, 0)),
        frame("bee", 3, (0.25, 0.75, 0.75), end="last"),
    ]


def test_known_answers() -> None:
    """By hand: every dimension changed alone."""
    found = conventions_of(frames_table(made()), {"val": ["ant", "bee"], "some": ["bee"]})
    assert found.columns.tolist() == [*CONVENTION_DTYPES]
    for values, expected in (
        ({}, ((0.5 + 0 + 1) / 3, (0.25 + 0 + 0.5) / 3)),
        ({"boundary": "vot"}, ((0.5 + 0 + 1) / 3, (0.125 + 0 + 0.25) / 3)),
        ({"mean_over": "sequences"}, ((0.25 + 1) / 2, (0.125 + 0.5) / 2)),
        ({"mean_over": "frames"}, ((0.5 + 0 + 1 + 1) / 4, (0.25 + 0 + 1 + 0) / 4)),
        ({"ends": "last"}, ((0.25 + 0.5 + 2.25 / 3) / 3, (0.125 + 0.5 + 1.75 / 3) / 3)),
        ({"ends": "both"}, ((0.5 + 2 / 3 + 3.25 / 4) / 3, (1.25 / 3 + 2 / 3 + 2.75 / 4) / 3)),
        ({"absent": "skipped"}, ((0.5 + 1) / 2, (0.25 + 0.5) / 2)),
        ({"absent": "skipped", "mean_over": "frames"}, (2.5 / 3, 1.25 / 3)),
        ({"absent": "skipped", "ends": "both"}, ((0.5 + 1 + 3.25 / 4) / 3, None)),
        ({"sequences": "some"}, (1.0, 0.5)),
    ):
        row = row_of(found, **values)
        assert row["J"] == pytest.approx(expected[0]), values
        assert expected[1] is None or row["F"] == pytest.approx(expected[1]), values
        assert row["J&F"] == pytest.approx((row["J"] + row["F"]) / 2), values


def test_the_official_one_comes_first_and_no_other_is_it() -> None:
    found = conventions_of(frames_table(made()), {"val": ["ant", "bee"], "some": ["bee"]})
    assert found["official"].tolist() == [True] + [False] * (len(found) - 1)
    assert found.iloc[0].equals(row_of(found))
    both = [
        frame("ant", 1, (0.5, 0.5, 0.5), annotation=annotation)
        for annotation in ("objects_made_binary", "foreground")
    ]
    found = conventions_of(frames_table(both), {"val": ["ant"]})
    first = found.iloc[0]
    assert (first["official"], first["annotation"]) == (True, "foreground")
    found = conventions_of(frames_table(both[:1]), {"val": ["ant"]})
    assert not found["official"].any()
    assert found.iloc[0].equals(row_of(found))


def test_what_makes_no_difference_is_left_out() -> None:
    """One object in each sequence, each in every truth; masks without the last frame."""
    one = [f for f in made() if f.score.sequence == "bee" and f.end != "last"]
    found = conventions_of(frames_table(one), {"val": ["bee"]})
    assert found["ends"].unique().tolist() == ["neither"]
    assert found["absent"].unique().tolist() == ["counted"]
    assert found["mean_over"].unique().tolist() == ["objects", "frames"]


def test_objects_that_no_scored_truth_has_are_skipped_altogether() -> None:
    never = [frame("ant", 1, (0, 0, 0), absent=True)]
    kept = [frame("bee", 1, (0.5, 0.5, 0.5))]
    found = conventions_of(frames_table(never + kept), {"val": ["ant", "bee"]})
    assert row_of(found)["J"] == 0.25
    assert row_of(found, absent="skipped")["J"] == 0.5
    found = conventions_of(frames_table(never), {"val": ["ant"]})
    assert found["absent"].unique().tolist() == ["counted"]


@pytest.mark.parametrize("seed", range(4))
def test_official_equals_the_summary_of_the_score_table_bit_for_bit(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = {f"s{i}": int(random.integers(3, 30)) for i in range(seed + 1)}
    frames = [
        frame(
            name,
            t,
            (random.random(), random.random(), 0.5),
            end="first" if t == 0 else "last" if t == length - 1 else "neither",
            thing=thing,
            absent=random.random() < 0.1,
        )
        for name, length in lengths.items()
        for t, thing in product(range(length), (1, 2, 3))
    ]
    random.shuffle(frames)
    inner = table_of(f.score for f in frames if f.end == "neither")
    expected = summarise(per_object(inner)).iloc[0]
    first = conventions_of(frames_table(frames), {"val": [*lengths]}).iloc[0]
    assert first["official"]
    for name, measure in (("J", "J_mean"), ("F", "F_mean"), ("J&F", "J&F")):
        assert first[name] == expected[measure]


def test_masks_are_measured_with_their_ends(videos: Videos, masks: Path) -> None:
    rows = score(videos, masks, variant="mine", seed=3)
    frames = measure_frames([videos], masks, variant="mine", seed=3)
    assert [f.score for f in frames if f.end == "neither"] == rows
    assert [f.end for f in frames if f.score.object == 1] == [
        "first",
        *["neither"] * (FRAMES - 2),
        "last",
    ] * 2
    for path in (masks / "ant/00000.png", masks / "bee/00004.png"):
        path.unlink()
    frames = measure_frames([videos], masks, variant="mine", seed=3, processes=2)
    assert [f.score for f in frames if f.end == "neither"] == rows
    found = conventions_of(frames_table(frames), {"val": ["bee", "ant"]})
    assert found["ends"].unique().tolist() == ["neither"]


def test_truth_that_lacks_the_object(videos: Videos, root: Path, masks: Path) -> None:
    """Object 2 is in no mask of frame 1 and 2, and in the truth of frame 2 alone."""
    for number in (1, 2):
        image = labels(number)
        image[image == 2] = 0
        save(masks / "ant" / f"{number:05d}.png", image)
    save(root / "Annotations/480p/ant/00001.png", image)
    frames = measure_frames([videos], masks, variant="mine", seed=None)
    second = [f for f in frames if (f.score.sequence, f.score.object) == ("ant", 2)]
    assert [f.absent for f in second] == [False, True, False, False, False]
    assert [f.score.J for f in second] == [1, 1, 0, 1, 1]
    assert [f.vot for f in second] == [1, 1, 0, 1, 1]


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Path:
    """The same videos with DAVIS-2016's annotations, which lack a row of the first box."""
    tree = tmp_path / "davis2016"
    (tree / "ImageSets/480p").mkdir(parents=True)
    (tree / "JPEGImages").symlink_to(root / "JPEGImages")
    lines = []
    for name in ("ant", "bee"):
        for number in range(FRAMES):
            image = labels(number)
            image[4][image[4] == 1] = 0
            where = f"480p/{name}/{number:05d}"
            lines.append(f"/JPEGImages/{where}.jpg /Annotations/{where}.png \n")
            save(tree / f"Annotations/{where}.png", (255 * (image > 0)).astype(np.uint8), "L")
    (tree / "ImageSets/480p/val.txt").write_text("".join(lines))
    return tree


def test_davis_2016_on_both_annotations(root: Path, own: Path, masks: Path) -> None:
    binary = Videos(davis=root, benchmark="davis2016")
    trees = open_trees(binary, own)
    found = conventions_of(
        frames_table(measure_frames(trees, masks, variant="mine", seed=None)),
        {"val": ["bee", "ant"]},
    )
    assert found["annotation"].unique().tolist() == ["foreground", "objects_made_binary"]
    for annotation, tree in (("foreground", own), ("objects_made_binary", root)):
        rows = score(Videos(davis=tree, benchmark="davis2016"), masks, variant="mine", seed=None)
        expected = summarise(per_object(table_of(rows))).iloc[0]
        row = row_of(found, annotation=annotation)
        assert (row["J"], row["J&F"]) == (expected["J_mean"], expected["J&F"])
        assert row["official"] == (annotation == "foreground")


def test_another_tree_that_is_no_other(root: Path, own: Path) -> None:
    binary = Videos(davis=root, benchmark="davis2016")
    with pytest.raises(UserError, match=r"davis: has annotations of objects, .*, as .*/davis does"):
        open_trees(binary, root)
    (own / "Annotations/480p/ant/00004.png").unlink()
    with pytest.raises(UserError, match=r"ant: 00004.png is missing"):
        open_trees(binary, own)
    listed = own / "ImageSets/480p/val.txt"
    listed.write_text(listed.read_text().partition("/JPEGImages/480p/bee")[0])
    with pytest.raises(ProblemsError, match=r"bee: unknown sequence; val has ant"):
        open_trees(binary, own)


def test_annotations_of_other_sizes_are_all_named(root: Path, own: Path, masks: Path) -> None:
    trees = open_trees(Videos(davis=root, benchmark="davis2016"), own)
    for number in (1, 2):
        path = own / f"Annotations/480p/ant/{number:05d}.png"
        save(path, np.zeros((3, 4), np.uint8), "L")
    with pytest.raises(ProblemsError) as caught:
        measure_frames(trees, masks, variant="mine", seed=None)
    assert [problem.partition(": ")[2] for problem in caught.value.problems] == [
        "is 4x3, its mask is 48x36; they must match (scale 0.0833)"
    ] * 2


# ---- which gives a figure ----


def test_a_figure_is_found_within_its_rounding() -> None:
    found = conventions_of(frames_table(made()), {"val": ["ant", "bee"]})
    for figure, names in ((50.0, {"J"}), (50.05, {"J"}), (37.45, {"J&F"}), (99.0, set())):
        near = matches_of(found, figure)
        assert {*near} >= names if names else near == {}
    assert "official" in matches(found, 50.04)
    text = matches(found, 62.5)
    assert text.startswith("62.5, within 0.05, is given by:\n")
    assert "J 62.50: mean over sequences; first and last frame: not scored;" in text
    assert matches(found, 99.0).startswith("No convention gives 99 within 0.05; the nearest is ")


def test_the_table_in_print() -> None:
    found = conventions_of(frames_table(made()), {"val": ["ant", "bee"], "some": ["bee"]})
    lines = printed(found).splitlines()
    rows = [line for line in lines if line.startswith("| ") and "Convention" not in line]
    assert len(rows) == len(found)
    assert [cell.strip() for cell in rows[0].split("|")[1:-1]] == [
        *("official", "objects", "not scored", "counted", "DAVIS", "37.50", "50.00", "25.00")
    ]
    assert "**some, on annotations of objects**" in lines


@pytest.mark.slow
def test_published_masks_have_their_known_scores(shared: Path, tmp_path: Path) -> None:
    published = shared / "golden/published_masks"
    golden = [row for row in table(published / "scores.csv") if row["method"] == "osvos"][:4]
    names = [row["sequence"] for row in golden]
    tree = tree_of(tmp_path, shared / "davis2016/Annotations/480p", "2016", names)
    videos = Videos(davis=tree, benchmark="davis2016")
    frames = measure_frames([videos], published / "osvos", variant="osvos", seed=None)
    first = conventions_of(frames_table(frames), {"val": names}).iloc[0]
    assert first["official"]
    assert first["annotation"] == "foreground"
    for name in "JF":
        mean = np.mean([float(row[f"{name}_mean"]) for row in golden])
        assert first[name] == pytest.approx(mean, abs=1e-9)
