"""The scenes of the embedded benchmark.

It is a toy version of DAVIS, so that the whole harness runs without any download. Jointed figures
(`rgmp.minidavis.creatures`) move over a textured scene under a moving camera
(`rgmp.minidavis.painter`). Every video is a script with one difficulty of video object
segmentation, and is named after it.

Everything random comes from `np.random.default_rng([seed, pool, index])`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from PIL import Image

from rgmp.minidavis.animation import Keys, Track, along
from rgmp.minidavis.creatures import Pool
from rgmp.minidavis.figures.anatomy import Part, Viewpoint
from rgmp.minidavis.painter import (
    Actor,
    Canvas,
    Scene,
    Skin,
    colour,
    make_figure,
    paint_actor,
    placed,
    ramp,
)
from rgmp.minidavis.patterns import Floats, Generator, noise
from rgmp.minidavis.version import HEIGHT, WIDTH

SCALE = 0.6
"""Pixels per point: scripts measure a scene in points, of which a frame shows about 207 x 120."""


REACH = (110, 30)
"""How far, in points, a scene extends beyond the frame, horizontally and vertically."""


T = TypeVar("T")


_EARTHS = (0.02, 0.08, 0.12, 0.25, 0.33, 0.58)
"""Hues of clay, soil, sand, meadow, forest floor and slate."""


_SKIES = (0.53, 0.58, 0.62, 0.06)
"""Hues of three blues and a dawn."""


def _plate(colours: Floats, props: Sequence[Actor]) -> Image.Image:
    """A painted backdrop: colours, (H, W, 3 or 4), with antialiased props on top."""
    height, width = colours.shape[:2]
    canvas = Canvas.blank(2 * height, 2 * width)
    canvas.pixels[...] = 255
    large = np.clip(colours, 0, 255).repeat(2, axis=0).repeat(2, axis=1)
    canvas.pixels[..., : colours.shape[2]] = large
    for prop in props:
        paint_actor(canvas, prop, placed(width, height, 2 * SCALE), 0, 0)
    return Image.fromarray(canvas.pixels).convert("RGBa").reduce(2)


@dataclass
class Studio:
    """Builds the elements of a scene from one pool and one random state.

    Attributes:
        view: from the side, with a sky and a ground to stand on, or from above.
        size: width and height of the frame, in pixels.
        reach: how far the scene extends beyond it, horizontally and vertically, in points.
        hue: of the ground.
        horizon: points below the scene's centre.
        sky: its colours, high and low.
    """

    pool: Pool
    rng: Generator
    view: Viewpoint
    size: tuple[int, int] = (WIDTH, HEIGHT)
    reach: tuple[int, int] = REACH
    hue: float = field(init=False)
    horizon: float = field(init=False)
    sky: tuple[Floats, Floats] = field(init=False)

    def __post_init__(self) -> None:
        self.hue = self.one_of(_EARTHS) + self.between(-0.03, 0.03)
        self.horizon = self.between(-0.15, 0.05) * self.height
        sky = self.one_of(_SKIES)
        high = colour(sky, self.between(0.3, 0.6), self.between(0.7, 0.95))
        self.sky = high, colour(sky - 0.04, 0.12, 0.97)

    @property
    def width(self) -> float:
        """Of the frame, in points."""
        return self.size[0] / SCALE

    @property
    def height(self) -> float:
        """Of the frame, in points."""
        return self.size[1] / SCALE

    def between(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.rng.uniform(low, high))

    def one_of(self, choices: Sequence[T]) -> T:
        """A random choice."""
        return choices[int(self.rng.integers(len(choices)))]

    def mirrored(self, *tracks: Keys) -> tuple[Keys, ...]:
        """Tracks of x, mirrored with probability one half."""
        way = self.one_of((-1, 1))
        return tuple(tuple(way * key for key in keys) for keys in tracks)

    def skin(self, hue: float) -> Skin:
        """A skin of two patterns, each in a bright colour near the hue and a contrasting one."""
        first, second = self.rng.permutation(len(self.pool.coats))[:2]

        def pair(hue: float) -> tuple[Floats, Floats]:
            bright = colour(hue, self.between(0.5, 0.9), self.between(0.7, 0.98))
            dark = colour(hue, 0.8, self.between(0.12, 0.3))
            pale = colour(hue, self.between(0.05, 0.25), 1)
            other = colour(hue + self.between(0.3, 0.6), 0.8, self.between(0.4, 0.7))
            return bright, self.one_of((dark, pale, other))

        return Skin(
            patterns=(self.pool.coats[first], self.pool.coats[second]),
            grains=(self.between(0.35, 0.55), self.between(0.2, 0.35)),
            colours=(pair(hue), pair(hue + self.between(0.1, 0.4))),
            plain=(colour(hue, 0.5, 0.15), colour(hue + 0.1, 0.2, 0.95)),
        )

    def actor(
        self,
        kind: str,
        label: int,
        track: Track,
        skin: Skin | None = None,
        later: Skin | None = None,
    ) -> Actor:
        """A figure of the pool on a track, scaled down if it would not fit the frame.

        Its hue, unless a skin is given, is away from the ground's.
        """
        species = self.pool.kinds[kind]
        skin = skin or self.skin(self.hue + self.between(0.25, 0.75))
        figure = make_figure(species.parts, self.pool, skin, self.rng, later)
        left, top, right, bottom = figure.box
        tall, wide = bottom - top + species.hover, right - left
        if self.view == "above":  # it rotates in all directions
            tall = wide = 0.85 * max(tall, wide)
        most = min(0.75 * self.height / tall, 0.62 * self.width / wide)
        share = min(1, most / max(track.size))
        track = replace(track, size=tuple(share * size for size in track.size))
        return Actor(figure, track, label, self.view, hover=species.hover)

    def prop(
        self, outline: str, width: float, height: float, x: float, y: float, *,
        angle: float = 0, haze: float = 0,
    ) -> Actor:  # fmt: skip
        """A piece of scenery of a size in points at (x, y), `haze` of it the sky's colour."""
        hue, value = self.hue + self.between(-0.12, 0.12), self.between(0.3, 0.65)
        tones = [
            (1 - haze) * colour(hue, 0.45, share * value) + haze * self.sky[1]
            for share in (0.6, 1.25)
        ]
        pattern, grain = self.one_of(self.pool.grounds), self.between(0.3, 0.7)
        skin = Skin((pattern,), (grain,), (tones,), (tones[0], tones[1]))
        part = Part(outline, (width / 50, height / 50))
        figure = make_figure({outline: part}, self.pool, skin, self.rng)
        left, _, right, _ = figure.box
        track = Track((x,), (y,), (width / (right - left),), (angle,))
        return Actor(figure, track, 0, self.view, shadow=0 if haze else 0.35)

    def camera(self, pan: Keys = (0,), zoom: Keys = (1,), shake: float = 1.2) -> Track:
        """A hand-held camera."""
        tremble = self.rng.normal(0, shake, (3, 12))
        tremble[0] += [along(pan, i / 11) for i in range(12)]
        x, y, angle = (tuple(keys) for keys in tremble.tolist())
        return Track(x, y, zoom, angle)

    def scene(self, actors: Sequence[Actor], camera: Track) -> Scene:
        """The actors in front of a backdrop."""
        plates = [(self._ground(), 1.0)] if self.view == "above" else self._landscape()
        return Scene(self.size, plates, actors, camera, SCALE)

    def _axes(self) -> tuple[Floats, Floats]:
        """The x and y, in points from the scene's centre, of a plate's pixels: (H, W) each."""
        width, height = (
            n + 2 * round(SCALE * more) for n, more in zip(self.size, self.reach, strict=True)
        )
        x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
        return x / SCALE, y / SCALE

    def _earth(self, x: Floats, y: Floats) -> Floats:
        """The ground's colours, (H, W, 3), at (x, y) in units of its grain."""
        value = self.between(0.4, 0.65)
        tones = [
            colour(self.hue + drift, self.between(0.2, 0.45), share * value)
            for drift, share in ((0.03, 0.65), (0, 1), (-0.03, 1.3))
        ]
        return ramp(self.one_of(self.pool.grounds)(x, y, self.rng), tones)

    def _ground(self) -> Image.Image:
        """The ground from above."""
        x, y = self._axes()
        grain = self.between(18, 30)
        return _plate(self._earth(x / grain, y / grain), self._strewn(x, y, 1 / 2800, (10, 34)))

    def _landscape(self) -> list[tuple[Image.Image, float]]:
        """Sky with distant props, the middle distance, and the ground."""
        x, y = self._axes()
        depth = y.max() - self.horizon
        rise = np.clip((self.horizon - y) / depth, 0, 1)
        clouds = 0.6 * np.clip(4 * rise, 0, 1) * noise(x / 60, y / 18, self.rng)
        sky = ramp(rise, self.sky[::-1]) * (1 - clouds[..., None]) + 250 * clouds[..., None]

        fall = np.clip((y - self.horizon) / depth, 0, 1)
        distance = 1 / (fall + 0.45)  # stops short of the horizon, where patterns would alias
        earth = self._earth(x / 24 * distance, 6 * distance)
        mist = 0.6 * (1 - fall[..., None]) ** 3
        earth = (1 - mist) * (0.75 + 0.3 * fall[..., None]) * earth + mist * earth.mean((0, 1))
        ground = np.dstack([earth, 255 * (y > self.horizon + 4 * noise(x / 30, 0 * y, self.rng))])
        near = y > self.horizon + 12
        return [
            (_plate(sky, self._row(x, 55, (24, 46), haze=0.55)), 0.3),
            (_plate(np.zeros((*x.shape, 4)), self._row(x, 140, (40, 75), haze=0.12)), 0.65),
            (_plate(ground, self._strewn(x[near], y[near], 1 / 5500, (8, 20))), 1.0),
        ]

    def _row(self, x: Floats, spacing: int, sizes: tuple[float, float], haze: float) -> list[Actor]:
        """Props that stand along the horizon."""
        places = np.arange(x.min(), x.max(), spacing) + self.rng.uniform(0, spacing)
        return [
            self.prop(
                self.one_of(self.pool.standing), 0.8 * self.between(*sizes), self.between(*sizes),
                place + self.between(-0.4, 0.4) * spacing, self.horizon + 7, haze=haze,
            )
            for place in self.rng.permutation(places).tolist()
        ]  # fmt: skip

    def _strewn(
        self, x: Floats, y: Floats, density: float, sizes: tuple[float, float]
    ) -> list[Actor]:
        """Clutter on the ground, with a density per square point, farthest first."""
        places = sorted(
            self.between(y.min(), y.max()) for _ in range(round(x.size / SCALE**2 * density))
        )
        return [
            self.prop(
                self.one_of(self.pool.lying), self.between(*sizes), 0.7 * self.between(*sizes),
                self.between(x.min(), x.max()), place,
                angle=self.between(0, 360) if self.view == "above" else 0,
            )
            for place in places
        ]  # fmt: skip


def _occlusion(studio: Studio, kind: str) -> Scene:
    """One object passes completely behind a prop and reappears on the other side."""
    x, pan = studio.mirrored((-90, -60, 0, 0, 60, 90), (-50, 0, 50))
    y, front = (studio.between(36, 42), 6) if studio.view == "side" else (studio.between(-8, 8), 0)
    hero = studio.actor(kind, 1, Track(x, (y,), (34,), stride=(0, 6)))
    left, top, right, bottom = (hero.track.size[0] * edge for edge in hero.figure.box)
    half = max(-left, right) if studio.view == "side" else (right - left) / 2
    width, height = 2.4 * half + 8, 1.4 * (bottom - top) + 8
    screen = studio.prop(studio.pool.screens[studio.view], width, height, 0, y + front)
    return replace(studio.scene([hero, screen], studio.camera(pan)), frames=24)


def _fast(studio: Studio, kind: str) -> Scene:
    """One object dashes back and forth, by a large part of its length per frame."""
    (x,) = studio.mirrored((-48, 58, -58, 52))
    y: Keys = (42, 32, 42, 32, 42, 34) if studio.view == "side" else (-26, 24, -6, -26, 8, 26, -18)
    hero = studio.actor(kind, 1, Track(x, y, (42,), stride=(0, 5)))
    camera = studio.camera((-14, 14, -10), shake=2.5)
    return replace(studio.scene([hero], camera), shutter=0.7, exposures=8)


def _scale(studio: Studio, kind: str) -> Scene:
    """One object approaches while another of its kind moves away."""
    near_x, far_x = studio.mirrored((-52, -30, 8, 24), (46, 56, 62, 66))
    near_y: Keys = (18, 50) if studio.view == "side" else (-30, 0, 14)
    far_y: Keys = (50, 16) if studio.view == "side" else (26, 8, -22)
    far = studio.actor(kind, 2, Track(far_x, far_y, (46, 34, 24), stride=(0, 4)))
    near = studio.actor(kind, 1, Track(near_x, near_y, (30, 35, 50, 62), stride=(0, 4)))
    return studio.scene([far, near], studio.camera((0, 6), zoom=(0.92, 1, 1.12)))


def _appearance(studio: Studio, kind: str) -> Scene:
    """One object turns around and changes its coat while the light fades."""
    (x,) = studio.mirrored((-40, -6, 34, 8, -26))
    y: Keys = (44, 41) if studio.view == "side" else (-18, 18, 10, -14, -4)
    turn, change = (1, 1, 0.65, 1, 0.75, 1), (0, 0, 0.5, 1, 1)
    track = Track(x, y, (50,), turn=turn, stride=(0, 4), change=change)
    hue = studio.hue + 0.5
    later = studio.skin(hue + studio.between(0.2, 0.4))
    hero = studio.actor(kind, 1, track, studio.skin(hue), later)
    dusk = (1, 1, 0.8, 0.6, 0.75), (1, 1, 0.7, 0.5, 0.55), (1, 1, 0.8, 0.7, 0.6)
    return replace(studio.scene([hero], studio.camera((-6, 8))), light=dusk)


def _lookalike(studio: Studio, kind: str) -> Scene:
    """Two objects among distractors of the same kind and skin that pass close by."""
    x = studio.mirrored((-62, -44, -12), (6, 14, 40), (84, 40, -44), (-100, -88, -58))
    y = (43, 34, 38, 40) if studio.view == "side" else (-26, 26, 2, 30)
    skin = studio.skin(studio.hue + studio.between(0.35, 0.65))
    actors = []
    for label, path, lane in zip((1, 2, 0, 0), x, y, strict=True):
        weave = (lane, lane + studio.between(-3, 3), lane + studio.between(-3, 3))
        size, stride = studio.between(31, 35), studio.between(0, 1)
        track = Track(path, weave, (size,), stride=(stride, stride + 4))
        actors.append(studio.actor(kind, label, track, skin))
    return studio.scene(actors[::-1], studio.camera((-8, 10)))


def _crossing(studio: Studio, kind: str) -> Scene:
    """Two or, seen from above, three objects of one kind pass in front of each other."""
    paths: tuple[tuple[Keys, Keys], ...] = (
        ((-64, -24, 24, 64), (-28, -10, 12, 26)),
        ((66, 28, -28, -66), (0, 6, -4, -2)),
        ((-66, -30, 22, 60), (32, 14, -10, -32)),
    )
    if studio.view == "side":
        paths = ((-58, -30, 30, 56), (37,)), ((56, 30, -30, -58), (44,))
    size = 42 if studio.view == "side" else 36
    actors = [
        studio.actor(kind, label, Track(x, y, (size,), stride=(0.3 * label, 0.3 * label + 4)))
        for label, (x, y) in enumerate(paths, start=1)
    ]
    return studio.scene(actors, studio.camera((-8, 8)))


SCRIPTS: dict[str, Callable[[Studio, str], Scene]] = {
    "occlusion": _occlusion,
    "fast": _fast,
    "scale": _scale,
    "appearance": _appearance,
    "lookalike": _lookalike,
    "crossing": _crossing,
}


def video(name: str, pool: Pool, rng: Generator) -> Scene:
    """The scene of a video called `difficulty-kind`, such as `occlusion-fox`."""
    difficulty, kind = name.split("-")
    return SCRIPTS[difficulty](Studio(pool, rng, pool.kinds[kind].view), kind)


def still(pool: Pool, rng: Generator) -> Scene:
    """One object, label 1, often among others, in a random pose; one frame."""
    kind = str(rng.choice(sorted(pool.kinds)))
    size = int(rng.integers(96, 145)), int(rng.integers(67, 97))
    studio = Studio(pool, rng, pool.kinds[kind].view, size, reach=(10, 10))
    width, height = studio.width, studio.height
    companions = [name for name in sorted(pool.kinds) if pool.kinds[name].view == studio.view]
    below, tilt = ((0.3, 0.45), (-8, 8)) if studio.view == "side" else ((-0.15, 0.15), (0, 360))

    def posed(kind: str, label: int, x: float, share: float) -> Actor:
        track = Track(
            x=(x * width,),
            y=(studio.between(*below) * height,),
            size=(math.sqrt(share * width * height),),
            angle=(studio.between(*tilt),),
            turn=(studio.one_of((-1, 1)) * studio.between(0.7, 1),),
            stride=(studio.between(0, 1),),
        )
        return studio.actor(kind, label, track)

    actors = []
    for _ in range(rng.integers(0, 3)):
        x = studio.one_of((-1, 1)) * studio.between(0.2, 0.45)
        actors.append(posed(studio.one_of(companions), 0, x, studio.between(0.03, 0.08)))
    actors.append(posed(kind, 1, studio.between(-0.2, 0.2), studio.between(0.08, 0.25)))
    return replace(studio.scene(actors, Track()), frames=1)
