"""Stage 2: short clips of videos, one object in each (paper section 3.3).

Source: facts/rgmp.md, "Training": N frames in order with random skips; the reference is the first
or another earlier frame of the same video with its true mask; one object, or the union of all, is
tracked.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rgmp.config.method import Finetune
from rgmp.data import davis
from rgmp.data.augment import deform, look
from rgmp.data.decoding import Decoded
from rgmp.data.sample import IGNORE, Sample


class Clips:
    """Draws the samples of stage 2 from videos, each from its own random state."""

    def __init__(
        self, sequences: Sequence[davis.Sequence], settings: Finetune, decoded: Decoded
    ) -> None:
        """Draw from `sequences`, whose frames must all be annotated."""
        self._sequences = sequences
        self._settings = settings
        self._decoded = decoded

    def length(self, step: int) -> int:
        """Frames of a clip at a step, including the reference; grows linearly with the step."""
        return _scheduled(self._settings.frames, step, self._settings.steps)

    def draw(self, rng: np.random.Generator, step: int) -> Sample:
        """Draw a sample; `frames` is (length, 3, h, w)."""
        settings = self._settings
        skip = _scheduled(settings.skip, step, settings.steps)
        sequence = self._sequences[int(rng.integers(len(self._sequences)))]
        reference, previous, targets = positions(
            rng, len(sequence.frames), self.length(step) - 1, skip
        )
        which = self._pick_object(rng, sequence)
        annotations = {t: self._truth(sequence, t, which) for t in (reference, previous, *targets)}
        hidden = not (annotations[reference] == 1).any()
        if hidden or settings.reference_frame == "first":  # frame 0 always shows it
            reference = 0
            annotations[0] = self._truth(sequence, 0, which)
        sampler = look(rng, annotations[targets[0]], settings, 0.0)
        frames, masks = [], []
        for t in (reference, *targets):
            view = sampler.view(rng)
            frames.append(view.of_image(self._decoded.image(sequence.frames[t])))
            masks.append(view.of_mask(annotations[t]))
        guidance = sampler.view(rng).of_mask(annotations[previous])
        guidance = deform(rng, guidance, scale=settings.scale)
        return Sample(torch.stack(frames), torch.stack(masks), (guidance == 1).float())

    def _pick_object(self, rng: np.random.Generator, sequence: davis.Sequence) -> int | None:
        """The id of an object in frame 0, or None for the union of all."""
        first = self._labels(sequence, 0).numpy()
        objects = [k for k in davis.object_ids(first) if (first == k).any()]
        choice = int(rng.integers(len(objects) + (len(objects) > 1)))
        return objects[choice] if choice < len(objects) else None

    def _truth(self, sequence: davis.Sequence, t: int, which: int | None) -> Tensor:
        """The mask of an object, or of all, in frame t: uint8 (H, W), IGNORE where void."""
        labels = self._labels(sequence, t)
        truth = (labels > 0 if which is None else labels == which).byte()
        if self._settings.benchmark == "davis2017":
            truth[labels == davis.VOID] = IGNORE
        return truth

    def _labels(self, sequence: davis.Sequence, t: int) -> Tensor:
        def decode(path: Path) -> Tensor:
            return torch.from_numpy(davis.read_annotation(path, self._settings.benchmark))

        return self._decoded.get(sequence.annotations[t], decode)


def positions(
    rng: np.random.Generator, frames: int, targets: int, skip: int
) -> tuple[int, int, list[int]]:
    """Choose reference <= previous < targets among a video's frames.

    Args:
        rng: the sample's random state.
        frames: length of the video.
        targets: how many frames to segment; if not below `frames`, the last repeats.
        skip: most frames skipped between two; fewer if the video is too short.

    Returns:
        The reference frame, the frame of the first previous mask, and the targets in order.
    """
    room = max((frames - 1) // targets - 1, 0)
    gaps = 1 + rng.integers(0, min(skip, room) + 1, targets)
    offsets = np.cumsum(gaps)
    previous = int(rng.integers(0, max(frames - int(offsets[-1]), 1)))
    chosen = np.minimum(previous + offsets, frames - 1)
    return int(rng.integers(0, previous + 1)), previous, [int(t) for t in chosen]


def _scheduled(ends: tuple[int, int], step: int, steps: int) -> int:
    """The value at a step of a linear schedule over integers, each for as many steps."""
    first, last = ends
    return min(first + (last - first + 1) * step // steps, last)
