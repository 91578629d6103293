"""Scores that are kept beside masks, and when they are computed again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.davis_tree import open_sequence

from rgmp.config.base import Benchmark
from rgmp.data import davis
from rgmp.data.images import read_labels
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.evaluation.scoring import score
from rgmp.evaluation.sequence_scores import Scored, scored

FRAMES = 5


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree with a sequence of one object, one of two and one of one and void; masks of each."""
    rng = np.random.default_rng(0)
    for name, values in {"one": [0, 1], "two": [0, 1, 2], "void": [0, 1, davis.VOID]}.items():
        for t in range(FRAMES):
            labels = np.repeat(np.array(values, np.uint8), 8)[None].repeat(12, 0)
            frame = tmp_path / f"davis/JPEGImages/480p/{name}/{t:05d}.jpg"
            frame.parent.mkdir(parents=True, exist_ok=True)
            frame.touch()
            davis.write_mask(tmp_path / f"davis/Annotations/480p/{name}/{t:05d}.png", labels)
            found = np.roll(labels, rng.integers(0, 5), axis=1)
            found[found == davis.VOID] = 0
            davis.write_mask(tmp_path / f"masks/{name}/{t:05d}.png", found)
    for year in ("2016", "2017"):
        split = tmp_path / f"davis/ImageSets/{year}/val.txt"
        split.parent.mkdir(parents=True)
        split.write_text("one\ntwo\nvoid\n")
    return tmp_path


def of(root: Path, name: str, benchmark: Benchmark = "davis2017", **change: Any) -> Scored:
    how: dict[str, Any] = {"sources": "s", "variant": "v", "seed": 3}
    sequence = open_sequence(root / "davis", name, benchmark)
    return scored(sequence, benchmark, root / "masks" / name, **{**how, **change})


@pytest.mark.parametrize("name", ["one", "two", "void"])
def test_kept_scores_are_those_of_the_masks_digit_by_digit(root: Path, name: str) -> None:
    new, kept = of(root, name), of(root, name)
    assert (new.is_new, kept.is_new) == (True, False)
    by_hand = score(
        Videos(davis=root / "davis", benchmark="davis2017", sequences=(name,)),
        root / "masks",
        variant="v",
        seed=3,
    )
    assert new.rows == kept.rows == by_hand
    assert len(list((root / "masks" / name).glob("*.json"))) == 1


def test_names_are_no_part_of_what_is_kept(root: Path) -> None:
    of(root, "two")
    other = of(root, "two", variant="w", seed=4)
    assert not other.is_new
    assert {(row.variant, row.seed, row.sequence) for row in other.rows} == {("w", 4, "two")}


@pytest.mark.parametrize(("name", "shared"), [("one", True), ("two", False), ("void", False)])
def test_benchmarks_share_the_scores_of_one_object(root: Path, name: str, shared: bool) -> None:
    """With void they do not: the foreground of davis2016 includes it."""
    masks = root / "masks" / name
    for path in masks.iterdir():  # one object, as in davis2016
        davis.write_mask(path, (read_labels(path) > 0).astype(np.uint8))
    before = of(root, name)
    after = of(root, name, "davis2016")
    assert after.is_new != shared
    assert {row.benchmark for row in after.rows} == {"davis2016"}
    if shared:
        assert [row[3:] for row in after.rows] == [row[3:] for row in before.rows]


def test_other_truth_or_code_is_scored_again(root: Path) -> None:
    of(root, "one")
    assert of(root, "one", sources="t").is_new
    path = root / "davis/Annotations/480p/one/00002.png"
    davis.write_mask(path, read_labels(path)[:, ::-1])
    assert of(root, "one").is_new


def test_a_file_that_is_none_of_scores_is_named(root: Path) -> None:
    of(root, "one")
    (path,) = (root / "masks/one").glob("scores-*.json")
    content = json.loads(path.read_text())
    content["rows"][0] = [1, "00001", "high", 0.5]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=path.name):
        of(root, "one")
