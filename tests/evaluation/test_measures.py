"""J, F and their statistics against slow plain versions, known answers and the official figures."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from support.masks import pairs_of_masks, plain_accuracy

from rgmp.data.images import read_labels
from rgmp.evaluation.measures import Mask, Measured, Statistics, measure, statistics_of


def plain_boundary(mask: Mask) -> npt.NDArray[np.int_]:
    """(N, 2): pixels unlike their right, lower or lower right neighbour, where there is one."""
    height, width = mask.shape
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    neighbours = [padded[y : y + height, x : x + width] for y, x in ((0, 1), (1, 0), (1, 1))]
    return np.argwhere(np.any([mask != neighbour for neighbour in neighbours], axis=0))


def plain_measure(truth: Mask, prediction: Mask) -> Measured:
    """The definitions: pixel by pixel, and the distances of all pairs of boundary pixels."""
    union = (truth | prediction).sum()
    region = float((truth & prediction).sum() / union) if union else 1.0
    boundaries = plain_boundary(truth), plain_boundary(prediction)
    return Measured(region, plain_accuracy(*boundaries, truth.shape))


@settings(deadline=None)
@given(pairs_of_masks())
def test_equals_the_plain_version(pair: tuple[Mask, Mask]) -> None:
    truth, prediction = pair
    assert measure(truth, prediction) == pytest.approx(plain_measure(truth, prediction), abs=1e-12)


WIDER_DISKS = pytest.mark.parametrize(
    "shape",
    [(97, 251), (251, 97), (240, 427), (480, 854), (700, 901), (1, 999), (999, 1), (3, 999)],
)


@WIDER_DISKS
def test_equals_the_plain_version_on_round_objects(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    ys, xs = np.indices(shape)
    for place in (0.5, 1):  # within the frame, and cut by its edges
        ellipses = []
        for _ in range(2):
            (y, x), (a, b) = (
                np.multiply(shape, place) + random.normal(0, 5, 2),
                random.uniform(20, 40, 2),
            )
            ellipses.append(np.hypot((ys - y) / a, (xs - x) / b) < 1)
        assert measure(*ellipses) == pytest.approx(plain_measure(*ellipses), abs=1e-12)


@WIDER_DISKS
def test_equals_the_plain_version_on_scattered_pixels(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    for _ in range(5):
        truth, prediction = random.random((2, *shape)) < 200 / (shape[0] * shape[1])
        expected = plain_measure(truth, prediction)
        assert measure(truth, prediction) == pytest.approx(expected, abs=1e-12)


@given(pairs_of_masks())
def test_is_symmetric_and_a_share(pair: tuple[Mask, Mask]) -> None:
    region, contour = measure(*pair)
    assert measure(*pair[::-1]) == pytest.approx((region, contour), abs=1e-12)
    assert 0 <= region <= 1
    assert 0 <= contour <= 1


@given(pairs_of_masks())
def test_a_mask_equals_itself(pair: tuple[Mask, Mask]) -> None:
    assert measure(pair[0], pair[0]) == (1, 1)


def square(*corner: int, size: int = 20, shape: tuple[int, int] = (60, 80)) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(start, start + size) for start in corner)] = True
    return mask


def test_known_answers() -> None:
    nothing = np.zeros((60, 80), dtype=bool)
    assert measure(nothing, nothing) == (1, 1)
    assert measure(square(10, 10), nothing) == (0, 0)
    assert measure(nothing, square(10, 10)) == (0, 0)
    assert measure(square(0, 0), square(40, 60)) == (0, 0)
    # the tolerance here is one pixel: a shift by it costs J alone, a shift by more costs F too
    assert measure(square(10, 10), square(10, 11)) == pytest.approx((19 / 21, 1))
    assert measure(square(10, 10), square(10, 13)).F < 1


def test_a_disk_wider_than_many_words() -> None:
    """The tolerance is 5601 pixels here: a run of the disk widens by more than a word at once."""
    truth = np.zeros((1, 700_000), dtype=bool)
    truth[0, 100_000] = True
    assert [measure(truth, np.roll(truth, shift)).F for shift in (5601, 5603)] == [1, 0]


def test_a_frame_that_is_all_object_has_no_boundary() -> None:
    everything = np.ones((60, 80), dtype=bool)
    assert measure(everything, everything) == (1, 1)
    assert measure(everything, ~everything) == (0, 1)
    assert measure(everything, square(10, 10)) == (400 / 4800, 0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1)])
def test_frames_of_a_pixel_or_a_line(shape: tuple[int, int]) -> None:
    everything = np.ones(shape, dtype=bool)
    assert measure(everything, everything) == (1, 1)
    assert measure(everything, ~everything) == (0, 1)


def test_void_pixels_take_no_part_when_both_masks_are_cleared_there() -> None:
    truth, prediction, void = square(10, 10), square(10, 10), square(10, 20, size=30)
    prediction[20:30, 25:40] ^= True
    assert measure(truth, prediction) != (1, 1)
    assert measure(truth & ~void, prediction & ~void) == (1, 1)


def test_void_pixels_are_those_of_the_official_evaluator() -> None:
    """In its unsupervised task they take no part; the other one clears the truth alone."""
    metrics = pytest.importorskip("davis2017.metrics", reason="run `make evaluator`")
    random = np.random.default_rng(0)
    for _ in range(10):
        corners = random.integers(0, 40, (3, 2))
        truth, prediction, void = (square(*corner) for corner in corners)
        void &= random.random(void.shape) < 0.7
        cleared = measure(truth & ~void, prediction & ~void)
        official = (
            metrics.db_eval_iou(truth, prediction, void),
            metrics.db_eval_boundary(truth, prediction, void),
        )
        assert cleared == pytest.approx(official, abs=1e-12)


@pytest.mark.parametrize("other", [(60, 79), (60, 80, 1)])
def test_refuses_other_shapes(other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        measure(square(10, 10), np.zeros(other, dtype=bool))


def test_statistics_of_a_falling_line() -> None:
    # 9 frames: the quarters meet at frames 1, 3, 5, 7 and 9
    assert statistics_of(np.linspace(0.9, 0.1, 9)) == pytest.approx((0.5, 4 / 9, 0.6), abs=1e-12)


def test_recall_counts_frames_above_a_half_not_at_it() -> None:
    assert statistics_of([0.5, 0.5, 0.6, 1.0]).recall == 0.5


def test_quarters_that_end_between_two_frames_round_up() -> None:
    # linspace(1, 3, 5) = 1, 1.5, 2, 2.5, 3
    assert statistics_of([1.0, 0.5, 0.25]).decay == pytest.approx((1.0 + 0.5) / 2 - 0.25)


def test_one_frame_does_not_decay() -> None:
    assert statistics_of([0.75]) == Statistics(0.75, 1.0, 0.0)


@pytest.mark.parametrize("frames", [256, 257, 300, 1000])
def test_decay_beyond_256_frames(frames: int) -> None:
    values = np.linspace(1, 0, frames)
    quarter = (frames - 1) / 4
    decay = statistics_of(values).decay
    assert decay == pytest.approx(0.75, abs=1 / quarter)


def test_statistics_of_no_frame_are_refused() -> None:
    with pytest.raises(ValueError, match="no frame"):
        statistics_of([])


def golden(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("table", ["binary", "multi"])
def test_statistics_equal_the_official_evaluators(shared: Path, table: str) -> None:
    frames = defaultdict(list)
    for row in golden(shared / "golden" / "measures" / f"{table}.csv"):
        frames[row["sequence"], row["object"]].append((float(row["J"]), float(row["F"])))
    for row in golden(shared / "golden" / "measures" / f"{table}_stats.csv"):
        columns = zip(*frames[row["sequence"], row["object"]], strict=True)
        for name, values in zip("JF", columns, strict=True):
            expected = [float(row[f"{name}_{figure}"]) for figure in Statistics._fields]
            assert statistics_of(values) == pytest.approx(expected, abs=1e-9)


def test_measures_equal_the_official_evaluators(shared: Path) -> None:
    """Every tenth frame here; every frame, through files, in test_known_scores."""
    for row in golden(shared / "golden" / "measures" / "binary.csv")[::10]:
        name = f"{row['sequence']}/{row['frame']}.png"
        truth = read_labels(shared / "davis2016" / "Annotations" / "480p" / name) > 127
        prediction = read_labels(shared / "golden" / "measures" / "osvos" / name) > 0
        expected = (float(row["J"]), float(row["F"]))
        assert measure(truth, prediction) == pytest.approx(expected, abs=1e-9)
