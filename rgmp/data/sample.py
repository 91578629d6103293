"""What the network is trained on, of either stage."""

from typing import NamedTuple

from torch import Tensor


class Sample(NamedTuple):
    """What the network is trained on, of either stage; stacked, with a batch axis in front.

    Attributes:
        frames: float (T, 3, h, w) in [0, 1]; the first is the reference.
        masks: uint8 (T, h, w): 0, 1, or IGNORE where the truth is not known.
        guidance: float (h, w) in [0, 1], the previous mask of `frames[1]`.
    """

    frames: Tensor
    masks: Tensor
    guidance: Tensor


IGNORE = 255
"""In a mask: the truth is not known, and the loss leaves the pixel out."""
