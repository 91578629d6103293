"""Combine the probabilities of several objects into soft masks and one label per pixel.

Source: facts/rgmp.md, "Inference" (paper section 3.4): softmax aggregation and the two alternatives
it is compared with.
"""

import torch
from torch import Tensor

from rgmp.config.method import Aggregation

_EPSILON = 1e-7


def needs_union(aggregation: Aggregation, objects: int) -> bool:
    """Whether a further pass, on the union of the objects, gives the background probability."""
    return aggregation == "softmax" and objects > 1


def aggregate(
    probabilities: Tensor, union: Tensor | None, aggregation: Aggregation
) -> tuple[Tensor, Tensor]:
    """Combine the network's output for each object.

    A single object is unchanged, and labelled where its probability is above 0.5. For several,
    `softmax` weighs the odds of every object against those of the background (1 - union);
    `winner_take_all` sets all but the largest probability at a pixel to zero; `independent` changes
    nothing. The last two label the most probable object where it is above 0.5.

    Args:
        probabilities: float (M, H, W) in [0, 1], the foreground of each object, M >= 1.
        union: float (H, W) in [0, 1], the foreground of all, if `needs_union`; else None.
        aggregation: one of the three.

    Returns:
        The soft masks, float (M, H, W), for the next frame; and labels, uint8 (H, W), 0 for
        background, i + 1 for object i.
    """
    if union is not None:
        together = torch.cat([(1 - union)[None], probabilities])
        soft = torch.softmax(torch.logit(together, eps=_EPSILON), dim=0)
        # the indices of argmax, which takes 28 times as long on a CPU
        return soft[1:], soft.max(dim=0).indices.to(torch.uint8)
    largest, winner = probabilities.max(dim=0)
    labels = torch.where(largest > 0.5, winner + 1, 0).to(torch.uint8)
    if aggregation == "winner_take_all" and len(probabilities) > 1:
        is_winner = torch.arange(len(probabilities), device=winner.device)[:, None, None] == winner
        probabilities = torch.where(is_winner, probabilities, 0.0)
    return probabilities, labels
