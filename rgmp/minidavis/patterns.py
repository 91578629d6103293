"""The patterns of creatures and grounds in the embedded benchmark.

Each maps coordinates x and y, in grains, to values in [0, 1] of the same shape.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

Floats = npt.NDArray[np.float64]


Generator = np.random.Generator


Pattern = Callable[[Floats, Floats, Generator], Floats]


def noise(x: Floats, y: Floats, rng: Generator, octaves: int = 3) -> Floats:
    """Smooth random values in [0, 1], of grain 1."""
    total = np.zeros(x.shape)
    for octave in range(octaves):
        lattice = rng.random((32, 32))
        at = [y * 2**octave + 9.7 * octave, x * 2**octave + 3.1 * octave]
        total += ndimage.map_coordinates(lattice, at, order=1, mode="grid-wrap") / 2**octave
    mean_is_half = total / (2 - 2.0 ** (1 - octaves))
    return np.clip(1.6 * mean_is_half - 0.3, 0, 1)


def _nearest(x: Floats, y: Floats, rng: Generator, jitter: float) -> tuple[Floats, Floats]:
    """Distances to the nearest and second nearest of random points, one per unit square."""
    columns = np.arange(math.floor(x.min()) - 1, math.ceil(x.max()) + 2)
    rows = np.arange(math.floor(y.min()) - 1, math.ceil(y.max()) + 2)
    centres = np.stack(np.meshgrid(columns, rows), -1).reshape(-1, 2) + 0.5
    seeds = centres + jitter * (rng.random(centres.shape) - 0.5)
    distance: Floats = np.asarray(spatial.KDTree(seeds).query(np.stack([x, y], -1), k=2)[0])
    return distance[..., 0], distance[..., 1]


def _edge(value: Floats, width: float = 0.12) -> Floats:
    """A step at 0, `width` wide, from 0 to 1."""
    return np.clip(value / width + 0.5, 0, 1)


def stripes(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of stripes."""
    return _edge(np.sin(2 * np.pi * x + 3 * noise(x / 2, y / 2, rng)), 0.6)


def spots(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of spots."""
    return _edge(_nearest(x, y, rng, 0.6)[0] - 0.33)


def tartan(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of tartan."""
    bars = [_edge(np.sin(2 * np.pi * axis + 6 * rng.random()), 0.2) for axis in (x, y)]
    return (bars[0] + bars[1]) / 2


def scales(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of scales."""
    column = np.floor(x)
    row = y + 0.5 * (column % 2) + 0.1 * rng.random()
    radius = np.hypot((x - column), 2 * (row - np.floor(row) - 0.5))
    return np.clip(radius - 0.15, 0, 1)


def grass(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of grass."""
    return 0.6 * noise(4 * x, y, rng) + 0.4 * noise(x / 3, y / 3, rng)


def bricks(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of bricks."""
    row = np.floor(2 * y)
    along = x + 0.5 * (row % 2)
    joint = np.minimum(np.abs(along - np.round(along)), np.abs(2 * y - np.round(2 * y)) / 2)
    return _edge(joint - 0.06, 0.06) * (0.5 + 0.5 * noise(2 * x, 2 * y, rng))


def furrows(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of furrows."""
    ridge = 0.5 + 0.5 * np.sin(2 * np.pi * (x + 0.4 * y) + 2 * noise(x / 2, y / 2, rng))
    return 0.6 * ridge + 0.4 * noise(3 * x, 3 * y, rng)


def zigzag(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of zigzag."""
    along = 2 * x + rng.random()
    teeth = np.abs(along - np.round(along))
    return _edge(np.sin(2 * np.pi * (y + teeth)), 0.5)


def cells(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of cells."""
    first, second = _nearest(x, y, rng, 0.9)
    return _edge(second - first - 0.16)


def rings(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of rings."""
    first, _ = _nearest(x / 2, y / 2, rng, 0.7)
    return _edge(np.sin(14 * first), 0.6)


def marble(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of marble."""
    return 1 - np.abs(np.sin(5 * noise(x / 2, y / 2, rng) + y)) ** 0.7


def sand(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of sand."""
    ripples = np.sin(5 * y + 5 * noise(x / 3, y / 3, rng))
    return 0.5 + 0.25 * ripples + 0.5 * (noise(6 * x, 6 * y, rng) - 0.5)


def slabs(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of slabs."""
    along, across = 0.5 * (x + y), 0.5 * (x - y)
    joint = np.minimum(np.abs(along - np.round(along)), np.abs(across - np.round(across)))
    row, column = (np.floor(axis).astype(int) % 16 for axis in (along, across))
    tone: Floats = rng.random((16, 16))[row, column]
    return _edge(joint - 0.04, 0.05) * (0.35 + 0.65 * tone)


def lichen(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of lichen."""
    patches = np.floor(5 * noise(x, y, rng)) / 5
    return 0.8 * patches + 0.2 * noise(5 * x, 5 * y, rng)


def waves(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of waves."""
    return 0.5 + 0.5 * np.sin(2 * np.pi * (y + 0.25 * np.sin(2 * np.pi * x + 6 * rng.random())))


def dots(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of dots."""
    x = 2 * np.pi * (x + rng.random())
    y = 2 * np.pi * y
    lattice = np.cos(x) + np.cos(0.5 * x + 0.87 * y) + np.cos(0.5 * x - 0.87 * y)
    return _edge(lattice - 0.5, 0.5)


def diamonds(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of diamonds."""
    shift = rng.random()
    along, across = 1.5 * (x + shift), 0.6 * y
    return _edge(np.sin(np.pi * (along + across)) * np.sin(np.pi * (along - across)), 0.15)


def speckle(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of speckle."""
    return _edge(noise(4 * x, 4 * y, rng, octaves=1) - 0.6, 0.3)


def gravel(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of gravel."""
    first, second = _nearest(2.5 * x, 2.5 * y, rng, 1.0)
    return np.clip((second - first) * 1.5, 0, 1) * (0.5 + 0.5 * noise(3 * x, 3 * y, rng))


def planks(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of planks."""
    plank = np.floor(y)
    tone: Floats = rng.random(64)[plank.astype(int) % 64]
    grain = noise(x / 2 + 7 * tone, 6 * y, rng)
    return _edge(0.46 - np.abs(y - plank - 0.5), 0.05) * (0.3 + 0.3 * tone + 0.4 * grain)


def clover(x: Floats, y: Floats, rng: Generator) -> Floats:
    """A pattern of clover."""
    first, _ = _nearest(2 * x, 2 * y, rng, 0.8)
    return np.clip(1.1 - 1.4 * first, 0, 1) * (0.4 + 0.6 * noise(x, y, rng))
