"""From folders of masks to rows: anyone's encodings, and every way to be wrong."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.two_boxes import FRAMES, SHAPE, Labels, labels, save

from rgmp.data.images import read_labels
from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError, UserError
from rgmp.evaluation.measures import Score, measure
from rgmp.evaluation.score_table import table_of
from rgmp.evaluation.scoring import score
from rgmp.evaluation.summary import per_object, summarise


def test_scores_every_object_of_every_frame_but_the_first_and_last(
    videos: Videos, masks: Path
) -> None:
    rows = score(videos, masks, variant="full", seed=3)
    assert [(row.sequence, row.frame, row.object) for row in rows] == [
        (name, f"{number:05d}", i)
        for name in ("bee", "ant")
        for number in (1, 2, 3)
        for i in (1, 2)
    ]
    for row in rows:
        truth, found = labels(int(row.frame)), labels(int(row.frame), shift=2)
        expected = measure(truth == row.object, found == row.object)
        assert row == Score("davis2017", "full", 3, row.sequence, row.object, row.frame, *expected)
    assert {row.J for row in rows if row.object == 2} == {1.0}


def test_scores_the_union_of_the_objects_on_davis2016(root: Path, masks: Path) -> None:
    rows = score(Videos(davis=root, benchmark="davis2016"), masks, variant="full", seed=0)
    assert len(rows) == 2 * (FRAMES - 2)
    for row in rows:
        truth, found = labels(int(row.frame)), labels(int(row.frame), shift=2)
        assert measure(truth > 0, found > 0) == (row.J, row.F)


def encoded_as_1_bit(image: Labels) -> Image.Image:
    return Image.fromarray(image > 0)


def encoded_as_grey(image: Labels) -> Image.Image:
    return Image.fromarray((image > 0).astype(np.uint8) * 255)


def encoded_as_probabilities(image: Labels) -> Image.Image:
    """Whatever is not background: also a pixel that is hardly object."""
    values = 1 + 37 * image.cumsum().reshape(SHAPE) % 255
    return Image.fromarray(np.where(image > 0, values, 0).astype(np.uint8))


@pytest.mark.parametrize("encoded", [encoded_as_1_bit, encoded_as_grey, encoded_as_probabilities])
def test_takes_anyones_encoding_of_the_foreground(
    root: Path, masks: Path, encoded: Callable[[Labels], Image.Image]
) -> None:
    expected = score(Videos(davis=root, benchmark="davis2016"), masks, variant="full", seed=0)
    for tree in (masks, root / "Annotations" / "480p"):
        for path in tree.glob("*/*.png"):
            encoded(read_labels(path)).save(path)
    assert (
        score(Videos(davis=root, benchmark="davis2016"), masks, variant="full", seed=0) == expected
    )


def test_void_is_background_in_the_truth(videos: Videos, root: Path, masks: Path) -> None:
    for name in ("ant", "bee"):
        path = root / "Annotations" / "480p" / name / "00002.png"
        save(path, np.where(labels(2) == 2, np.uint8(255), labels(2)))
    rows = score(videos, masks, variant="full", seed=0)
    assert {(row.J, row.F) for row in rows if (row.frame, row.object) == ("00002", 2)} == {(0, 0)}


def test_an_object_that_comes_later(videos: Videos, root: Path, masks: Path) -> None:
    """On davis2016 it is the foreground; on davis2017 the objects are those of frame 0."""
    for name in ("ant", "bee"):
        save(root / "Annotations" / "480p" / name / "00000.png", labels(0) * (labels(0) == 1))
        save(root / "Annotations" / "480p" / name / "00001.png", np.zeros(SHAPE, dtype=np.uint8))
    rows = score(Videos(davis=root, benchmark="davis2016"), masks, variant="full", seed=0)
    assert [row.J for row in rows if row.frame == "00001"] == [0, 0]
    for path in masks.glob("*/*.png"):
        image = read_labels(path)
        save(path, image * (image == 1))
    rows = score(videos, masks, variant="full", seed=0)
    assert {row.object for row in rows} == {1}


def test_an_object_that_frame_0_skips_still_counts(videos: Videos, root: Path, masks: Path) -> None:
    """As in davis2017-evaluation: absent in truth and prediction, it scores 1."""
    for tree in (root / "Annotations" / "480p", masks):
        for path in tree.glob("*/*.png"):
            image = read_labels(path)
            save(path, image * (image == 2))
    rows = score(videos, masks, variant="full", seed=0)
    assert {(row.J, row.F) for row in rows if row.object == 1} == {(1, 1)}


def test_more_than_256_frames_of_one_pixel(tmp_path: Path) -> None:
    """The object leaves after frame 270; the masks lose it at 100 and say it is still there."""
    tree = tmp_path / "davis"
    (tree / "ImageSets/2016").mkdir(parents=True)
    (tree / "ImageSets/2016/val.txt").write_text("ant")
    (tree / "JPEGImages/480p/ant").mkdir(parents=True)
    pixel = {shown: encoded_as_grey(np.full((1, 1), shown, np.uint8)) for shown in (False, True)}
    for folder in (tree / "Annotations/480p/ant", tmp_path / "masks/ant"):
        folder.mkdir(parents=True)
        last = 270 if folder.parts[-2] == "480p" else 100
        for number in range(300):
            (tree / f"JPEGImages/480p/ant/{number:05d}.jpg").touch()
            pixel[number <= last].save(folder / f"{number:05d}.png")
    rows = score(
        Videos(davis=tree, benchmark="davis2016"), tmp_path / "masks", variant="x", seed=None
    )
    assert [row.frame for row in rows] == [f"{number:05d}" for number in range(1, 299)]
    assert [row.J for row in rows] == [1] * 100 + [0] * 170 + [1] * 28
    assert {row.F for row in rows} == {1}  # one pixel has no boundary
    quarter = [row.J for row in rows][223:]  # frames 224 to 298: a quarter of 298, rounded
    assert summarise(per_object(table_of(rows)))["J_decay"].item() == pytest.approx(
        1 - np.mean(quarter)
    )


def test_several_processes_give_the_same_rows_and_the_same_complaints(
    videos: Videos, masks: Path
) -> None:
    both = (
        score(videos, masks, variant="full", seed=0, processes=processes) for processes in (1, 2)
    )
    assert next(both) == next(both)
    save(masks / "ant" / "00002.png", labels(2)[:-1])
    (masks / "bee" / "00001.png").write_bytes(b"")
    complaints = []
    for processes in (1, 2):
        with pytest.raises(ProblemsError) as raised:
            score(videos, masks, variant="full", seed=0, processes=processes)
        complaints.append(raised.value.problems)
    assert complaints[0] == complaints[1]
    assert len(complaints[0]) == 2


def test_some_sequences(root: Path, masks: Path) -> None:
    (masks / "bee" / "00002.png").unlink()
    rows = score(
        Videos(davis=root, benchmark="davis2017", sequences=("ant",)), masks, variant="full", seed=0
    )
    assert {row.sequence for row in rows} == {"ant"}


def test_the_masks_that_are_not_scored_may_be_absent(videos: Videos, masks: Path) -> None:
    expected = score(videos, masks, variant="full", seed=0)
    (masks / "ant" / "00000.png").unlink()
    (masks / "bee" / f"{FRAMES - 1:05d}.png").unlink()
    (masks / "results.csv").touch()
    (masks / "bee" / "._00001.png").touch()
    assert score(videos, masks, variant="full", seed=0) == expected


def test_lists_everything_that_is_wrong(videos: Videos, root: Path, masks: Path) -> None:
    (root / "ImageSets" / "2017" / "val.txt").write_text("bee ant cat dog")
    for name in ("cat", "dog"):
        for kind in ("JPEGImages", "Annotations"):
            folder = root / kind / "480p"
            (folder / name).symlink_to(folder / "ant")
    (masks / "ant" / "00001.png").unlink()
    (masks / "ant" / "00003.png").unlink()
    save(masks / "ant" / "00007.png", labels(0))
    save(masks / "cat" / "00000.png", labels(0)[:-1])
    save(masks / "cat" / "00001.png", labels(1)[:-1])
    save(masks / "cat" / "00002.png", labels(2), mode="RGB")
    save(masks / "cat" / "00003.png", labels(3) * 2)
    Image.fromarray(labels(4)).save(masks / "cat" / "00004.png", format="JPEG")
    save(masks / "bat" / "00000.png", labels(0))
    whole = (masks / "bee" / "00002.png").read_bytes()
    (masks / "bee" / "00002.png").write_bytes(whole[: len(whole) // 2])
    (masks / "bee" / "00003.png").write_bytes(b"")
    with pytest.raises(ProblemsError) as raised:
        score(videos, masks, variant="full", seed=0)
    message = str(raised.value)
    assert len(raised.value.problems) == 11
    for fault in [
        f"{masks}/ant: missing 00001.png, 00003.png",
        f"{masks}/ant: no frame for 00007.png",
        f"{masks}/bat: not a sequence of {root}",
        f"{masks}/dog: no such folder",
        f"{masks}/cat/00000.png: is 48x35, its annotation is 48x36",
        f"{masks}/cat/00001.png: is 48x35",
        f"{masks}/cat/00002.png: mask of mode RGB",
        f"{masks}/cat/00003.png: unknown object 4; allowed: 0 to 2",
        f"{masks}/cat/00004.png: mask stored as JPEG",
        f"{masks}/bee/00002.png: not a readable image",
        f"{masks}/bee/00003.png: not a readable image",
    ]:
        assert fault in message


def test_names_every_unknown_sequence(root: Path, masks: Path) -> None:
    with pytest.raises(UserError, match=r"^cat: .* bee, ant; .*dog: "):
        score(
            Videos(davis=root, benchmark="davis2017", sequences=("cat", "ant", "dog")),
            masks,
            variant="x",
            seed=0,
        )


def test_masks_of_the_trees_other_sequences_are_left_alone(
    videos: Videos, root: Path, masks: Path
) -> None:
    (root / "ImageSets" / "2017" / "val.txt").write_text("ant\n")
    rows = score(videos, masks, variant="full", seed=0)
    assert {row.sequence for row in rows} == {"ant"}


def test_a_folder_of_masks_that_is_not_there(videos: Videos, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"nowhere: no such folder or zip; name one of masks, <sequence>/00000"
    ):
        score(videos, tmp_path / "nowhere", variant="full", seed=0)


def test_what_is_no_folder_of_masks_is_named(videos: Videos, masks: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UserError, match=r"/fifo: is a FIFO, not a folder or zip; name one of"):
        score(videos, tmp_path / "fifo", variant="full", seed=0)
    (masks / "bee").rename(masks / "wasp")
    (masks / "bee").symlink_to("fly")
    with pytest.raises(
        UserError, match=r"/bee: is a broken link to fly, not a folder; put the masks of bee there"
    ):
        score(videos, masks, variant="full", seed=0)


def test_truth_that_is_withheld_short_or_empty(videos: Videos, root: Path, masks: Path) -> None:
    truth = root / "Annotations" / "480p" / "bee"
    for number in range(FRAMES):
        save(truth / f"{number:05d}.png", np.zeros(SHAPE, dtype=np.uint8))
    with pytest.raises(UserError, match=r"bee/00000.png: no object"):
        score(videos, masks, variant="full", seed=0)
    for number in range(1, FRAMES):
        (truth / f"{number:05d}.png").unlink()
    with pytest.raises(UserError, match=f"bee: 1 of {FRAMES} frames annotated"):
        score(videos, masks, variant="full", seed=0)
    for number in range(1, FRAMES):
        (root / "JPEGImages" / "480p" / "bee" / f"{number:05d}.jpg").unlink()
    with pytest.raises(UserError, match="every frame annotated and at least 3 frames"):
        score(videos, masks, variant="full", seed=0)


@pytest.mark.parametrize("fault", ["nowhere", "itself", "FIFO"])
def test_a_mask_that_is_no_file_is_named(videos: Videos, masks: Path, fault: str) -> None:
    path = masks / "ant" / "00002.png"
    path.unlink()
    if fault == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to(path if fault == "itself" else fault)
    with pytest.raises(UserError, match=rf"^{path}: cannot be read"):
        score(videos, masks, variant="full", seed=0)
