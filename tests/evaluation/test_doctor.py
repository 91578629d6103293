"""Each mistake, made on masks that are right otherwise, is named with its evidence alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from support.two_boxes import write_tree

from rgmp.config.base import Benchmark
from rgmp.config.dataset import of_two_folders
from rgmp.data import davis
from rgmp.data.videos import Videos
from rgmp.evaluation.doctor import Finding, findings, same_figures, warnings_of
from rgmp.evaluation.measures import Score
from rgmp.evaluation.scoring import judge

FRAMES = 8
SHAPE = (96, 160)

Labels = npt.NDArray[np.uint8]
Masks = list[Labels]


def truth(number: int) -> Labels:
    """Two boxes that cross the frame."""
    image = np.zeros(SHAPE, dtype=np.uint8)
    image[8:40, 4 + 8 * number : 44 + 8 * number] = 1
    image[56:88, 112 - 8 * number : 152 - 8 * number] = 2
    return image


def predicted(number: int) -> Labels:
    """The same with a rim missing, as a good method has it; frame 0 is given."""
    image = truth(number)
    if number:
        image[:, :-1][image[:, :-1] != image[:, 1:]] = 0
    return image


RIGHT = [predicted(number) for number in range(FRAMES)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "davis", ("ant",), truth, FRAMES)


def looked_at(root: Path, masks: Masks, benchmark: Benchmark = "davis2017") -> list[Finding]:
    folder = root.parent / "masks"
    for number, labels in enumerate(masks):
        davis.write_mask(folder / f"ant/{number:05d}.png", labels)
    judged = judge(Videos(davis=root, benchmark=benchmark), folder, variant="x", seed=None)
    return findings(judged.evidence, judged.rows)


def relabelled(*ids: int) -> Masks:
    return [np.array([0, *ids], dtype=np.uint8)[labels] for labels in RIGHT]


EXACT = [truth(number) for number in range(FRAMES)]
EMPTY = [RIGHT[0], *[np.zeros(SHAPE, dtype=np.uint8)] * (FRAMES - 1)]
LATE = [RIGHT[0], *RIGHT[:-1]]
EARLY = [*RIGHT[1:], RIGHT[-1]]
OTHER_FIRST = [RIGHT[0][:, ::-1], *RIGHT[1:]]
MORE = [np.where(np.arange(SHAPE[1]) < 3, np.uint8(3), labels) for labels in RIGHT]


@pytest.mark.parametrize(
    ("masks", "cause", "evidence"),
    [
        (EXACT, "identical to the truth", "6 of 6 frames equal"),
        (EMPTY, "empty after frame 0", "7 empty masks, objects in 7 of their annotations"),
        ([RIGHT[0]] * FRAMES, "one mask for all frames", "8 equal masks, J 24.3"),
        (relabelled(2, 1), "ids permuted", "if 2 is 1, 1 is 2"),
        (LATE, "shifted by one frame", "with the frame before"),
        (EARLY, "shifted by one frame", "with the frame after"),
        (relabelled(1, 1), "every object in one mask", "one id for 2 objects"),
        (OTHER_FIRST, "frame 0 is not the given mask", "J 0.0"),
        (MORE, "another annotation of the same videos", "3 objects in the mask of frame 0, 2 in"),
    ],
)
def test_a_mistake_is_named_with_its_evidence(
    root: Path, masks: Masks, cause: str, evidence: str
) -> None:
    (finding,) = looked_at(root, masks)
    assert (finding.cause, finding.sequences) == (cause, ("ant",))
    assert evidence in finding.text
    assert next(warnings_of([finding])).startswith(f"{cause}: ant: in 1 of 1 sequences (ant: ")


SKIPPING = np.array([0, 2, 7, 9], dtype=np.uint8)
"""Ids that skip numbers, in place of 1 and 2, and of an object that there is not."""


@pytest.mark.parametrize(
    ("masks", "cause", "evidence"),
    [
        (RIGHT, None, ""),
        (EXACT, "identical to the truth", "6 of 6 frames equal"),
        (relabelled(2, 1), "ids permuted", "if 7 is 2, 2 is 7"),
        (LATE, "shifted by one frame", "with the frame before"),
        (relabelled(1, 1), "every object in one mask", "one id for 2 objects"),
        (MORE, "another annotation of the same videos", "3 objects in the mask of frame 0, 2 in"),
    ],
)
def test_ids_may_skip_numbers(
    tmp_path: Path, masks: Masks, cause: str | None, evidence: str
) -> None:
    for number, labels in enumerate(masks):
        davis.write_mask(tmp_path / f"truth/ant/{number:05d}.png", SKIPPING[truth(number)])
        davis.write_mask(tmp_path / f"masks/ant/{number:05d}.png", SKIPPING[labels])
    bare = Videos(
        davis=tmp_path / "truth", benchmark="davis2017", dataset=of_two_folders("davis2017")
    )
    judged = judge(bare, tmp_path / "masks", variant="x", seed=None)
    found = findings(judged.evidence, judged.rows)
    assert [each.cause for each in found] == ([cause] if cause else [])
    assert all(evidence in each.text for each in found)


@pytest.mark.parametrize("benchmark", ["davis2016", "davis2017"])
def test_masks_without_a_mistake_raise_none(root: Path, benchmark: Benchmark) -> None:
    assert looked_at(root, RIGHT, benchmark) == []


@pytest.mark.parametrize("benchmark", ["davis2016", "davis2017"])
def test_a_poor_method_is_no_mistake(root: Path, benchmark: Benchmark) -> None:
    """It lags behind, loses an object, and finds another; frame 0 is its own prediction."""
    generator = np.random.default_rng(0)
    poor = []
    for number in range(FRAMES):
        labels = truth(max(0, number - 3))
        labels[generator.random(SHAPE) < 0.3] = 0
        labels[:8, :8] = 1
        poor.append(labels if number < 5 else labels * (labels == 1))
    assert looked_at(root, poor, benchmark) == []


def test_objects_that_only_the_truth_has_may_be_of_other_annotations(root: Path) -> None:
    """The unsupervised ones as the truth: with a third object that the given mask lacks."""
    for path in (root / "Annotations/480p/ant").iterdir():
        labels = truth(int(path.stem))
        labels[44:52, 4:60] = 3
        davis.write_mask(path, labels)
    (finding,) = looked_at(root, RIGHT)
    assert finding.cause == "another annotation of the same videos"
    assert "2 objects in the mask of frame 0, 3 in the truth" in finding.text


def test_a_palette_in_another_order(root: Path) -> None:
    looked_at(root, RIGHT)
    for path in (root.parent / "masks/ant").iterdir():
        image = Image.fromarray(relabelled(2, 1)[int(path.stem)], mode="P")
        image.putpalette(davis.PALETTE[:3] + davis.PALETTE[6:9] + davis.PALETTE[3:6])
        image.save(path)
    judged = judge(
        Videos(davis=root, benchmark="davis2017"), root.parent / "masks", variant="x", seed=None
    )
    causes = {each.cause: each.text for each in findings(judged.evidence, judged.rows)}
    assert "by index" in causes["palette in another order"]
    assert causes.keys() == {"palette in another order", "ids permuted"}


def rows(different: Callable[[float], float]) -> list[Score]:
    values = (0.0, 0.5, 0.625, 0.75, 1.0)
    return [Score("davis2016", "x", None, "ant", 1, "1", v, different(v)) for v in values]


def test_j_equal_to_f_is_one_column_written_twice() -> None:
    finding = same_figures(rows(lambda value: value))
    assert finding is not None
    assert finding.cause == "J equal to F"
    assert "all 3 rows" in finding.text
    assert same_figures(rows(lambda value: value**2)) is None
    assert same_figures([row for row in rows(float) if row.J in {0, 1}]) is None
