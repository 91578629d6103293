"""F of one object as the VOT toolkit measures it: on boundaries that lie inside the masks.

The definition is that of votchallenge/toolkit, `vot/analysis/vos.py` (93ad0f7); it differs from
DAVIS's (`rgmp.evaluation.measures`) in one thing. DAVIS's boundary is the pixels that differ from
their right, lower or lower right neighbour, so on two sides it lies outside the mask. VOT's is the
mask without its erosion by a square of 3x3 pixels, in which pixels beyond the frame count as
foreground. How boundaries are matched, and F of empty ones, is the same.
"""

import numpy as np

from rgmp.evaluation.boundary import (
    Window,
    Words,
    contour_accuracy,
    leftward,
    rightward,
    window_of,
    words_of,
)
from rgmp.evaluation.measures import Mask, radius_of


def vot_contour_accuracy(truth: Mask, prediction: Mask) -> float:
    """F of a predicted mask, in [0, 1], on boundaries as the VOT toolkit has them.

    Args:
        truth: bool (H, W).
        prediction: bool (H, W).
    """
    packed = [np.packbits(mask, axis=1, bitorder="little") for mask in (truth, prediction)]
    window = window_of(packed[0] | packed[1], truth.shape, radius_of(truth.shape))
    if window is None:
        return 1.0
    return contour_accuracy(_inner_boundaries_of(words_of(packed, window), window), window)


def _inner_boundaries_of(masks: Words, window: Window) -> Words:
    """The pixels of masks, (2, N), of whose neighbours in the frame, up to 8, one is background.

    The square is eroded by a row, then by a column. What the window cuts off on the right and below
    is background; on the left and above it cuts nothing off that is a neighbour of foreground.
    """
    stride = window.stride
    has_left = rightward(window.has_right[None], 1)[0]
    has_upper = np.zeros_like(window.has_lower)
    has_upper[stride:] = window.has_lower[:-stride]
    rows = masks & (leftward(masks, 1) | ~window.has_right) & (rightward(masks, 1) | ~has_left)
    upper, lower = np.zeros_like(masks), np.zeros_like(masks)
    upper[:, stride:] = rows[:, :-stride]
    lower[:, :-stride] = rows[:, stride:]
    eroded = rows & (lower | ~window.has_lower) & (upper | ~has_upper)
    boundaries: Words = masks & ~eroded
    return boundaries
