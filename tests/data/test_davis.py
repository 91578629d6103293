"""A DAVIS tree is read as its own tools read it, and whatever is wrong with one is named."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.davis_tree import open_sequence, read_annotation, read_split
from support.tiny_study import (
    FRAMES,
    HEIGHT,
    PAIR,
    WIDTH,
    annotation,
    frame,
    make_archive_of_2016,
)

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.config.dataset import DAVIS
from rgmp.data import davis
from rgmp.data.annotations import Annotation, annotation_of
from rgmp.data.check import check_videos
from rgmp.data.digests import digest_of_masks
from rgmp.data.images import read_labels
from rgmp.data.sequence import Sequence
from rgmp.data.videos import Videos
from rgmp.errors import UserError


def problems(tree: Path, benchmark: Benchmark = "davis2017", split: str = "val") -> list[str]:
    return check_videos(Videos(davis=tree, benchmark=benchmark, split=split)).problems


# ---- masks ----


def test_palette_is_that_of_davis() -> None:
    palette = np.frombuffer(davis.PALETTE, np.uint8).reshape(256, 3)
    known = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128)]
    known += [(0, 128, 128), (128, 128, 128), (64, 0, 0), (192, 0, 0), (64, 128, 0)]
    assert palette[: len(known)].tolist() == [list(colour) for colour in known]
    assert palette[255].tolist() == [224, 224, 192]
    assert len(np.unique(palette, axis=0)) == 256


def test_void_becomes_background_and_nothing_else_changes() -> None:
    labels = np.array([[0, 1], [255, 254]], np.uint8)
    found = davis.without_void(labels)
    assert found.tolist() == [[0, 1], [0, 254]]
    assert found.dtype == np.uint8


def test_mask_written_is_read_again_and_has_the_palette(tmp_path: Path) -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    davis.write_mask(tmp_path / "deep" / "00000.png", labels)
    assert (read_labels(tmp_path / "deep" / "00000.png") == labels).all()
    with Image.open(tmp_path / "deep" / "00000.png") as image:
        assert image.mode == "P"
        assert image.getpalette() == list(davis.PALETTE)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["00000.png"]


def test_davis_own_masks_have_this_palette(shared: Path) -> None:
    path = next((shared / "davis2017_first_frames").rglob("*.png"))
    with Image.open(path) as image:
        palette = bytes(image.getpalette() or [])
    assert palette == davis.PALETTE[: len(palette)]


def test_masks_are_read_as_the_benchmark_means_them(tmp_path: Path) -> None:
    def saved(name: str, pixels: np.ndarray) -> Path:
        Image.fromarray(pixels).save(tmp_path / name)
        return tmp_path / name

    half = np.array([[0, 1]], np.uint8)
    one_bit = saved("one_bit.png", half == 1)
    assert read_labels(one_bit).tolist() == [[0, 1]]
    assert read_labels(one_bit).dtype == np.uint8
    grey = saved("grey.png", np.array([[0, 2, 255]], np.uint8))
    assert read_annotation(grey, "davis2017").tolist() == [[0, 2, 255]]
    assert read_annotation(grey, "davis2016").tolist() == [[0, 1, 1]]
    assert read_annotation(saved("2016.png", 255 * half), "davis2016").tolist() == [[0, 1]]


def test_objects_are_those_up_to_the_largest_id() -> None:
    def ids(*values: int) -> list[int]:
        return davis.object_ids(np.array([values], np.uint8))

    assert ids(0, 1, 2) == [1, 2]
    assert ids(0, 3) == [1, 2, 3]
    assert ids(0, 1, 255) == [1]
    assert ids(0, 255) == ids(0) == []


def put_fifo(path: Path) -> None:
    os.mkfifo(path)


def put_link_to_nowhere(path: Path) -> None:
    path.symlink_to("nowhere")


def put_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def put_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


each_that_is_no_file = pytest.mark.parametrize(
    ("put", "why"),
    [
        (put_fifo, "is a FIFO, not a file"),
        (put_device, "is a device, not a file"),
        (put_link_to_nowhere, "broken link to nowhere"),
        (put_link_to_itself, "Too many levels of symbolic links"),
        (Path.mkdir, "is a folder, not a file"),
    ],
)


@each_that_is_no_file
def test_frame_or_mask_that_is_no_file_is_named(
    tree: Path, put: Callable[[Path], None], why: str
) -> None:
    paths = [frame(tree, 2), annotation(tree, 3)]
    for path in paths:
        path.unlink()
        put(path)
    assert [line.split("; ")[0] for line in problems(tree)] == [
        f"{path}: cannot be read ({why})" for path in paths
    ]


def test_split_keeps_the_order_of_its_file(tree: Path) -> None:
    (tree / "ImageSets/2017/val.txt").write_text("val_b\r\n\nval_a")
    assert read_split(tree, "davis2017", "val") == ["val_b", "val_a"]
    (tree / "ImageSets/2017/val.txt").write_bytes("\ufeffval_a\n".encode())  # as some editors do
    assert read_split(tree, "davis2017", "val") == ["val_a"]


@pytest.mark.parametrize(
    "line",
    ["../train_a", "val_a/..", "/etc", "..", ".", "val_a/", "/JPEGImages/480p/val_a/00000.jpg"],
)
def test_split_leads_nowhere_else(tree: Path, line: str) -> None:
    path = tree / "ImageSets/2017/val.txt"
    path.write_text(f"val_b\n{line}\n")
    with pytest.raises(
        UserError, match=rf"^{path}: {re.escape(repr(line))} is not a sequence name"
    ):
        read_split(tree, "davis2017", "val")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lists no sequence"),
        ("\n", "lists no sequence"),
        ("val_a\nval_b\nval_a\n", "lists val_a 2 times"),
    ],
)
def test_split_that_is_empty_or_names_a_sequence_twice_is_refused(
    tree: Path, text: str, said: str
) -> None:
    path = tree / "ImageSets/2016/val.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"^{path}: {said};"):
        read_split(tree, "davis2016", "val")


def test_split_that_is_not_there_is_named_with_those_that_are(tree: Path) -> None:
    with pytest.raises(UserError, match=r"2017/vall\.txt: no such split; .*: train, val;"):
        read_split(tree, "davis2017", "vall")
    with pytest.raises(
        UserError, match=r"none; name the folder that has ImageSets, JPEGImages and"
    ):
        read_split(tree / "JPEGImages", "davis2017", "val")
    (tree / "ImageSets/2017/val.txt").write_bytes(b"\xff\xfe\x00")
    assert len(problems(tree)) == 1


@pytest.fixture
def archive(tree: Path) -> Path:
    """DAVIS-2016 as its archive has it: lists of frames, and masks of 0 and 255."""
    make_archive_of_2016(tree)
    return tree


def test_archive_of_davis_2016_is_read_as_published(archive: Path) -> None:
    assert read_split(archive, "davis2016", "val") == ["val_b", "val_a"]
    for split in ("train", "val"):
        assert problems(archive, "davis2016", split) == []
    with pytest.raises(UserError, match=r"2016/vall\.txt: no such split; .*: train, val;"):
        read_split(archive, "davis2016", "vall")
    with pytest.raises(UserError, match=r"2017/val\.txt: no such split; .*: none;"):
        read_split(archive, "davis2017", "val")


def test_both_archives_in_one_tree_have_the_lists_of_sequences(tree: Path) -> None:
    """What DAVIS-2017 has goes first; DAVIS-2016's lists of frames serve for what it lacks."""
    path = tree / "ImageSets/480p/val.txt"
    path.parent.mkdir()
    path.write_text(PAIR.format("val_b", 0))
    assert read_split(tree, "davis2016", "val") == ["val_a", "val_b"]
    (tree / "ImageSets/2016/val.txt").unlink()
    assert read_split(tree, "davis2016", "val") == ["val_b"]
    assert read_split(tree, "davis2017", "val") == ["val_a", "val_b"]


@pytest.mark.parametrize(
    "line",
    [
        "val_a",
        "/JPEGImages/480p/val_a/00000.jpg",
        "/JPEGImages/480p/val_a/00000.jpg /Annotations/480p/val_b/00000.png",
        "/JPEGImages/480p/val_a/00000.jpg /Annotations/480p/val_a/00001.png",
        "/JPEGImages/480p/../00000.jpg /Annotations/480p/../00000.png",
        "/JPEGImages/480p/val_a/b/0.jpg /Annotations/480p/val_a/b/0.png",
        "JPEGImages/480p/val_a/00000.jpg Annotations/480p/val_a/00000.png",
        "/Annotations/480p/val_a/00000.png /JPEGImages/480p/val_a/00000.jpg",
    ],
)
def test_list_of_frames_that_is_none(archive: Path, line: str) -> None:
    path = archive / "ImageSets/480p/val.txt"
    path.write_text(f"{PAIR.format('val_b', 0)}\n{line}\n")
    with pytest.raises(UserError, match=rf"^{path}: line 3 is no frame and its annotation; allow"):
        read_split(archive, "davis2016", "val")
    path.write_text("\n")
    with pytest.raises(UserError, match=rf"^{path}: lists no frame"):
        read_split(archive, "davis2016", "val")


def test_kind_of_annotations(tree: Path) -> None:
    """As their frames 0 tell, of all sequences."""
    names = ("val_a", "val_b")

    def kind(benchmark: Benchmark = "davis2016") -> Annotation:
        return annotation_of([open_sequence(tree, name, benchmark) for name in names])

    assert (kind(), kind("davis2017")) == ("objects_made_binary", "objects")
    for name, expected in zip(names, ("mixed", "foreground"), strict=True):
        path = annotation(tree, 0, name)
        labels = read_annotation(path, "davis2016")
        Image.fromarray(255 * labels).save(path)
        assert kind() == expected


def test_sequence_has_its_files_in_order(tree: Path) -> None:
    sequence = open_sequence(tree, "val_a")
    stems = ["00000", "00001", "00002", "00003"]
    assert [path.stem for path in sequence.frames] == stems
    assert [path.stem for path in sequence.annotations] == stems
    assert sequence.files == sequence.frames + sequence.annotations
    assert [path.stem for path in sequence.scored] == stems[1:-1]


def test_truth_of_later_frames_may_be_withheld_in_a_test_split_alone(tree: Path) -> None:
    for number in range(1, FRAMES):
        annotation(tree, number).unlink()
    assert open_sequence(tree, "val_a").annotations == (annotation(tree, 0),)
    (tree / "ImageSets/2017/test-dev.txt").write_text("val_a\n")
    assert problems(tree, split="test-dev") == []
    (line,) = problems(tree)
    folder = annotation(tree, 0).parent
    assert line.startswith(f"{folder}: 1 of {FRAMES} frames annotated;")


def test_files_that_an_archiver_left_are_no_frames(tree: Path) -> None:
    frame(tree, 0).with_name("._00000.jpg").write_bytes(b"\0")
    annotation(tree, 0).with_name("._00000.png").write_bytes(b"\0")
    assert problems(tree) == []


# ---- everything that can be wrong is found and named ----


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("split", ["train", "val"])
def test_whole_tree_has_no_problem(tree: Path, benchmark: Benchmark, split: str) -> None:
    assert problems(tree, benchmark, split) == []


def shrink(*paths: Path) -> None:
    for path in paths:
        with Image.open(path) as image:
            image.resize((WIDTH - 1, HEIGHT)).save(path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def relabel(path: Path, old: int, new: int) -> None:
    labels = read_labels(path)
    davis.write_mask(path, np.where(labels == old, new, labels).astype(np.uint8))


Fault = Callable[[Path], object]
FAULTS: dict[str, tuple[Fault, str]] = {
    "missing frame": (
        lambda tree: frame(tree, 2).unlink(),
        r"JPEGImages/480p/val_a: 00002.jpg is missing, found 00003.jpg instead",
    ),
    "missing first frame": (
        lambda tree: frame(tree, 0).unlink(),
        r"JPEGImages/480p/val_a: 00000.jpg is missing, found 00001.jpg",
    ),
    "stray frame": (
        lambda tree: frame(tree, 0).with_name("cover.jpg").touch(),
        r"JPEGImages/480p/val_a: 00004.jpg is missing, found cover.jpg instead",
    ),
    "frame with a huge number": (
        lambda tree: frame(tree, 0).with_name("20240101120000.jpg").touch(),
        r"JPEGImages/480p/val_a: 00004.jpg is missing, found 20240101120000.jpg",
    ),
    "no frames": (
        lambda tree: shutil.rmtree(frame(tree, 0).parent),
        r"JPEGImages/480p/val_a: no frames",
    ),
    "missing annotation": (
        lambda tree: annotation(tree, 2).unlink(),
        r"Annotations/480p/val_a: 00002.png is missing",
    ),
    "missing first annotation": (
        lambda tree: annotation(tree, 0).unlink(),
        r"Annotations/480p/val_a: 00000.png is missing",
    ),
    "surplus annotation": (
        lambda tree: annotation(tree, 9).touch(),
        r"Annotations/480p/val_a: 00009.png .*has no frame",
    ),
    "mask of another size": (
        lambda tree: shrink(annotation(tree, 1)),
        r"Annotations/480p/val_a/00001.png: is 71x40, its frame is 72x40",
    ),
    "frame of another size": (
        lambda tree: shrink(frame(tree, 1), annotation(tree, 1)),
        r"JPEGImages/480p/val_a/00001.jpg: is 71x40, frame 0 is 72x40",
    ),
    "truncated JPEG": (
        lambda tree: truncate(frame(tree, 3)),
        r"JPEGImages/480p/val_a/00003.jpg: not a readable image",
    ),
    "truncated PNG": (
        lambda tree: truncate(annotation(tree, 3)),
        r"Annotations/480p/val_a/00003.png: not a readable image",
    ),
    "object that frame 0 lacks": (
        lambda tree: relabel(annotation(tree, 3), 2, 5),
        r"Annotations/480p/val_a/00003.png: unknown object 5; frame 0 has 1 to 2",
    ),
    "empty frame 0": (
        lambda tree: davis.write_mask(annotation(tree, 0), np.zeros((HEIGHT, WIDTH), np.uint8)),
        r"Annotations/480p/val_a/00000.png: no object",
    ),
    "mask of colours": (
        lambda tree: Image.new("RGB", (WIDTH, HEIGHT)).save(annotation(tree, 1)),
        r"Annotations/480p/val_a/00001.png: mask of mode RGB",
    ),
    "sequence that is not there": (
        lambda tree: (tree / "ImageSets/2017/val.txt").write_text("val_b\nval_c\n"),
        r"JPEGImages/480p/val_c: no frames .* for sequence val_c",
    ),
    "no split": (
        lambda tree: (tree / "ImageSets/2017/val.txt").unlink(),
        r"ImageSets/2017/val.txt: no such split; splits of davis2017 in .*: train;",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named_once(tree: Path, fault: str) -> None:
    break_it, expected = FAULTS[fault]
    break_it(tree)
    (line,) = problems(tree)
    assert re.match(rf"{tree}/{expected}", line)
    assert "\n" not in line


def test_every_fault_is_named_not_the_first_alone(tree: Path) -> None:
    truncate(frame(tree, 1))
    truncate(annotation(tree, 2))
    frame(tree, 1, "val_b").unlink()
    named = problems(tree)
    assert [line.split(": ")[0] for line in named] == [
        str(path) for path in (frame(tree, 1), annotation(tree, 2), frame(tree, 1, "val_b").parent)
    ]


def test_masks_of_davis_2016_have_no_objects_for_davis_2017(tree: Path) -> None:
    for number in range(FRAMES):
        labels = read_annotation(annotation(tree, number), "davis2016")
        Image.fromarray(255 * labels).save(annotation(tree, number))
    assert problems(tree, "davis2016") == []
    (line,) = problems(tree, "davis2017")
    assert line.startswith(f"{annotation(tree, 0)}: no object but 255, as in DAVIS-2016's archive;")


@each_that_is_no_file
def test_split_that_is_no_file_is_named(tree: Path, put: Callable[[Path], None], why: str) -> None:
    path = tree / "ImageSets/2017/val.txt"
    path.unlink()
    with pytest.raises(UserError, match=rf"^{path}: no such split"):
        read_split(tree, "davis2017", "val")
    put(path)
    with pytest.raises(UserError, match=rf"^{path}: cannot be read \({why}\); name"):
        read_split(tree, "davis2017", "val")


def test_folder_of_frames_that_may_not_be_read_is_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superuser may read any: the system's answer is feigned."""

    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    folder = tree / "JPEGImages/480p/val_a"
    with pytest.raises(UserError, match=rf"^{folder}: cannot be read \(Permission denied\); name"):
        open_sequence(tree, "val_a")


def test_hidden_files_are_no_masks_for_any_reader(tmp_path: Path) -> None:
    for name in ("00001.png", "00000.png"):
        davis.write_mask(tmp_path / "ant" / name, np.zeros((4, 5), np.uint8))
    sequences = [Sequence("ant", (), (), DAVIS["davis2017"])]
    before = digest_of_masks({s.name: tmp_path / s.name for s in sequences})
    (tmp_path / "ant/._00000.png").write_bytes(b"an archiver's")
    assert digest_of_masks({s.name: tmp_path / s.name for s in sequences}) == before
    masks = davis.masks_in(tmp_path / "ant")
    assert [path.name for path in masks] == ["00000.png", "00001.png"]
    assert davis.masks_in(tmp_path / "bee") == ()
