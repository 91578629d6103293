"""The validation figures that are seen from above: thirty, of five body plans."""

from rgmp.minidavis.figures.anatomy import Part, Parts, Species, around, chain, pair

Half = tuple[float, float]


def _legs(
    spread: tuple[tuple[float, float], ...], half: Half, *, on: str = "body", edge: float = 0.75,
    outline: str = "sickle", skin: int = 1,
) -> Parts:  # fmt: skip
    """Legs on both sides, each at an x of the body and an angle."""
    return {
        f"{side} leg {n}": Part(outline, half, skin, on, (x, edge * sign), (-0.95, 0),
                                sign * angle, 18, 0.25 * n)
        for side, sign in (("left", 1), ("right", -1))
        for n, (x, angle) in enumerate(spread)
    }  # fmt: skip


def _claws(arm: Half, claw: Half, angle: float = 30) -> Parts:
    """Two arms with pincers."""
    pincer = Part("pincer", claw, 0, "left arm", (0.9, 0), (-0.8, 0), -40, 18, 0.2)
    return {
        **pair("arm", Part("sickle", arm, 1, "body", (0.6, 0.7), (-0.9, 0), angle, 14)),
        "left claw": pincer,
        "right claw": pincer._replace(parent="right arm", angle=40, phase=0.7),
    }


_EYES = pair("eye", Part("almond", (0.1, 0.08), 2, "body", (0.85, 0.3)))


_CRAWLERS = {
    "crab": Species("above", {
        **_legs(((0.2, 75), (-0.2, 95), (-0.5, 120)), (0.45, 0.18)),
        **_claws((0.4, 0.22), (0.44, 0.36)),
        "body": Part("carapace", (0.68, 0.9), 0),
        **_EYES,
    }),
    "spider": Species("above", {
        **_legs(((0.6, 35), (0.3, 70), (-0.1, 105), (-0.4, 140)), (0.65, 0.19), edge=0.5),
        "rear": Part("lobe", (0.62, 0.55), 1, "body", (-0.9, 0), (0.6, 0), 0, 5),
        "body": Part("boulder", (0.42, 0.4), 0),
        **_EYES,
    }),
    "scorpion": Species("above", {
        **chain("tail", 4, Part("lobe", (0.36, 0.26), 1, "body", (-0.8, 0), (0.75, 0), 0, 24),
                0.82),
        **_legs(((0.3, 60), (0, 90), (-0.3, 115)), (0.38, 0.16)),
        **_claws((0.46, 0.2), (0.46, 0.32), 20),
        "body": Part("plump", (0.75, 0.4), 0),
    }),
    "lobster": Species("above", {
        "fan": Part("wing", (0.4, 0.6), 1, "abdomen 2", (-0.7, 0), (0.6, 0), 0, 12),
        **chain("abdomen", 3, Part("carapace", (0.4, 0.42), 1, "body", (-0.8, 0), (0.75, 0), 0, 14),
                0.85),
        **_legs(((0.3, 70), (-0.1, 100)), (0.4, 0.16)),
        **_claws((0.4, 0.22), (0.6, 0.4), 22),
        "body": Part("mantle", (0.8, 0.44), 0),
        **_EYES,
    }),
    "woodlouse": Species("above", {
        **_legs(((0.6, 60), (0.35, 75), (0.1, 85), (-0.15, 95), (-0.4, 105), (-0.65, 120)),
                (0.24, 0.1), edge=0.85, skin=2),
        **pair("feeler", Part("sickle", (0.4, 0.09), 2, "body", (0.9, 0.3), (-1, 0), 30, 20)),
        "body": Part("almond", (1.05, 0.66), 0),
        **{f"plate {x}": Part("boulder", (0.07, 0.52), 2, "body", (x, 0))
           for x in (-0.4, 0.0, 0.4)},
    }),
    "tick": Species("above", {
        **_legs(((0.75, 40), (0.6, 70), (0.4, 100), (0.1, 130)), (0.32, 0.17), edge=0.7),
        "head": Part("bill", (0.36, 0.22), 2, "body", (0.95, 0), (-0.6, 0), 0, 10),
        "body": Part("bun", (0.95, 0.88), 0),
        "shield": Part("bell", (0.36, 0.5), 1, "body", (0.5, 0), (0, 0), 90),
    }),
}  # fmt: skip


def _trailing(
    count: int, arm: Half, *, on: str = "body", bend: float = 1.3, skin: int = 1
) -> Parts:
    """Arms that trail behind a body, fanned out."""
    places = [-0.6 + 1.2 * n / (count - 1) for n in range(count)]
    return {
        f"arm {n}": Part("tentacle", arm, skin, on, (-0.85, y), (-1, 0), 180 - 55 * y, 10,
                         0.17 * n, bend=bend)
        for n, y in enumerate(sorted(places, key=abs, reverse=True))
    }  # fmt: skip


_TENTACLED = {
    "squid": Species("above", {
        **_trailing(5, (0.75, 0.23)),
        **pair("lobe", Part("lobe", (0.4, 0.3), 1, "body", (0.45, 0.5), (0, -0.7), 10, 18)),
        "body": Part("mantle", (1.0, 0.44), 0, bend=0.15),
        **pair("eye", Part("almond", (0.12, 0.1), 3, "body", (-0.75, 0.55))),
    }),
    "octopus": Species("above", {
        **around("arm", 8, Part("tentacle", (0.75, 0.29), 1, "body", (0.6, 0), (-1, 0), 0, 16,
                                bend=1.4)),
        "body": Part("bun", (0.55, 0.52), 0),
        **pair("eye", Part("almond", (0.12, 0.1), 3, "body", (0.5, 0.4))),
    }),
    "jellyfish": Species("above", {
        **_trailing(5, (0.7, 0.2), on="", bend=2, skin=2),
        "body": Part("bell", (0.8, 0.75), 0, "", (-0.3, 0), (0, 0), 90, 5),
        "rim": Part("boulder", (0.7, 0.12), 1, "body", (0, 0.75)),
        "crest": Part("starfish", (0.34, 0.34), 3, "body", (0, -0.1)),
    }),
    "nautilus": Species("above", {
        **{f"feeler {n}": Part("tentacle", (0.5, 0.19), 1, "body", (0.8, y), (-1, 0), 40 * y, 16,
                               0.2 * n, bend=1)
           for n, y in enumerate((-0.6, -0.2, 0.2, 0.6))},
        "body": Part("pincer", (0.95, 0.85), 0, bend=0.05),
        "hood": Part("lobe", (0.4, 0.5), 1, "body", (0.5, -0.2)),
        "eye": Part("almond", (0.13, 0.12), 3, "body", (0.65, 0.2)),
    }),
    "cuttlefish": Species("above", {
        **_trailing(4, (0.4, 0.2), bend=0.6),
        "skirt": Part("carapace", (1.15, 0.66), 1, "body", angle=0, bend=0.3),
        "body": Part("almond", (1.1, 0.42), 0, bend=0.1),
        **pair("eye", Part("boulder", (0.13, 0.12), 2, "body", (-0.85, 0.5))),
    }),
    "starfish": Species("above", {
        **around("ray", 5, Part("lobe", (0.7, 0.34), 1, "body", (0.3, 0), (-0.9, 0), 0, 7)),
        "body": Part("gear", (0.52, 0.52), 0, spin=0.08),
        "disc": Part("hexagon", (0.24, 0.24), 2, "body"),
    }),
}  # fmt: skip


_WINGED = {
    "bat": Species("above", {
        "left wing": Part("bell", (0.62, 0.72), 1, "body", (0.2, 0.4), (0, -0.9), -12, 18),
        "right wing": Part("bell", (0.62, 0.72), 1, "body", (0.2, -0.4), (0, -0.9), -168, 18, 0.5),
        "body": Part("plump", (0.62, 0.25), 0),
        **pair("ear", Part("almond", (0.2, 0.09), 0, "body", (0.95, 0.5), (-0.8, 0), 20)),
    }),
    "dragonfly": Species("above", {
        **pair("hind wing", Part("blade", (0.85, 0.29), 3, "body", (0.1, 0.6), (-1, 0), 105, 14)),
        **pair("fore wing", Part("blade", (0.95, 0.29), 1, "body", (0.45, 0.6), (-1, 0), 75, 14)),
        "tail": Part("stilt", (0.95, 0.2), 0, "body", (-0.7, 0), (-1, 0), 180, 7, bend=0.6),
        "body": Part("boulder", (0.5, 0.27), 0),
        **pair("eye", Part("bun", (0.2, 0.2), 2, "body", (0.95, 0.5))),
    }),
    "manta": Species("above", {
        "tail": Part("tentacle", (1.0, 0.12), 2, "body", (-0.7, 0), (-1, 0), 180, 10, bend=3),
        **pair("wing", Part("mantle", (1.0, 0.75), 1, "body", (0.1, 0.1), (-0.7, 0), 98, 9)),
        **pair("horn", Part("sickle", (0.26, 0.14), 2, "body", (0.8, 0.4), (-1, 0), -10, 10)),
        "body": Part("almond", (0.85, 0.4), 0),
    }),
    "swallow": Species("above", {
        **pair("fork", Part("sickle", (0.6, 0.17), 2, "body", (-0.8, 0.2), (-1, 0), 165, 6)),
        **pair("wing", Part("sickle", (1.0, 0.42), 1, "body", (0.4, 0.4), (-0.95, 0), 105, 20)),
        "body": Part("almond", (0.75, 0.28), 0),
        "head": Part("bill", (0.3, 0.2), 1, "body", (0.85, 0), (-0.6, 0)),
    }),
    "wasp": Species("above", {
        "abdomen": Part("mantle", (0.75, 0.38), 1, "body", (-0.9, 0), (-0.95, 0), 180, 12),
        **_legs(((0.4, 60), (-0.3, 120)), (0.38, 0.11), skin=2),
        "body": Part("boulder", (0.42, 0.34), 0),
        **pair("wing", Part("tentacle", (0.85, 0.26), 3, "body", (0.1, 0.6), (-1, 0), 130, 16)),
        "head": Part("bun", (0.26, 0.3), 2, "body", (0.95, 0), (-0.6, 0)),
    }),
    "owl": Species("above", {
        "tail": Part("bell", (0.4, 0.34), 1, "body", (-0.9, 0), (0, -0.8), 90, 8),
        **pair("wing", Part("wing", (0.95, 0.5), 1, "body", (0.2, 0.6), (0.9, -0.2), -100, 16)),
        "body": Part("plump", (0.8, 0.42), 0),
        "head": Part("hexagon", (0.42, 0.46), 3, "body", (0.85, 0), (-0.2, 0), 0, 12),
        **pair("eye", Part("almond", (0.12, 0.12), 2, "head", (0.3, 0.45))),
    }),
}  # fmt: skip


def _snake(
    count: int, segment: tuple[str, Half], head: tuple[str, Half], taper: float, *,
    swing: float, skin: int = 0, more: Parts | None = None,
) -> Species:  # fmt: skip
    """A head with a winding chain of segments behind it."""
    outline, half = segment
    first = Part(outline, half, skin, "head", (-0.8, 0), (0.75, 0), 0, swing)
    return Species("above", {
        **(more or {}),
        **chain("ring", count, first, taper),
        "head": Part(*head, 1, swing=4),
        **pair("eye", Part("almond", (0.1, 0.08), 2, "head", (0.4, 0.5))),
    })  # fmt: skip


_WINDING = {
    "adder": _snake(6, ("plump", (0.44, 0.3)), ("bill", (0.46, 0.4)), 0.95, swing=16),
    "eel": _snake(6, ("fuselage", (0.5, 0.27)), ("almond", (0.5, 0.27)), 0.84, swing=13),
    "centipede": _snake(
        7, ("boulder", (0.28, 0.3)), ("hexagon", (0.36, 0.36)), 0.96, swing=15,
        more={name: leg for n in range(0, 7, 2) for name, leg in {
            f"{side} {n}": Part("sickle", (0.36, 0.1), 2, f"ring {n}" if n else "ring",
                                (0, 0.7 * sign), (-1, 0), sign * 105, 24, 0.2 * n)
            for side, sign in (("left", 1), ("right", -1))}.items()},
    ),
    "caterpillar": _snake(5, ("gear", (0.42, 0.42)), ("bun", (0.46, 0.44)), 0.97, swing=13),
    "tadpole": _snake(3, ("tentacle", (0.4, 0.3)), ("plump", (0.85, 0.75)), 0.85, swing=22),
    "newt": _snake(
        5, ("forearm", (0.44, 0.27)), ("mantle", (0.9, 0.46)), 0.86, swing=16,
        more=_legs(((0.4, 60), (-0.6, 120)), (0.42, 0.22), on="head", outline="forearm"),
    ),
}  # fmt: skip


_CRAFT = {
    "rowboat": Species("above", {
        **pair("oar", Part("stilt", (0.85, 0.13), 2, "body", (0.05, 0.7), (-0.8, 0), 95, 34)),
        "body": Part("hull", (1.2, 0.45), 0),
        "well": Part("boulder", (0.75, 0.28), 2, "body", (-0.15, 0)),
        "rower": Part("bun", (0.3, 0.34), 3, "body", (0, 0), (0, 0), 0, 12),
        "load": Part("hexagon", (0.24, 0.26), 1, "body", (-0.55, 0)),
    }),
    "drone": Species("above", {
        **{f"arm {angle}": Part("stilt", (0.55, 0.14), 2, "body", (0, 0), (-1, 0), angle)
           for angle in (45, 135, 225, 315)},
        "body": Part("hexagon", (0.55, 0.42), 0),
        **{f"rotor {angle}": Part("gear", (0.38, 0.38), 1, f"arm {angle}", (1, 0), spin=0.9)
           for angle in (45, 135, 225, 315)},
        "lens": Part("almond", (0.18, 0.16), 3, "body", (0.6, 0)),
    }),
    "kart": Species("above", {
        **{f"wheel {x} {y}": Part("boulder", (0.3, 0.17), 2, "body", (x, y))
           for x in (-0.7, 0.65) for y in (-1.35, 1.35)},
        "rear wing": Part("mesa", (0.16, 0.62), 1, "body", (-1, 0)),
        "axle": Part("stilt", (0.6, 0.09), 2, "body", (0.65, 0), (0, 0), 90),
        "body": Part("fuselage", (1.15, 0.36), 0),
        "front wing": Part("mesa", (0.12, 0.55), 1, "body", (0.98, 0)),
        "driver": Part("bun", (0.22, 0.22), 3, "body", (-0.1, 0), (0, 0), 0, 10),
    }),
    "catamaran": Species("above", {
        **pair("hull", Part("hull", (1.15, 0.17), 0, "body", (0, 1.1))),
        "body": Part("mesa", (0.5, 0.55), 2),
        "boom": Part("blade", (0.8, 0.09), 2, "body", (0.3, 0), (0.9, 0), 12, 10),
        "sail": Part("wing", (0.85, 0.36), 3, "boom", (0, 1), (0, -0.2), 0, 4),
    }),
    "hovercraft": Species("above", {
        "skirt": Part("lobe", (1.05, 0.78), 2, "body"),
        "body": Part("boulder", (0.85, 0.56), 0),
        "cabin": Part("mesa", (0.32, 0.4), 3, "body", (0.45, 0), (0, 0), 90),
        **pair("fan", Part("gear", (0.28, 0.28), 1, "body", (-0.75, 0.55), spin=0.8)),
        **pair("rudder", Part("blade", (0.3, 0.12), 2, "body", (-1.2, 0.5), (0.5, 0), 0, 20)),
    }),
    "roller": Species("above", {
        "drum": Part("column", (0.4, 0.72), 2, "body", (0.95, 0), (-0.4, 0)),
        **pair("yoke", Part("calf", (0.5, 0.1), 1, "body", (0.6, 0.9), (-0.5, 0))),
        **pair("tyre", Part("boulder", (0.42, 0.2), 2, "body", (-0.6, 1.15))),
        "body": Part("mesa", (0.62, 0.5), 0, angle=0),
        "roof": Part("hexagon", (0.34, 0.4), 3, "body", (-0.2, 0)),
    }),
}  # fmt: skip


VAL_ABOVE_KINDS: dict[str, Species] = _CRAWLERS | _TENTACLED | _WINGED | _WINDING | _CRAFT
