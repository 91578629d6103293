"""Scores of published masks are the known ones."""

from pathlib import Path

import numpy as np
import pytest
from support.known_scores import table, tree_of
from support.two_boxes import save

from rgmp.data.images import read_labels
from rgmp.data.videos import Videos
from rgmp.evaluation.measures import Score
from rgmp.evaluation.scoring import score


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
    rows = score(
        Videos(davis=tree, benchmark="davis2016", sequences=tuple(names)),
        masks,
        variant="osvos",
        seed=0,
    )
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
    rows = score(
        Videos(davis=tree, benchmark="davis2017"), tmp_path / "masks", variant="rvos", seed=0
    )
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
    rows = score(
        Videos(davis=tree, benchmark="davis2016"), published / method, variant=method, seed=0
    )
    for row in golden:
        frames = [found for found in rows if found.sequence == row["sequence"]]
        assert len(frames) == int(row["frames_scored"])
        for name in "JF":
            mean = np.mean([getattr(frame, name) for frame in frames])
            assert mean == pytest.approx(float(row[f"{name}_mean"]), abs=1e-9)
