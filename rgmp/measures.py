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
Packed = npt.NDArray[np.uint8]

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
    bits = [np.packbits(mask, axis=1) for mask in (truth, prediction)]
    window = _window(bits[0] | bits[1], truth.shape, radius)
    if window is None:
        return Measured(1.0, 1.0)
    true, predicted = (_number(packed, window) for packed in bits)
    return Measured(
        J=(true & predicted).bit_count() / (true | predicted).bit_count(),
        F=_contour_accuracy(_boundary(true, window), _boundary(predicted, window), window),
    )


class _Window(NamedTuple):
    """The part of a frame that is looked at, and how its pixels lie in a whole number.

    A number holds a bit a pixel, the first pixel highest, and `pitch` bits a row, of which the last
    ones are spare: at least `radius`, always 0. To shift the number is to move the image, 8 pixels
    in the time that an array takes for one.

    Attributes:
        rows, columns: of the packed frame, (H, W / 8); beyond them both masks are empty.
        pitch: bits a row, a multiple of 8.
        radius: how far apart boundaries match, pixels.
        has_right: the pixels with another to their right in the frame, as a number.
        has_lower: those with another below.
    """

    rows: slice
    columns: slice
    pitch: int
    radius: int
    has_right: int
    has_lower: int


def _window(either: Packed, shape: tuple[int, ...], radius: int) -> _Window | None:
    """What masks cover, and what lies just above and left of it; None where they are empty.

    Args:
        either: the masks' union, its rows packed: uint8 (H, W / 8).
        shape: (H, W) of the frame.
        radius: how far apart boundaries match, pixels.
    """
    covered = np.flatnonzero(either.any(axis=1))
    if not covered.size:
        return None
    top, bottom = max(int(covered[0]) - 1, 0), int(covered[-1]) + 1
    covered = np.flatnonzero(either[top:bottom].any(axis=0))
    left, right = max(int(covered[0]) - 1, 0), int(covered[-1]) + 1
    pitch = 8 * (right - left + ceil(radius / 8))

    def pixels(rows: int, columns: int) -> int:
        """The first rows and columns, filled."""
        row = ((1 << columns) - 1) << pitch - columns
        filled = int.from_bytes(row.to_bytes(pitch // 8) * rows)
        return filled << (bottom - top - rows) * pitch

    height, width = bottom - top, min(8 * right, shape[1]) - 8 * left
    return _Window(
        rows=slice(top, bottom),
        columns=slice(left, right),
        pitch=pitch,
        radius=radius,
        has_right=pixels(height, width - (8 * right >= shape[1])),
        has_lower=pixels(height - (bottom == shape[0]), width),
    )


def _number(packed: Packed, window: _Window) -> int:
    """A mask's window as a whole number.

    Args:
        packed: the mask, its rows packed: uint8 (H, W / 8).
        window: what is looked at.
    """
    inside = packed[window.rows, window.columns]
    rows = np.zeros((inside.shape[0], window.pitch // 8), dtype=np.uint8)
    rows[:, : inside.shape[1]] = inside
    return int.from_bytes(rows.tobytes())


def _boundary(mask: int, window: _Window) -> int:
    """The pixels that differ from their right, lower or lower right neighbour in the frame."""
    right, lower, pitch = window.has_right, window.has_lower, window.pitch
    return (
        (mask ^ mask << 1) & right
        | (mask ^ mask << pitch) & lower
        | (mask ^ mask << pitch + 1) & right & lower
    )


def _contour_accuracy(true: int, predicted: int, window: _Window) -> float:
    """F of two boundaries."""
    if not true or not predicted:
        return float(true == predicted)
    precision = (predicted & _dilated(true, window)).bit_count() / predicted.bit_count()
    recall = (true & _dilated(predicted, window)).bit_count() / true.bit_count()
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _dilated(pixels: int, window: _Window) -> int:
    """Pixels dilated by a disk, x² + y² <= radius².

    From the disk's top row to its middle one the rows widen: each row's run of pixels is made from
    the run before it. Runs begin at the pixel and go left, so that each step is one shift; they are
    centred where they join the disk. What moves out at a side ends in the spare bits of a row.
    """
    radius, pitch = window.radius, window.pitch
    disk, run, reach = 0, pixels, 0
    for y in range(radius, -1, -1):
        half = isqrt(radius**2 - y**2)
        while reach < 2 * half:
            step = min(2 * half - reach, reach + 1)  # a longer one would leave a gap in the run
            run |= run << step
            reach += step
        aside = (
            radius - half
        )  # the disk grows `radius` pixels too far left, and is moved at the end
        disk |= run << y * pitch + aside | run >> y * pitch - aside
    return disk >> radius


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
