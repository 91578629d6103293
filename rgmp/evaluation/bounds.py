"""What gives J and F a scale: masks made without a network, and their scores.

The floor keeps the mask of frame 0 for every frame, or that with which an object is given later:
what doing nothing scores. The ceiling is the
truth through a quarter of the resolution, at which the network's last map is (facts/rgmp.md,
"heads"): what a network scores whose map has the share of each object in every 4x4 pixels.
"""

from contextlib import closing
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from rgmp.config.base import Benchmark
from rgmp.data.davis import without_void
from rgmp.data.images import Labels
from rgmp.data.sequence import Sequence
from rgmp.data.videos import Videos
from rgmp.evaluation.job import Bound
from rgmp.evaluation.measures import Score, measure
from rgmp.evaluation.scoring import open_truths
from rgmp.runtime.processes import ordered

_STRIDE = 4
"""Pixels of the frame, along each axis, per element of the network's last map."""


def ceiling_of(truth: Labels) -> Labels:
    """An annotation through a quarter of its resolution.

    Each label's share of every 4x4 pixels is enlarged bilinearly, sample points at the centres, and
    each pixel gets the label with the largest; of equal ones the lowest. A frame whose sides are no
    multiples of 4 is continued below and to the right with its last pixels.

    Args:
        truth: uint8 (H, W); void counts as background.

    Returns:
        uint8 (H, W).
    """
    height, width = truth.shape
    whole = np.pad(
        without_void(truth), ((0, -height % _STRIDE), (0, -width % _STRIDE)), mode="edge"
    )
    labels = np.unique(whole)
    enlarged = [_enlarged(_shares(whole == label)) for label in labels]
    found: Labels = labels[np.argmax(enlarged, axis=0)][:height, :width]
    return found


def _shares(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """The mean of every 4x4 pixels: bool (H, W) -> (H / 4, W / 4), in [0, 1]."""
    height, width = (side // _STRIDE for side in mask.shape)
    shares: npt.NDArray[np.float64] = mask.reshape(height, _STRIDE, width, _STRIDE).mean(
        axis=(1, 3)
    )
    return shares


def _enlarged(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Enlarge (H / 4, W / 4) bilinearly to (H, W)."""
    enlarged: npt.NDArray[np.float64] = ndimage.zoom(
        values, _STRIDE, order=1, mode="nearest", grid_mode=True
    )
    return enlarged


class _Frame(NamedTuple):
    """A sequence, and the number of a scored annotation of it."""

    sequence: Sequence
    number: int
    benchmark: Benchmark


def score_bounds(videos: Videos, *, processes: int = 1) -> list[Score]:
    """J and F of the floor and of the ceiling, as `rgmp.evaluation.scoring.score` gives them.

    Args:
        videos: those to score, with their ground truth.
        processes: how many share the frames; the rows do not depend on it.

    Returns:
        The rows of the variants `floor` and `ceiling`, without a seed: sequences as in the split,
        their scored frames in order, each frame's objects by id.

    Raises:
        UserError: the tree lacks ground truth.
        ProblemsError: sequences are unknown.
    """
    frames = [
        _Frame(truth.sequence, number, truth.benchmark)
        for truth in open_truths(videos)
        for number in range(len(truth.sequence.annotations))
        if truth.sequence.scored_at(number)
    ]
    with closing(ordered(_scored, frames, processes, chunk=8)) as scored:
        each = list(scored)
    return [row for rows in zip(*each, strict=True) for part in rows for row in part]


def _scored(frame: _Frame) -> tuple[list[Score], ...]:
    """The rows of a frame, by bound."""
    sequence, number, benchmark = frame
    truth = sequence.read(number)
    masks: dict[Bound, Labels] = {"floor": _kept(sequence, number), "ceiling": ceiling_of(truth)}
    name = sequence.annotations[number].stem
    return tuple(
        [
            Score(benchmark, bound, None, sequence.name, i, name, *measure(truth == i, mask == i))
            for i in sequence.scored_at(number)
        ]
        for bound, mask in masks.items()
    )


def _kept(sequence: Sequence, number: int) -> Labels:
    """The masks that are given before an annotation, a later one over an earlier: uint8 (H, W)."""
    kept, *later = sorted({first for first in sequence.objects.values() if first < number})
    labels = sequence.read_given(kept)
    for one in later:
        given = sequence.read_given(one)
        labels = np.where(given > 0, given, labels)
    return labels
