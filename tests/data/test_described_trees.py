"""Data sets that are not DAVIS are listed as they are described; what cannot be told is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.described_sets import (
    DATASETS,
    FOUR,
    ONE,
    VIDEO,
    labels,
    videos_of,
    write_video,
    write_youtube_vos,
    youtube_vos,
)

from rgmp.config.dataset import DAVIS, Dataset, of_two_folders
from rgmp.config.load import load_dataset, validated
from rgmp.data.check import check_videos
from rgmp.data.davis import VOID, write_mask
from rgmp.data.images import read_labels
from rgmp.data.sequence import Sequence, ids_text, read_annotation
from rgmp.data.videos import Videos
from rgmp.errors import UserError

FOLDERS: dict[str, Any] = {
    "frames": "JPEGImages/{sequence}/{frame}.jpg",
    "annotations": "Annotations/{sequence}/{frame}.png",
}


def described(**settings: Any) -> Dataset:
    return Dataset.model_validate({**FOLDERS, **settings})


# ---- descriptions ----


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"frames": "/data/{sequence}/{frame}.jpg"}, "leads out of the set's folder"),
        ({"frames": "../{sequence}/{frame}.jpg"}, "leads out of the set's folder"),
        (
            {"frames": "{video}/{frame}.jpg"},
            r"unknown placeholder \{video\}; allowed: \{sequence\}",
        ),
        ({"frames": "{sequence/{frame}.jpg"}, "frames"),
        ({"frames": "{sequence}/{frame}.bmp"}, r"allowed: a path such as .*\{frame\}\.png"),
        ({"annotations": "{sequence}/{frame}.jpg"}, r"annotations \(=.*\{frame\}\.png"),
        ({"annotations": "masks/{frame}.png"}, r"annotations \(="),
        ({"pairs": "lists/{split}.txt"}, "pairs goes with sequences"),
        ({"objects": "later"}, "objects"),
        ({"void": 256}, "void"),
        ({"framse": "x"}, "unknown key framse; allowed there: frames, annotations"),
    ],
)
def test_description_that_is_none_is_refused_in_a_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=rf"^set\.yaml: .*{said}") as refused:
        validated(Dataset, {**FOLDERS, **wrong}, Path("set.yaml"))
    assert "\n" not in str(refused.value)


def test_years_of_davis_are_descriptions_that_go_without_saying(tmp_path: Path) -> None:
    for name, dataset in DAVIS.items():
        videos = Videos(davis=tmp_path, benchmark=name)
        assert videos.dataset == dataset
        assert videos.is_official
        assert videos.meaning == {}
        assert "dataset" not in videos.model_dump()
        assert Videos.model_validate(videos.model_dump(mode="json")) == videos
    with pytest.raises(UserError, match=r"ytvos.*no year of DAVIS.*davis2016, davis2017"):
        validated(Videos, {"davis": tmp_path, "benchmark": "ytvos"}, Path("x"))


def test_a_described_set_travels_with_its_description(tmp_path: Path) -> None:
    videos = youtube_vos(tmp_path)
    assert Videos.model_validate(videos.model_dump(mode="json")) == videos
    assert videos.meaning == {"objects": "appearing", "void": None}
    assert not videos.is_official


# ---- files ----


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_youtube_vos(tmp_path / "set")


def test_every_folder_is_a_sequence_and_its_frames_have_gaps(root: Path) -> None:
    videos = youtube_vos(root)
    first, second = videos.open()
    assert [first.name, second.name] == videos.names() == ["0a1b", "ff00"]
    assert first.names == [*VIDEO]
    assert first.annotated == ["00000", "00010", "00020", "00030"]
    assert [path.stem for path in first.annotated_frames] == first.annotated
    assert not first.is_fully_annotated
    assert second.is_fully_annotated
    assert check_videos(videos).problems == []
    (note,) = check_videos(videos).notes
    assert note.startswith("described/train: 4 of 7 frames are annotated in 0a1b; these alone are")
    assert check_videos(videos).shapes["ff00"] == {
        "frames": 4,
        "annotations": 4,
        "objects": 2,
        "size": "64x40",
    }


def test_lists_png_frames_and_folders_between(tmp_path: Path) -> None:
    dataset = described(
        frames="{sequence}/img/{frame}.png",
        annotations="{sequence}/gt/{frame}.png",
        sequences="{split}.txt",
        gaps=True,
    )
    for name in ("b", "a", "c"):
        for kind in ("img", "gt"):
            for number in (3, 7, 9):
                write_mask(tmp_path / name / kind / f"{name}_{number:03d}.png", labels({1: ONE}))
    (tmp_path / "val.txt").write_text("b\na\n")
    videos = videos_of(tmp_path, dataset, "val")
    assert videos.names() == ["b", "a"]
    assert videos.open()[0].names == ["b_003", "b_007", "b_009"]
    assert check_videos(videos).problems == []
    with pytest.raises(UserError, match=r"test\.txt: no such split; .*: val; name the folder"):
        videos_of(tmp_path, dataset, "test").names()


def in_train(root: Path, kind: str, name: str) -> Path:
    return root / "train" / kind / "0a1b" / name


def emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (
        lambda root: in_train(root, "Annotations", "00011.png").touch(),
        r"Annotations/0a1b: 00011\.png has no frame; remove it$",
    ),
    (
        lambda root: in_train(root, "JPEGImages", "000035.jpg").touch(),
        r"JPEGImages/0a1b: 00000\.jpg and 00030\.jpg differ in more than a number",
    ),
    (
        lambda root: in_train(root, "JPEGImages", "cover.jpg").touch(),
        r"JPEGImages/0a1b: cover\.jpg has no number",
    ),
    (
        lambda root: shutil.rmtree(in_train(root, "Annotations", "")),
        r"Annotations/0a1b: no annotation of any frame",
    ),
    (
        lambda root: emptied(in_train(root, "JPEGImages", "")),
        r"JPEGImages/0a1b: no frames",
    ),
    (lambda root: (root / "train").rename(root / "val"), r"train/JPEGImages: no such folder of"),
]


@pytest.mark.parametrize(("fault", "said"), FAULTS)
def test_what_is_wrong_with_files_is_named(
    root: Path, fault: Callable[[Path], object], said: str
) -> None:
    fault(root)
    with pytest.raises(UserError, match=said) as refused:
        youtube_vos(root).open()
    assert str(refused.value) in check_videos(youtube_vos(root)).problems


def test_where_objects_are_those_of_the_first_frame_it_has_to_be_annotated(tmp_path: Path) -> None:
    video = {**VIDEO, "00000": None}
    write_video(tmp_path, "a", video)
    sparse = described(gaps=True, sparse=True)
    with pytest.raises(UserError, match=r"00000\.png is missing, whose objects are given"):
        videos_of(tmp_path, sparse, "val").open()
    dense = described(gaps=True)
    with pytest.raises(UserError, match=r"00000\.png is missing \(and 00005.*annotate every frame"):
        videos_of(tmp_path, dense, "val").open()


def test_withheld_truth_is_no_problem_in_a_split_that_is_said_to_have_none(tmp_path: Path) -> None:
    mose = load_dataset(DATASETS / "mose.yaml")
    video = {f"{number:05d}": {1: ONE, 3: FOUR} if number == 0 else None for number in range(4)}
    for split in ("train", "valid"):
        write_video(tmp_path / split, "a", video)
    found = check_videos(videos_of(tmp_path, mose, "valid"))
    assert found.problems == []
    (note,) = found.notes
    assert note.startswith("described/valid: frame 0 alone is annotated in a; masks can be made")
    (problem,) = check_videos(videos_of(tmp_path, mose, "train")).problems
    assert "1 of 4 frames annotated; described/train needs every frame annotated" in problem


def test_truth_is_withheld_after_the_first_frame_whatever_its_name(tmp_path: Path) -> None:
    hidden = described(gaps=True, withheld=("val",))
    video = {"f_005": {1: ONE, 3: FOUR}, "f_010": None, "f_020": None}
    write_video(tmp_path, "a", video)
    videos = videos_of(tmp_path, hidden, "val")
    assert len(videos.open()[0].annotations) == 1
    assert check_videos(videos).problems == []
    write_mask(tmp_path / "Annotations/a/f_020.png", labels({1: ONE}))
    said = r"f_010\.png is missing; annotate every frame, or only the first, f_005$"
    with pytest.raises(UserError, match=said):
        videos.open()


# ---- what annotations mean ----


def one_annotation(tmp_path: Path, *values: int) -> Path:
    write_mask(tmp_path / "a.png", np.array([values], np.uint8))
    return tmp_path / "a.png"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"void": 255}, [0, 1, 9, VOID]),
        ({"void": 9}, None),
        ({}, None),
        ({"objects": "foreground"}, [0, 1, 1, 1]),
        ({"objects": "foreground", "void": 9}, [0, 1, VOID, 1]),
        ({"objects": "foreground", "void": 255}, [0, 1, 1, VOID]),
    ],
)
def test_void_and_foreground(
    tmp_path: Path, settings: dict[str, Any], expected: list[int] | None
) -> None:
    path, dataset = one_annotation(tmp_path, 0, 1, 9, 255), described(**settings)
    if expected is None:
        with pytest.raises(UserError, match=r"has 255, which is neither void .* nor allowed"):
            read_annotation(path, dataset)
    else:
        assert read_annotation(path, dataset).tolist() == [expected]
    other = one_annotation(tmp_path, 0, 1, 9)
    assert read_annotation(other, described(void=9)).tolist() == [[0, 1, VOID]]


def sequence_of(tmp_path: Path, objects: str, *frames: tuple[int, ...]) -> Sequence:
    for number, values in enumerate(frames):
        write_mask(tmp_path / f"{number:05d}.png", np.array([[0, *values]], np.uint8))
    paths = tuple(sorted(tmp_path.glob("*.png")))
    return Sequence("a", paths, paths, described(objects=objects, score_last=True, void=255))


def test_which_ids_are_objects_and_when_they_are_given(tmp_path: Path) -> None:
    frames = ((4, 2, 255), (4, 2, 7), (1, 7, 2))
    counted = sequence_of(tmp_path, "counted", *frames)
    assert counted.objects == {1: 0, 2: 0, 3: 0, 4: 0}
    first = sequence_of(tmp_path, "first", *frames)
    assert first.objects == {2: 0, 4: 0}
    appearing = sequence_of(tmp_path, "appearing", *frames)
    assert appearing.objects == {1: 2, 2: 0, 4: 0, 7: 1}
    assert [appearing.given_at(number) for number in range(3)] == [[2, 4], [7], [1]]
    assert appearing.read_given(0).tolist() == [[0, 4, 2, 0]], "void is given to nobody"
    assert appearing.read_given(1).tolist() == [[0, 0, 0, 7]]
    assert sequence_of(tmp_path, "foreground", *frames).objects == {1: 0}


def test_an_object_is_scored_from_the_annotation_after_the_one_that_gives_it(root: Path) -> None:
    sequence = youtube_vos(root).open()[0]
    assert [sequence.scored_at(number) for number in range(4)] == [[], [1], [1, 4], [1, 4]]
    assert [path.stem for path in sequence.scored] == ["00010", "00020", "00030"]
    late = youtube_vos(root).open()[1]
    assert [late.scored_at(number) for number in range(4)] == [[], [], [7], [2, 7]]
    assert late.giving == [1, 2]
    assert late.as_given.objects == {2: 1, 7: 0}
    assert late.from_first_object.annotated == ["00010", "00015", "00020"]


def test_a_sequence_without_objects_is_refused_where_they_are_needed(tmp_path: Path) -> None:
    for objects, said in (("first", "no object; frame 0 must"), ("appearing", "no object in any")):
        sequence = sequence_of(tmp_path, objects, (0,), (0,))
        with pytest.raises(UserError, match=said):
            sequence.required_objects("set")


def test_two_folders_are_read_by_the_rules_of_davis() -> None:
    dataset = of_two_folders("davis2017")
    assert (dataset.objects, dataset.void, dataset.score_last) == ("first", 255, False)
    assert of_two_folders("davis2016").objects == "foreground"
    assert of_two_folders("davis2016").void is None


def test_check_decodes_what_is_described(root: Path) -> None:
    path = in_train(root, "Annotations", "00020.png")
    write_mask(path, np.full((3, 4), 1, np.uint8))
    assert [line for line in check_videos(youtube_vos(root)).problems if "4x3" in line]
    write_mask(path, np.where(labels({1: ONE}) == 1, VOID, 0).astype(np.uint8))
    (line,) = check_videos(youtube_vos(root)).problems
    assert line.startswith(f"{path}: has 255, which is neither void in this data set nor allowed")
    with_void = youtube_vos(root).dataset.model_copy(update={"void": VOID})
    (line,) = check_videos(videos_of(root, with_void, "train")).problems
    assert line.startswith(f"{path}: has 255 alone, which is void")
    assert read_labels(path).max() == VOID


def test_ids_in_words() -> None:
    assert [ids_text(ids) for ids in ([1, 2, 3], [0, 1], [2, 4, 1])] == [
        "1 to 3",
        "0 to 1",
        "1, 2, 4",
    ]
