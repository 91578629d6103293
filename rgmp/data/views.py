"""Views of pictures: affine transform, elastic warp and colour jitter, a whole batch at once.

Geometry is composed into one sampling grid, so every pixel is interpolated once. Which views are
computed together changes no bit of any: every kernel used here treats them one by one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor

WARP_KNOTS = 4
"""Control points of an elastic warp along each side of a view: few, for bends, not ripples."""

_PIXELS_AT_ONCE = 2**16
"""Pictures sampled together have about as many pixels: more fall out of the CPU's cache."""

_GREY = 0.2989, 0.587, 0.114
"""Luminance of red, green and blue (ITU-R BT.601), as in torchvision."""

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Views:
    """Views of n pictures, all of one size; the pictures' sizes may differ.

    Attributes:
        matrices: (n, 3, 3), map a point (x, y, 1) of a view to its picture, in pixels with centres
            at halves, so that coordinates span 0 to width and 0 to height.
        bends: (n, 2, k, k), displacements, in the view's pixels, at the knots of a regular grid;
            None: no warps.
        tints: (n, 3), factors of brightness, contrast and saturation.
        pictures: height and width of each picture, pixels.
        size: height and width of the views, pixels.
    """

    matrices: Numbers
    bends: Numbers | None
    tints: Numbers
    pictures: Sequence[tuple[int, int]]
    size: tuple[int, int]

    @cached_property
    def grids(self) -> Tensor:
        """Where to sample the pictures: (n, h, w, 2) for `grid_sample`."""
        rows, columns = self.size
        to_square = [[[2 / width, 0, -1], [0, 2 / height, -1]] for height, width in self.pictures]
        to_x, to_y, shift = _columns(np.array(to_square) @ self.matrices)
        y, x = torch.arange(rows)[:, None] + 0.5, torch.arange(columns) + 0.5
        grids: Tensor = to_x * x + (to_y * y + shift)
        if self.bends is not None:
            bends = torch.from_numpy(self.bends).float()
            knots = to_x * bends[:, :1] + to_y * bends[:, 1:]
            grids += _between_knots(rows) @ knots @ _between_knots(columns).T
        return grids.permute(0, 2, 3, 1)

    def of_images(self, images: Sequence[Tensor]) -> Tensor:
        """The views of images: uint8 (H, W, 3) each to float (n, 3, h, w) in [0, 1]; 0 outside."""
        seen = torch.empty(len(images), 3, *self.size)
        for rows in self._runs():
            pixels = torch.stack(list(images[rows])).permute(0, 3, 1, 2).float().div_(255)
            seen[rows] = tinted(self._sampled(pixels, rows, "bilinear"), self.tints[rows])
        return seen

    def of_masks(self, masks: Sequence[Tensor]) -> Tensor:
        """The views of masks or labels: uint8 (H, W) each to (n, h, w); 0 outside."""
        seen = torch.empty(len(masks), *self.size, dtype=torch.uint8)
        for rows in self._runs():
            values = torch.stack(list(masks[rows]))[:, None].float()
            seen[rows] = self._sampled(values, rows, "nearest")[:, 0]
        return seen

    def _sampled(
        self, pictures: Tensor, rows: slice, mode: Literal["bilinear", "nearest"]
    ) -> Tensor:
        return F.grid_sample(pictures, self.grids[rows], mode=mode, align_corners=False)

    def _runs(self) -> Iterator[slice]:
        """Rows to sample together: of pictures of one size, and not too many."""
        stop = 0
        for size, run in groupby(self.pictures):
            first, stop = stop, stop + len(list(run))
            count = max(_PIXELS_AT_ONCE // max(math.prod(size), math.prod(self.size)), 1)
            for start in range(first, stop, count):
                yield slice(start, min(start + count, stop))


def _columns(numbers: Numbers) -> tuple[Tensor, ...]:
    """The columns of matrices (n, i, j): j tensors, float (n, i, 1, 1)."""
    return torch.from_numpy(numbers).float()[..., None, None].unbind(dim=2)


@lru_cache(maxsize=8)
def _between_knots(n: int) -> Tensor:
    """Weights (n, k) of each knot at each of n pixels: no pixel moves further than the knots."""
    position = np.linspace(0, WARP_KNOTS - 1, n)
    distance = np.abs(position[:, None] - np.arange(WARP_KNOTS)).clip(max=1)
    return torch.from_numpy(1 - distance**2 * (3 - 2 * distance)).float()


def tinted(images: Tensor, tints: Numbers) -> Tensor:
    """Change the brightness, then the contrast, then the saturation of images.

    As torchvision's `adjust_brightness`, `adjust_contrast` and `adjust_saturation`, with factors of
    each image's own.

    Args:
        images: float (n, 3, h, w) in [0, 1].
        tints: (n, 3), the factors, 1 for no change.
    """
    brightness, contrast, saturation = _columns(tints[:, None])
    _, less_contrast, less_saturation = _columns(1 - tints[:, None])
    images = (images * brightness).clamp_(0, 1)
    mean = _grey(images).mean(dim=(1, 2, 3), keepdim=True)
    images.mul_(contrast).addcmul_(mean, less_contrast).clamp_(0, 1)
    grey = _grey(images)
    return images.mul_(saturation).addcmul_(grey, less_saturation).clamp_(0, 1)


def _grey(images: Tensor) -> Tensor:
    red, green, blue = (images[:, i : i + 1] for i in range(3))
    return red.mul(_GREY[0]).add_(green, alpha=_GREY[1]).add_(blue, alpha=_GREY[2])
