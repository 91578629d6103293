"""The measures of DAVIS: region similarity J, contour accuracy F, and their statistics over frames.

Defined by Perazzi et al., CVPR 2016, and by davis2017-evaluation (ac7c43f, BSD-3), whose figures
these equal. Void pixels take no part when both masks are cleared there before they are measured;
its semi-supervised task clears the truth alone, which makes void background.
"""

from math import ceil, hypot, isqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

TOLERANCE = 0.008
"""How far apart two boundaries still match, as a share of the image's diagonal."""


class Measured(NamedTuple):
    """J and F of one object in one frame, in [0, 1]."""

    J: float
    F: float


class Statistics(NamedTuple):
    """A measure over the frames of one object.

    `mean` and `recall`, the share of frames above 0.5, lie in [0, 1]. `decay`, the mean of the
    first quarter of the frames less that of the last, lies in [-1, 1]; less is better.
    """

    mean: float
    recall: float
    decay: float


def measure(truth: Mask, prediction: Mask) -> Measured:
    """J and F of a predicted mask.

    J is intersection over union. F is the harmonic mean of the precision and the recall of boundary
    pixels: one is found where the other boundary is no further than `TOLERANCE` times the diagonal,
    rounded up to whole pixels. Where both masks are empty, J and F are 1.

    Args:
        truth: bool (H, W).
        prediction: bool (H, W).

    Raises:
        ValueError: the shapes differ, or are not (H, W).
    """
    if truth.ndim != 2 or truth.shape != prediction.shape:
        raise ValueError(f"masks of one shape (H, W), got {truth.shape} and {prediction.shape}")
    radius = ceil(TOLERANCE * hypot(*truth.shape))
    box = _bounding_box(truth | prediction)
    if box is None:
        return Measured(1.0, 1.0)
    truth, prediction = truth[box], prediction[box]
    union = np.count_nonzero(truth | prediction)
    return Measured(
        J=np.count_nonzero(truth & prediction) / union,
        F=_contour_accuracy(_boundary(truth), _boundary(prediction), radius),
    )


def _bounding_box(mask: Mask) -> tuple[slice, slice] | None:
    """What a mask covers and one pixel around it, within the frame; None where it is empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    return (
        slice(max(rows[0] - 1, 0), rows[-1] + 2),
        slice(max(columns[0] - 1, 0), columns[-1] + 2),
    )


def _boundary(mask: Mask) -> Mask:
    """The pixels that differ from their right, lower or lower right neighbour: bool (H, W)."""
    boundary = np.zeros_like(mask)
    boundary[:, :-1] = mask[:, :-1] ^ mask[:, 1:]
    boundary[:-1] |= mask[:-1] ^ mask[1:]
    boundary[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return boundary


def _contour_accuracy(truth: Mask, prediction: Mask, radius: int) -> float:
    """F of two boundaries, bool (H, W), that match within `radius` pixels."""
    pitch = truth.shape[1] + radius
    true, predicted = _packed(truth, pitch), _packed(prediction, pitch)
    if not true or not predicted:
        return float(true == predicted)
    precision = (predicted & _dilated(true, pitch, radius)).bit_count() / predicted.bit_count()
    recall = (true & _dilated(predicted, pitch, radius)).bit_count() / true.bit_count()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _packed(mask: Mask, pitch: int) -> int:
    """A mask as one whole number, a bit a pixel and `pitch` bits a row, the rest of them 0.

    To shift the number is to move the image, 8 pixels in the time that an array takes for one.
    """
    height, width = mask.shape
    rows = np.zeros((height, pitch), dtype=bool)
    rows[:, :width] = mask
    return int.from_bytes(np.packbits(rows).tobytes())


def _dilated(pixels: int, pitch: int, radius: int) -> int:
    """Packed pixels dilated by a disk, x² + y² <= radius².

    From the disk's top row to its middle one the rows widen: each row's run of pixels is made from
    the run before it. What moves out at a side ends in the `radius` spare bits of a row.
    """
    disk, run, reach = 0, pixels, 0
    for y in range(radius, -1, -1):
        while reach < (half := isqrt(radius**2 - y**2)):
            step = min(half - reach, 2 * reach + 1)  # a longer one would leave a gap in the run
            run |= run << step | run >> step
            reach += step
        disk |= run << y * pitch | run >> y * pitch
    return disk


def statistics_of(values: npt.ArrayLike) -> Statistics:
    """Mean, recall and decay of one object's J or F.

    The quarters share the frames at which they meet: linspace(1, T, 5), rounded, halves up.

    Args:
        values: float (T,), a figure for each scored frame in order.

    Raises:
        ValueError: no frame.
    """
    frames = np.asarray(values, dtype=np.float64)
    if not frames.size:
        raise ValueError("statistics of no frame")
    ends = np.round(np.linspace(1, frames.size, 5) + 1e-10).astype(int)
    return Statistics(
        mean=float(frames.mean()),
        recall=float((frames > 0.5).mean()),
        decay=float(frames[: ends[1]].mean() - frames[ends[3] - 1 :].mean()),
    )
