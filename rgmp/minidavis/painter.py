"""Render videos of jointed figures together with their labels.

Scenes are measured in points; the camera gives a frame some pixels per point. A frame is the mean
of several exposures, each with its own sub-pixel offset and instant of the shutter, which gives
both antialiasing and motion blur; its mask is their majority vote.
"""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

from rgmp.minidavis.animation import Keys, Pixels, Pose, Track, along
from rgmp.minidavis.creatures import Pool
from rgmp.minidavis.figures.anatomy import Part, Parts, Viewpoint
from rgmp.minidavis.outlines import Points
from rgmp.minidavis.patterns import Floats, Generator, Pattern


def colour(hue: float, saturation: float, value: float) -> Floats:
    """A colour, (3,), in [0, 255]; the hue wraps around, the others are clipped at 1."""
    return 255 * np.array(colorsys.hsv_to_rgb(hue % 1, min(saturation, 1), min(value, 1)))


def ramp(values: Floats, colours: Sequence[Floats]) -> Floats:
    """Map values in [0, 1] to colours: (H, W) -> (H, W, 3)."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(values, stops, channel) for channel in np.array(colours).T], -1)


@dataclass(frozen=True)
class Skin:
    """The appearance of a figure's surface.

    Attributes:
        patterns: of its parts of skin 0 and of skin 1.
        grains: their grains, in the figure's unit.
        colours: the colours that the patterns' values from 0 to 1 map to.
        plain: the dark and the pale colour of skins 2 and 3.
    """

    patterns: tuple[Pattern, ...]
    grains: tuple[float, ...]
    colours: tuple[Sequence[Floats], ...]
    plain: tuple[Floats, Floats]

    def paint(self, part: Part, x: Floats, y: Floats, rng: Generator) -> Floats:
        """The colours, (H, W, 3), of a part at its points (x, y), in the figure's unit."""
        if part.skin >= 2:
            return np.broadcast_to(self.plain[part.skin - 2], (*x.shape, 3))
        grain = self.grains[part.skin]
        return ramp(self.patterns[part.skin](x / grain, y / grain, rng), self.colours[part.skin])


@dataclass(frozen=True)
class Figure:
    """Painted parts, ready to be placed.

    Attributes:
        parts: in painter's order.
        texels: of every part, uint8 (h, w, 4), over [-1, 1]^2: colours, and alpha 255 where it is
            solid.
        later: the same for the skin that it changes into.
        unit: the factor that gives it an area of 1, at rest.
        box: its left, top, right and bottom, over a whole stride, when its area at rest is 1.
    """

    parts: Parts
    texels: dict[str, Pixels]
    later: dict[str, Pixels]
    unit: float = 1
    box: tuple[float, float, float, float] = (0, 0, 0, 0)


DENSITY = 24
"""Texels per unit of a figure; painted at its usual size it has about twice those of the frame."""


def silhouette(points: Points, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Fill a closed curve, smoothed and stretched to its box: bool (height, width)."""
    curve = _smooth(tuple(points)) * (width - 1, height - 1)
    image = Image.new("1", (width, height))
    ImageDraw.Draw(image).polygon([(x, y) for x, y in curve.tolist()], fill=1)
    return np.asarray(image)


@cache
def _smooth(points: Points) -> Floats:
    """A closed curve with its corners cut (Chaikin), in the box [0, 1]^2: (N, 2)."""
    curve = np.array(points, dtype=float)
    for _ in range(3):
        following = np.roll(curve, -1, axis=0)
        corners = [0.75 * curve + 0.25 * following, 0.25 * curve + 0.75 * following]
        curve = np.stack(corners, axis=1).reshape(-1, 2)
    low, high = curve.min(axis=0), curve.max(axis=0)
    smooth: Floats = (curve - low) / (high - low)
    return smooth


def _texels(part: Part, pool: Pool, skin: Skin, rng: Generator) -> Pixels:
    """Paint one part: its pattern, shaded darker towards the rim: uint8 (h, w, 4)."""
    width, height = (max(6, round(2 * DENSITY * half)) for half in part.half)
    solid = silhouette(pool.outlines[part.outline], width, height)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    painted = skin.paint(part, x * part.half[0], y * part.half[1], rng)
    depth = ndimage.distance_transform_edt(np.pad(solid, 1))[1:-1, 1:-1]
    roundness = 0.62 + 0.38 * np.sqrt(np.clip(depth / (0.35 * min(width, height)), 0, 1))
    painted = np.clip(painted * roundness[..., None] * part.shade, 0, 255)
    return np.dstack([painted, 255 * solid]).astype(np.uint8)


def make_figure(
    parts: Parts, pool: Pool, skin: Skin, rng: Generator, later: Skin | None = None
) -> Figure:
    """Paint every part in both skins, and measure the figure."""

    def painted(skin: Skin) -> dict[str, Pixels]:
        return {name: _texels(part, pool, skin, rng) for name, part in parts.items()}

    texels = painted(skin)
    figure = Figure(parts, texels, painted(later) if later else texels)
    scale, middle = DENSITY, 5 * DENSITY
    paper = Canvas.blank(2 * middle, 2 * middle)
    for stride in (0.75, 0.5, 0.25, 0) if len(parts) > 1 else (0,):  # label 1 is left at rest
        pose, label = Pose(stride=stride), 2 if stride else 1
        _paint_figure(paper, figure, placed(middle, middle, scale), pose, label)
    area = np.count_nonzero(paper.labels == 1) / scale**2
    rows, columns = (np.flatnonzero(paper.labels.any(axis=axis)) for axis in (1, 0))
    corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    left, top, right, bottom = ((corners - middle) / scale / math.sqrt(area)).tolist()
    return replace(figure, unit=1 / math.sqrt(area), box=(left, top, right, bottom))


@dataclass(frozen=True)
class Canvas:
    """A canvas, painted in place: pixels, uint8 (H, W, 4), and labels, uint8 (H, W)."""

    pixels: Pixels
    labels: Pixels

    @classmethod
    def blank(cls, height: int, width: int) -> "Canvas":
        """A transparent canvas."""
        return cls(np.zeros((height, width, 4), np.uint8), np.zeros((height, width), np.uint8))


def placed(
    x: float, y: float, scale_x: float, scale_y: float | None = None, angle: float = 0
) -> Floats:
    """Scale, then rotate clockwise, then translate: a 3x3 matrix."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    scale_y = scale_x if scale_y is None else scale_y
    return np.array([[c * scale_x, -s * scale_y, x], [s * scale_x, c * scale_y, y], [0, 0, 1]])


def _wave(part: Part, along: Floats, stride: float) -> Floats:
    """The offset of a bending part from its axis, as a share of its width, along its axis."""
    reach = (along - part.pivot[0]) / (1 + abs(part.pivot[0]))
    return part.bend * reach**2 * np.sin(2 * np.pi * (stride + part.phase - 0.3 * reach))


_Window = tuple[slice, slice]
_Places = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]


def _look(
    canvas: Canvas, texels: Pixels, matrix: Floats, part: Part, stride: float
) -> tuple[_Window, npt.NDArray[np.bool_], _Places]:
    """Project texels, which cover [-1, 1]^2, onto a canvas.

    Args:
        canvas: gives the size.
        texels: uint8 (h, w, 4); solid where alpha is not 0.
        matrix: (3, 3), from [-1, 1]^2 to pixels.
        part: how they bend.
        stride: where in its stride the part is.

    Returns:
        A window of the canvas; where in it, bool (h, w), the texels are solid; and which are seen
        there, in the order of those pixels.
    """
    (a, b, x0), (c, d, y0) = matrix[:2].tolist()
    swell = 1 + abs(part.bend)
    across, down = abs(a) + abs(b) * swell, abs(c) + abs(d) * swell
    height, width = canvas.labels.shape
    left, right = (min(max(math.floor(x), 0), width) for x in (x0 - across, x0 + across + 1))
    top, bottom = (min(max(math.floor(y), 0), height) for y in (y0 - down, y0 + down + 1))
    x, y = np.arange(left, right) + 0.5 - x0, np.arange(top, bottom)[:, None] + 0.5 - y0
    determinant = a * d - b * c
    u, v = (d * x - b * y) / determinant, (a * y - c * x) / determinant
    if part.bend:
        v = v - _wave(part, u, stride)
    solid = (abs(u) < 1) & (abs(v) < 1)
    row = ((v[solid] + 1) * (texels.shape[0] / 2)).astype(np.intp)
    column = ((u[solid] + 1) * (texels.shape[1] / 2)).astype(np.intp)
    seen = texels[row, column, 3] > 0
    solid[solid] = seen
    return (slice(top, bottom), slice(left, right)), solid, (row[seen], column[seen])


def _paint_figure(canvas: Canvas, figure: Figure, matrix: Floats, pose: Pose, label: int) -> None:
    """Paint a figure's parts in their positions at this point of its stride."""
    axes: dict[str, Floats] = {"": np.eye(3)}

    def axes_of(name: str) -> Floats:
        """From a part's own axes to the figure's."""
        if name not in axes:
            part = figure.parts[name]
            carrier = figure.parts.get(part.parent, part._replace(half=(1, 1), bend=0))
            sway = _wave(carrier, np.array(part.joint[0]), pose.stride)
            joint_x = part.joint[0] * carrier.half[0]
            joint_y = (part.joint[1] + float(sway)) * carrier.half[1]
            swing = part.swing * math.sin(2 * math.pi * (pose.stride + part.phase))
            turned = part.angle + swing + 360 * part.spin * pose.stride
            pivot = placed(-part.pivot[0] * part.half[0], -part.pivot[1] * part.half[1], 1)
            axes[name] = axes_of(part.parent) @ placed(joint_x, joint_y, 1, angle=turned) @ pivot
        return axes[name]

    for name, part in figure.parts.items():
        spread = matrix @ axes_of(name) @ placed(0, 0, *part.half)
        window, solid, at = _look(canvas, figure.texels[name], spread, part, pose.stride)
        seen = figure.texels[name][at]
        if pose.change > 0:
            mixed = (1 - pose.change) * seen + pose.change * figure.later[name][at]
            seen = np.clip(mixed, 0, 255).astype(np.uint8)
        canvas.pixels[window][solid] = seen
        canvas.labels[window][solid] = label


def _paint_shadow(canvas: Canvas, matrix: Floats, darkness: float) -> None:
    window, solid, _ = _look(canvas, _DISC, matrix, _STIFF, 0)
    canvas.pixels[window][solid, :3] = (1 - darkness) * canvas.pixels[window][solid, :3]


_STIFF = Part("", (1, 1))


_DISC: Pixels = np.full((64, 64, 4), 255, np.uint8)


_DISC[np.hypot(*(np.indices((64, 64)) - 31.5)) > 32] = 0


@dataclass(frozen=True)
class Actor:
    """A figure on its track.

    Attributes:
        label: its id in the masks; 0 for scenery and distractors.
        view: in a side view it stands on (x, y) and faces its direction of motion, from above it is
            rotated towards it.
        shadow: its darkness in [0, 1].
        hover: its height above (x, y), in roots of its area.
    """

    figure: Figure
    track: Track
    label: int
    view: Viewpoint
    shadow: float = 0.35
    hover: float = 0


@dataclass(frozen=True)
class Scene:
    """Everything that a camera sees.

    Attributes:
        size: width and height of the frame, in pixels.
        backdrop: plates about the scene's centre, farthest first, and how much of the camera's
            motion each follows. Their mode is RGBa (premultiplied: Pillow would convert a plate of
            RGBA for every exposure), and they have as many pixels per point as the frame.
        actors: in painter's order.
        camera: its x, y and angle, and, as `size`, its zoom.
        scale: pixels of the frame per point of the scene.
        light: gains of red, green and blue.
        shutter: share of a frame's time that it is open.
        exposures: how many make a frame; a multiple of 4.
        frames: how many there are.
    """

    size: tuple[int, int]
    backdrop: Sequence[tuple[Image.Image, float]]
    actors: Sequence[Actor]
    camera: Track
    scale: float = 1
    light: tuple[Keys, Keys, Keys] = ((1,), (1,), (1,))
    shutter: float = 0.4
    exposures: int = 4
    frames: int = 22


def paint_actor(canvas: Canvas, actor: Actor, camera: Floats, when: float, frame: float) -> None:
    """Paint an actor as at `when`, facing its direction at `frame`, the frame's own instant.

    With its direction at `when`, the exposures of an actor that turns around abruptly would show
    two of it.
    """
    pose, before, after = (actor.track.pose(at) for at in (when, frame - 0.02, frame + 0.02))
    speed_x, speed_y = (after.x - before.x) / 0.04, (after.y - before.y) / 0.04
    left, top, right, bottom = (pose.size * edge for edge in actor.figure.box)
    scale = pose.size * actor.figure.unit
    if actor.view == "side":
        turn = pose.turn * math.copysign(max(0.5, min(1, abs(speed_x) / 15)), speed_x)
        turn = turn if speed_x else pose.turn
        height = bottom + pose.size * actor.hover
        place = placed(pose.x, pose.y - height, scale * turn, scale, pose.angle)
        shadow = placed(pose.x, pose.y - 1, abs(turn) * (right - left) / 2, 3)
    else:
        heading = math.degrees(math.atan2(speed_y, speed_x)) + pose.angle
        middle = placed(-(left + right) / 2 / scale, 0, 1)
        place = placed(pose.x, pose.y, scale, scale * pose.turn, heading) @ middle
        length, width = (min(0.5 * pose.size, 0.4 * n) for n in (right - left, bottom - top))
        shadow = placed(pose.x + 3, pose.y + 4, length, width, heading)
    if actor.shadow:
        _paint_shadow(canvas, camera @ shadow, actor.shadow)
    _paint_figure(canvas, actor.figure, camera @ place, pose, actor.label)


def photograph(scene: Scene, number: int, rng: Generator) -> tuple[Pixels, Pixels]:
    """Take frame `number`: its image, uint8 (H, W, 3), and its labels, uint8 (H, W)."""
    width, height = scene.size
    last = max(1, scene.frames - 1)
    light = np.zeros((height, width, 3))
    ballots = []
    for exposure in range(scene.exposures):
        delay = scene.shutter * ((exposure + 0.5) / scene.exposures - 0.5)
        offset = _OFFSETS[exposure % len(_OFFSETS)]
        canvas = _expose(scene, (number + delay) / last, number / last, offset)
        light += canvas.pixels[..., :3]
        ballots.append(canvas.labels)
    gains = [along(keys, number / last) for keys in scene.light]
    image = light / scene.exposures * gains + rng.normal(0, 2, light.shape)
    labels = range(max(actor.label for actor in scene.actors) + 1)
    votes = [np.sum(np.equal(ballots, label), axis=0) for label in labels]
    return np.clip(image, 0, 255).astype(np.uint8), np.argmax(votes, axis=0).astype(np.uint8)


_OFFSETS = ((-0.375, -0.125), (0.125, -0.375), (-0.125, 0.375), (0.375, 0.125))
"""Sub-pixel offsets of the exposures: a rotated grid, which antialiases every direction."""


def _expose(scene: Scene, when: float, frame: float, offset: tuple[float, float]) -> Canvas:
    """What the camera sees at one instant."""
    width, height = scene.size
    view = scene.camera.pose(when)

    def camera(parallax: float) -> Floats:
        x, y = width / 2 - offset[0], height / 2 - offset[1]
        lens = placed(x, y, scene.scale * view.size**parallax, angle=-view.angle)
        return lens @ placed(-view.x * parallax, -view.y * parallax, 1)

    picture = Image.new("RGBA", scene.size)
    for plate, parallax in scene.backdrop:
        point = 1 / scene.scale
        corner = placed(-point * plate.width / 2, -point * plate.height / 2, point)
        back = np.linalg.inv(camera(parallax) @ corner)
        seen = plate.transform(
            scene.size, Image.Transform.AFFINE, back[:2].ravel().tolist(), Image.Resampling.BILINEAR
        ).convert("RGBA")
        picture.paste(seen, mask=seen)
    canvas = Canvas(np.array(picture), np.zeros((height, width), np.uint8))
    for actor in scene.actors:
        paint_actor(canvas, actor, camera(1), when, frame)
    return canvas
