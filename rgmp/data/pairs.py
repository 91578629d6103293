"""Stage 1: a pair of frames synthesised from still images (paper section 3.2).

Source: facts/rgmp.md, "Training". Two strategies: two views of one image; or a foreground pasted on
another image, seen differently in each frame, at times with something in front of it. The guidance
mask, which stands for the frame before, is the target's true mask deformed further, at times cut or
empty.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

from rgmp.config.study import Pretrain, Stills
from rgmp.data import davis
from rgmp.data.augment import IGNORE, View, cut, deform, look
from rgmp.data.stills import list_pairs
from rgmp.errors import UserError


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


class Decoded:
    """Files decoded once and kept, as long as all of them together are small.

    Each is drawn as often as any other, so the first that fit do as well as the latest.
    """

    def __init__(self, megabytes: int) -> None:
        """Keep at most so many megabytes (MiB)."""
        self._kept: dict[Path, Tensor] = {}
        self._room = megabytes * 2**20

    def get(self, path: Path, decode: Callable[[Path], Tensor]) -> Tensor:
        """What `decode` gives for the file: not to be changed in place."""
        known = self._kept.get(path)
        if known is not None:
            return known
        pixels = decode(path)
        if pixels.nbytes <= self._room:
            self._room -= pixels.nbytes
            self._kept[path] = pixels
        return pixels

    def image(self, path: Path) -> Tensor:
        """An image, float (3, H, W) in [0, 1].

        Raises:
            UserError: it cannot be read.
        """
        pixels = self.get(path, lambda p: torch.from_numpy(davis.read_frame(p).copy()))
        return pixels.permute(2, 0, 1).float() / 255


@dataclass(frozen=True)
class Still:
    """A photograph and its mask, whose values mean what `Stills.labels` says."""

    image: Path
    mask: Path
    labels: Literal["foreground", "objects"] = "foreground"

    def load(self, decoded: Decoded) -> tuple[Tensor, Tensor]:
        """The image, float (3, H, W) in [0, 1], and uint8 (H, W): 0, objects 1, 2, ..., IGNORE.

        Raises:
            UserError: a file cannot be read, they differ in size, or a foreground is empty.
        """
        read = _read_foreground if self.labels == "foreground" else _read_objects
        image = decoded.image(self.image)
        like = davis.Like("its image", tuple(image.shape[1:]))
        labels = decoded.get(self.mask, partial(read, like=like))
        if self.labels == "foreground" and not (labels == 1).any():
            raise UserError(
                f"{self.mask}: no pixel of it is 255, the foreground; where each value is an "
                "object of its own, say labels: objects"
            )
        return image, labels


def _read_foreground(path: Path, like: davis.Like) -> Tensor:
    values = davis.read_labels(path, like)
    mask = np.select([values == 0, values == 255], [0, 1], IGNORE).astype(np.uint8)
    return torch.from_numpy(mask)


def _read_objects(path: Path, like: davis.Like) -> Tensor:
    return torch.from_numpy(davis.read_labels(path, like))


def find_stills(sets: Sequence[Stills]) -> list[Still]:
    """Every image of the sets with its mask, in order.

    Raises:
        UserError: there is none, or as `rgmp.data.stills.list_pairs`.
    """
    found = [Still(*pair, each.labels) for each in sets for pair in list_pairs(each)]
    if not found:
        raise UserError("data.stills: no image in any folder; stage 1 needs some")
    return found


class Pairs:
    """Synthesises the samples of stage 1, each from its own random state."""

    def __init__(self, stills: Sequence[Still], settings: Pretrain, decoded: Decoded) -> None:
        """Draw from `stills` as `settings` say."""
        self._stills = stills
        self._settings = settings
        self._decoded = decoded

    def draw(self, rng: np.random.Generator, step: int) -> Sample:  # noqa: ARG002 - no schedule here
        """One sample; `frames` is (2, 3, h, w): the reference and the target."""
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

        Where a frame shows no object, the next one that does takes its place.

        Raises:
            UserError: there is no object in any.
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
        raise UserError("data.stills: no mask of any set has an object")

    def _paste(
        self, rng: np.random.Generator, pairs: list[tuple[Tensor, Tensor]]
    ) -> list[tuple[Tensor, Tensor]]:
        """Strategy 2: put the foregrounds on another still, and at times a third in front."""
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
    """Paste `front` (3, h, w) on `back` where `shape` (h, w) is not background, edges softened."""
    alpha = (shape == 1).float() + 0.5 * (shape == IGNORE).float()
    alpha = F.pad(alpha[None], (1, 1, 1, 1), mode="replicate")  # and a mean of 3x3 pixels
    alpha = (alpha[:, :-2] + alpha[:, 1:-1] + alpha[:, 2:]) / 3
    alpha = (alpha[:, :, :-2] + alpha[:, :, 1:-1] + alpha[:, :, 2:]) / 3
    return torch.lerp(back, front, alpha)


def _occlude(
    pair: tuple[Tensor, Tensor], image: Tensor, mask: Tensor, view: View
) -> tuple[Tensor, Tensor]:
    """Put another still's foreground in front; what it hides is no longer the object."""
    frame, truth = pair
    shape = view.of_mask(mask)
    hidden = torch.where(shape == 1, 0, truth)
    hidden[(shape == IGNORE) & (truth == 1)] = IGNORE
    if not (hidden == 1).any():  # an object wholly hidden teaches nothing
        return pair
    return _over(view.of_image(image), shape, frame), hidden
