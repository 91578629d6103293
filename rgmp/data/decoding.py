"""Images and masks, decoded once and cached; and stills, which are one of each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rgmp.config.study import Stills
from rgmp.data.images import Like, read_frame, read_labels
from rgmp.data.sample import IGNORE
from rgmp.data.stills import list_pairs
from rgmp.errors import UserError


class Decoded:
    """A cache of decoded files with a memory limit.

    All files are drawn equally often, so keeping the first that fit is as good as the latest.
    """

    def __init__(self, megabytes: int) -> None:
        """Cache at most `megabytes` (MiB)."""
        self._kept: dict[Path, Tensor] = {}
        self._room = megabytes * 2**20

    def get(self, path: Path, decode: Callable[[Path], Tensor]) -> Tensor:
        """The decoded file; callers must not change it in place."""
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
        pixels = self.get(path, lambda p: torch.from_numpy(read_frame(p).copy()))
        return pixels.permute(2, 0, 1).float() / 255


@dataclass(frozen=True)
class Still:
    """A photograph and its mask, whose values are defined by `Stills.labels`."""

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
        like = Like("its image", tuple(image.shape[1:]))
        labels = decoded.get(self.mask, partial(read, like=like))
        if self.labels == "foreground" and not (labels == 1).any():
            raise UserError(
                f"{self.mask}: no pixel has the foreground value 255; if each value is an "
                "object of its own, its labels are objects"
            )
        return image, labels


def _read_foreground(path: Path, like: Like) -> Tensor:
    values = read_labels(path, like)
    mask = np.select([values == 0, values == 255], [0, 1], IGNORE).astype(np.uint8)
    return torch.from_numpy(mask)


def _read_objects(path: Path, like: Like) -> Tensor:
    return torch.from_numpy(read_labels(path, like))


def find_stills(sets: Sequence[Stills]) -> list[Still]:
    """Every image of the sets with its mask, in order.

    Raises:
        UserError: there is none, or as `rgmp.data.stills.list_pairs`.
    """
    found = [Still(*pair, each.labels) for each in sets for pair in list_pairs(each)]
    if not found:
        raise UserError("no images in any folder of stills; stage 1 needs at least one")
    return found


def problems_of(stills: Iterable[Still]) -> Iterator[str]:
    """Decode every still and its mask and yield their problems, one line each."""
    for still in stills:
        try:
            still.load(Decoded(megabytes=0))
        except UserError as error:
            yield str(error)
