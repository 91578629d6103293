"""Unroll the network over a batch of clips, with the loss (paper section 3.3).

With back-propagation through time the network's own soft mask is fed back together with its
gradient.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as recomputed

from rgmp.config.method import Bptt
from rgmp.data.sample import IGNORE, Sample
from rgmp.model.network import RGMP

_HEADS = 4


class Unrolling(NamedTuple):
    """How clips are unrolled and which parts have a loss."""

    bptt: Bptt = "full"
    window: int | None = None  # frames; None: the whole clip
    coarse_loss: float = 0.0
    recompute: bool = False


def windows(frames: int, window: int | None) -> list[range]:
    """The targets 1, 2, ... of a clip of `frames` frames, split into windows."""
    length = window or frames
    return [range(t, min(t + length, frames)) for t in range(1, frames, length)]


def unroll(network: RGMP, batch: Sample, how: Unrolling) -> Iterator[tuple[Tensor, Tensor]]:
    """Segment a batch of clips frame by frame, yielding the loss after each window.

    With `bptt: full` the gradient flows back through the predictions to the start of the window. In
    every window the reference is encoded again, with the current weights.

    Args:
        network: in training mode.
        batch: frames float (B, T, 3, h, w), masks uint8 (B, T, h, w), guidance float (B, h, w).
        how: which previous mask is used: the soft prediction with its gradient (`full`) or without
            it (`detached`), or the true mask (`none`).

    Yields:
        The mean of `frame_loss` over the window's frames, a scalar; and the mean intersection over
        union of the predictions at 0.5.
    """
    run: Callable[..., Any] = _called
    if how.recompute:
        run = partial(recomputed, use_reentrant=False, preserve_rng_state=False)
    shown = batch.frames[:, 0], (batch.masks[:, :1] == 1).float()  # the reference's frame and mask
    previous = batch.guidance[:, None]
    for window in windows(batch.frames.shape[1], how.window):
        reference = run(network.reference, *shown)
        losses, overlaps = [], []
        for t in window:
            frame, truth = batch.frames[:, t], batch.masks[:, t]
            heads, reference = run(
                network.heads, frame, previous, reference, _HEADS if how.coarse_loss else 1
            )
            finest, *coarse = (frame_loss(logits, truth) for logits in heads)
            losses.append(finest + how.coarse_loss * sum(coarse) / max(len(coarse), 1))
            probability = torch.softmax(heads[0].float(), dim=1)[:, 1:]
            overlaps.append(overlap(probability.detach()[:, 0] > 0.5, truth))
            if network.settings.reference == "rolling":
                shown = frame, previous.detach() * network.settings.previous_mask
            previous = probability if how.bptt != "none" else (truth[:, None] == 1).float()
            if how.bptt == "detached":
                previous = previous.detach()
        yield torch.stack(losses).mean(), torch.stack(overlaps).mean()
        previous = previous.detach()


class NextWindow(nn.Module):
    """A network as it is trained: a forward pass goes through one window, up to the loss."""

    def __init__(self, network: RGMP) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """The next of what `unroll` yields of the network."""
        return next(clips)


def _called(function: Callable[..., Any], *arguments: Any) -> Any:
    return function(*arguments)


def frame_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy: the mean over each sample's known pixels, then over the samples.

    It does not depend on how the samples are split into parts and processes.

    Args:
        logits: (B, 2, h, w).
        truth: uint8 (B, h, w): 0, 1, or IGNORE where unknown.
    """
    known = (truth != IGNORE).sum(dim=(1, 2)).clamp(min=1)
    costs = F.cross_entropy(logits.float(), truth.long(), ignore_index=IGNORE, reduction="none")
    return (costs.sum(dim=(1, 2)) / known).mean()


def overlap(predicted: Tensor, truth: Tensor) -> Tensor:
    """Mean intersection over union of bool and uint8 masks (B, h, w); 1 where both are empty."""
    true, known = truth == 1, truth != IGNORE
    both = (predicted & true).sum(dim=(1, 2))
    either = ((predicted | true) & known).sum(dim=(1, 2))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0).mean()
