"""The embedded benchmark: a DAVIS tree and a folder of stills, rendered from a seed.

It is a toy of the real thing, so that every part of the harness runs with nothing downloaded. Figures
with jointed, bending, patterned parts (`rgmp.bestiary`) move over a textured scene under a moving
camera. Every video poses one difficulty of video object segmentation, and is named for it.

A video is a script: tracks of key frames for the actors and for the camera. A frame is the mean of four
exposures, each at its own sub-pixel offset and its own instant of the shutter, which gives smooth edges
and motion blur at once; its mask is the label that most of them see.

Everything random comes from `np.random.default_rng([seed, pool, index])`.
"""

import colorsys
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from rgmp import davis, files
from rgmp.bestiary import POOLS, Floats, Generator, Kind, Part, Pattern, Points, Pool, View, noise

Pixels = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 208, 120
REACH = (110, 30)
"""How far, in pixels, a scene goes on beyond the frame, to each side and up and down."""
STILLS = 160

TRAIN = (
    "occlusion-fox", "occlusion-beetle", "fast-koi", "fast-truck", "scale-fox", "scale-beetle",
    "appearance-gecko", "appearance-truck", "lookalike-koi", "lookalike-fox", "crossing-gecko",
    "crossing-truck",
)  # fmt: skip
VAL = (
    "occlusion-heron", "occlusion-crab", "fast-squid", "fast-dancer", "scale-copter",
    "appearance-squid", "appearance-dancer", "lookalike-crab", "lookalike-heron", "crossing-dancer",
)  # fmt: skip


# ---- colour ----


def _colour(hue: float, saturation: float, value: float) -> Floats:
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1, min(saturation, 1), min(value, 1)))


def _ramp(values: Floats, colours: Sequence[Floats]) -> Floats:
    """Map values in [0, 1] to colours: (H, W) -> (H, W, 3)."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, stops, channel) for channel in np.array(colours).T], -1)


# ---- figures ----


@dataclass(frozen=True)
class Skin:
    """A figure's two patterns, each with its grain (in the figure's units) and two colours, and two plain colours."""

    patterns: tuple[Pattern, Pattern]
    grains: tuple[float, float]
    colours: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]
    dark: Floats
    pale: Floats

    def colour(self, part: Part, x: Floats, y: Floats, rng: Generator) -> Floats:
        """The colours, (H, W, 3), of a part at its points (x, y), in the figure's units."""
        if part.skin >= 2:
            return np.broadcast_to((self.dark, self.pale)[part.skin - 2], (*x.shape, 3))
        grain = self.grains[part.skin]
        return _ramp(self.patterns[part.skin](x / grain, y / grain, rng), self.colours[part.skin])


@dataclass(frozen=True)
class Figure:
    """A kind in its skin, ready to be painted.

    Attributes:
        parts: in painter's order.
        texels: of every part, uint8 (h, w, 4): its colours, and 255 where it is solid, over [-1, 1]^2.
        later: the same in the skin that it changes into.
        unit: the factor that gives it, at rest, an area of 1.
        box: left, top, right, bottom at rest, when its area is 1.
    """

    parts: Kind
    texels: dict[str, Pixels]
    later: dict[str, Pixels]
    unit: float = 1
    box: tuple[float, float, float, float] = (0, 0, 0, 0)


def outline_mask(points: Points, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Fill a closed curve, its corners cut and stretched to [-1, 1]^2: bool (height, width)."""
    curve = np.array(points, dtype=float)
    for _ in range(3):  # Chaikin's corner cutting
        following = np.roll(curve, -1, axis=0)
        curve = np.stack([0.75 * curve + 0.25 * following, 0.25 * curve + 0.75 * following], 1)
        curve = curve.reshape(-1, 2)
    low, high = curve.min(axis=0), curve.max(axis=0)
    curve = (curve - low) / (high - low) * (width - 1, height - 1)
    image = Image.new("1", (width, height))
    ImageDraw.Draw(image).polygon([(x, y) for x, y in curve.tolist()], fill=1)
    return np.asarray(image)


DENSITY = 40
"""Texels per unit of a figure."""


def _texels(part: Part, pool: Pool, skin: Skin, rng: Generator) -> Pixels:
    """Paint one part: its pattern, darker towards its rim as a round thing is: uint8 (h, w, 4)."""
    width, height = (max(6, round(2 * DENSITY * half)) for half in part.half)
    solid = outline_mask(pool.outlines[part.outline], width, height)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    colour = skin.colour(part, x * part.half[0], y * part.half[1], rng)
    depth = ndimage.distance_transform_edt(np.pad(solid, 1))[1:-1, 1:-1]
    roundness = 0.62 + 0.38 * np.sqrt(np.clip(depth / (0.35 * min(width, height)), 0, 1))
    texels = np.zeros((height, width, 4), np.uint8)
    texels[..., :3] = np.clip(colour * roundness[..., None] * part.shade, 0, 255)
    texels[..., 3] = 255 * solid
    return texels


def _figure(
    kind: Kind, pool: Pool, skin: Skin, rng: Generator, later: Skin | None = None
) -> Figure:
    texels = {name: _texels(part, pool, skin, rng) for name, part in kind.items()}
    changed = (
        {name: _texels(part, pool, later, rng) for name, part in kind.items()} if later else texels
    )
    figure = Figure(kind, texels, changed)
    scale = 40.0
    labels = np.zeros((400, 400), np.uint8)
    _paint_figure(
        np.zeros((400, 400, 4), np.uint8), labels, figure, _place(200, 200, scale), Pose(), 1
    )
    rows, columns = (np.flatnonzero(labels.any(axis=axis)) for axis in (1, 0))
    area = np.count_nonzero(labels) / scale**2
    corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    box = [(corner - 200) / scale / math.sqrt(area) for corner in corners]
    return replace(figure, unit=1 / math.sqrt(area), box=(box[0], box[1], box[2], box[3]))


# ---- movement ----


def _along(keys: tuple[float, ...], when: float) -> float:
    """The value at `when` of a smooth curve through evenly spaced key frames (Catmull-Rom)."""
    if len(keys) == 1:
        return keys[0]
    place = when * (len(keys) - 1)
    i = min(max(int(place), 0), len(keys) - 2)
    s = place - i
    p1, p2 = keys[i], keys[i + 1]
    p0 = keys[i - 1] if i else 2 * p1 - p2
    p3 = keys[i + 2] if i + 2 < len(keys) else 2 * p2 - p1
    return p1 + s / 2 * (
        p2 - p0 + s * (2 * p0 - 5 * p1 + 4 * p2 - p3 + s * (3 * (p1 - p2) + p3 - p0))
    )


@dataclass(frozen=True)
class Pose:
    """Where an actor is and what it does at an instant.

    Attributes:
        x: of its anchor (its feet seen from the side, else its centre), pixels right of the scene's centre.
        y: the same, pixels below.
        size: root of its area at rest, pixels.
        angle: degrees clockwise.
        turn: -1 faces left, 1 right; between, it is turned about and looks narrower.
        stride: how many strides it has made.
        change: 0 in its first skin, 1 in its later one.
    """

    x: float = 0
    y: float = 0
    size: float = 1
    angle: float = 0
    turn: float = 1
    stride: float = 0
    change: float = 0


@dataclass(frozen=True)
class Track:
    """Key frames of a pose, each channel's spread evenly over the video; channels are those of `Pose`."""

    x: tuple[float, ...] = (0.0,)
    y: tuple[float, ...] = (0.0,)
    size: tuple[float, ...] = (50.0,)
    angle: tuple[float, ...] = (0.0,)
    turn: tuple[float, ...] = (1.0,)
    stride: tuple[float, ...] = (0.0,)
    change: tuple[float, ...] = (0.0,)

    def pose(self, when: float) -> Pose:
        """The pose at `when`, in [0, 1]."""
        return Pose(
            **{name: _along(getattr(self, name), when) for name in Pose.__dataclass_fields__}
        )


@dataclass(frozen=True)
class Actor:
    """A figure on its track.

    Attributes:
        label: its id in the masks; 0 for scenery and for look-alikes that nobody asked for.
        view: from the side it stands on its anchor and faces its way; from above it heads its way.
        parallax: how much of the camera's motion it follows; less than 1 is farther, more is nearer.
        shadow: its darkness in [0, 1].
        hover: how high it flies over its anchor, in roots of its area.
    """

    figure: Figure
    track: Track
    label: int = 0
    view: View = "side"
    parallax: float = 1
    shadow: float = 0
    hover: float = 0


@dataclass(frozen=True)
class Scene:
    """All that a camera sees.

    Attributes:
        backdrop: plates with their parallax, RGBA, farthest first, centred on the scene's centre.
        actors: in painter's order.
        camera: its x, y, angle as `Track`; `size` is the zoom.
        light: key frames of (red, green, blue) gains.
        shutter: share of a frame's time that it is open.
        exposures: how many make a frame, a multiple of 4.
        frames: how many.
    """

    backdrop: list[tuple[Image.Image, float]]
    actors: list[Actor]
    camera: Track
    light: tuple[tuple[float, ...], ...] = ((1.0,), (1.0,), (1.0,))
    shutter: float = 0.4
    exposures: int = 4
    frames: int = 22
    size: tuple[int, int] = (WIDTH, HEIGHT)


# ---- painting ----


def _place(
    x: float, y: float, scale_x: float, scale_y: float | None = None, angle: float = 0
) -> Floats:
    """Scale, then turn clockwise, then move: a 3x3 matrix."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    sy = scale_x if scale_y is None else scale_y
    return np.array([[c * scale_x, -s * sy, x], [s * scale_x, c * sy, y], [0, 0, 1]])


def _wave(part: Part, along: Floats | float, stride: float) -> Floats | float:
    """How far, as a share of its width, a bending part lies off its axis."""
    reach = (along - part.pivot[0]) / (1 + abs(part.pivot[0]))
    return (
        part.bend
        * reach
        * abs(reach)
        * np.sin(2 * np.pi * (stride + part.phase - 0.3 * reach))
        * np.sign(reach)
    )


def _paint(
    canvas: Pixels, labels: Pixels, texels: Pixels, matrix: Floats, label: int,
    part: Part | None = None, stride: float = 0, opacity: float = 1,
) -> None:  # fmt: skip
    """Paint texels, which cover [-1, 1]^2, through `matrix` on to the canvas, and `label` on to the labels.

    Args:
        canvas: uint8 (H, W, 4), changed in place.
        labels: uint8 (H, W), changed in place.
        texels: uint8 (h, w, 4); alpha 255 is painted, 0 is not.
        matrix: (3, 3), from [-1, 1]^2 to pixels.
        label: what to write where it is painted.
        part: what bends, and how.
        stride: where in its stride it is.
        opacity: below 1 the canvas shines through and the labels stay.
    """
    (a, b, x0), (c, d, y0) = matrix[0], matrix[1]
    swell = 1 + abs(part.bend) if part else 1.0
    half_width, half_height = abs(a) + abs(b) * swell, abs(c) + abs(d) * swell
    left, right = (
        max(0, math.floor(x0 - half_width)),
        min(canvas.shape[1], math.ceil(x0 + half_width) + 1),
    )
    top, bottom = (
        max(0, math.floor(y0 - half_height)),
        min(canvas.shape[0], math.ceil(y0 + half_height) + 1),
    )
    determinant = a * d - b * c
    if left >= right or top >= bottom or abs(determinant) < 1e-6:
        return
    x, y = np.arange(left, right) + 0.5 - x0, (np.arange(top, bottom) + 0.5 - y0)[:, None]
    u = (d * x - b * y) / determinant
    v = (a * y - c * x) / determinant
    if part and part.bend:
        v = v - _wave(part, u, stride)
    height, width = texels.shape[:2]
    column, row = ((u + 1) * (width / 2)).astype(np.intp), ((v + 1) * (height / 2)).astype(np.intp)
    inside = (u >= -1) & (v >= -1) & (column < width) & (row < height)
    seen = texels[np.where(inside, row, 0), np.where(inside, column, 0)]
    solid = inside & (seen[..., 3] > 0)
    box = canvas[top:bottom, left:right]
    if opacity < 1:
        box[solid] = (1 - opacity) * box[solid] + opacity * seen[solid]
    else:
        box[solid] = seen[solid]
        labels[top:bottom, left:right][solid] = label


def _paint_figure(
    canvas: Pixels, labels: Pixels, figure: Figure, matrix: Floats, pose: Pose, label: int
) -> None:
    """Paint a figure's parts, jointed as they are at this point of its stride."""
    frames: dict[str, Floats] = {"": np.eye(3)}

    def frame(name: str) -> Floats:
        """From a part's own axes, in the figure's units, to the figure's."""
        if name not in frames:
            part = figure.parts[name]
            above = figure.parts.get(part.parent)
            half_x, half_y = above.half if above else (1.0, 1.0)
            sway = _wave(above, part.joint[0], pose.stride) if above else 0.0
            swing = part.swing * math.sin(2 * math.pi * (pose.stride + part.phase))
            joint = _place(
                part.joint[0] * half_x, (part.joint[1] + float(sway)) * half_y, 1,
                angle=part.angle + swing + 360 * part.spin * pose.stride,
            )  # fmt: skip
            pivot = _place(-part.pivot[0] * part.half[0], -part.pivot[1] * part.half[1], 1)
            frames[name] = frame(part.parent) @ joint @ pivot
        return frames[name]

    for name, part in figure.parts.items():
        texels = figure.texels[name]
        if pose.change > 0 and figure.later is not figure.texels:
            change = min(pose.change, 1.0)
            texels = ((1 - change) * texels + change * figure.later[name]).astype(np.uint8)
            texels[..., 3] = figure.texels[name][..., 3]
        _paint(
            canvas,
            labels,
            texels,
            matrix @ frame(name) @ _place(0, 0, *part.half),
            label,
            part,
            pose.stride,
        )


def _disc() -> Pixels:
    disc = np.zeros((24, 24, 4), np.uint8)
    x, y = np.meshgrid(*[np.linspace(-1, 1, 24)] * 2)
    disc[..., 3] = 255 * (np.hypot(x, y) <= 1)
    return disc


_SHADOW = _disc()


def _paint_actor(
    canvas: Pixels, labels: Pixels, actor: Actor, camera: Floats, when: float, frame: float
) -> None:
    """Paint an actor's shadow and its figure as at `when`, facing or heading where it goes at `frame`.

    The two differ because four exposures of a figure that turns round in a flash are four ghosts.
    """
    pose, before, after = (actor.track.pose(at) for at in (when, frame - 0.02, frame + 0.02))
    speed_x, speed_y = (after.x - before.x) / 0.04, (after.y - before.y) / 0.04
    left, top, right, bottom = (pose.size * edge for edge in actor.figure.box)
    scale = pose.size * actor.figure.unit
    if actor.view == "side":
        facing = math.copysign(max(0.5, min(1, abs(speed_x) / 15)), speed_x) if speed_x else 1
        turn = facing * pose.turn
        lift = bottom + pose.size * actor.hover
        place = _place(pose.x, pose.y - lift, scale * turn, scale, pose.angle)
        shadow = _place(pose.x, pose.y - 1, 0.5 * (right - left) * abs(turn), 3)
    else:
        heading = math.degrees(math.atan2(speed_y, speed_x)) + pose.angle
        place = _place(pose.x, pose.y, scale, scale * pose.turn, heading)
        reach = 0.65 * pose.size
        shadow = _place(
            pose.x + 3,
            pose.y + 4,
            min(reach, 0.45 * (right - left)),
            min(reach, 0.4 * (bottom - top)),
            heading,
        )
    if actor.shadow:
        _paint(canvas, labels, _SHADOW, camera @ shadow, 0, opacity=actor.shadow)
    _paint_figure(canvas, labels, actor.figure, camera @ place, pose, actor.label)


_OFFSETS = ((-0.375, -0.125), (0.125, -0.375), (-0.125, 0.375), (0.375, 0.125))
"""Where in a pixel each exposure looks: a rotated grid, which smooths edges of every direction."""


def photograph(scene: Scene, number: int, rng: Generator) -> tuple[Pixels, Pixels]:
    """Take frame `number`: its image, uint8 (H, W, 3), and its labels, uint8 (H, W)."""
    width, height = scene.size
    last = max(1, scene.frames - 1)
    light = np.zeros((height, width, 3))
    ballots = []
    for exposure in range(scene.exposures):
        delay = scene.shutter * ((exposure + 0.5) / scene.exposures - 0.5)
        offset = _OFFSETS[exposure % len(_OFFSETS)]
        canvas, labels = _expose(scene, (number + delay) / last, number / last, offset)
        light += canvas[..., :3]
        ballots.append(labels)
    gains = [_along(keys, number / last) for keys in scene.light]
    image = light / scene.exposures * gains + rng.normal(0, 2, light.shape)
    objects = max(actor.label for actor in scene.actors)
    votes = [np.sum(np.equal(ballots, label), axis=0) for label in range(objects + 1)]
    return np.clip(image, 0, 255).astype(np.uint8), np.argmax(votes, axis=0).astype(np.uint8)


def _expose(
    scene: Scene, when: float, frame: float, offset: tuple[float, float]
) -> tuple[Pixels, Pixels]:
    """What the camera sees at one instant: uint8 (H, W, 4) and the labels, uint8 (H, W)."""
    width, height = scene.size
    view = scene.camera.pose(when)

    def camera(parallax: float) -> Floats:
        lens = _place(
            width / 2 - offset[0], height / 2 - offset[1], view.size**parallax, angle=-view.angle
        )
        return lens @ _place(-view.x * parallax, -view.y * parallax, 1)

    picture = Image.new("RGBA", scene.size)
    for plate, parallax in scene.backdrop:
        back = np.linalg.inv(camera(parallax) @ _place(-plate.width / 2, -plate.height / 2, 1))
        seen = plate.transform(
            scene.size,
            Image.Transform.AFFINE,
            tuple(back[:2].ravel().tolist()),
            Image.Resampling.BILINEAR,
        )
        picture.paste(seen, mask=seen)
    canvas, labels = np.array(picture), np.zeros((height, width), np.uint8)
    for actor in scene.actors:
        _paint_actor(canvas, labels, actor, camera(actor.parallax), when, frame)
    return canvas, labels


# ---- the set: what stands behind the actors ----


def _plate(colours: Floats, props: Sequence[Actor]) -> Image.Image:
    """A painted backdrop: colours, (H, W, 3 or 4), with props on it that have smooth edges."""
    height, width = colours.shape[:2]
    double = np.full((2 * height, 2 * width, 4), 255, np.uint8)
    double[..., : colours.shape[2]] = np.clip(colours, 0, 255).repeat(2, axis=0).repeat(2, axis=1)
    nothing = np.zeros(double.shape[:2], np.uint8)
    for prop in props:
        _paint_actor(double, nothing, prop, _place(width, height, 2), 0, 0)
    return Image.fromarray(double).reduce(2)


_EARTHS = (0.02, 0.08, 0.12, 0.25, 0.33, 0.58)
"""Hues of clay, soil, sand, meadow, forest floor and slate."""
_SKIES = (0.53, 0.58, 0.62, 0.06)


@dataclass
class Studio:
    """Builds what a scene is made of, from one pool and one random state."""

    pool: Pool
    rng: Generator
    view: View
    size: tuple[int, int] = (WIDTH, HEIGHT)
    reach: tuple[int, int] = REACH
    hue: float = field(init=False)
    horizon: float = field(init=False)
    sky: tuple[Floats, Floats] = field(init=False)

    def __post_init__(self) -> None:
        self.hue = float(self.rng.choice(_EARTHS)) + self.between(-0.03, 0.03)
        self.horizon = self.between(-0.15, 0.05) * self.size[1]
        sky = float(self.rng.choice(_SKIES))
        self.sky = (
            _colour(sky, self.between(0.3, 0.6), self.between(0.7, 0.95)),
            _colour(sky - 0.04, 0.12, 0.97),
        )

    def between(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.rng.uniform(low, high))

    def skin(self, hue: float | None = None) -> Skin:
        """A skin for a figure, its hue, unless given, away from the ground's."""
        hue = self.hue + self.between(0.25, 0.75) if hue is None else hue
        first, second = self.rng.permutation(len(self.pool.coats))[:2]
        colours = []
        for drift in (0.0, self.between(0.1, 0.4)):
            bright = _colour(hue + drift, self.between(0.5, 0.9), self.between(0.7, 0.98))
            contrast = (
                _colour(hue + drift, 0.8, self.between(0.12, 0.3)),
                _colour(hue + drift, self.between(0.05, 0.25), 1),
                _colour(hue + drift + self.between(0.3, 0.6), 0.8, self.between(0.4, 0.7)),
            )[self.rng.integers(3)]
            colours.append((bright, contrast))
        return Skin(
            (self.pool.coats[first], self.pool.coats[second]),
            (self.between(0.35, 0.55), self.between(0.2, 0.35)),
            (colours[0], colours[1]),
            _colour(hue, 0.5, 0.15),
            _colour(hue + 0.1, 0.2, 0.95),
        )

    def actor(
        self,
        kind: str,
        label: int,
        track: Track,
        skin: Skin | None = None,
        later: Skin | None = None,
    ) -> Actor:
        """A figure of the pool on a track, made smaller where it would not fit the frame."""
        species = self.pool.kinds[kind]
        figure = _figure(species.parts, self.pool, skin or self.skin(), self.rng, later)
        left, top, right, bottom = figure.box
        tall, wide = bottom - top + species.hover, right - left
        if self.view == "above":
            tall = wide = 0.85 * max(tall, wide)
        most = min(0.75 * self.size[1] / tall, 0.62 * self.size[0] / wide)
        track = replace(track, size=tuple(min(size, most) for size in track.size))
        return Actor(figure, track, label, self.view, shadow=0.35, hover=species.hover)

    def prop(
        self,
        outline: str,
        width: float,
        height: float,
        x: float,
        y: float,
        haze: float = 0,
        angle: float | None = None,
    ) -> Actor:
        """A piece of scenery of a size in pixels, standing (or, seen from above, lying) at (x, y)."""
        pattern = self.pool.grounds[self.rng.integers(len(self.pool.grounds))]
        hue = self.hue + self.between(-0.12, 0.12)
        value = self.between(0.3, 0.65)
        tones = [
            _colour(hue, 0.45, v) * (1 - haze) + haze * self.sky[1]
            for v in (value * 0.6, value, value * 1.25)
        ]
        grain = self.between(0.3, 0.7)
        skin = Skin(
            (pattern, pattern),
            (grain, grain),
            ((tones[0], tones[2]), (tones[1], tones[2])),
            tones[0],
            tones[2],
        )
        part = Part(outline, (width / 50, height / 50))
        figure = _figure({"prop": part}, self.pool, skin, self.rng)
        left, _, right, _ = figure.box
        if angle is None:
            angle = self.between(0, 360) if self.view == "above" else 0
        track = Track((x,), (y,), (width / (right - left),), (angle,))
        return Actor(figure, track, view=self.view, shadow=0.0 if haze else 0.35)

    def backdrop(self) -> list[tuple[Image.Image, float]]:
        """The plates behind the actors, with their parallax, farthest first."""
        return [(self._ground(), 1.0)] if self.view == "above" else self._landscape()

    def _axes(self) -> tuple[Floats, Floats]:
        """The x and y, from the scene's centre, of every pixel of a plate: (H, W) each."""
        width, height = (n + 2 * more for n, more in zip(self.size, self.reach, strict=True))
        x, y = np.meshgrid(np.arange(width) - width / 2, np.arange(height) - height / 2)
        return x, y

    def _earth(self, x: Floats, y: Floats) -> Floats:
        """The ground's colours, (H, W, 3), at (x, y) in units of its grain."""
        pattern = self.pool.grounds[self.rng.integers(len(self.pool.grounds))]
        value = self.between(0.4, 0.65)
        tones = [
            _colour(self.hue + drift, self.between(0.2, 0.45), share * value)
            for drift, share in ((0.03, 0.65), (0, 1), (-0.03, 1.3))
        ]
        return _ramp(pattern(x, y, self.rng), tones)

    def _ground(self) -> Image.Image:
        x, y = self._axes()
        grain = self.between(18, 30)
        height, width = x.shape
        strewn = self._strewn(width * height // 2800, width, height, -height / 2, (10, 34))
        return _plate(self._earth(x / grain, y / grain), strewn)

    def _landscape(self) -> list[tuple[Image.Image, float]]:
        x, y = self._axes()
        height, width = x.shape
        rise = np.clip(-(y - self.horizon) / (height / 2), 0, 1)
        clouds = 0.6 * np.clip(4 * rise, 0, 1) * noise(x / 60, y / 18, self.rng)
        sky = _ramp(rise, self.sky[::-1]) * (1 - clouds[..., None]) + 250 * clouds[..., None]
        far = self._row(width // 55, width, (24, 46), haze=0.55)
        near = self._row(width // 140, width, (40, 75), haze=0.12)

        fall = np.clip((y - self.horizon) / (height / 2 - self.horizon), 0, 1)
        distance = 1 / (fall + 0.45)  # perspective, short of a horizon where patterns would alias
        earth = self._earth(x / 24 * distance, 6 * distance)
        mist = (1 - fall[..., None]) ** 3
        earth = (0.75 + 0.3 * fall[..., None]) * earth * (1 - 0.6 * mist) + 0.6 * mist * earth.mean(
            (0, 1)
        )
        ground = np.dstack([earth, 255 * (y > self.horizon + 4 * noise(x / 30, 0 * y, self.rng))])
        strewn = self._strewn(width * height // 12000, width, height, self.horizon + 12, (8, 20))
        return [
            (_plate(sky, far), 0.3),
            (_plate(np.zeros((height, width, 4)), near), 0.65),
            (_plate(ground, strewn), 1.0),
        ]

    def _row(self, number: int, width: int, sizes: tuple[float, float], haze: float) -> list[Actor]:
        """Props standing along the horizon."""
        outlines = self.pool.standing
        return [
            self.prop(
                outlines[self.rng.integers(len(outlines))], self.between(*sizes) * 0.8, self.between(*sizes),
                (place + self.between(0.1, 0.9)) / number * width - width / 2, self.horizon + 7, haze,
            )
            for place in self.rng.permutation(number)
        ]  # fmt: skip

    def _strewn(
        self, number: int, width: int, height: int, top: float, sizes: tuple[float, float]
    ) -> list[Actor]:
        """Clutter on the ground, farthest first."""
        outlines = self.pool.lying
        depths = sorted(self.between(top, height / 2) for _ in range(number))
        return [
            self.prop(
                outlines[self.rng.integers(len(outlines))], self.between(*sizes), self.between(*sizes) * 0.7,
                self.between(-width / 2, width / 2), depth,
            )
            for depth in depths
        ]  # fmt: skip

    def camera(
        self, x: tuple[float, ...] = (0.0,), zoom: tuple[float, ...] = (1.0,), shake: float = 1.2
    ) -> Track:
        """A hand-held camera that pans along `x`."""
        number = 12
        pan = [_along(x, i / (number - 1)) for i in range(number)]
        tremble = self.rng.normal(0, shake, (3, number))
        return Track(
            x=tuple(p + t for p, t in zip(pan, tremble[0], strict=True)),
            y=tuple(tremble[1].tolist()),
            size=zoom,
            angle=tuple((0.6 * tremble[2]).tolist()),
        )

    def way(self) -> float:
        """-1 or 1: scripts are played from left to right or the other way."""
        return float(self.rng.choice([-1, 1]))


# ---- the scripts: one a difficulty ----


def _times(factor: float, keys: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(factor * key for key in keys)


def _occlusion(studio: Studio, kind: str) -> Scene:
    """One object passes wholly behind a prop and comes out on the other side."""
    way, standing = studio.way(), studio.view == "side"
    y = studio.between(36, 42) if standing else studio.between(-8, 8)
    track = Track(_times(way, (-90, -60, 0, 0, 60, 90)), (y,), (34,), stride=(0, 6))
    hero = studio.actor(kind, 1, track)
    left, top, right, bottom = _times(hero.track.size[0], hero.figure.box)
    screen = studio.prop(
        studio.pool.screens[studio.view], 1.3 * (right - left) + 8, 1.4 * (bottom - top) + 8,
        0, y + 6 if standing else y, angle=0,
    )  # fmt: skip
    camera = studio.camera(_times(way, (-50, 0, 50)))
    return Scene(studio.backdrop(), [hero, screen], camera, frames=24)


def _fast(studio: Studio, kind: str) -> Scene:
    """One object dashes to and fro, a good part of its length between frames."""
    if studio.view == "side":
        y: tuple[float, ...] = (42, 32, 42, 32, 42, 36)
    else:
        y = (-24, 24, 4, -28, 0, 26, -10)
    x = _times(studio.way(), (-46, 62, -60, 55, -62, 50))
    hero = studio.actor(kind, 1, Track(x, y, (42,), stride=(0, 5)))
    camera = studio.camera((-14, 14, -10), shake=2.5)
    return Scene(studio.backdrop(), [hero], camera, shutter=0.7, exposures=8)


def _scale(studio: Studio, kind: str) -> Scene:
    """One object comes near while another of its kind goes away."""
    near_y, far_y = ((18, 50), (50, 16)) if studio.view == "side" else ((-30, 0, 14), (26, 8, -22))
    near = Track(
        _times(way := studio.way(), (-52, -30, 8, 24)), near_y, (26, 32, 50, 62), stride=(0, 4)
    )
    far = Track(_times(way, (46, 56, 62, 66)), far_y, (46, 34, 24), stride=(0, 4))
    actors = [studio.actor(kind, 2, far), studio.actor(kind, 1, near)]
    return Scene(studio.backdrop(), actors, studio.camera((0, 6), (0.92, 1, 1.12)))


def _appearance(studio: Studio, kind: str) -> Scene:
    """One object turns about and changes its coat, and the light goes."""
    y = (44.0, 41.0) if studio.view == "side" else (-18.0, 18.0, 10.0, -14.0, -4.0)
    track = Track(
        _times(studio.way(), (-40, -6, 34, 8, -26)), y, (50,), turn=(1, 1, 0.65, 1, 0.75, 1),
        stride=(0, 4), change=(0, 0, 0.5, 1, 1),
    )  # fmt: skip
    hue = studio.hue + 0.5
    later = studio.skin(hue + studio.between(0.2, 0.4))
    hero = studio.actor(kind, 1, track, studio.skin(hue), later)
    dusk = (1, 1, 0.8, 0.6, 0.75), (1, 1, 0.7, 0.5, 0.55), (1, 1, 0.8, 0.7, 0.6)
    return Scene(studio.backdrop(), [hero], studio.camera((-6, 8)), dusk)


def _lookalike(studio: Studio, kind: str) -> Scene:
    """Two objects among others of their kind and skin, which are not asked for and pass close by."""
    if studio.view == "side":
        lanes = (43, 34, 38, 40)
    else:
        lanes = (-26, 26, 2, 30)
    skin = studio.skin(studio.hue + studio.between(0.35, 0.65))
    paths = ((-62, -44, -12), (6, 14, 40), (84, 40, -44), (-100, -88, -58))
    actors = []
    for label, path, lane in zip((1, 2, 0, 0), paths, lanes, strict=True):
        start, size = studio.between(0, 1), studio.between(31, 35)
        y = (lane, lane + studio.between(-3, 3), lane + studio.between(-3, 3))
        actors.append(
            studio.actor(kind, label, Track(path, y, (size,), stride=(start, start + 4)), skin)
        )
    first, second, passing, last = actors
    return Scene(studio.backdrop(), [passing, last, second, first], studio.camera((-8, 10)))


def _crossing(studio: Studio, kind: str) -> Scene:
    """Two or, seen from above, three objects of one kind pass in front of each other."""
    if studio.view == "side":
        tracks = [
            Track((-58, -30, 30, 56), (37,), (42,), stride=(0, 4)),
            Track((56, 30, -30, -58), (44,), (42,), stride=(0.4, 4.4)),
        ]
    else:
        tracks = [
            Track((-64, -24, 24, 64), (-28, -10, 12, 26), (36,), stride=(0, 4)),
            Track((66, 28, -28, -66), (0, 6, -4, -2), (36,), stride=(0.3, 4.3)),
            Track((-66, -30, 22, 60), (32, 14, -10, -32), (36,), stride=(0.6, 4.6)),
        ]
    actors = [studio.actor(kind, i, track) for i, track in enumerate(tracks, start=1)]
    return Scene(studio.backdrop(), actors, studio.camera((-8, 8)))


SCRIPTS: dict[str, Callable[[Studio, str], Scene]] = {
    "occlusion": _occlusion,
    "fast": _fast,
    "scale": _scale,
    "appearance": _appearance,
    "lookalike": _lookalike,
    "crossing": _crossing,
}


def video(name: str, pool: Pool, rng: Generator) -> Scene:
    """The scene of a video called `difficulty-kind`."""
    difficulty, kind = name.split("-")
    return SCRIPTS[difficulty](Studio(pool, rng, pool.kinds[kind].view), kind)


def still(pool: Pool, rng: Generator) -> Scene:
    """One object, label 1, often among others, in a random pose."""
    kind = str(rng.choice(sorted(pool.kinds)))
    width, height = int(rng.integers(160, 241)), int(rng.integers(112, 161))
    studio = Studio(pool, rng, pool.kinds[kind].view, (width, height), reach=(10, 10))
    companions = [name for name in sorted(pool.kinds) if pool.kinds[name].view == studio.view]
    standing = studio.view == "side"

    def posed(name: str, label: int, x: float, share: float) -> Actor:
        track = Track(
            (x * width,),
            (height * (studio.between(0.3, 0.45) if standing else studio.between(-0.15, 0.15)),),
            (math.sqrt(share * width * height),),
            (studio.between(-8, 8) if standing else studio.between(0, 360),),
            (studio.way() * studio.between(0.7, 1),),
            (studio.between(0, 1),),
        )
        return studio.actor(name, label, track)

    actors = [
        posed(
            str(rng.choice(companions)),
            0,
            studio.way() * studio.between(0.2, 0.45),
            studio.between(0.03, 0.08),
        )
        for _ in range(rng.integers(0, 3))
    ]
    actors.append(posed(kind, 1, studio.between(-0.2, 0.2), studio.between(0.08, 0.25)))
    return Scene(studio.backdrop(), actors, Track(size=(1.0,)), frames=1, size=(width, height))


# ---- writing ----


def render(out: Path, seed: int) -> None:
    """Render the benchmark to `out`, the whole of it or nothing.

    `out/davis` is a DAVIS tree with splits `train` and `val`; `out/stills` has `images/*.jpg` and
    `masks/*.png`, one object each, 255 on it. The same seed gives the same bytes.

    Raises:
        UserError: `out` cannot be written.
    """
    with files.appearing(out) as temporary:
        for split, names in (("train", TRAIN), ("val", VAL)):
            for year in ("2016", "2017"):
                listing = temporary / "davis" / "ImageSets" / year / f"{split}.txt"
                listing.parent.mkdir(parents=True, exist_ok=True)
                listing.write_text("".join(f"{name}\n" for name in names))
            for index, name in enumerate(names):
                rng = np.random.default_rng([seed, POOLS[split].number, index])
                _film(temporary / "davis", name, video(name, POOLS[split], rng), rng)
        for index in range(STILLS):
            rng = np.random.default_rng([seed, POOLS["stills"].number, index])
            image, labels = photograph(still(POOLS["stills"], rng), 0, rng)
            _write_image(temporary / "stills" / "images" / f"{index:05d}.jpg", image)
            mask = temporary / "stills" / "masks" / f"{index:05d}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 * labels).save(mask)


def _film(root: Path, name: str, scene: Scene, rng: Generator) -> None:
    for number in range(scene.frames):
        image, labels = photograph(scene, number, rng)
        _write_image(root / "JPEGImages" / davis.RESOLUTION / name / f"{number:05d}.jpg", image)
        davis.write_mask(
            root / "Annotations" / davis.RESOLUTION / name / f"{number:05d}.png", labels
        )


def _write_image(path: Path, image: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=92, subsampling=0)
