"""F on the VOT toolkit's boundaries against a slow plain version and known answers."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.masks import pairs_of_masks, plain_accuracy

from rgmp.evaluation.measures import Mask
from rgmp.evaluation.vot_boundary import vot_contour_accuracy


def plain_boundary(mask: Mask) -> npt.NDArray[np.int_]:
    """(N, 2): pixels of the mask that have background among their neighbours in the frame."""
    height, width = mask.shape
    return np.array(
        [
            (y, x)
            for y, x in np.argwhere(mask)
            if not mask[max(y - 1, 0) : min(y + 2, height), max(x - 1, 0) : min(x + 2, width)].all()
        ],
        dtype=int,
    ).reshape(-1, 2)


def plain(truth: Mask, prediction: Mask) -> float:
    return plain_accuracy(plain_boundary(truth), plain_boundary(prediction), truth.shape)


@settings(deadline=None)
@given(pairs_of_masks())
def test_equals_the_plain_version(pair: tuple[Mask, Mask]) -> None:
    assert vot_contour_accuracy(*pair) == pytest.approx(plain(*pair), abs=1e-12)


@pytest.mark.parametrize("shape", [(97, 251), (251, 97), (70, 128), (1, 300), (300, 1)])
@given(seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=3)
def test_equals_the_plain_version_in_larger_frames(shape: tuple[int, int], seed: int) -> None:
    random = np.random.default_rng(seed)
    coarse = random.random((2, *(n // 9 + 1 for n in shape))) < 0.3
    masks = coarse.repeat(9, axis=1).repeat(9, axis=2)[:, : shape[0], : shape[1]]
    truth, prediction = masks
    expected = plain(truth, prediction)
    assert vot_contour_accuracy(truth, prediction) == pytest.approx(expected, abs=1e-12)


def test_known_answers() -> None:
    empty, full = np.zeros((30, 40), bool), np.ones((30, 40), bool)
    box = empty.copy()
    box[10:20, 10:20] = True
    for truth, prediction, expected in (
        (empty, empty, 1.0),
        (full, full, 1.0),  # no boundary: beyond the frame all is foreground
        (empty, full, 1.0),
        (empty, box, 0.0),
        (box, full, 0.0),
        (box, box, 1.0),
    ):
        assert vot_contour_accuracy(truth, prediction) == expected


def test_boundaries_lie_inside_the_mask() -> None:
    """A ring of one pixel that lies around a box is at distance 1, and of a radius 1 matched."""
    box = np.zeros((40, 60), bool)  # a diagonal of 72 pixels: within 1 pixel
    box[10:20, 10:20] = True
    wider = np.zeros_like(box)
    wider[9:21, 9:21] = True
    # the corners of the wider one's boundary are the only pixels that are too far
    precision, recall = 40 / 44, 1.0
    expected = 2 * precision * recall / (precision + recall)
    assert vot_contour_accuracy(box, wider) == pytest.approx(expected)
