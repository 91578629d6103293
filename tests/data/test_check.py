"""Of a tree of DAVIS everything that is wrong is found at once, and a part of it is no problem."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tiny_study import FRAMES, HEIGHT, annotation, frame

from rgmp.config.base import Benchmark
from rgmp.data import check, davis
from rgmp.data.check import Checked, check_videos
from rgmp.data.images import read_labels
from rgmp.data.known import Known, known_sequences, official
from rgmp.data.videos import Videos

RESOLUTION = f"{HEIGHT}p"


def test_what_is_known_of_davis() -> None:
    known = known_sequences("davis2017")
    assert known["gold-fish"] == Known("val", 78, 5)
    assert known["bear"] == Known("train", 82, None)
    assert sum(one.frames for one in known.values()) == 6208
    counts = [len(official(b, s)) for b in ("davis2016", "davis2017") for s in ("train", "val")]
    assert counts == [30, 20, 60, 30]
    assert official("davis2017", "test-dev") == set()


@pytest.fixture
def known(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny tree as if its sequences were those of DAVIS, in its own resolution."""
    for kind in ("JPEGImages", "Annotations"):
        (tree / kind / "480p").rename(tree / kind / RESOLUTION)
        (tree / kind / "480p").symlink_to(RESOLUTION)  # where the helpers look
    facts = {
        f"{split}_{letter}": Known(split, FRAMES, 2 if split == "val" else None)
        for split in ("train", "val")
        for letter in "ab"
    }
    monkeypatch.setattr(check, "known_sequences", lambda _: facts)

    def of_split(benchmark: Benchmark, split: str) -> set[str]:
        if benchmark == "davis2016":
            return {"val_a", "train_b"} if split == "val" else {"train_a"}
        return {name for name, one in facts.items() if one.split == split}

    monkeypatch.setattr(check, "official", of_split)
    return tree


def checked(tree: Path, split: str = "val", resolution: str = RESOLUTION) -> Checked:
    videos = Videos(davis=tree, benchmark="davis2017", split=split, resolution=resolution)
    return check_videos(videos)


def test_whole_tree_has_neither_problems_nor_notes(known: Path) -> None:
    for split in ("train", "val"):
        found = checked(known, split)
        assert (found.problems, found.notes) == ([], [])
    assert found.shapes["val_a"] == {
        "frames": FRAMES,
        "annotations": FRAMES,
        "objects": 2,
        "size": "72x40",
    }


def names(tree: Path, *lines: str) -> None:
    (tree / "ImageSets/2017/val.txt").write_text("\n".join(lines))


def test_a_part_of_davis_is_said_to_be_one(known: Path) -> None:
    names(known, "val_b")
    found = checked(known)
    assert found.problems == []
    (note,) = found.notes
    assert note.startswith(
        "davis2017/val: partial: 1 of the 2 sequences of DAVIS-2017, without val"
    )
    names(known, "val_b", "train_a")
    assert [n.split(": ", 1)[1] for n in checked(known).notes][1:] == [
        "train_a: of another split of DAVIS-2017"
    ]


def test_withheld_truth_is_right_in_a_test_split(known: Path) -> None:
    (known / "ImageSets/2017/test-dev.txt").write_text("val_a\n")
    for number in range(1, FRAMES):
        annotation(known, number).unlink()
    found = checked(known, "test-dev")
    assert found.problems == []
    assert found.notes[-1].startswith("davis2017/test-dev: frame 0 alone is annotated in val_a;")


def swap(tree: Path, values: dict[int, int], *numbers: int) -> None:
    for number in numbers:
        path = annotation(tree, number)
        labels = read_labels(path)
        new = labels.copy()
        for old, value in values.items():
            new[labels == old] = value
        davis.write_mask(path, new)


def enlarge(tree: Path, factor: int) -> None:
    for number in range(FRAMES):
        path = frame(tree, number)
        with Image.open(path) as image:
            image.resize((image.width * factor, image.height * factor)).save(path)


def shade(tree: Path) -> None:
    for number in (1, 3):
        path = annotation(tree, number)
        ramp = np.linspace(0, 255, read_labels(path).size).reshape(read_labels(path).shape)
        Image.fromarray(ramp.astype(np.uint8)).save(path)


def cut(tree: Path) -> None:
    frame(tree, FRAMES - 1).unlink()
    annotation(tree, FRAMES - 1).unlink()


def rename_annotations(tree: Path, name: str) -> None:
    (tree / "Annotations").rename(tree / name)


def link_annotations(tree: Path) -> None:
    rename_annotations(tree, "Annotations_unsupervised")
    (tree / "Annotations").symlink_to("Annotations_unsupervised")


def full_resolution(tree: Path) -> None:
    (tree / f"JPEGImages/{RESOLUTION}").rename(tree / "JPEGImages/Full-Resolution")
    (tree / "JPEGImages/480p").unlink()


def all_to_void(tree: Path) -> None:
    swap(tree, {1: 255, 2: 255}, 1, 2)


A, TRUTH = f"JPEGImages/{RESOLUTION}/val_a", f"Annotations/{RESOLUTION}/val_a"
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "the list of train": (
        lambda tree: names(tree, "train_a", "train_b"),
        r"ImageSets/2017/val.txt: is the list of train of DAVIS-2017; put the 2 sequences of val",
    ),
    "the list of the other year": (
        lambda tree: names(tree, "val_a", "train_b"),
        r"ImageSets/2017/val.txt: is the list of val of DAVIS-2016; put",
    ),
    "a sequence listed twice": (
        lambda tree: names(tree, "val_a", "val_b", "val_a"),
        r"ImageSets/2017/val.txt: lists val_a 2 times;",
    ),
    "no list": (names, r"ImageSets/2017/val.txt: lists no sequence;"),
    "cut": (cut, rf"{A}: ends with frame 00002, and val_a of DAVIS-2017 with 00003 \(4 frames\)"),
    "full resolution": (
        lambda tree: enlarge(tree, 2),
        rf"{A}/00000.jpg: is 144x80, full resolution; frames in {RESOLUTION} are {HEIGHT} high;",
    ),
    "folder of full resolution": (
        full_resolution,
        rf"JPEGImages/{RESOLUTION}: no such folder; there is Full-Resolution: put that of",
    ),
    "an id is skipped": (
        lambda tree: swap(tree, {1: 3}, *range(FRAMES)),
        rf"{TRUTH}/00000.png: object 1 is missing, it has 2, 3; frame 0 must show",
    ),
    "another number of objects": (
        lambda tree: swap(tree, {2: 1}, *range(FRAMES)),
        rf"{TRUTH}/00000.png: 1 objects, 2 in DAVIS-2017, as in the annotations of another task",
    ),
    "an id that comes late": (
        lambda tree: swap(tree, {2: 3}, 2, 3),
        rf"{TRUTH}/00002.png: unknown object 3 \(and in 1 more annotations, to 00003.png\); .*uns",
    ),
    "unsupervised annotations": (
        lambda tree: rename_annotations(tree, "Annotations_unsupervised"),
        rf"Annotations/{RESOLUTION}: no such folder; Annotations_unsupervised is of another task:",
    ),
    "link to unsupervised annotations": (
        link_annotations,
        rf"Annotations/{RESOLUTION}: is a link to .*Annotations_unsupervised/{RESOLUTION}, of",
    ),
    "shades": (shade, rf"{TRUTH}/00001.png: has shades \(1, 2, 3, 4, 5, \.\.\.\), as of a mask"),
    "void alone": (all_to_void, rf"{TRUTH}/00001.png: has 255 alone, which is void, .*1 more"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_once(known: Path, fault: str) -> None:
    break_it, expected = FAULTS[fault]
    break_it(known)
    (line,) = checked(known).problems
    assert re.match(rf"{known}/{expected}", line), line


def test_all_faults_of_all_sequences_are_named_at_once(known: Path) -> None:
    """In lists and folders of both sequences, and in what is left of the files."""
    names(known, "val_a", "../x", "val_b", "val_c", "val_a")
    for number in (1, 2):
        frame(known, number).unlink()
    frame(known, 3).write_bytes(b"")
    annotation(known, 1, "val_b").unlink()
    annotation(known, 9, "val_b").touch()
    frame(known, 2, "val_b").write_bytes(b"")
    expected = [
        r"val.txt: '../x' is not a sequence name",
        r"val.txt: lists val_a 2 times",
        rf"{A}: 00001.jpg is missing, found 00003.jpg instead \(and 00002.jpg\); number",
        rf"{A}/00003.jpg: not a readable image",
        r"val_b: 00009.png has no frame; remove it",
        r"val_b: 00001.png is missing; annotate every frame",
        r"val_b/00002.jpg: not a readable image",
        r"val_c: no frames",
    ]
    found = checked(known).problems
    assert len(found) == len(expected), found
    for line, pattern in zip(found, expected, strict=True):
        assert re.search(pattern, line), line


def test_other_videos_may_have_any_length_size_and_number_of_objects(tree: Path) -> None:
    enlarge(tree, 2)
    cut(tree)
    for number in range(FRAMES - 1):
        path = annotation(tree, number)
        with Image.open(path) as image:
            image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST).save(path)
    found = checked(tree, resolution="480p")
    assert (found.problems, found.notes) == ([], [])


def test_real_parts_of_davis(shared: Path) -> None:
    """Its lists are its own: eight sequences of val are there to be trained on."""
    videos = Videos(davis=shared / "davis2016", benchmark="davis2016", split="val")
    found = check_videos(videos)
    assert found.problems == []
    (note,) = found.notes
    assert note.startswith("davis2016/val: partial: 4 of the 20 sequences of DAVIS-2016, without")
    assert found.shapes["scooter-black"] == {
        "frames": 43,
        "annotations": 43,
        "objects": 1,
        "size": "854x480",
    }
