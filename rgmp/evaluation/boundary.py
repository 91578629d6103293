"""F of one object: boundaries dilated and matched, on masks packed 64 pixels per word."""

from math import ceil, isqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]


WORD: np.dtype[np.uint64] = np.dtype("<u8")


TOLERANCE = 0.008
"""Largest distance at which boundaries match, as a share of the image diagonal."""


class Window(NamedTuple):
    """The part of a frame to compare, and how its pixels are packed into words.

    A word holds 64 pixels, one bit each, the first in the lowest bit. Each row ends with at least
    `radius` spare zero bits, so that pixels shifted out of a row do not reach the next.

    Attributes:
        rows, columns: slices of the packed frame, (H, W / 8); outside them both masks are empty.
        stride: words per row.
        radius: largest distance at which boundaries match, pixels.
        has_right: the pixels with a right neighbour in the frame: (N,) words.
        has_lower: those with a lower neighbour.
    """

    rows: slice
    columns: slice
    stride: int
    radius: int
    has_right: Words
    has_lower: Words


def window_of(either: npt.NDArray[np.uint8], shape: tuple[int, ...], radius: int) -> Window | None:
    """The window that masks cover, with a margin above and left; None if they are empty.

    Args:
        either: the masks' union, its rows packed: uint8 (H, W / 8).
        shape: (H, W) of the frame.
        radius: largest distance at which boundaries match, pixels.
    """
    covered = np.flatnonzero(either.any(axis=1))
    if not covered.size:
        return None
    top, bottom = max(int(covered[0]) - 1, 0), int(covered[-1]) + 1
    covered = np.flatnonzero(either[top:bottom].any(axis=0))
    left, right = max(int(covered[0]) - 1, 0), int(covered[-1]) + 1
    stride = ceil((8 * (right - left) + radius) / 64)

    def filled(columns: int, rows: int) -> Words:
        """The first columns of the first rows."""
        row = ((1 << columns) - 1).to_bytes(8 * stride, "little")
        empty = bytes(8 * stride) * (bottom - top - rows)
        return np.frombuffer(row * rows + empty, dtype=WORD)

    height, width = bottom - top, min(8 * right, shape[1]) - 8 * left
    return Window(
        rows=slice(top, bottom),
        columns=slice(left, right),
        stride=stride,
        radius=radius,
        has_right=filled(width - (8 * right >= shape[1]), height),
        has_lower=filled(width, height - (bottom == shape[0])),
    )


def words_of(packed: list[npt.NDArray[np.uint8]], window: Window) -> Words:
    """The window of two masks whose rows are packed, uint8 (H, W / 8) each: (2, N)."""
    inside = np.stack([mask[window.rows, window.columns] for mask in packed])
    words: Words = np.zeros((2, inside.shape[1] * window.stride), dtype=WORD)
    rows = words.view(np.uint8).reshape(2, inside.shape[1], -1)
    rows[..., : inside.shape[2]] = inside
    return words


def boundaries_of(masks: Words, window: Window) -> Words:
    """The pixels that differ from their right, lower or lower right neighbour in the frame."""
    right = leftward(masks, 1)
    lower, lower_right = np.zeros_like(masks), np.zeros_like(masks)
    lower[:, : -window.stride] = masks[:, window.stride :]
    lower_right[:, : -window.stride] = right[:, window.stride :]
    boundaries: Words = (
        (masks ^ right) & window.has_right
        | (masks ^ lower) & window.has_lower
        | (masks ^ lower_right) & window.has_right & window.has_lower
    )
    return boundaries


def contour_accuracy(boundaries: Words, window: Window) -> float:
    """F of two boundaries, (2, N)."""
    sizes = np.bitwise_count(boundaries).sum(axis=1)
    if not sizes.all():
        return float(sizes[0] == sizes[1])
    near = boundaries & _dilated(boundaries, window)[::-1]
    recall, precision = np.bitwise_count(near).sum(axis=1) / sizes
    both = recall + precision
    return float(2 * precision * recall / both) if both else 0.0


def _dilated(images: Words, window: Window) -> Words:
    """Images, (2, N), dilated by a disk, x² + y² <= radius².

    From the disk's top row to its middle one the rows widen: each row's run of pixels is made from
    the run before it.
    """
    disks, runs, reach = np.zeros_like(images), images, 0
    for y in range(window.radius, -1, -1):
        while reach < (half := isqrt(window.radius**2 - y**2)):
            step = min(
                half - reach, 2 * reach + 1, 63
            )  # a longer step would leave a gap in the run
            runs = runs | leftward(runs, step) | rightward(runs, step)
            reach += step
        moved = y * window.stride
        kept = max(images.shape[1] - moved, 0)
        disks[:, moved:] |= runs[:, :kept]
        disks[:, :kept] |= runs[:, moved:]
    return disks


def leftward(images: Words, pixels: int) -> Words:
    """Images, (2, N), moved to the left by less than 64 pixels."""
    moved = images >> np.uint64(pixels)
    moved[:, :-1] |= images[:, 1:] << np.uint64(64 - pixels)
    return moved


def rightward(images: Words, pixels: int) -> Words:
    """Images, (2, N), moved to the right by less than 64 pixels."""
    moved = images << np.uint64(pixels)
    moved[:, 1:] |= images[:, :-1] >> np.uint64(64 - pixels)
    return moved
