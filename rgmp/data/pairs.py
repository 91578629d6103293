"""Stage 1: a pair of frames synthesised from still images (paper section 3.2).

Source: facts/rgmp.md, "Training". Two strategies: two views of one image; or a foreground pasted on
another image, seen differently in each frame, sometimes with an occluder in front. The guidance
mask, in the role of the previous mask, is the target's true mask deformed further, sometimes cut or
empty.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from rgmp.config.method import Pretrain
from rgmp.data.augment import Crop, Jitter, choose_crop, cut, deform
from rgmp.data.decoding import Decoded
from rgmp.data.sample import IGNORE, Sample, is_object, masks_of
from rgmp.data.stills import Still
from rgmp.data.views import Numbers, Views
from rgmp.errors import UserError


class Layer(NamedTuple):
    """A still in a sample, and one of its objects.

    Attributes:
        image: uint8 (H, W, 3).
        labels: uint8 (H, W): 0, objects 1, 2, ..., IGNORE.
        which: the object.
        crop: the part that all its views share.
        numbers: of each view.
    """

    image: Tensor
    labels: Tensor
    which: int
    crop: Crop
    numbers: list[Numbers]


class Layers(NamedTuple):
    """What a sample shows: the object, twice; what it is pasted on, if it is; an occluder."""

    front: Layer
    back: Layer | None
    occluder: Layer | None


class Pairs:
    """Synthesises the samples of stage 1, each from its own random state."""

    def __init__(self, stills: Sequence[Still], settings: Pretrain, decoded: Decoded) -> None:
        """Draw from `stills` according to `settings`."""
        self._stills = stills
        self._settings = settings
        self._decoded = decoded
        self._objects: dict[int, list[int]] = {}  # of the stills drawn so far
        self._jitter = Jitter.of(settings, settings.warp)
        self._rigid = Jitter.of(settings, 0.0)

    def draw(self, rngs: Sequence[np.random.Generator], step: int) -> Sample:  # noqa: ARG002 - no schedule here
        """Draw a sample from each random state; `frames` is (n, 2, 3, h, w)."""
        drawn = [self._draw_layers(rng) for rng in rngs]
        fronts = [layers.front for layers in drawn]
        views = _views(fronts, self._jitter, self._settings.crop)
        frames, masks = _frames(fronts, views), _masks(fronts, views)
        self._paste(drawn, frames, masks)
        self._occlude(drawn, frames, masks)
        return Sample(frames, masks, self._guidance(rngs, masks[:, 1]))

    def _draw_layers(self, rng: np.random.Generator) -> Layers:
        """Make the random choices of a sample, but for its guidance."""
        settings = self._settings
        front, back, occluder = self._layer(rng, self._jitter, 2), None, None
        if rng.random() < settings.paste:
            back = self._layer(rng, self._jitter, 2)
            if rng.random() < settings.occlude:
                occluder = self._layer(rng, self._rigid, 1)
        return Layers(front, back, occluder)

    def _layer(self, rng: np.random.Generator, jitter: Jitter, views: int) -> Layer:
        image, labels, which = self._pick(rng)
        crop = choose_crop(rng, is_object(labels, which).numpy(), self._settings)
        return Layer(image, labels, which, crop, [jitter.draw(rng) for _ in range(views)])

    def _pick(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, int]:
        """An image, its labels, and one of its objects.

        A still without an object is replaced by the next one with an object.

        Raises:
            UserError: no still has an object.
        """
        first, count = int(rng.integers(len(self._stills))), len(self._stills)
        for i in range(first, first + count):
            image, labels = self._decoded.still(self._stills[i % count])
            if i % count not in self._objects:
                there = np.flatnonzero(np.bincount(labels.numpy().ravel(), minlength=256))
                self._objects[i % count] = [int(k) for k in there if k not in {0, IGNORE}]
            objects = self._objects[i % count]
            if objects:
                return image, labels, objects[rng.integers(len(objects))]
        raise UserError("no mask of any still has an object; stage 1 needs at least one")

    def _paste(self, drawn: list[Layers], frames: Tensor, masks: Tensor) -> None:
        """Strategy 2: paste foregrounds on other stills, in place."""
        rows, backs = _present([layers.back for layers in drawn])
        if rows:
            behind = _frames(backs, _views(backs, self._jitter, self._settings.crop))
            frames[rows] = over(frames[rows], masks[rows], behind)

    def _occlude(self, drawn: list[Layers], frames: Tensor, masks: Tensor) -> None:
        """Put other stills' foregrounds in front of some targets, in place."""
        rows, occluders = _present([layers.occluder for layers in drawn])
        if rows:
            views = _views(occluders, self._rigid, self._settings.crop)
            image, shape = _frames(occluders, views)[:, 0], _masks(occluders, views)[:, 0]
            frames[rows, 1], masks[rows, 1] = occluded(
                frames[rows, 1], masks[rows, 1], image, shape
            )

    def _guidance(self, rngs: Sequence[np.random.Generator], truths: Tensor) -> Tensor:
        """The guidance masks, float (n, h, w), of targets whose true masks are (n, h, w)."""
        settings = self._settings
        kept = [i for i, rng in enumerate(rngs) if rng.random() >= settings.guidance_empty]
        jitter = Jitter(
            settings.guidance_scale,
            settings.guidance_rotation,
            settings.guidance_shear,
            settings.guidance_shift,
            settings.guidance_warp,
        )
        guesses = deform([rngs[i] for i in kept], truths[kept], jitter)
        guidance = torch.zeros(truths.shape)
        for i, guess in zip(kept, guesses, strict=True):
            cropped = cut(rngs[i], guess) if rngs[i].random() < settings.guidance_cut else guess
            guidance[i] = cropped == 1
        return guidance


def _present(layers: list[Layer | None]) -> tuple[list[int], list[Layer]]:
    """The samples that have a layer, and the layers."""
    there = {i: layer for i, layer in enumerate(layers) if layer}
    return list(there), list(there.values())


def _views(layers: Sequence[Layer], jitter: Jitter, size: tuple[int, int]) -> Views:
    """All views of some layers, one layer after the other."""
    crops = [layer.crop for layer in layers for _ in layer.numbers]
    return jitter.views(crops, [n for layer in layers for n in layer.numbers], size)


def _frames(layers: Sequence[Layer], views: Views) -> Tensor:
    """The layers' images: float (n, views of each, 3, h, w)."""
    images = [layer.image for layer in layers for _ in layer.numbers]
    return views.of_images(images).view(len(layers), -1, 3, *views.size)


def _masks(layers: Sequence[Layer], views: Views) -> Tensor:
    """The masks of the layers' objects: uint8 (n, views of each, h, w)."""
    labels = [layer.labels for layer in layers for _ in layer.numbers]
    seen = views.of_masks(labels).view(len(layers), -1, *views.size)
    return masks_of(seen, (layer.which for layer in layers))


def over(front: Tensor, shape: Tensor, back: Tensor) -> Tensor:
    """Paste `front` (..., 3, h, w) on `back` where `shape` (..., h, w) is not 0; soften edges."""
    alpha = (shape == 1).float() + 0.5 * (shape == IGNORE).float()
    alpha = F.pad(alpha, (1, 1, 1, 1), mode="replicate")  # and a mean of 3x3 pixels
    alpha = (alpha[..., :-2, :] + alpha[..., 1:-1, :] + alpha[..., 2:, :]) / 3
    alpha = (alpha[..., :-2] + alpha[..., 1:-1] + alpha[..., 2:]) / 3
    return torch.lerp(back, front, alpha[..., None, :, :])


def occluded(
    frames: Tensor, truths: Tensor, images: Tensor, shapes: Tensor
) -> tuple[Tensor, Tensor]:
    """Put foregrounds in front of objects; hidden pixels no longer belong to them.

    Args:
        frames: float (n, 3, h, w).
        truths: uint8 (n, h, w), the objects' masks.
        images: as frames, with the foregrounds.
        shapes: as truths, the foregrounds' masks.

    Returns:
        New frames and masks; a sample whose object would be hidden wholly stays as it is.
    """
    hidden = truths.masked_fill(shapes == 1, 0)
    hidden.masked_fill_((shapes == IGNORE) & (truths == 1), IGNORE)
    seen = (hidden == 1).flatten(1).any(dim=1)[:, None, None]  # else nothing is left to learn
    covered = over(images, shapes, frames)
    return torch.where(seen[:, None], covered, frames), torch.where(seen, hidden, truths)
