"""The training sample that both stages share."""

from typing import NamedTuple

from torch import Tensor


class Sample(NamedTuple):
    """A training sample of either stage; a batch has one more axis in front.

    Attributes:
        frames: float (T, 3, h, w) in [0, 1]; the first is the reference.
        masks: uint8 (T, h, w): 0, 1, or IGNORE where the ground truth is unknown.
        guidance: float (h, w) in [0, 1], the previous mask of `frames[1]`.
    """

    frames: Tensor
    masks: Tensor
    guidance: Tensor


IGNORE = 255
"""Mask value where the ground truth is unknown; the loss ignores the pixel."""
