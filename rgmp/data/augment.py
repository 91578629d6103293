"""Augmentation: a view is a random affine transform, elastic warp and colour jitter of an image.

Geometry is composed into one sampling grid, so every pixel is interpolated once.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torchvision.transforms.v2 import functional as colour

from rgmp.config.method import Optimisation

_WARP_KNOTS = 4
"""Control points of an elastic warp along each side of a view: few, for bends, not ripples."""


Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


Limits = tuple[float, float]


@dataclass(frozen=True)
class View:
    """The sampling of a picture for one view, and its colour jitter.

    Attributes:
        matrix: (3, 3), maps a point (x, y, 1) of the view to the picture, in pixels with centres at
            halves, so that coordinates span 0 to width and 0 to height.
        warp: (2, k, k), displacements, in the view's pixels, at the knots of a regular grid; None:
            no warp.
        picture: height and width of the picture, pixels.
        size: height and width of the view, pixels.
        tint: factors of brightness, contrast and saturation.
    """

    matrix: Matrix
    warp: Tensor | None
    picture: tuple[int, int]
    size: tuple[int, int]
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @cached_property
    def grid(self) -> Tensor:
        """Where to sample the picture: (1, h, w, 2) for `grid_sample`."""
        (height, width), (rows, columns) = self.picture, self.size
        unit = np.array([[2 / width, 0, -1], [0, 2 / height, -1]])  # the picture in [-1, 1]
        to_x, to_y, shift = torch.from_numpy(unit @ self.matrix).float().T[..., None, None]
        y, x = torch.arange(rows)[:, None] + 0.5, torch.arange(columns) + 0.5
        grid: Tensor = to_x * x + (to_y * y + shift)
        if self.warp is not None:
            bend = to_x * self.warp[0] + to_y * self.warp[1]
            grid += _between_knots(rows) @ bend @ _between_knots(columns).T
        return grid.permute(1, 2, 0)[None]

    def of_image(self, image: Tensor) -> Tensor:
        """The view of an image: float (3, H, W) in [0, 1] to (3, h, w); black outside."""
        seen = F.grid_sample(image[None], self.grid, align_corners=False)[0]
        brightness, contrast, saturation = self.tint
        seen = colour.adjust_brightness(seen, brightness)
        seen = colour.adjust_contrast(seen, contrast)
        tinted: Tensor = colour.adjust_saturation(seen, saturation)
        return tinted

    def of_mask(self, mask: Tensor) -> Tensor:
        """The view of a mask: uint8 (H, W) of 0, 1 and IGNORE to (h, w); 0 outside."""
        values = mask[None, None].float()
        return F.grid_sample(values, self.grid, mode="nearest", align_corners=False)[0, 0].byte()


@lru_cache(maxsize=8)
def _between_knots(n: int) -> Tensor:
    """Weights (n, k) of each knot at each of n pixels: no pixel moves further than the knots."""
    position = np.linspace(0, _WARP_KNOTS - 1, n)
    distance = np.abs(position[:, None] - np.arange(_WARP_KNOTS)).clip(max=1)
    return torch.from_numpy(1 - distance**2 * (3 - 2 * distance)).float()


def _size(image: Tensor) -> tuple[int, int]:
    return int(image.shape[-2]), int(image.shape[-1])


def look(rng: np.random.Generator, mask: Tensor, settings: Optimisation, warp: float) -> "Sampler":
    """Choose a sample's crop of a picture, its zoom, and whether it is mirrored.

    Args:
        rng: the sample's random state.
        mask: uint8 (H, W), 1 on the object.
        settings: of the stage.
        warp: largest elastic displacement of each view, share of the view's height.
    """
    height, width = _size(mask)
    size = settings.crop
    # the whole picture fills the crop at zoom 1
    zoom = rng.uniform(*settings.zoom) * max(size[0] / height, size[1] / width)
    window = np.array([size[1], size[0]]) / zoom  # part of the picture in the crop: x, y
    anchor = _anchor(rng, mask)
    corner = anchor - rng.uniform(0.2, 0.8, 2) * window
    room = np.array([width, height]) - window
    # inside the picture if it is large enough, else with equal margins
    corner = np.where(room > 0, np.clip(corner, 0, np.maximum(room, 0)), room / 2)
    place = (anchor - corner) * zoom
    mirror = -1.0 if rng.random() < settings.flip else 1.0
    if mirror < 0:
        place[0] = size[1] - place[0]
    return Sampler(settings, warp, (height, width), anchor, place, mirror, zoom)


def _anchor(rng: np.random.Generator, mask: Tensor) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A random point (x, y) on the object, or in the picture's middle half if there is none."""
    pixels = torch.nonzero(mask == 1)
    if len(pixels) == 0:
        height, width = _size(mask)
        return np.array([rng.uniform(0.25, 0.75) * width, rng.uniform(0.25, 0.75) * height])
    y, x = pixels[int(rng.integers(len(pixels)))].tolist()
    return np.array([x + 0.5, y + 0.5])


@dataclass(frozen=True)
class Sampler:
    """Draws the views of one sample, each a small perturbation of the crop they share."""

    settings: Optimisation
    warp: float
    picture: tuple[int, int]
    anchor: np.ndarray[tuple[int], np.dtype[np.float64]]
    place: np.ndarray[tuple[int], np.dtype[np.float64]]
    mirror: float
    zoom: float

    def view(self, rng: np.random.Generator) -> View:
        """Draw a view."""
        settings = self.settings
        turn = self.zoom * _turn(rng, settings.scale, settings.rotation, settings.shear)
        linear = np.linalg.inv(turn @ np.diag([self.mirror, 1.0]))
        matrix = np.eye(3)
        matrix[:2, :2] = linear
        height, width = settings.crop
        reach = settings.translation * np.array([width, height])
        place = self.place + rng.uniform(-1, 1, 2) * reach
        matrix[:2, 2] = self.anchor - linear @ place
        bend = elastic(rng, self.warp * settings.crop[0])
        return View(matrix, bend, self.picture, settings.crop, self._tint(rng))

    def _tint(self, rng: np.random.Generator) -> tuple[float, float, float]:
        reach = self.settings.brightness, self.settings.contrast, self.settings.saturation
        brightness, contrast, saturation = (1 + rng.uniform(-r, r) for r in reach)
        return brightness, contrast, saturation


def _turn(rng: np.random.Generator, scale: Limits, rotation: Limits, shear: Limits) -> Matrix:
    """A random linear map (2, 2): scale, rotation and shear, the latter two in degrees."""
    factor = rng.uniform(*scale)
    angle, slant = (np.deg2rad(rng.uniform(*limits)) for limits in (rotation, shear))
    cos, sin = np.cos(angle), np.sin(angle)
    turn: Matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, np.tan(slant)], [0, 1]])
    return factor * turn


def elastic(rng: np.random.Generator, reach: float) -> Tensor | None:
    """Displacements (2, k, k) of a warp's knots, each at most `reach` pixels along either axis."""
    if reach == 0:
        return None
    knots = rng.uniform(-reach, reach, (2, _WARP_KNOTS, _WARP_KNOTS))
    return torch.from_numpy(knots).float()


def deform(
    rng: np.random.Generator,
    mask: Tensor,
    *,
    scale: Limits,
    rotation: Limits = (0, 0),
    shear: Limits = (0, 0),
    shift: float = 0.0,
    warp: float = 0.0,
) -> Tensor:
    """Move, rotate, scale and warp a mask, to mimic errors of a predicted previous mask.

    Args:
        rng: the sample's random state.
        mask: uint8 (H, W) of 0, 1 and IGNORE.
        scale: smallest and largest factor.
        rotation: degrees, about the object's middle.
        shear: degrees.
        shift: largest shift along either axis, share of the object's own extent.
        warp: largest elastic displacement, share of the mask's height.
    """
    pixels = torch.nonzero(mask == 1).float()
    if len(pixels) == 0:
        return mask
    middle = (pixels.mean(dim=0) + 0.5).flip(0).double().numpy()
    extent = (pixels.amax(dim=0) - pixels.amin(dim=0) + 1).flip(0).double().numpy()
    matrix = np.eye(3)
    matrix[:2, :2] = np.linalg.inv(_turn(rng, scale, rotation, shear))
    matrix[:2, 2] = middle - matrix[:2, :2] @ (middle + rng.uniform(-shift, shift, 2) * extent)
    bend = elastic(rng, warp * mask.shape[0])
    return View(matrix, bend, _size(mask), _size(mask)).of_mask(mask)


def cut(rng: np.random.Generator, mask: Tensor) -> Tensor:
    """Remove the part of a mask on one side of a random line through the object."""
    anchor, angle = _anchor(rng, mask), rng.uniform(0, 2 * np.pi)
    height, width = _size(mask)
    x, y = torch.arange(width) + 0.5 - anchor[0], torch.arange(height)[:, None] + 0.5 - anchor[1]
    return torch.where(np.cos(angle) * x + np.sin(angle) * y > 0, 0, mask)
