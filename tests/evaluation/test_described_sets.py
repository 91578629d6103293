"""Scores on data sets that are not DAVIS, worked out by hand: sparse truth, objects that appear."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.described_sets import (
    DATASETS,
    FOUR,
    LATE,
    ONE,
    VIDEO,
    Boxes,
    labels,
    videos_of,
    write_video,
    write_youtube_vos,
    youtube_vos,
)

from rgmp.config.dataset import of_two_folders
from rgmp.config.load import load_dataset
from rgmp.data.davis import write_mask
from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError, UserError
from rgmp.evaluation.bounds import score_bounds
from rgmp.evaluation.external_scores import adopt
from rgmp.evaluation.official import require_known
from rgmp.evaluation.score_table import table_of, write_scores
from rgmp.evaluation.scoring import judge, score, score_sequence
from rgmp.evaluation.summary import per_object, summarise

HALF_OF_ONE, DOUBLE_FOUR, ELSEWHERE = (5, 10, 10, 20), (20, 30, 30, 50), (0, 4, 50, 60)


def write_masks(folder: Path, video: Mapping[str, Boxes]) -> Path:
    for name, boxes in video.items():
        write_mask(folder / f"{name}.png", labels(boxes))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_youtube_vos(tmp_path / "set")


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Of every frame of 0a1b, annotated or not, and of the annotated ones of ff00."""
    made: dict[str, Boxes] = {name: {1: ONE} for name in VIDEO}
    made |= {"00000": {}, "00010": {1: ONE}}
    made |= {"00020": {1: HALF_OF_ONE, 4: FOUR}, "00030": {1: ELSEWHERE, 4: DOUBLE_FOUR}}
    write_masks(tmp_path / "masks/0a1b", made)
    write_masks(tmp_path / "masks/ff00", {name: boxes or {} for name, boxes in LATE.items()})
    return tmp_path / "masks"


EXPECTED = {
    # object 1 is given in 00000, 4 in 00010; what is between is not annotated
    ("0a1b", 1): {"00010": 1.0, "00020": 0.5, "00030": 0.0},
    ("0a1b", 4): {"00020": 1.0, "00030": 0.5},
    # nothing is in 00005; 7 is given in 00010, 2 in 00015
    ("ff00", 7): {"00015": 1.0, "00020": 1.0},
    ("ff00", 2): {"00020": 1.0},
}


def test_scores_are_those_worked_out_by_hand(root: Path, masks: Path) -> None:
    rows = score(youtube_vos(root), masks, variant="v", seed=None)
    found: dict[tuple[str, int], dict[str, float]] = {}
    for row in rows:
        found.setdefault((row.sequence, row.object), {})[row.frame] = row.J
    assert found == EXPECTED
    assert {row.benchmark for row in rows} == {"described"}
    order = [(row.sequence, row.frame, row.object) for row in rows]
    assert order == sorted(order)
    objects = per_object(table_of(rows))
    assert objects["J_mean"].tolist() == [0.5, 0.75, 1.0, 1.0]
    assert summarise(objects)["J_mean"].tolist() == [(0.5 + 0.75 + 1 + 1) / 4]
    assert score(youtube_vos(root), masks, variant="v", seed=None, processes=2) == rows


def test_masks_of_ours_are_scored_alike(root: Path, masks: Path) -> None:
    videos = youtube_vos(root)
    rows = [
        row
        for sequence in videos.open()
        for row in score_sequence(
            sequence, "described", masks / sequence.name, variant="v", seed=None
        )
    ]
    assert rows == score(videos, masks, variant="v", seed=None)


def test_it_is_said_that_annotated_frames_alone_are_scored(root: Path, masks: Path) -> None:
    assert judge(youtube_vos(root), masks, variant="v", seed=None).notes == [
        "4 of 7 frames are annotated in 0a1b; these alone are scored"
    ]
    for name in ("00005", "00015", "00025"):  # and masks of them may be absent
        (masks / f"0a1b/{name}.png").unlink()
    assert not judge(youtube_vos(root), masks, variant="v", seed=None).problems


def test_the_last_frame_is_scored_or_not_as_the_description_says(root: Path, masks: Path) -> None:
    dataset = load_dataset(DATASETS / "youtube_vos.yaml").model_copy(update={"score_last": False})
    rows = score(videos_of(root, dataset, "train"), masks, variant="v", seed=None)
    kept = {("0a1b", 1, "00010"), ("0a1b", 1, "00020"), ("0a1b", 4, "00020"), ("ff00", 7, "00015")}
    assert {(row.sequence, row.object, row.frame) for row in rows} == kept


def test_masks_that_lack_or_have_too_much_are_refused(root: Path, masks: Path) -> None:
    write_mask(masks / "0a1b/00020.png", labels({1: ONE, 3: FOUR}))
    (masks / "0a1b/00030.png").unlink()
    shutil.copy(masks / "0a1b/00000.png", masks / "0a1b/00031.png")
    with pytest.raises(ProblemsError) as refused:
        score(youtube_vos(root), masks, variant="v", seed=None)
    folder = masks / "0a1b"
    assert list(refused.value.problems) == [
        f"{folder}: missing 00030.png",
        f"{folder}: no frame for 00031.png",
        f"{folder}/00020.png: unknown object 3; allowed: 0, 1, 4",
    ]


def test_truth_that_is_withheld_is_told_from_truth_that_is_sparse(tmp_path: Path) -> None:
    given: dict[str, Boxes | None] = {**dict.fromkeys(VIDEO), "00000": {1: ONE}, "00010": {4: FOUR}}
    write_video(tmp_path / "valid", "0a1b", given)
    with pytest.raises(UserError, match="each of the 2 annotations gives an object, so that their"):
        score(
            youtube_vos(tmp_path, "valid"), tmp_path / "valid/Annotations", variant="v", seed=None
        )


def test_the_floor_keeps_each_object_where_it_was_given(root: Path) -> None:
    for name in ("00020", "00030"):  # both objects move by half their width
        moved = {1: (5, 15, 15, 25), 4: (20, 30, 35, 45)}
        write_mask(root / f"train/Annotations/0a1b/{name}.png", labels(moved))
    rows = score_bounds(youtube_vos(root).model_copy(update={"sequences": ("0a1b",)}))
    floor = {(row.object, row.frame): row.J for row in rows if row.variant == "floor"}
    assert floor == pytest.approx(
        {(1, "00010"): 1, (1, "00020"): 1 / 3, (1, "00030"): 1 / 3}
        | {(4, "00020"): 1 / 3, (4, "00030"): 1 / 3}
    )


def test_a_table_of_scores_has_the_frames_in_which_each_object_is_scored(
    root: Path, masks: Path, tmp_path: Path
) -> None:
    rows = score(youtube_vos(root), masks, variant="v", seed=None)
    write_scores(tmp_path / "a.csv", table_of(rows))
    assert adopt(youtube_vos(root), tmp_path / "a.csv", variant="v") == rows
    write_scores(tmp_path / "a.csv", table_of(rows[1:]))
    with pytest.raises(UserError, match=r"0a1b, object 1: missing frame 00010"):
        adopt(youtube_vos(root), tmp_path / "a.csv", variant="v")


def test_the_official_evaluator_refuses_what_it_does_not_know(root: Path) -> None:
    require_known(Videos(davis=root, benchmark="davis2017"))
    with pytest.raises(UserError, match=r"knows DAVIS alone, not .* as it is described"):
        require_known(youtube_vos(root))


# ---- two folders ----


def bare(folder: Path, benchmark: str = "davis2017") -> Videos:
    return Videos(davis=folder, benchmark=benchmark, dataset=of_two_folders(benchmark))


def test_two_folders_have_the_scores_that_a_davis_tree_has(tree: Path, tmp_path: Path) -> None:
    truth = tree / "Annotations/480p"
    shutil.copytree(truth / "val_b", tmp_path / "masks/val_a")
    for year in ("davis2016", "davis2017"):
        one = ("val_a",)
        known = Videos(davis=tree, benchmark=year, sequences=one)
        expected = score(known, tmp_path / "masks", variant="v", seed=None)
        videos = bare(truth, year).model_copy(update={"sequences": one})
        assert score(videos, tmp_path / "masks", variant="v", seed=None) == expected


def test_two_folders_do_not_say_when_a_late_object_is_given(root: Path, masks: Path) -> None:
    videos = bare(root / "train/Annotations").model_copy(update={"sequences": ("0a1b",)})
    with pytest.raises(UserError, match=r"00010\.png: object 4, which the first annotation lacks"):
        score(videos, masks, variant="v", seed=None)
