"""The figures of the training videos: sixteen, of five body plans."""

from rgmp.minidavis.figures.anatomy import Part, Parts, Species, limb, pair


def _hunter(
    body: tuple[float, float], leg: float, head: tuple[float, float],
    tail: tuple[float, float], *, lift: float = 205, stout: float = 1,
) -> Species:  # fmt: skip
    """A beast of prey from the side: fox and hound."""
    hind = Part("haunch", (0.42 * leg, 0.23 * stout)), Part("shank", (0.4 * leg, 0.13 * stout), 2)
    front = Part("haunch", (0.4 * leg, 0.17 * stout)), Part("shank", (0.4 * leg, 0.12 * stout), 2)
    return Species("side", {
        "tail": Part("brush", tail, 1, "body", (-0.85, -0.4), (-0.95, 0), lift, 14, bend=0.8),
        **limb("far hind", *hind, "body", (-0.62, 0.3), angle=100, phase=0.5, shade=0.7),
        **limb("far front", *front, "body", (0.55, 0.3), shade=0.7),
        "body": Part("torso", body, swing=3),
        **limb("near hind", *hind, "body", (-0.75, 0.3), angle=100),
        **limb("near front", *front, "body", (0.7, 0.35), phase=0.5),
        "head": Part("muzzle", head, 0, "body", (0.85, -0.6), (-0.5, 0.3), -4, 7, 0.2),
        "eye": Part("eyeball", (0.07, 0.07), 2, "head", (0.05, 0.0)),
    })  # fmt: skip


def _insect(
    body: tuple[float, float], head: tuple[float, float], leg: float, *, waist: bool = False
) -> Species:
    """An insect with six legs from above: beetle and ant."""
    thin = leg / 6
    parts: Parts = {
        **pair("front leg", Part("spindle", (0.9 * leg, thin), 2, "body", (0.6, 0.7), (-1, 0), 45,
                                 20)),
        **pair("mid leg", Part("spindle", (leg, thin), 2, "body", (0, 0.8), (-1, 0), 95, 20, 0.5)),
        **pair("hind leg", Part("spindle", (1.1 * leg, thin), 2, "body", (-0.6, 0.7), (-1, 0), 140,
                                20)),
        **pair("feeler", Part("spindle", (0.75 * leg, 0.06), 2, "head", (0.7, 0.3), (-1, 0), 35,
                              15)),
        "head": Part("mandible", head, 1, "body", (0.95, 0), (-0.6, 0), 0, 8),
    }  # fmt: skip
    if waist:
        parts["rear"] = Part("elytra", (0.75, 0.5), 1, "body", (-0.9, 0), (0.9, 0), 0, 10)
    parts["body"] = Part("elytra", body, 0)
    parts["seam"] = Part("spindle", (0.8 * body[0], 0.05), 2, "body", (-0.1, 0))
    return Species("above", parts)


def _lorry(
    cargo: tuple[float, float], cab: tuple[float, float], wheels: tuple[float, ...],
    wheel: float = 0.3, *, load: str = "box",
) -> Species:  # fmt: skip
    """A vehicle from the side: truck and bus."""
    return Species("side", {
        "chassis": Part("box", (1.5, 0.12), 2, "", (0, 0.45), swing=0.6),
        "cargo": Part(load, cargo, 0, "chassis", (-0.3, -1), (0, 0.9), 0, 1),
        "cab": Part("cab", cab, 1, "chassis", (0.72, -0.5), (0, 0.9), 0, 1, 0.3),
        "window": Part("cab", (0.5 * cab[0], 0.33 * cab[1]), 3, "cab", (0.1, -0.4)),
        **{f"wheel {x}": Part("wheel", (wheel, wheel), 2, "chassis", (x, 1), spin=1)
           for x in wheels},
        **{f"hub {x}": Part("hub", (0.67 * wheel, 0.67 * wheel), 3, f"wheel {x}") for x in wheels},
    })  # fmt: skip


def _fish(
    body: tuple[float, float], tail: tuple[float, float], pectoral: tuple[float, float],
    dorsal: tuple[float, float],
) -> Species:  # fmt: skip
    """A fish from above: koi and shark."""
    return Species("above", {
        **pair("pectoral", Part("fin", pectoral, 1, "body", (0.35, 0.75), (0.9, 0), -50, 25)),
        "tail": Part("fin", tail, 1, "body", (-0.92, 0), (0.9, 0), 0, 28, 0.15, bend=0.4),
        "body": Part("spool", body, 0, pivot=(0.7, 0), bend=0.5),
        "dorsal": Part("fin", dorsal, 1, "body", (-0.1, 0), bend=0.5),
    })  # fmt: skip


def _lizard(
    body: tuple[float, float], head: tuple[float, float], tail: tuple[float, float],
    leg: tuple[float, float],
) -> Species:  # fmt: skip
    """A reptile from above: gecko and crocodile."""
    half, thick = leg
    limbs = Part("haunch", (half, thick)), Part("shank", (0.83 * half, 0.8 * thick))
    return Species("above", {
        "tail": Part("brush", tail, 1, "body", (-0.9, 0), (-0.95, 0), 180, 18, bend=1.2),
        **limb("left front", *limbs, "body", (0.6, 0.6), angle=60, knee=35),
        **limb("right front", *limbs, "body", (0.6, -0.6), angle=-60, knee=-35, phase=0.5),
        **limb("left hind", *limbs, "body", (-0.65, 0.6), angle=115, knee=-35, phase=0.5),
        **limb("right hind", *limbs, "body", (-0.65, -0.6), angle=-115, knee=35),
        "head": Part("mandible", head, 1, "body", (0.9, 0), (-0.7, 0), 0, 14, 0.4),
        "body": Part("torso", body, 0, bend=0.25),
    })  # fmt: skip


TRAIN_KINDS: dict[str, Species] = {
    "fox": _hunter((1.05, 0.46), 1, (0.56, 0.5), (0.8, 0.26)),
    "hound": _hunter((0.95, 0.4), 1.5, (0.6, 0.42), (0.6, 0.1), lift=235, stout=0.9),
    "badger": _hunter((1.2, 0.62), 0.7, (0.5, 0.4), (0.35, 0.16), lift=175, stout=1.4),
    "cat": _hunter((0.85, 0.38), 0.95, (0.45, 0.52), (0.85, 0.12), lift=260, stout=0.8),
    "beetle": _insect((0.95, 0.72), (0.4, 0.42), 0.6),
    "ant": _insect((0.55, 0.38), (0.45, 0.4), 0.75, waist=True),
    "weevil": _insect((0.8, 0.85), (0.6, 0.24), 0.45),
    "truck": _lorry((0.95, 0.62), (0.5, 0.55), (-0.75, -0.3, 0.72)),
    "bus": _lorry((1.25, 0.72), (0.4, 0.72), (-0.65, 0.6), 0.36),
    "pickup": _lorry((0.8, 0.24), (0.62, 0.55), (-0.6, 0.55), 0.4),
    "koi": _fish((1.15, 0.46), (0.5, 0.42), (0.4, 0.25), (0.4, 0.1)),
    "shark": _fish((1.5, 0.4), (0.45, 0.6), (0.65, 0.3), (0.35, 0.16)),
    "angler": _fish((0.85, 0.66), (0.4, 0.3), (0.3, 0.36), (0.5, 0.12)),
    "gecko": _lizard((0.95, 0.42), (0.42, 0.36), (0.85, 0.2), (0.36, 0.15)),
    "crocodile": _lizard((1.1, 0.5), (0.75, 0.3), (1.1, 0.34), (0.3, 0.16)),
    "toad": _lizard((0.75, 0.62), (0.46, 0.5), (0.15, 0.12), (0.55, 0.22)),
}
