"""What of a mask tells a mistake from a poor method: counts of pixels, taken as it is scored.

Regions are counted on every fourth row and column, to be quick: 0.6 ms of a frame of 480p. Whether
two masks are the same is decided on all pixels.
"""

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rgmp.data.davis import VOID, without_void
from rgmp.data.images import Labels

Counts = npt.NDArray[np.int64]
"""Pixels by label of the truth (rows) and of the mask (columns): background, the K objects in order
of their ids, then whatever is no object together: (K + 2, K + 2)."""

STEP = 4
"""Rows and columns from one counted pixel to the next."""


class Evidence(NamedTuple):
    """One mask beside the truth.

    Attributes:
        sequence, frame: names, such as `camel` and `00012`.
        scored: whether J and F are measured: not of the first and the last frame.
        first: whether it is the mask of frame 0.
        exact: whether it equals the truth in every pixel, void as background.
        digest: of its labels.
        objects: the ids of the sequence's objects, in order.
        labels: how many other than background it has.
        has_others: whether one of them is no object.
        now, before, after: pixels counted with the truth of its frame, and of the frame before and
            after; None where there is none.
        by_colour: the same with its frame's, of the labels that the colours of its palette say;
            None where they do not contradict the indices.
    """

    sequence: str
    frame: str
    scored: bool
    first: bool
    exact: bool
    digest: int
    objects: tuple[int, ...]
    labels: int
    has_others: bool
    now: Counts
    before: Counts | None
    after: Counts | None
    by_colour: Counts | None


class Truths(NamedTuple):
    """Annotations, uint8 (H, W): a frame's own, and those of the frames around it, if any."""

    now: Labels
    before: Labels | None
    after: Labels | None


def counts_of(truth: Labels, mask: Labels, objects: Sequence[int]) -> Counts:
    """Count pixels by the labels of truth and mask, both uint8 (H, W); void is background."""
    side = len(objects) + 2  # at most 256: ids are below void
    column = np.full(256, side - 1)
    column[[0, *objects]] = np.arange(side - 1)
    row = side * column
    row[VOID] = row[0]
    places = row.take(truth[::STEP, ::STEP])
    places += column.take(mask[::STEP, ::STEP])
    counts = np.bincount(places.ravel(), minlength=side * side)
    return counts.reshape(side, side).astype(np.int64)


def evidence_of(
    sequence: str,
    frame: str,
    truths: Truths,
    mask: Labels,
    *,
    objects: Sequence[int],
    scored: bool,
    first: bool,
    by_colour: Labels | None = None,
) -> Evidence:
    """The evidence of one mask, whose fields the arguments name."""
    # of few labels, these take a fifth of a histogram's time
    labels = [label for label in range(1, int(mask.max()) + 1) if (mask == label).any()]
    now = counts_of(truths.now, mask, objects)
    around = [
        None if t is None or t.shape != mask.shape else counts_of(t, mask, objects)
        for t in (truths.before, truths.after)
    ]
    return Evidence(
        sequence,
        frame,
        scored=scored,
        first=first,
        exact=bool(now.sum() == np.trace(now) and (without_void(truths.now) == mask).all()),
        digest=zlib.crc32(mask.tobytes()),
        objects=tuple(objects),
        labels=len(labels),
        has_others=not {*labels}.issubset(objects),
        now=now,
        before=around[0],
        after=around[1],
        by_colour=None if by_colour is None else counts_of(truths.now, by_colour, objects),
    )


def regions(counts: Counts) -> npt.NDArray[np.float64]:
    """J of every object of the truth with every label of the mask: (K, K), 1 where both are empty.

    What is no object takes no part.
    """
    own, others = counts.sum(axis=1)[1:-1, None], counts.sum(axis=0)[None, 1:-1]
    both = counts[1:-1, 1:-1]
    either = own + others - both
    found: npt.NDArray[np.float64] = np.where(either > 0, both / np.maximum(either, 1), 1.0)
    return found


def region(counts: Counts) -> float:
    """Mean J of the objects."""
    return float(np.diag(regions(counts)).mean())


def foreground(counts: Counts) -> float:
    """J of all objects together."""
    either = counts.sum() - counts[0, 0]
    return float(counts[1:, 1:].sum() / either) if either else 1.0
