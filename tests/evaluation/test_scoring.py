"""From folders of masks to rows: known figures, anyone's encodings, and every way to be wrong."""

import csv
import importlib.util
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from PIL import Image

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data import davis
from rgmp.data.images import read_labels
from rgmp.errors import ProblemsError, UserError
from rgmp.evaluation.adoption import _read_given, adopt
from rgmp.evaluation.engines import cross_check
from rgmp.evaluation.measures import MEASURES, Score, measure
from rgmp.evaluation.score_table import (
    SCORE_DTYPES,
    read_scores,
    require_scores,
    table_of,
    write_scores,
)
from rgmp.evaluation.scoring import score
from rgmp.evaluation.summary import per_object, summarise

FRAMES = 5
SHAPE = (36, 48)

Labels = npt.NDArray[np.uint8]


def labels(number: int, shift: int = 0) -> Labels:
    """Two boxes that move with the frame's number; `shift` moves the first one further."""
    image = np.zeros(SHAPE, dtype=np.uint8)
    image[4:16, 4 + number + shift : 16 + number + shift] = 1
    image[20:30, 30 - number : 40 - number] = 2
    return image


def save(path: Path, image: Labels, mode: str = "P") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "P":
        davis.write_mask(path, image)
    else:
        Image.fromarray(image).convert(mode).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A DAVIS tree with two sequences of two objects, `ant` and `bee`."""
    tree = tmp_path / "davis"
    for year in ("2016", "2017"):
        (tree / "ImageSets" / year).mkdir(parents=True)
        (tree / "ImageSets" / year / "val.txt").write_text("bee\nant\n")
    for name in ("ant", "bee"):
        (tree / "JPEGImages" / "480p" / name).mkdir(parents=True)
        for number in range(FRAMES):
            (tree / "JPEGImages" / "480p" / name / f"{number:05d}.jpg").touch()
            save(tree / "Annotations" / "480p" / name / f"{number:05d}.png", labels(number))
    return tree


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Masks for that tree whose first object is two pixels off."""
    folder = tmp_path / "masks"
    for name in ("ant", "bee"):
        for number in range(FRAMES):
            save(folder / name / f"{number:05d}.png", labels(number, shift=2))
    return folder


def test_scores_every_object_of_every_frame_but_the_first_and_last(root: Path, masks: Path) -> None:
    rows = score(root, "davis2017", "val", masks, variant="full", seed=3)
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
    rows = score(root, "davis2016", "val", masks, variant="full", seed=0)
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
    expected = score(root, "davis2016", "val", masks, variant="full", seed=0)
    for tree in (masks, root / "Annotations" / "480p"):
        for path in tree.glob("*/*.png"):
            encoded(read_labels(path)).save(path)
    assert score(root, "davis2016", "val", masks, variant="full", seed=0) == expected


def test_void_is_background_in_the_truth(root: Path, masks: Path) -> None:
    for name in ("ant", "bee"):
        path = root / "Annotations" / "480p" / name / "00002.png"
        save(path, np.where(labels(2) == 2, np.uint8(255), labels(2)))
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
    assert {(row.J, row.F) for row in rows if (row.frame, row.object) == ("00002", 2)} == {(0, 0)}


def test_an_object_that_comes_later(root: Path, masks: Path) -> None:
    """On davis2016 it is the foreground; on davis2017 the objects are those of frame 0."""
    for name in ("ant", "bee"):
        save(root / "Annotations" / "480p" / name / "00000.png", labels(0) * (labels(0) == 1))
        save(root / "Annotations" / "480p" / name / "00001.png", np.zeros(SHAPE, dtype=np.uint8))
    rows = score(root, "davis2016", "val", masks, variant="full", seed=0)
    assert [row.J for row in rows if row.frame == "00001"] == [0, 0]
    for path in masks.glob("*/*.png"):
        image = read_labels(path)
        save(path, image * (image == 1))
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
    assert {row.object for row in rows} == {1}


def test_an_object_that_frame_0_skips_still_counts(root: Path, masks: Path) -> None:
    """As in davis2017-evaluation: absent in truth and prediction, it scores 1."""
    for tree in (root / "Annotations" / "480p", masks):
        for path in tree.glob("*/*.png"):
            image = read_labels(path)
            save(path, image * (image == 2))
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
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
    rows = score(tree, "davis2016", "val", tmp_path / "masks", variant="x", seed=None)
    assert [row.frame for row in rows] == [f"{number:05d}" for number in range(1, 299)]
    assert [row.J for row in rows] == [1] * 100 + [0] * 170 + [1] * 28
    assert {row.F for row in rows} == {1}  # one pixel has no boundary
    quarter = [row.J for row in rows][223:]  # frames 224 to 298: a quarter of 298, rounded
    assert summarise(per_object(table_of(rows)))["J_decay"].item() == pytest.approx(
        1 - np.mean(quarter)
    )


def test_several_processes_give_the_same_rows_and_the_same_complaints(
    root: Path, masks: Path
) -> None:
    both = (
        score(root, "davis2017", "val", masks, variant="full", seed=0, processes=processes)
        for processes in (1, 2)
    )
    assert next(both) == next(both)
    save(masks / "ant" / "00002.png", labels(2)[:-1])
    (masks / "bee" / "00001.png").write_bytes(b"")
    complaints = []
    for processes in (1, 2):
        with pytest.raises(ProblemsError) as raised:
            score(root, "davis2017", "val", masks, variant="full", seed=0, processes=processes)
        complaints.append(raised.value.problems)
    assert complaints[0] == complaints[1]
    assert len(complaints[0]) == 2


def test_some_sequences(root: Path, masks: Path) -> None:
    (masks / "bee" / "00002.png").unlink()
    rows = score(root, "davis2017", "val", masks, sequences=["ant"], variant="full", seed=0)
    assert {row.sequence for row in rows} == {"ant"}


def test_the_masks_that_are_not_scored_may_be_absent(root: Path, masks: Path) -> None:
    expected = score(root, "davis2017", "val", masks, variant="full", seed=0)
    (masks / "ant" / "00000.png").unlink()
    (masks / "bee" / f"{FRAMES - 1:05d}.png").unlink()
    (masks / "results.csv").touch()
    (masks / "bee" / "._00001.png").touch()
    assert score(root, "davis2017", "val", masks, variant="full", seed=0) == expected


def test_lists_everything_that_is_wrong(root: Path, masks: Path) -> None:
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
        score(root, "davis2017", "val", masks, variant="full", seed=0)
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
    with pytest.raises(UserError, match=r"^cat: .* bee, ant; dog: "):
        score(root, "davis2017", "val", masks, sequences=["cat", "ant", "dog"], variant="x", seed=0)


def test_masks_of_the_trees_other_sequences_are_left_alone(root: Path, masks: Path) -> None:
    (root / "ImageSets" / "2017" / "val.txt").write_text("ant\n")
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
    assert {row.sequence for row in rows} == {"ant"}


def test_a_folder_of_masks_that_is_not_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"nowhere: no such folder; name one of masks, <sequence>/00000\.png"
    ):
        score(root, "davis2017", "val", tmp_path / "nowhere", variant="full", seed=0)


def test_truth_that_is_withheld_short_or_empty(root: Path, masks: Path) -> None:
    truth = root / "Annotations" / "480p" / "bee"
    for number in range(FRAMES):
        save(truth / f"{number:05d}.png", np.zeros(SHAPE, dtype=np.uint8))
    with pytest.raises(UserError, match=r"bee/00000.png: no object"):
        score(root, "davis2017", "val", masks, variant="full", seed=0)
    for number in range(1, FRAMES):
        (truth / f"{number:05d}.png").unlink()
    with pytest.raises(UserError, match=f"bee: 1 of {FRAMES} frames annotated"):
        score(root, "davis2017", "val", masks, variant="full", seed=0)
    for number in range(1, FRAMES):
        (root / "JPEGImages" / "480p" / "bee" / f"{number:05d}.jpg").unlink()
    with pytest.raises(UserError, match="every frame annotated and at least 3 frames"):
        score(root, "davis2017", "val", masks, variant="full", seed=0)


def test_a_table_is_read_as_it_was_written(root: Path, masks: Path, tmp_path: Path) -> None:
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
    assert any(len(repr(row.F)) > 10 for row in rows)
    path = tmp_path / "scores" / "seed0.csv"
    for seed, shown in ((0, "0"), (None, "")):
        scores = table_of(row._replace(seed=seed) for row in rows)
        write_scores(path, scores)
        require_scores(path)
        lines = [
            f"davis2017,full,{shown},{r.sequence},{r.object},{r.frame},{r.J!r},{r.F!r}\n"
            for r in rows
        ]
        assert path.read_text() == "".join([HEADER, *lines])
        assert_frame_equal(read_scores(path), scores)
        assert read_scores(path).dtypes.astype("str").to_dict() == SCORE_DTYPES


HEADER = "benchmark,variant,seed,sequence,object,frame,J,F\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HEADER,
        "sequence,object\nant,1\n",
        HEADER[:-1] + ",J\ndavis2016,full,0,ant,1,00001,0.5,0.5,0.5\n",
        "\ufeff" + HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5\0\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,most\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,81.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,nan,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,,0.5\n",
        HEADER + "davis2016,full,0,ant,,00001,0.5,0.5\n",
        HEADER + "davis2016,full,0.5,ant,1,00001,0.5,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5,0.5\n",
        HEADER + "davis2016,full,0,ant,1,00001,0.5,0.5\n\ndavis2016,full,0,ant,1,00002,0.5,0.5\n",
        HEADER + 'davis2016,full,0,"ant,1,00001,0.5,0.5\n',
        HEADER + "davis2016,full,zero,ant,1,00001,0.5,0.5\n",
        "\x00",
    ],
)
def test_no_table_of_scores(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(
        UserError, match=r"scores.csv: not a score table \(.*\); remove it and run `snakemake`"
    ):
        read_scores(tmp_path / "scores.csv")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "scores.csv", tmp_path):
        with pytest.raises(UserError, match=r"cannot be read .* run `snakemake` to write it"):
            read_scores(path)


# ---- someone else's score table ----


def given(path: Path, rows: list[Score], *more: str) -> Path:
    """A table as others write it: their own columns, rows in any order."""
    lines = [f"{r.F},{r.J},{r.sequence},{r.frame},{r.object},{r.benchmark},x" for r in rows]
    path.write_text("\n".join(["F,J,sequence,frame,object,benchmark,by", *lines[::-1], *more]))
    return path


def test_a_table_of_someone_elses_scores_is_taken_as_it_is(
    root: Path, masks: Path, tmp_path: Path
) -> None:
    """But for other benchmarks, other sequences, and the first and the last frame."""
    rows = score(root, "davis2017", "val", masks, variant="theirs", seed=None)
    table = given(
        tmp_path / "theirs.csv",
        rows,
        "0.1,0.1,ant,00001,1,davis2016,x",
        "0.1,0.1,cow,00001,1,davis2017,x",
        "0.1,0.1,ant,00000,1,davis2017,x",
        f"0.1,0.1,bee,{FRAMES - 1:05d},2,davis2017,x",
    )
    assert adopt(root, "davis2017", "val", table, variant="theirs") == rows
    of_ant = adopt(root, "davis2017", "val", table, sequences=["ant"], variant="theirs")
    assert of_ant == [row for row in rows if row.sequence == "ant"]


def test_a_table_without_a_benchmark_is_of_the_one_that_is_asked_for(
    root: Path, masks: Path, tmp_path: Path
) -> None:
    rows = score(root, "davis2016", "val", masks, variant="theirs", seed=None)
    table = given(tmp_path / "theirs.csv", rows)
    table.write_text(table.read_text().replace("benchmark", "data"))
    assert adopt(root, "davis2016", "val", table, variant="theirs") == rows


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_table_may_come_from_any_editor(
    root: Path, masks: Path, tmp_path: Path, end: str, mark: str
) -> None:
    rows = score(root, "davis2017", "val", masks, variant="theirs", seed=None)
    table = given(tmp_path / "theirs.csv", rows, '0.1,0.1,cow,00001,1,davis2017,"two\nlines"')
    lines = table.read_text().split("\n")
    ends = [end if number % 2 else "\n" for number in range(len(lines))]
    text = mark + "".join(a + b for a, b in zip(lines, ends, strict=True))
    table.write_bytes(text.encode())
    assert adopt(root, "davis2017", "val", table, variant="theirs") == rows


@hypothesis.given(content=st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_a_table_or_named_in_one_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    for start in (b"", b"sequence,object,frame,J,F\n", HEADER.encode()):
        path.write_bytes(start + content)
        for read in (lambda: _read_given(path, "davis2017"), lambda: read_scores(path)):
            refusals = []
            try:
                read()
            except UserError as error:
                refusals.append(str(error))
            assert all(line.startswith(f"{path}: ") for line in refusals)
            assert all(len(line.splitlines()) == 1 for line in refusals)


@pytest.mark.parametrize("fault", ["nowhere", "itself", "FIFO"])
def test_a_mask_that_is_no_file_is_named(root: Path, masks: Path, fault: str) -> None:
    path = masks / "ant" / "00002.png"
    path.unlink()
    if fault == "FIFO":
        os.mkfifo(path)
    else:
        path.symlink_to(path if fault == "itself" else fault)
    with pytest.raises(UserError, match=rf"^{path}: cannot be read"):
        score(root, "davis2017", "val", masks, variant="full", seed=0)


def test_lists_everything_that_is_wrong_with_a_table(
    root: Path, masks: Path, tmp_path: Path
) -> None:
    rows = score(root, "davis2017", "val", masks, variant="theirs", seed=None)
    kept = [r for r in rows if (r.sequence, r.object) != ("bee", 2) and r.frame != "00003"]
    table = given(
        tmp_path / "theirs.csv",
        kept,
        "0.5,0.5,ant,00001,1,davis2017,x",
        "0.5,81.5,ant,00003,1,davis2017,x",
        "nan,0.5,ant,00003,2,davis2017,x",
        "0.5,0.5,ant,00001,3,davis2017,x",
        "0.5,0.5,ant,3,2,davis2017,x",
        "0.5,0.5,ant,00001,first,davis2017,x",
        "0.5",
    )
    with pytest.raises(ProblemsError) as raised:
        adopt(root, "davis2017", "val", table, sequences=["ant", "bee", "cat"], variant="theirs")
    message = str(raised.value)
    assert len(raised.value.problems) == 12
    assert all(problem.startswith(f"{table}: ") for problem in raised.value.problems)
    for fault in [
        "cat: unknown sequence; val has bee, ant",
        "line 14: number of columns differs from the header",
        "ant, object 1, frame 00001: duplicate row",
        "ant, object 1, frame 00003: 81.5 is not in [0, 1]",
        "ant, object 2, frame 00003: nan is not in [0, 1]",
        "ant, object first, frame 00001: ",
        "ant: unknown object 3; allowed: 1 to 2",
        "ant, object 2: unknown frame 3",
        "ant, object 1: missing frame 00003",
        "ant, object 2: missing frame 00003",
        "bee, object 1: missing frame 00003",
        "bee, object 2: missing frame 00001, 00002, 00003",
    ]:
        assert fault in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"J,F\n",
        b"sequence,object,frame,J\nant,1,00001,0.5\n",
        b"sequence,object,frame,J,F,J\nant,1,00001,0.5,0.5,0.9\n",
        b"sequence,object,frame,J,F,x,x\nant,1,00001,0.5,0.5,1,1\n",
        b"sequence,object,frame,J,F\nant,1,00001,0.5,0.5\0\n",
        b"sequence,object,frame,J,F\n" + b"a" * 200_000 + b",1,00001,0.5,0.5\n",
        "sequence,object,frame,J,F\n".encode("utf-16"),
        b"\xff\x00",
        b'"',
    ],
)
def test_no_table_of_someone_elses_scores(root: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "theirs.csv").write_bytes(content)
    with pytest.raises(
        UserError, match=r"theirs.csv: not (a score table|UTF-8 text).* required columns"
    ):
        adopt(root, "davis2016", "val", tmp_path / "theirs.csv", variant="theirs")
    with pytest.raises(UserError, match="cannot be read"):
        adopt(root, "davis2016", "val", tmp_path, variant="theirs")


def test_the_authors_table_is_taken_for_a_part_of_davis(shared: Path, tmp_path: Path) -> None:
    path = shared / "golden" / "official_rgmp_per_frame.csv"
    annotations = shared / "davis2016" / "Annotations" / "480p"
    names = ["blackswan", "bmx-trees", "cows"]
    rows = adopt(
        tree_of(tmp_path, annotations, "2016", names), "davis2016", "val", path, variant="x"
    )
    of: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        of[row.sequence].append(row.J)
    means = {
        row["sequence"]: float(row["J_mean"])
        for row in table(shared / "golden" / "published_masks" / "scores.csv")
        if row["method"] == "rgmp" and row["sequence"] in names
    }
    assert list(of) == names
    assert {name: np.mean(values) for name, values in of.items()} == pytest.approx(means, abs=1e-5)


# ---- two engines ----


def test_engines_that_agree(root: Path, masks: Path) -> None:
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
    assert cross_check(rows, rows) == 0
    others = [*rows[:-1], rows[-1]._replace(F=rows[-1].F - 5e-7)]
    assert cross_check(rows, others) == pytest.approx(5e-7)


@pytest.mark.parametrize("wrong", [{"J": 0.4}, {"F": float("nan")}])
def test_engines_that_disagree(root: Path, masks: Path, wrong: dict[str, Any]) -> None:
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
    others = [row._replace(**wrong) if i == 3 else row for i, row in enumerate(rows)]
    with pytest.raises(UserError, match=r"davis2017, full: bee, object 2, frame 00002: J 1\.0, "):
        cross_check(rows, others)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tree_of(root: Path, annotations: Path, year: str, names: list[str]) -> Path:
    """A DAVIS tree around given annotations; its frames are named but not there."""
    (root / "ImageSets" / year).mkdir(parents=True)
    (root / "ImageSets" / year / "val.txt").write_text("\n".join(names))
    (root / "Annotations").mkdir()
    (root / "Annotations" / "480p").symlink_to(annotations)
    for name in names:
        (root / "JPEGImages" / "480p" / name).mkdir(parents=True)
        for path in (annotations / name).glob("*.png"):
            (root / "JPEGImages" / "480p" / name / f"{path.stem}.jpg").touch()
    return root


def assert_equal_to_golden(rows: list[Score], golden: list[dict[str, str]]) -> None:
    found = {(row.sequence, str(row.object), row.frame): (row.J, row.F) for row in rows}
    assert len(found) == len(rows) == len(golden)
    for row in golden:
        expected = (float(row["J"]), float(row["F"]))
        key = (row["sequence"], row["object"], row["frame"])
        assert found[key] == pytest.approx(expected, abs=1e-9), key


@pytest.mark.slow
def test_equals_the_official_figures_of_one_object(shared: Path, tmp_path: Path) -> None:
    golden = table(shared / "golden" / "measures" / "binary.csv")
    names = list(dict.fromkeys(row["sequence"] for row in golden))
    tree = tree_of(tmp_path, shared / "davis2016" / "Annotations" / "480p", "2016", names)
    masks = shared / "golden" / "measures" / "osvos"
    rows = score(tree, "davis2016", "val", masks, sequences=names, variant="osvos", seed=0)
    assert_equal_to_golden(rows, golden)


@pytest.mark.slow
def test_equals_the_official_figures_of_several_objects(shared: Path, tmp_path: Path) -> None:
    golden = table(shared / "golden" / "measures" / "multi.csv")
    names = list(dict.fromkeys(row["sequence"] for row in golden))
    measures = shared / "golden" / "measures"
    tree = tree_of(tmp_path / "davis", measures / "osvos", "2017", names)
    for name in names:
        objects = read_labels(measures / "osvos" / name / "00000.png").max()
        for path in (measures / "rvos" / name).glob("*.png"):
            image = read_labels(path)
            save(tmp_path / "masks" / name / path.name, image * (image <= objects))
    rows = score(tree, "davis2017", "val", tmp_path / "masks", variant="rvos", seed=0)
    assert_equal_to_golden(rows, golden)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rgmp", "osvos", "favos"])
def test_equals_the_official_figures_of_published_masks(
    shared: Path, tmp_path: Path, method: str
) -> None:
    published = shared / "golden" / "published_masks"
    golden = [row for row in table(published / "scores.csv") if row["method"] == method]
    names = [row["sequence"] for row in golden]
    tree = tree_of(tmp_path, shared / "davis2016" / "Annotations" / "480p", "2016", names)
    rows = score(tree, "davis2016", "val", published / method, variant=method, seed=0)
    for row in golden:
        frames = [found for found in rows if found.sequence == row["sequence"]]
        assert len(frames) == int(row["frames_scored"])
        for name in "JF":
            mean = np.mean([getattr(frame, name) for frame in frames])
            assert mean == pytest.approx(float(row[f"{name}_mean"]), abs=1e-9)


HAS_OFFICIAL = importlib.util.find_spec("davis2017") is not None


@pytest.mark.skipif(not HAS_OFFICIAL, reason="davis2017-evaluation is absent: `make evaluator`")
@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_official_engine_gives_the_same_rows(root: Path, masks: Path, benchmark: Benchmark) -> None:
    save(masks / "ant" / "00002.png", np.zeros(SHAPE, dtype=np.uint8))
    builtin, official = (
        score(root, benchmark, "val", masks, variant="full", seed=0, engine=engine)
        for engine in ("builtin", "official")
    )
    for ours, theirs in zip(builtin, official, strict=True):
        assert theirs[:-2] == ours[:-2]
        assert theirs[-2:] == pytest.approx(ours[-2:], abs=1e-12)


@pytest.mark.skipif(not HAS_OFFICIAL, reason="davis2017-evaluation is absent: `make evaluator`")
def test_figures_are_those_of_a_whole_run_of_the_official_evaluator(
    root: Path, masks: Path
) -> None:
    from davis2017.evaluation import DAVISEvaluation

    evaluation = DAVISEvaluation(str(root), "semi-supervised", "val")
    theirs = evaluation.evaluate(str(masks))
    rows = score(root, "davis2017", "val", masks, variant="full", seed=0)
    ours = summarise(per_object(table_of(rows))).iloc[0]
    figures = [np.mean(theirs[name][figure]) for name in "JF" for figure in "MRD"]
    assert [ours[measure] for measure in MEASURES[1:]] == pytest.approx(figures, abs=1e-12)


@pytest.mark.skipif(HAS_OFFICIAL, reason="davis2017-evaluation is here")
def test_official_engine_where_it_is_not_installed(root: Path, masks: Path) -> None:
    with pytest.raises(UserError, match="make evaluator"):
        score(root, "davis2017", "val", masks, variant="full", seed=0, engine="official")
