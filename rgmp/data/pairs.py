"""Stage 1: a pair of frames synthesised from still images (paper section 3.2).

Source: facts/rgmp.md, "Training". Two strategies: two views of one image; or a foreground pasted on
another image, seen differently in each frame, sometimes with an occluder in front. The guidance
mask, in the role of the previous mask, is the target's true mask deformed further, sometimes cut or
empty.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from rgmp.config.method import Pretrain
from rgmp.data.augment import View, cut, deform, look
from rgmp.data.decoding import Decoded, Still
from rgmp.data.sample import IGNORE, Sample
from rgmp.errors import UserError


class Pairs:
    """Synthesises the samples of stage 1, each from its own random state."""

    def __init__(self, stills: Sequence[Still], settings: Pretrain, decoded: Decoded) -> None:
        """Draw from `stills` according to `settings`."""
        self._stills = stills
        self._settings = settings
        self._decoded = decoded

    def draw(self, rng: np.random.Generator, step: int) -> Sample:  # noqa: ARG002 - no schedule here
        """Draw a sample; `frames` is (2, 3, h, w): the reference and the target."""
        settings = self._settings
        image, mask = self._pick(rng)
        sampler = look(rng, mask, settings, settings.warp)
        views = [sampler.view(rng) for _ in range(2)]
        pairs = [(view.of_image(image), view.of_mask(mask)) for view in views]
        if rng.random() < settings.paste:
            pairs = self._paste(rng, pairs)
        frames, masks = (torch.stack(t) for t in zip(*pairs, strict=True))
        return Sample(frames, masks, self._guidance(rng, masks[1]))

    def _pick(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """An image and the mask of one of its objects: uint8 (H, W) of 0, 1 and IGNORE.

        A still without an object is replaced by the next one with an object.

        Raises:
            UserError: no still has an object.
        """
        first, count = int(rng.integers(len(self._stills))), len(self._stills)
        for i in range(first, first + count):
            image, labels = self._stills[i % count].load(self._decoded)
            there = np.flatnonzero(np.bincount(labels.numpy().ravel(), minlength=256))
            objects = there[(there > 0) & (there != IGNORE)]
            if len(objects):
                which = int(objects[rng.integers(len(objects))])
                mask = (labels == which).byte()
                mask[labels == IGNORE] = IGNORE
                return image, mask
        raise UserError("no mask of any still has an object; stage 1 needs at least one")

    def _paste(
        self, rng: np.random.Generator, pairs: list[tuple[Tensor, Tensor]]
    ) -> list[tuple[Tensor, Tensor]]:
        """Strategy 2: paste the foregrounds on another still, sometimes with an occluder."""
        settings = self._settings
        image, mask = self._pick(rng)
        behind = look(rng, mask, settings, settings.warp)
        pasted = [
            (_over(front, shape, behind.view(rng).of_image(image)), shape) for front, shape in pairs
        ]
        if rng.random() < settings.occlude:
            image, mask = self._pick(rng)
            pasted[1] = _occlude(pasted[1], image, mask, look(rng, mask, settings, 0.0).view(rng))
        return pasted

    def _guidance(self, rng: np.random.Generator, truth: Tensor) -> Tensor:
        settings = self._settings
        if rng.random() < settings.guidance_empty:
            return torch.zeros_like(truth, dtype=torch.float32)
        guess = deform(
            rng,
            truth,
            scale=settings.guidance_scale,
            rotation=settings.guidance_rotation,
            shear=settings.guidance_shear,
            shift=settings.guidance_shift,
            warp=settings.guidance_warp,
        )
        if rng.random() < settings.guidance_cut:
            guess = cut(rng, guess)
        return (guess == 1).float()


def _over(front: Tensor, shape: Tensor, back: Tensor) -> Tensor:
    """Paste `front` (3, h, w) on `back` where `shape` (h, w) is not background; soften edges."""
    alpha = (shape == 1).float() + 0.5 * (shape == IGNORE).float()
    alpha = F.pad(alpha[None], (1, 1, 1, 1), mode="replicate")  # and a mean of 3x3 pixels
    alpha = (alpha[:, :-2] + alpha[:, 1:-1] + alpha[:, 2:]) / 3
    alpha = (alpha[:, :, :-2] + alpha[:, :, 1:-1] + alpha[:, :, 2:]) / 3
    return torch.lerp(back, front, alpha)


def _occlude(
    pair: tuple[Tensor, Tensor], image: Tensor, mask: Tensor, view: View
) -> tuple[Tensor, Tensor]:
    """Put another still's foreground in front; hidden pixels no longer belong to the object."""
    frame, truth = pair
    shape = view.of_mask(mask)
    hidden = torch.where(shape == 1, 0, truth)
    hidden[(shape == IGNORE) & (truth == 1)] = IGNORE
    if not (hidden == 1).any():  # nothing to learn from a fully hidden object
        return pair
    return _over(view.of_image(image), shape, frame), hidden
