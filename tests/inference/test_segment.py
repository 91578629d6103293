"""Folders of masks: what the propagator says, whole or not at all, and only what is missing."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.davis_tree import open_sequence
from support.videos import CPU, Labels, boxes, video

from rgmp.config.method import Inference
from rgmp.data import davis
from rgmp.data.images import read_frame, read_labels
from rgmp.data.sequence import Sequence
from rgmp.errors import UserError
from rgmp.inference import segment
from rgmp.inference.propagator import Propagator
from rgmp.inference.segment import segment_sequence, segment_split
from rgmp.model.network import RGMP


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two videos of three frames and one of a single frame."""
    root = tmp_path / "davis"
    for seed, (name, frames) in enumerate({"bear": 3, "camel": 3, "still": 1}.items()):
        labels = boxes(40, 50, (5, 5, 20, 20), (15, 25, 40, 50))
        labels[0, 0] = davis.VOID
        folder = root / "JPEGImages/480p" / name
        folder.mkdir(parents=True)
        for i, frame in enumerate(video(frames, 40, 50, seed)):
            Image.fromarray(frame).save(folder / f"{i:05d}.jpg")
        davis.write_mask(root / "Annotations/480p" / name / "00000.png", labels)
    return root


NAMES = ["bear", "camel", "still"]
MAKER = {"weights": "a", "settings": "b"}


def split(tree: Path) -> list[Sequence]:
    return [open_sequence(tree, name) for name in NAMES]


def segmented(tree: Path, network: RGMP, out: Path, maker: dict[str, str] = MAKER) -> list[int]:
    told: list[int] = []
    propagator = Propagator(network, Inference(), CPU)
    segment_split(propagator, split(tree), out, maker, told.append)
    return told


def contents(folder: Path) -> dict[str, bytes]:
    files = (p for p in sorted(folder.rglob("*")) if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_masks_are_what_the_propagator_says_in_davis_palette(
    tree: Path, network: RGMP, tmp_path: Path
) -> None:
    assert segmented(tree, network, tmp_path / "masks") == [3, 6, 7]
    assert set(contents(tmp_path / "masks")) == {
        ".made-by.json",
        *(f"{name}/{i:05d}.png" for name in NAMES[:2] for i in range(3)),
        "still/00000.png",
    }
    sequence = open_sequence(tree, "camel")
    propagator = Propagator(network, Inference(), CPU)
    truth = read_labels(sequence.annotations[0])
    propagator.start(read_frame(sequence.frames[0]), truth)
    expected = [np.where(truth == davis.VOID, 0, truth)]
    expected += [propagator.step(read_frame(f)).numpy() for f in sequence.frames[1:]]
    for i, wanted in enumerate(expected):
        with Image.open(tmp_path / "masks/camel" / f"{i:05d}.png") as image:
            assert (image.format, image.mode, image.size) == ("PNG", "P", (50, 40))
            palette = image.getpalette()
            assert palette is not None
            assert palette[:12] == [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]
            np.testing.assert_array_equal(np.asarray(image), wanted)


def test_davis2016_is_one_object(tree: Path, network: RGMP, tmp_path: Path) -> None:
    sequence = open_sequence(tree, "bear", "davis2016")
    propagator = Propagator(network, Inference(), CPU)
    segment_sequence(propagator, sequence, tmp_path / "bear")
    assert propagator.objects == [1]
    first = read_labels(tmp_path / "bear/00000.png")
    np.testing.assert_array_equal(first, read_labels(sequence.annotations[0]) > 0)


def test_finished_sequences_are_kept(
    tree: Path, network: RGMP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "masks"
    segmented(tree, network, out)
    whole = contents(out)
    davis.write_mask(out / "bear/00002.png", np.full((40, 50), 7, np.uint8))
    for path in (out / "camel").iterdir():
        path.unlink()
    (out / "camel").rmdir()
    made: list[str] = []
    real = segment.segment_sequence

    def counted(p: Propagator, s: Sequence, o: Path) -> None:
        made.append(s.name)
        real(p, s, o)

    monkeypatch.setattr(segment, "segment_sequence", counted)
    assert segmented(tree, network, out) == [3, 6, 7]
    assert made == ["camel"]
    again = contents(out)
    assert again.pop("bear/00002.png") != whole.pop("bear/00002.png")
    assert again == whole


@pytest.mark.parametrize("link", [False, True])
def test_what_another_maker_left_is_removed(
    tree: Path, network: RGMP, tmp_path: Path, link: bool
) -> None:
    out = tmp_path / "masks"
    if link:
        (tmp_path / "elsewhere").mkdir()
        out.symlink_to(tmp_path / "elsewhere")
    segmented(tree, network, out, {"weights": "old", "settings": "b"})
    davis.write_mask(out / "bear/00002.png", np.full((40, 50), 7, np.uint8))
    davis.write_mask(out / "swan/00000.png", np.full((40, 50), 7, np.uint8))
    davis.write_mask(out / "duck/frame_00005.png", np.full((40, 50), 7, np.uint8))
    half = out / ".camel.x/camel/.00000.png.x"  # of a run that was killed
    davis.write_mask(half / "00000.png", np.full((40, 50), 7, np.uint8))
    segmented(tree, network, out)
    segmented(tree, network, tmp_path / "fresh")
    assert contents(out) == contents(tmp_path / "fresh")
    assert json.loads((out / ".made-by.json").read_text()) == MAKER


@pytest.mark.parametrize("name", ["notes", "bear/notes", "photographs/1.jpg", "link"])
def test_what_no_run_made_is_not_removed_with_what_another_maker_left(
    tree: Path, network: RGMP, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "masks"
    segmented(tree, network, out, {"weights": "old"})
    (out / name).parent.mkdir(exist_ok=True)
    if name == "link":
        (out / name).symlink_to(tree)
    else:
        (out / name).write_text("precious")
    before = contents(out)
    with pytest.raises(UserError, match=r"masks/\w+: not a folder of masks.*move it away"):
        segmented(tree, network, out)
    assert contents(out) == before


def test_folder_of_other_files_is_refused_and_left(
    tree: Path, network: RGMP, tmp_path: Path
) -> None:
    out = tmp_path / "photographs"
    out.mkdir()
    (out / "holiday.jpg").write_text("sun")
    with pytest.raises(UserError, match="photographs: contains other files"):
        segmented(tree, network, out)
    assert contents(out) == {"holiday.jpg": b"sun"}


def test_file_in_place_of_the_folder_is_refused(tree: Path, network: RGMP, tmp_path: Path) -> None:
    (tmp_path / "masks").write_text("no folder")
    with pytest.raises(UserError, match="masks"):
        segmented(tree, network, tmp_path / "masks")


def spoil_frame(tree: Path) -> Path:
    path = tree / "JPEGImages/480p/camel/00002.jpg"
    path.write_bytes(path.read_bytes()[:500])
    return path


def shrink_frame(tree: Path) -> Path:
    path = tree / "JPEGImages/480p/camel/00001.jpg"
    Image.new("RGB", (50, 8)).save(path)
    return path


def shrink_annotation(tree: Path) -> Path:
    davis.write_mask(tree / "Annotations/480p/camel/00000.png", np.ones((8, 50), np.uint8))
    return tree / "JPEGImages/480p/camel/00000.jpg"


def empty_annotation(tree: Path) -> Path:
    davis.write_mask(tree / "Annotations/480p/camel/00000.png", np.zeros((40, 50), np.uint8))
    return tree / "JPEGImages/480p/camel/00000.jpg"


@pytest.mark.parametrize("fault", [spoil_frame, shrink_frame, shrink_annotation, empty_annotation])
def test_broken_sequence_is_named_and_leaves_nothing(
    tree: Path, network: RGMP, tmp_path: Path, fault: Callable[[Path], Path]
) -> None:
    path = fault(tree)
    with pytest.raises(UserError, match=path.as_posix()) as caught:
        segmented(tree, network, tmp_path / "masks")
    assert "\n" not in str(caught.value)
    assert {p.name for p in (tmp_path / "masks").iterdir()} == {".made-by.json", "bear"}


KILLED = """
import sys, time
from pathlib import Path
import torch
sys.path[:0] = sys.argv[3:]
from support.videos import random_network
from test_segment import segmented
from rgmp.data import davis

real = davis.write_mask
def stuck(path, labels):
    real(path, labels)
    if path.parent.name == "camel" and path.name == "00001.png":
        print("half", flush=True)
        time.sleep(600)
davis.write_mask = stuck
segmented(Path(sys.argv[1]), random_network(), Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_killed_sequence_leaves_nothing_to_take_for_whole(
    tree: Path, network: RGMP, tmp_path: Path
) -> None:
    out = tmp_path / "masks"
    command = [sys.executable, "-c", KILLED, *map(str, (tree, out, *Path(__file__).parents[:2]))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert {p.name for p in out.iterdir() if not p.name.startswith(".")} == {"bear"}
    segmented(tree, network, out)
    segmented(tree, network, tmp_path / "fresh")
    assert sorted(p.relative_to(out) for p in out.rglob("*")) == sorted(
        p.relative_to(tmp_path / "fresh") for p in (tmp_path / "fresh").rglob("*")
    )
    assert contents(out) == contents(tmp_path / "fresh")


def test_frames_are_read_ahead_in_order_and_not_all_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths = [Path(f"{i:05d}.jpg") for i in range(50)]
    read: list[Path] = []

    def reading(path: Path) -> Labels:
        read.append(path)
        return np.array([int(path.stem)], np.uint8)

    monkeypatch.setattr(segment, "read_frame", reading)
    for number, (path, frame) in enumerate(segment._read_ahead(paths, segment.Waits())):
        assert (path, int(frame[0])) == (paths[number], number)
        assert len(read) <= number + segment._WAITING
    assert len(read) == 50


def test_waiting_for_a_slow_disk_is_counted(
    tree: Path, network: RGMP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the first frame at least: others are decoded meanwhile; at the end of the last mask."""

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def slower(*arguments: Any) -> Any:
            time.sleep(0.5)
            return function(*arguments)

        return slower

    monkeypatch.setattr(segment, "read_frame", slow(read_frame))
    monkeypatch.setattr(davis, "write_mask", slow(davis.write_mask))
    propagator = Propagator(network, Inference(), CPU)
    waits = segment_sequence(propagator, open_sequence(tree, "bear"), tmp_path / "masks")
    assert waits.reading > 0.25
    assert waits.writing > 0.25


def test_a_mask_that_cannot_be_written_is_said(
    tree: Path, network: RGMP, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, _: Labels) -> None:
        raise UserError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr(davis, "write_mask", full)
    with pytest.raises(UserError, match="No space left"):
        segmented(tree, network, tmp_path / "masks")
    assert not (tmp_path / "masks/bear").exists()
