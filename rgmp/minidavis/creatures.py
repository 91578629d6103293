"""The building blocks of the embedded benchmark: patterns, outlines, figures, in three pools.

`train`, `val` and `stills` share no outline and no pattern. A figure is data: parts in painter's
order, each an outline on a joint of another part. `rgmp.minidavis.painter` paints and moves them.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from rgmp.minidavis.outlines import STILLS_OUTLINES, TRAIN_OUTLINES, VAL_OUTLINES, Points
from rgmp.minidavis.patterns import (
    Pattern,
    bricks,
    cells,
    clover,
    diamonds,
    dots,
    furrows,
    grass,
    gravel,
    lichen,
    marble,
    planks,
    rings,
    sand,
    scales,
    slabs,
    speckle,
    spots,
    stripes,
    tartan,
    waves,
    zigzag,
)

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


def _limb(
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


def _pair(name: str, part: Part) -> Parts:
    """A part and its mirror image across the x axis of its parent, half a stride apart."""
    x, y = part.joint
    mirrored = part._replace(joint=(x, -y), angle=-part.angle, phase=part.phase + 0.5)
    return {f"left {name}": part, f"right {name}": mirrored}


_HIND_LEG = Part("haunch", (0.42, 0.23)), Part("shank", (0.4, 0.13), 2)


_FRONT_LEG = Part("haunch", (0.4, 0.17)), Part("shank", (0.4, 0.12), 2)


_GECKO_LEG = Part("haunch", (0.36, 0.15)), Part("shank", (0.3, 0.12))


_ARM = Part("sleeve", (0.36, 0.18)), Part("forearm", (0.38, 0.15), 3)


_LEG = Part("thigh", (0.42, 0.25), 1), Part("calf", (0.42, 0.2), 2)


TRAIN_KINDS: dict[str, Species] = {
    "fox": Species("side", {
        "tail": Part("brush", (0.8, 0.26), 1, "body", (-0.85, -0.4), (-0.95, 0), 205, 14, bend=0.8),
        **_limb("far hind", *_HIND_LEG, "body", (-0.62, 0.3), angle=100, phase=0.5, shade=0.7),
        **_limb("far front", *_FRONT_LEG, "body", (0.55, 0.3), shade=0.7),
        "body": Part("torso", (1.05, 0.46), swing=3),
        **_limb("near hind", *_HIND_LEG, "body", (-0.75, 0.3), angle=100),
        **_limb("near front", *_FRONT_LEG, "body", (0.7, 0.35), phase=0.5),
        "head": Part("muzzle", (0.56, 0.5), 0, "body", (0.85, -0.6), (-0.5, 0.3), -4, 7, 0.2),
        "eye": Part("eyeball", (0.07, 0.07), 2, "head", (0.05, 0.0)),
    }),
    "beetle": Species("above", {
        **_pair("front leg", Part("spindle", (0.55, 0.1), 2, "body", (0.6, 0.7), (-1, 0), 45, 20)),
        **_pair("mid leg", Part("spindle", (0.6, 0.1), 2, "body", (0, 0.8), (-1, 0), 95, 20, 0.5)),
        **_pair("hind leg", Part("spindle", (0.65, 0.1), 2, "body", (-0.6, 0.7), (-1, 0), 140, 20)),
        **_pair("feeler", Part("spindle", (0.45, 0.06), 2, "head", (0.7, 0.3), (-1, 0), 35, 15)),
        "head": Part("mandible", (0.4, 0.42), 1, "body", (0.95, 0), (-0.6, 0), 0, 8),
        "body": Part("elytra", (0.95, 0.72), 0),
        "seam": Part("spindle", (0.75, 0.05), 2, "body", (-0.1, 0)),
    }),
    "truck": Species("side", {
        "chassis": Part("box", (1.5, 0.12), 2, "", (0, 0.45), swing=0.6),
        "cargo": Part("box", (0.95, 0.62), 0, "chassis", (-0.3, -1), (0, 0.9), 0, 1),
        "cab": Part("cab", (0.5, 0.55), 1, "chassis", (0.72, -0.5), (0, 0.9), 0, 1, 0.3),
        "window": Part("cab", (0.25, 0.18), 3, "cab", (0.1, -0.4)),
        **{f"{where} wheel": Part("wheel", (0.3, 0.3), 2, "chassis", (x, 1), spin=1)
           for where, x in (("rear", -0.75), ("second", -0.3), ("front", 0.72))},
        **{f"{where} hub": Part("hub", (0.2, 0.2), 3, f"{where} wheel")
           for where in ("rear", "second", "front")},
    }),
    "koi": Species("above", {
        **_pair("pectoral", Part("fin", (0.4, 0.25), 1, "body", (0.35, 0.75), (0.9, 0), -50, 25)),
        "tail": Part("fin", (0.5, 0.42), 1, "body", (-0.92, 0), (0.9, 0), 0, 28, 0.15, bend=0.4),
        "body": Part("spool", (1.15, 0.46), 0, pivot=(0.7, 0), bend=0.5),
        "dorsal": Part("fin", (0.4, 0.1), 1, "body", (-0.1, 0), bend=0.5),
    }),
    "gecko": Species("above", {
        "tail": Part("brush", (0.85, 0.2), 1, "body", (-0.9, 0), (-0.95, 0), 180, 18, bend=1.2),
        **_limb("left front", *_GECKO_LEG, "body", (0.6, 0.6), angle=60, knee=35),
        **_limb("right front", *_GECKO_LEG, "body", (0.6, -0.6), angle=-60, knee=-35, phase=0.5),
        **_limb("left hind", *_GECKO_LEG, "body", (-0.65, 0.6), angle=115, knee=-35, phase=0.5),
        **_limb("right hind", *_GECKO_LEG, "body", (-0.65, -0.6), angle=-115, knee=35),
        "head": Part("mandible", (0.42, 0.36), 1, "body", (0.9, 0), (-0.7, 0), 0, 14, 0.4),
        "body": Part("torso", (0.95, 0.42), 0, bend=0.25),
    }),
}  # fmt: skip


VAL_KINDS: dict[str, Species] = {
    "heron": Species("side", {
        "far leg": Part("stilt", (0.55, 0.1), 2, "body", (-0.05, 0.75), (-0.95, 0), 90, 24, 0.5),
        "far wing": Part("wing", (0.75, 0.5), 1, "body", (0.2, -0.4), (0.8, -0.2), 20, 25),
        "neck": Part("neck", (0.6, 0.2), 0, "body", (0.8, -0.5), (-0.9, 0.2), -62, 10, bend=0.5),
        "head": Part("bill", (0.46, 0.2), 1, "neck", (0.9, 0), (-0.6, 0), 64, 9, 0.4),
        "eye": Part("almond", (0.08, 0.05), 2, "head", (-0.35, -0.2)),
        "body": Part("plump", (0.95, 0.55), 0, angle=-8, swing=3),
        "near leg": Part("stilt", (0.55, 0.1), 2, "body", (0.1, 0.8), (-0.95, 0), 98, 24),
        "wing": Part("wing", (0.8, 0.5), 1, "body", (0.35, -0.35), (0.8, -0.2), 8, 25),
    }),
    "dancer": Species("side", {
        **_limb("far arm", *_ARM, "body", (0, -0.75), angle=60, knee=-35, swing=45,
                phase=0.5, shade=0.75),
        **_limb("far leg", *_LEG, "body", (-0.15, 0.8), knee=15, shade=0.75),
        **_limb("near leg", *_LEG, "body", (0.1, 0.8), knee=15, phase=0.5),
        "body": Part("bodice", (0.44, 0.56), 0, swing=5),
        "skirt": Part("bell", (0.66, 0.44), 1, "body", (0, 0.55), (0, -0.8), 0, 10, 0.3),
        "head": Part("bun", (0.32, 0.36), 3, "body", (0, -1), (0, 0.85), 0, 8, 0.3),
        "hair": Part("bell", (0.3, 0.19), 2, "head", (-0.1, -0.65), angle=-15),
        **_limb("near arm", *_ARM, "body", (0.1, -0.75), angle=110, knee=-40, swing=45),
    }),
    "crab": Species("above", {
        **{f"{side} leg {n}": Part("sickle", (0.5, 0.12), 1, "body", (x, 0.75 * sign), (-0.95, 0),
                                   sign * angle, 18, 0.25 * n)
           for side, sign in (("left", 1), ("right", -1))
           for n, (x, angle) in enumerate(((0.2, 75), (-0.2, 95), (-0.5, 120)))},
        **_pair("arm", Part("sickle", (0.42, 0.16), 1, "body", (0.6, 0.7), (-0.9, 0), 30, 14)),
        "left claw": Part("pincer", (0.42, 0.3), 0, "left arm", (0.9, 0), (-0.8, 0), -40, 18, 0.2),
        "right claw": Part("pincer", (0.42, 0.3), 0, "right arm", (0.9, 0), (-0.8, 0), 40, 18, 0.7),
        "body": Part("carapace", (0.68, 0.9), 0),
        **_pair("eye", Part("almond", (0.1, 0.08), 2, "body", (0.85, 0.3))),
    }),
    "squid": Species("above", {
        **{f"arm {n}": Part("tentacle", (0.8, 0.19), 1, "body", (-0.85, y), (-1, 0), 180 - 55 * y,
                            10, 0.17 * n, bend=1.3)
           for n, y in enumerate((-0.6, 0.6, -0.3, 0.3, 0.0))},
        **_pair("lobe", Part("lobe", (0.4, 0.3), 1, "body", (0.45, 0.5), (0, -0.7), 10, 18)),
        "body": Part("mantle", (1.0, 0.44), 0, bend=0.15),
        **_pair("eye", Part("almond", (0.12, 0.1), 3, "body", (-0.75, 0.55))),
    }),
    "copter": Species("side", {
        "boom": Part("tentacle", (0.85, 0.16), 1, "body", (-0.7, -0.2), (-1, 0), 182),
        "fin": Part("lobe", (0.28, 0.2), 0, "boom", (0.9, 0), (0, 0.2), 100),
        "tail rotor": Part("blade", (0.3, 0.06), 2, "boom", (0.95, 0), spin=1.3),
        "skid": Part("blade", (0.75, 0.06), 2, "body", (0.05, 1.3)),
        "strut": Part("sickle", (0.2, 0.06), 2, "body", (0.1, 0.8), (-0.8, 0), 90),
        "body": Part("fuselage", (0.9, 0.55), 0, swing=4),
        "canopy": Part("almond", (0.34, 0.3), 3, "body", (0.5, -0.2), angle=25),
        "mast": Part("sickle", (0.16, 0.07), 2, "body", (-0.05, -1), (-0.5, 0), -90),
        "rotor": Part("blade", (1.3, 0.08), 2, "mast", (0.8, 0), angle=90, swing=9),
    }, hover=0.5),
}  # fmt: skip


STILLS_KINDS: dict[str, Species] = {
    "turtle": Species("above", {
        **_pair("flipper", Part("paddle", (0.6, 0.22), 1, "body", (0.55, 0.6), (-0.9, 0), 50, 30)),
        **_pair("hind", Part("paddle", (0.36, 0.18), 1, "body", (-0.7, 0.6), (-0.9, 0), 135, 25)),
        "head": Part("knob", (0.36, 0.26), 1, "body", (0.95, 0), (-0.7, 0), 0, 15),
        "body": Part("shell", (0.98, 0.8), 0),
    }),
    "butterfly": Species("above", {
        **_pair("hind", Part("hindwing", (0.62, 0.5), 1, "body", (-0.2, 0.5), (-0.9, 0), 118, 14)),
        **_pair("fore", Part("forewing", (0.9, 0.55), 0, "body", (0.4, 0.5), (-0.9, 0), 70, 16)),
        "body": Part("abdomen", (0.75, 0.13), 2, bend=0.4),
    }),
    "flower": Species("side", {
        "stalk": Part("stem", (1.0, 0.09), 1, "", (0, 0.2), (-1, 0), 90, 5, bend=1.2),
        "low leaf": Part("frond", (0.5, 0.18), 1, "stalk", (0.2, 0), (-1, 0), -60, 12),
        "high leaf": Part("frond", (0.5, 0.18), 1, "stalk", (-0.3, 0), (-1, 0), 60, 12),
        **{f"petal {angle}": Part("petal", (0.52, 0.34), 0, "heart", (0, 0), (-1.1, 0), angle, 5)
           for angle in range(0, 360, 60)},
        "heart": Part("cog", (0.3, 0.3), 2, "", (0, -0.4), swing=10),
    }),
    "robot": Species("side", {
        **_pair("leg", Part("piston", (0.5, 0.2), 1, "body", (0.95, 0.5), (-0.9, 0), 0, 12)),
        **_pair("arm", Part("piston", (0.55, 0.16), 1, "body", (-0.7, 0.95), (-0.9, 0), 40, 45)),
        "head": Part("visor", (0.36, 0.42), 1, "body", (-1, 0), (0.8, 0), 0, 10),
        "body": Part("armour", (0.7, 0.6), 0, angle=90, swing=4),
        "lamp": Part("cog", (0.16, 0.16), 3, "body", (-0.2, 0)),
    }),
    "snail": Species("side", {
        **_pair("horn", Part("stem", (0.3, 0.06), 1, "foot", (0.85, 0.3), (-1, 0), -60, 20)),
        "foot": Part("slug", (1.25, 0.34), 1, "", (0.1, 0.5), bend=0.2),
        "house": Part("whorl", (0.8, 0.75), 0, "foot", (-0.2, -0.6), (0, 0.75), 0, 8),
    }),
    "plane": Species("above", {
        **_pair("fin", Part("vane", (0.42, 0.22), 1, "body", (-0.85, 0.3), (-0.9, 0), 110, 4)),
        **_pair("wing", Part("vane", (1.0, 0.34), 1, "body", (0.15, 0.5), (-0.95, 0), 100, 5)),
        "body": Part("cigar", (1.2, 0.3), 0),
        "nose": Part("cog", (0.16, 0.2), 2, "body", (0.95, 0), spin=0.3),
    }),
}  # fmt: skip


@dataclass(frozen=True)
class Pool:
    """The building blocks of one split; pools share no outline and no pattern.

    Attributes:
        number: its index in the random state.
        kinds: the figures that can be an object.
        outlines: corners of closed curves, which are smoothed by corner cutting.
        coats: patterns of figures.
        grounds: patterns of ground, backdrop and props.
        standing: outlines of the props of a side view.
        lying: outlines of the clutter on the ground.
        screens: the outline of an occluder, by view; stills have none.
    """

    number: int
    kinds: dict[str, Species]
    outlines: dict[str, Points]
    coats: tuple[Pattern, ...]
    grounds: tuple[Pattern, ...]
    standing: tuple[str, ...]
    lying: tuple[str, ...]
    screens: dict[Viewpoint, str]


POOLS = {
    "train": Pool(
        number=0,
        kinds=TRAIN_KINDS,
        outlines=TRAIN_OUTLINES,
        coats=(stripes, spots, tartan, scales),
        grounds=(grass, bricks, furrows),
        standing=("hedge", "tower", "oak"),
        lying=("pebble", "leaf"),
        screens={"side": "hedge", "above": "crown"},
    ),
    "val": Pool(
        number=1,
        kinds=VAL_KINDS,
        outlines=VAL_OUTLINES,
        coats=(zigzag, cells, rings, marble),
        grounds=(sand, slabs, lichen),
        standing=("crag", "column", "cactus"),
        lying=("starfish", "boulder"),
        screens={"side": "mesa", "above": "boulder"},
    ),
    "stills": Pool(
        number=2,
        kinds=STILLS_KINDS,
        outlines=STILLS_OUTLINES,
        coats=(waves, dots, diamonds, speckle),
        grounds=(gravel, planks, clover),
        standing=("gable", "pine", "toadstool"),
        lying=("shard", "puddle"),
        screens={},
    ),
}
