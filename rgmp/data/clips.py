"""Stage 2: short clips of videos, one object in each (paper section 3.3).

Source: facts/rgmp.md, "Training": N frames in order with random skips; the reference is the first
or another earlier frame of the same video with its true mask; one object, or the union of all, is
tracked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rgmp.config.method import Finetune
from rgmp.data.augment import Crop, Jitter, Mask, choose_crop, deform
from rgmp.data.decoding import Decoded
from rgmp.data.sample import Sample, is_object, masks_of
from rgmp.data.sequence import Sequence as Video
from rgmp.data.sequence import read_annotation
from rgmp.data.views import Numbers


class Clip(NamedTuple):
    """The random choices of a sample.

    Attributes:
        sequence: the video.
        times: the reference and the targets.
        previous: the frame of the first previous mask.
        which: the object; None: the union of all.
        crop: the part of the video's frames that all views share.
        numbers: of the view of each of `times`.
        guidance: the numbers of the previous mask's view.
    """

    sequence: Video
    times: list[int]
    previous: int
    which: int | None
    crop: Crop
    numbers: list[Numbers]
    guidance: Numbers


class Clips:
    """Draws the samples of stage 2 from videos, each from its own random state."""

    def __init__(self, sequences: Sequence[Video], settings: Finetune, decoded: Decoded) -> None:
        """Draw from the annotated frames of `sequences`."""
        self._sequences = sequences
        self._settings = settings
        self._decoded = decoded
        self._jitter = Jitter.of(settings, 0.0)

    def length(self, step: int) -> int:
        """Frames of a clip at a step, including the reference; grows linearly with the step."""
        return _scheduled(self._settings.frames, step, self._settings.steps)

    def draw(self, rngs: Sequence[np.random.Generator], step: int) -> Sample:
        """Draw a sample from each random state; `frames` is (n, length, 3, h, w)."""
        clips = [self._choose(rng, step) for rng in rngs]
        length, size = self.length(step), self._settings.crop
        crops = [clip.crop for clip in clips for _ in clip.times]
        numbers = [number for clip in clips for number in clip.numbers]
        views = self._jitter.views(crops, numbers, size)
        paths = [clip.sequence.annotated_frames[t] for clip in clips for t in clip.times]
        frames = views.of_images([self._decoded.image(path) for path in paths])
        labels = views.of_masks([self._labels(c.sequence, t) for c in clips for t in c.times])
        before = self._jitter.views(
            [clip.crop for clip in clips], [clip.guidance for clip in clips], size
        ).of_masks([self._labels(clip.sequence, clip.previous) for clip in clips])
        which = [clip.which for clip in clips]
        masks = masks_of(labels.view(len(clips), length, *size), which)
        guidance = deform(rngs, masks_of(before, which), Jitter(self._settings.scale))
        frames = frames.view(len(clips), length, 3, *size)
        return Sample(frames, masks, (guidance == 1).float())

    def _choose(self, rng: np.random.Generator, step: int) -> Clip:
        """Make the random choices of a sample, but for the guidance's deformation."""
        settings = self._settings
        skip = _scheduled(settings.skip, step, settings.steps)
        sequence = self._sequences[int(rng.integers(len(self._sequences)))].from_first_object
        reference, previous, targets = positions(
            rng, len(sequence.annotated_frames), self.length(step) - 1, skip
        )
        which = self._pick_object(rng, sequence, previous)
        first = sequence.objects
        given = max(first.values()) if which is None else first[which]
        reference = max(reference, given)
        hidden = not self._there(sequence, reference, which).any()
        if hidden or settings.reference_frame == "first":
            reference = given  # which shows it
        crop = choose_crop(rng, self._there(sequence, targets[0], which), settings)
        *numbers, guidance = (self._jitter.draw(rng) for _ in range(len(targets) + 2))
        return Clip(sequence, [reference, *targets], previous, which, crop, numbers, guidance)

    def _pick_object(self, rng: np.random.Generator, sequence: Video, known: int) -> int | None:
        """The id of an object, or None for the union of all.

        Only objects that are given in frame `known` or before can be tracked from there, and their
        union only if they are all there are: an object that appears later has no reference.
        """
        sequence.required_objects(self._settings.benchmark)
        first = sequence.objects
        given = [k for k in first if first[k] <= known and self._there(sequence, first[k], k).any()]
        has_all = len(given) > 1 and max(first.values()) <= known
        choice = int(rng.integers(len(given) + has_all))
        return given[choice] if choice < len(given) else None

    def _there(self, sequence: Video, t: int, which: int | None) -> Mask:
        """Where an object, or any, is in frame t: bool (H, W)."""
        return is_object(self._labels(sequence, t), which).numpy()

    def _labels(self, sequence: Video, t: int) -> Tensor:
        def decode(path: Path) -> Tensor:
            return torch.from_numpy(read_annotation(path, sequence.dataset))

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
