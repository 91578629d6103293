"""Augmentation: the random choices from which views of pictures are computed.

A sample draws all its numbers from its own random state, one sample after the other; what is
computed from them, is computed for a batch at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rgmp.config.method import Optimisation
from rgmp.data.views import WARP_KNOTS, Numbers, Views

Limits = tuple[float, float]

Vector = tuple[float, float]

Mask = npt.NDArray[np.bool_]


class Crop(NamedTuple):
    """The part of a picture that the views of a sample share.

    Attributes:
        picture: height and width of the picture, pixels.
        anchor: a point (x, y) of the picture, pixels.
        place: where it is in the views (x, y), pixels.
        extent: width and height of which shifts are a share, pixels.
        mirror: -1 if the views are mirrored, else 1.
        zoom: factor from the picture's to the views' pixels.
    """

    picture: tuple[int, int]
    anchor: Vector
    place: Vector
    extent: Vector
    mirror: float = 1.0
    zoom: float = 1.0


@dataclass(frozen=True)
class Jitter:
    """Limits of the small random changes that tell the views of a crop apart.

    Attributes:
        scale: smallest and largest factor.
        rotation: degrees.
        shear: degrees.
        shift: largest shift along either axis, share of the crop's extent.
        warp: largest elastic displacement along either axis, share of the view's height.
        tint: largest relative change of brightness, contrast and saturation.
    """

    scale: Limits
    rotation: Limits = (0, 0)
    shear: Limits = (0, 0)
    shift: float = 0.0
    warp: float = 0.0
    tint: tuple[float, float, float] | None = None

    @classmethod
    def of(cls, settings: Optimisation, warp: float) -> "Jitter":
        """The limits of a stage's views, with that warp."""
        tint = settings.brightness, settings.contrast, settings.saturation
        return cls(
            settings.scale, settings.rotation, settings.shear, settings.translation, warp, tint
        )

    def draw(self, rng: np.random.Generator) -> Numbers:
        """The numbers of one view, each in [0, 1)."""
        knots = 2 * WARP_KNOTS**2 if self.warp else 0
        return rng.random(5 + knots + (3 if self.tint else 0))

    def views(
        self, crops: Sequence[Crop], numbers: Sequence[Numbers], size: tuple[int, int]
    ) -> Views:
        """The views of those crops with those numbers, `size` (height, width) pixels large."""
        chances = np.stack(numbers)
        pictures, anchors, places, extents, mirrors, zooms = zip(*crops, strict=True)
        linear = np.linalg.inv(np.reshape(zooms, (-1, 1, 1)) * self._turns(chances, mirrors))
        shifted = places + _within(-1, 1, chances[:, 3:5]) * (self.shift * np.array(extents))
        matrices = np.tile(np.eye(3), (len(crops), 1, 1))
        matrices[:, :2, :2] = linear
        matrices[:, :2, 2] = anchors - (linear @ shifted[..., None])[..., 0]
        bends = None
        if self.warp:
            reach = self.warp * size[0]
            knots = chances[:, 5 : 5 + 2 * WARP_KNOTS**2]
            bends = _within(-reach, reach, knots).reshape(-1, 2, WARP_KNOTS, WARP_KNOTS)
        tints = np.ones((len(crops), 3))
        if self.tint:
            tints += _within(-np.array(self.tint), np.array(self.tint), chances[:, -3:])
        return Views(matrices, bends, tints, pictures, size)

    def _turns(self, chances: Numbers, mirrors: Sequence[float]) -> Numbers:
        """Linear maps (n, 2, 2): mirroring, then shear, rotation and scale."""
        factor = _within(*self.scale, chances[:, 0])
        angle = np.deg2rad(_within(*self.rotation, chances[:, 1]))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        shear = np.tile(np.eye(2), (len(chances), 1, 1))
        shear[:, 0, 1] = np.tan(np.deg2rad(_within(*self.shear, chances[:, 2])))
        turns: Numbers = factor[:, None, None] * (rotation.transpose(2, 0, 1) @ shear)
        turns[:, :, 0] *= np.reshape(mirrors, (-1, 1))
        return turns


def _within(low: float | Numbers, high: float | Numbers, chances: Numbers) -> Numbers:
    """Numbers between two limits, from numbers in [0, 1); as `Generator.uniform`."""
    between: Numbers = low + (high - low) * chances
    return between


def choose_crop(rng: np.random.Generator, there: Mask, settings: Optimisation) -> Crop:
    """Choose a sample's crop of a picture, its zoom, and whether it is mirrored.

    Args:
        rng: the sample's random state.
        there: bool (H, W), true on the object.
        settings: of the stage.
    """
    (height, width), size = there.shape, settings.crop
    # the whole picture fills the crop at zoom 1
    zoom = rng.uniform(*settings.zoom) * max(size[0] / height, size[1] / width)
    anchor = _anchor(rng, there)
    shares = rng.uniform(0.2, 0.8, 2).tolist()
    window = size[1] / zoom, size[0] / zoom  # part of the picture in the crop: x, y
    left = _start(anchor[0] - shares[0] * window[0], width - window[0])
    top = _start(anchor[1] - shares[1] * window[1], height - window[1])
    x, y = (anchor[0] - left) * zoom, (anchor[1] - top) * zoom
    mirror = -1.0 if rng.random() < settings.flip else 1.0
    if mirror < 0:
        x = size[1] - x
    return Crop((height, width), anchor, (x, y), (size[1], size[0]), mirror, zoom)


def _start(wanted: float, room: float) -> float:
    """Where a window starts: inside the picture if that is large enough, else at its middle."""
    return min(max(wanted, 0.0), room) if room > 0 else room / 2


def _anchor(rng: np.random.Generator, there: Mask) -> Vector:
    """A random point (x, y) on the object, or in the picture's middle half if there is none."""
    height, width = there.shape
    pixels = np.flatnonzero(there)
    if len(pixels) == 0:
        return rng.uniform(0.25, 0.75) * width, rng.uniform(0.25, 0.75) * height
    y, x = divmod(int(pixels[rng.integers(len(pixels))]), width)
    return x + 0.5, y + 0.5


def deform(rngs: Sequence[np.random.Generator], masks: Tensor, jitter: Jitter) -> Tensor:
    """Move, rotate, scale and warp masks about the objects' middles, as errors of predictions.

    Args:
        rngs: the samples' random states.
        masks: uint8 (n, h, w) of 0, 1 and IGNORE; one without an object stays as it is.
        jitter: limits; shifts are shares of the object's own extent.
    """
    crops = {row: crop for row, mask in enumerate(masks) if (crop := _around(mask))}
    if not crops:
        return masks
    rows, numbers = list(crops), [jitter.draw(rngs[row]) for row in crops]
    size = int(masks.shape[1]), int(masks.shape[2])
    deformed = masks.clone()
    deformed[rows] = jitter.views(list(crops.values()), numbers, size).of_masks(list(masks[rows]))
    return deformed


def _around(mask: Tensor) -> Crop | None:
    """The whole of a mask, about its object's middle; None if there is no object."""
    pixels = torch.nonzero(mask == 1).float()
    if len(pixels) == 0:
        return None
    y, x = (pixels.mean(dim=0) + 0.5).tolist()
    tall, wide = (pixels.amax(dim=0) - pixels.amin(dim=0) + 1).tolist()
    return Crop((int(mask.shape[0]), int(mask.shape[1])), (x, y), (x, y), (wide, tall))


def cut(rng: np.random.Generator, mask: Tensor) -> Tensor:
    """Remove the part of a mask (h, w) on one side of a random line through the object."""
    anchor, angle = _anchor(rng, (mask == 1).numpy()), rng.uniform(0, 2 * np.pi)
    height, width = mask.shape
    x, y = torch.arange(width) + 0.5 - anchor[0], torch.arange(height)[:, None] + 0.5 - anchor[1]
    return torch.where(np.cos(angle) * x + np.sin(angle) * y > 0, 0, mask)
