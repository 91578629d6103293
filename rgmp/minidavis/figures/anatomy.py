"""How figures are put together: parts on joints, limbs, mirrored pairs, chains of segments."""

import math
from typing import Literal, NamedTuple

Viewpoint = Literal["side", "above"]


class Part(NamedTuple):
    """One piece of a figure.

    Attributes:
        outline: name of a closed curve of the pool, over [-1, 1]^2, x forward and y down.
        half: half its length and half its width, in the figure's unit.
        skin: 0 and 1 the figure's two patterns, 2 its dark and 3 its pale plain colour.
        parent: the part that carries it; "" is the figure itself.
        joint: where on the parent, in the parent's [-1, 1]^2.
        pivot: the point of its own [-1, 1]^2 that lies on the joint.
        angle: of rest, in degrees clockwise from the parent's.
        swing: amplitude in degrees of the swing that goes with every stride.
        phase: of swing and bend, in strides.
        bend: amplitude of the wave that travels along it, as a share of its width.
        spin: turns per stride.
        shade: factor of its brightness; below 1 for the far side.
    """

    outline: str
    half: tuple[float, float]
    skin: int = 0
    parent: str = ""
    joint: tuple[float, float] = (0, 0)
    pivot: tuple[float, float] = (0, 0)
    angle: float = 0
    swing: float = 0
    phase: float = 0
    bend: float = 0
    spin: float = 0
    shade: float = 1


Parts = dict[str, Part]
"""A figure: its parts by name, in painter's order."""


class Species(NamedTuple):
    """A kind of figure, its view, and how high it flies, in roots of its area."""

    view: Viewpoint
    parts: Parts
    hover: float = 0


def limb(
    name: str, upper: Part, lower: Part, on: str, joint: tuple[float, float], *,
    angle: float = 90, knee: float = 20, swing: float = 30, phase: float = 0, shade: float = 1,
) -> Parts:  # fmt: skip
    """A limb of two pieces, jointed at the knee, the lower a quarter of a stride behind."""
    root = (-0.85, 0.0)
    upper = upper._replace(parent=on, joint=joint, pivot=root, angle=angle, swing=swing)
    lower = lower._replace(parent=name, joint=(0.85, 0), pivot=root, angle=knee, swing=0.8 * swing)
    return {
        f"{name} end": lower._replace(phase=phase + 0.25, shade=shade),
        name: upper._replace(phase=phase, shade=shade),
    }


def pair(name: str, part: Part) -> Parts:
    """A part and its mirror image across the x axis of its parent, half a stride apart."""
    x, y = part.joint
    mirrored = part._replace(joint=(x, -y), angle=-part.angle, phase=part.phase + 0.5)
    return {f"left {name}": part, f"right {name}": mirrored}


def chain(name: str, count: int, part: Part, taper: float, *, lag: float = 0.2) -> Parts:
    """Segments one behind the other, each a `taper` of the size of the one before it.

    Every one follows the one before with a lag in strides, so that the chain winds. The last one,
    called `name` and its index, is painted first.
    """
    links = {name: part}
    for i in range(1, count):
        share = taper**i
        links[f"{name} {i}"] = part._replace(
            half=(part.half[0] * share, part.half[1] * share),
            parent=name if i == 1 else f"{name} {i - 1}",
            joint=(-0.75, 0),
            pivot=(0.75, 0),
            angle=0,
            phase=part.phase - lag * i,
        )
    return dict(reversed(links.items()))


def around(name: str, count: int, part: Part, *, start: float = 0, sweep: float = 360) -> Parts:
    """Parts that stand out of one point of a body like rays, from `start` over `sweep` degrees."""
    step = sweep / count if sweep == 360 else sweep / (count - 1)
    rays: Parts = {}
    for i in range(count):
        angle = start + i * step
        turned = math.radians(angle)
        joint = (part.joint[0] * math.cos(turned), part.joint[0] * math.sin(turned))
        rays[f"{name} {i}"] = part._replace(joint=joint, angle=angle, phase=part.phase + 0.37 * i)
    return rays
