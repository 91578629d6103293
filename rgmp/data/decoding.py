"""Frames, stills and their masks as tensors, decoded once and cached."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from rgmp.data.images import read_frame
from rgmp.data.stills import Still


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
        """An image, uint8 (H, W, 3).

        Raises:
            UserError: it cannot be read.
        """
        return self.get(path, lambda p: torch.from_numpy(read_frame(p).copy()))

    def still(self, still: Still) -> tuple[Tensor, Tensor]:
        """The image, uint8 (H, W, 3), and uint8 (H, W): 0, objects 1, 2, ..., IGNORE.

        Raises:
            UserError: as `Still.read_mask`.
        """
        image = self.image(still.image)

        def decode(_: Path) -> Tensor:
            return torch.from_numpy(still.read_mask(tuple(image.shape[:2])))

        return image, self.get(still.mask, decode)
