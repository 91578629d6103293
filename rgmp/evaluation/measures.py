"""The measures of DAVIS: region similarity J, contour accuracy F, and their statistics over frames.

Defined by Perazzi et al., CVPR 2016, and by davis2017-evaluation (ac7c43f, BSD-3), whose values
these equal. Void pixels are ignored if both masks are cleared there before measuring; its
semi-supervised task clears only the truth, which turns void into background.
"""

from math import ceil, hypot
from typing import Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from rgmp.evaluation.boundary import TOLERANCE, boundaries_of, contour_accuracy, window_of, words_of

Mask = npt.NDArray[np.bool_]


Measure = Literal["J&F", "J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay"]
"""A statistic of one object's frames; `J&F` is the mean of J_mean and F_mean."""
MEASURES: tuple[Measure, ...] = get_args(Measure)


class Measured(NamedTuple):
    """J and F of one object in one frame, in [0, 1]."""

    J: float
    F: float


class Score(NamedTuple):
    """J and F, in [0, 1], of one object in one frame: a row of a score table.

    `frame` is its number as the files have it, such as `00001`. `seed` is that of the training
    behind the masks, None where no training here made them.
    """

    benchmark: str
    variant: str
    seed: int | None
    sequence: str
    object: int
    frame: str
    J: float
    F: float


class Statistics(NamedTuple):
    """A measure over the frames of one object.

    `mean` and `recall`, the share of frames above 0.5, lie in [0, 1]. `decay`, the mean of the
    first quarter of the frames less that of the last, lies in [-1, 1]; lower is better.
    """

    mean: float
    recall: float
    decay: float


def measure(truth: Mask, prediction: Mask) -> Measured:
    """J and F of a predicted mask.

    J is intersection over union. F is the harmonic mean of the precision and the recall of boundary
    pixels: one counts as matched if the other boundary is within `TOLERANCE` times the diagonal,
    rounded up to whole pixels. If both masks are empty, J and F are 1.

    Args:
        truth: bool (H, W).
        prediction: bool (H, W).

    Raises:
        ValueError: the shapes differ, or are not (H, W).
    """
    if truth.ndim != 2 or truth.shape != prediction.shape:
        raise ValueError(
            f"expected masks of one shape (H, W), got {truth.shape} and {prediction.shape}"
        )
    packed = [np.packbits(mask, axis=1, bitorder="little") for mask in (truth, prediction)]
    window = window_of(packed[0] | packed[1], truth.shape, radius_of(truth.shape))
    if window is None:
        return Measured(1.0, 1.0)
    masks = words_of(packed, window)
    union = np.bitwise_count(masks[0] | masks[1]).sum()
    return Measured(
        J=float(np.bitwise_count(masks[0] & masks[1]).sum() / union),
        F=contour_accuracy(boundaries_of(masks, window), window),
    )


def radius_of(shape: tuple[int, ...]) -> int:
    """The distance within which boundaries match in a frame of this shape, (H, W), in pixels."""
    return ceil(TOLERANCE * hypot(*shape))


def statistics_of(values: npt.ArrayLike) -> Statistics:
    """Mean, recall and decay of one object's J or F.

    Adjacent quarters share their boundary frame: linspace(1, T, 5), rounded half up.

    Args:
        values: float (T,), one value per scored frame, in order.

    Raises:
        ValueError: there is no frame.
    """
    frames = np.asarray(values, dtype=np.float64)
    if not frames.size:
        raise ValueError("no frames to summarise")
    ends = np.round(np.linspace(1, frames.size, 5) + 1e-10).astype(int)
    return Statistics(
        mean=float(frames.mean()),
        recall=float((frames > 0.5).mean()),
        decay=float(frames[: ends[1]].mean() - frames[ends[3] - 1 :].mean()),
    )
