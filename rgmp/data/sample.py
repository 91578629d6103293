"""The training sample that both stages share."""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from rgmp.data.davis import VOID


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


IGNORE = VOID
"""Mask value where the ground truth is unknown; the loss ignores the pixel."""


def is_object(labels: Tensor, which: int | None) -> Tensor:
    """Where an object, or any (None), is in uint8 labels: bool, of the same shape."""
    return labels == which if which is not None else (labels > 0) & (labels != IGNORE)


def masks_of(labels: Tensor, which: Iterable[int | None]) -> Tensor:
    """The masks of one object of each sample, or of the union of all (None).

    Args:
        labels: uint8 (n, ..., h, w) with IGNORE where unknown.
        which: n objects.

    Returns:
        uint8 of 0, 1 and IGNORE, of the same shape.
    """
    there = torch.stack([is_object(*pair) for pair in zip(labels, which, strict=True)])
    return torch.where(labels == IGNORE, labels, there.byte())
