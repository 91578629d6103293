"""The validation figures that are seen from the side: thirty, of five body plans."""

from rgmp.minidavis.figures.anatomy import Part, Parts, Species, around, limb, pair

Half = tuple[float, float]


def _bird(
    body: Half, neck: Half, head: Half, leg: Half, wing: Half, *,
    tilt: float = -8, rise: float = -62, flap: float = 8, more: Parts | None = None,
) -> Species:  # fmt: skip
    """A bird on two legs: its neck rises and its wings hang at an angle."""
    return Species("side", {
        "far leg": Part("stilt", leg, 2, "body", (-0.05, 0.75), (-0.95, 0), 90 - tilt, 24, 0.5),
        "far wing": Part("wing", wing, 1, "body", (0.2, -0.4), (0.8, -0.2), flap + 12, 25),
        **(more or {}),
        "neck": Part("neck", neck, 0, "body", (0.8, -0.5), (-0.9, 0.2), rise, 10, bend=0.5),
        "head": Part("bill", head, 1, "neck", (0.9, 0), (-0.6, 0), -rise - tilt, 9, 0.4),
        "eye": Part("almond", (0.08, 0.06), 2, "head", (-0.35, -0.2)),
        "body": Part("plump", body, 0, angle=tilt, swing=3),
        "near leg": Part("stilt", leg, 2, "body", (0.1, 0.8), (-0.95, 0), 96 - tilt, 24),
        "wing": Part("wing", wing, 1, "body", (0.35, -0.35), (0.8, -0.2), flap, 25),
    })  # fmt: skip


_BIRDS = {
    "heron": _bird((0.95, 0.55), (0.6, 0.2), (0.46, 0.22), (0.55, 0.16), (0.8, 0.5)),
    "ostrich": _bird((0.8, 0.62), (0.9, 0.18), (0.36, 0.2), (0.85, 0.2), (0.5, 0.36), rise=-78),
    "duck": _bird((1.05, 0.6), (0.36, 0.3), (0.5, 0.3), (0.26, 0.13), (0.6, 0.32)),
    "penguin": _bird(
        (1.05, 0.55), (0.26, 0.34), (0.5, 0.27), (0.22, 0.18), (0.75, 0.2),
        tilt=-78, rise=30, flap=-18,
    ),
    "toucan": _bird(
        (0.85, 0.5), (0.26, 0.3), (0.85, 0.32), (0.3, 0.16), (0.7, 0.34), tilt=-42, rise=-10,
        more={"tail": Part("blade", (0.6, 0.23), 2, "body", (-0.8, 0), (0.9, 0), 6, 8)},
    ),
    "peacock": _bird(
        (0.75, 0.42), (0.55, 0.15), (0.32, 0.18), (0.45, 0.15), (0.5, 0.26), rise=-70,
        more=around("plume", 7, Part("lobe", (0.72, 0.2), 1, "body", (-0.7, 0), (0.9, 0)),
                    start=-10, sweep=110),
    ),
}  # fmt: skip


def _person(
    bodice: Half, skirt: Half | None, arm: Half, leg: Half, *,
    head: float = 1, hat: Half | None = None, more: Parts | None = None,
) -> Species:  # fmt: skip
    """Someone who walks upright; `more` is worn behind."""
    sleeve, forearm = Part("sleeve", arm), Part("forearm", arm, 3)
    thigh, calf = Part("thigh", leg, 1), Part("calf", (leg[0], 0.8 * leg[1]), 2)
    cap = (0.3 * head, 0.19 * head) if hat is None else hat
    parts: Parts = {
        **limb("far arm", sleeve, forearm, "body", (0, -0.75), angle=60, knee=-35, swing=45,
               phase=0.5, shade=0.75),
        **limb("far leg", thigh, calf, "body", (-0.15, 0.8), knee=15, shade=0.75),
        **limb("near leg", thigh, calf, "body", (0.1, 0.8), knee=15, phase=0.5),
        **(more or {}),
        "body": Part("bodice", bodice, 0, swing=5),
    }  # fmt: skip
    if skirt:
        parts["skirt"] = Part("bell", skirt, 1, "body", (0, 0.55), (0, -0.8), 0, 10, 0.3)
    parts |= {
        "head": Part("bun", (0.32 * head, 0.36 * head), 3, "body", (0, -1), (0, 0.85), 0, 8, 0.3),
        "hat": Part("bell", cap, 2, "head", (-0.1, -0.65), (0, 0.6 if hat else 0), -15),
        **limb("near arm", sleeve, forearm, "body", (0.1, -0.75), angle=110, knee=-40, swing=45),
    }
    return Species("side", parts)


_PEOPLE = {
    "dancer": _person((0.44, 0.56), (0.66, 0.44), (0.37, 0.17), (0.42, 0.25)),
    "monk": _person((0.5, 0.5), (0.62, 0.95), (0.4, 0.22), (0.3, 0.2), hat=(0.4, 0.34)),
    "boxer": _person(
        (0.66, 0.6), None, (0.42, 0.27), (0.42, 0.32),
        more={"far glove": Part("boulder", (0.28, 0.26), 1, "far arm end", (1, 0)),
              "glove": Part("boulder", (0.3, 0.28), 1, "near arm end", (1, 0))},
    ),
    "wizard": _person(
        (0.42, 0.5), (0.55, 0.7), (0.36, 0.22), (0.3, 0.18), hat=(0.42, 0.6),
        more={"cloak": Part("bell", (0.75, 0.95), 2, "body", (-0.3, -0.8), (0, -0.9), 18, 12)},
    ),
    "stilter": _person((0.46, 0.46), None, (0.36, 0.2), (0.6, 0.25), head=0.95, hat=(0.34, 0.3)),
    "porter": _person(
        (0.42, 0.52), None, (0.34, 0.18), (0.36, 0.25), hat=(0.5, 0.16),
        more={"pack": Part("boulder", (0.56, 0.78), 1, "body", (-1.1, -0.3), (0, 0), 8, 4)},
    ),
}  # fmt: skip


def _grazer(
    body: Half, neck: Half, head: Half, leg: Half, *,
    outline: str = "plump", rise: float = -40, back: Parts | None = None,
    front: Parts | None = None,
) -> Species:  # fmt: skip
    """A beast on four legs; `back` is painted behind its body and `front` over its head."""
    upper, lower = Part("thigh", leg, 0), Part("calf", (leg[0], 0.75 * leg[1]), 2)
    return Species("side", {
        "tail": Part("tentacle", (0.42, 0.14), 2, "body", (-0.9, -0.3), (-1, 0), 115, 18, bend=0.5),
        **limb("far hind", upper, lower, "body", (-0.6, 0.3), phase=0.5, knee=8, swing=22,
               shade=0.7),
        **limb("far front", upper, lower, "body", (0.5, 0.3), knee=8, swing=22, shade=0.7),
        **(back or {}),
        "neck": Part("neck", neck, 0, "body", (0.75, -0.3), (-0.9, 0), rise, 7),
        "body": Part(outline, body, 0, swing=2),
        **limb("near hind", upper, lower, "body", (-0.7, 0.3), knee=8, swing=22),
        **limb("near front", upper, lower, "body", (0.6, 0.3), knee=8, swing=22, phase=0.5),
        "head": Part("bun", head, 1, "neck", (0.9, 0), (-0.4, 0), 25 - rise, 6, 0.2),
        **(front or {}),
    })  # fmt: skip


def _horns(part: Part, *angles: float) -> Parts:
    """Horns, tusks or ears on a head, at angles."""
    return {f"horn {angle}": part._replace(parent="head", angle=angle) for angle in angles}


_GRAZERS = {
    "camel": _grazer(
        (1.0, 0.42), (0.55, 0.22), (0.36, 0.22), (0.42, 0.22), rise=-35,
        back={"hump": Part("lobe", (0.34, 0.38), 1, "body", (-0.4, -0.8), (0, 0.4)),
              "fore hump": Part("lobe", (0.34, 0.38), 1, "body", (0.35, -0.9), (0, 0.4))},
    ),
    "giraffe": _grazer(
        (0.8, 0.45), (0.9, 0.25), (0.4, 0.22), (0.5, 0.21), rise=-68,
        front=_horns(Part("stilt", (0.16, 0.07), 2, "", (-0.4, -0.7), (-1, 0)), -80, -110),
    ),
    "elephant": _grazer(
        (1.05, 0.72), (0.25, 0.4), (0.46, 0.48), (0.36, 0.26), rise=-10,
        front={"trunk": Part("tentacle", (0.75, 0.29), 1, "head", (0.7, 0.2), (-1, 0), 75, 16,
                             bend=1.2),
               "ear": Part("lobe", (0.42, 0.5), 0, "head", (-0.5, -0.1), (0.5, 0), 0, 14,
                           shade=0.8),
               "tusk": Part("sickle", (0.3, 0.12), 3, "head", (0.7, 0.5), (-1, 0), 20)},
    ),
    "rhino": _grazer(
        (1.2, 0.58), (0.34, 0.4), (0.6, 0.3), (0.26, 0.24), rise=12,
        front=_horns(Part("sickle", (0.34, 0.17), 3, "", (0.75, -0.5), (-1, 0)), -70),
    ),
    "ram": _grazer(
        (0.85, 0.62), (0.3, 0.25), (0.36, 0.28), (0.28, 0.18), outline="carapace", rise=-30,
        front={"horn": Part("pincer", (0.34, 0.32), 3, "head", (-0.4, -0.5), (0.2, 0), 200)},
    ),
    "anteater": _grazer(
        (0.95, 0.38), (0.3, 0.24), (0.7, 0.16), (0.26, 0.2), rise=8,
        back={"brush": Part("wing", (0.85, 0.5), 1, "body", (-0.8, 0), (0.9, -0.1), 14, 9)},
    ),
}  # fmt: skip


_GONDOLA = Part("boulder", (0.3, 0.2), 2)


_FLYERS = {
    "copter": Species("side", {
        "boom": Part("tentacle", (0.85, 0.23), 1, "body", (-0.7, -0.2), (-1, 0), 182),
        "fin": Part("lobe", (0.28, 0.2), 0, "boom", (0.9, 0), (0, 0.2), 100),
        "tail rotor": Part("blade", (0.3, 0.09), 2, "boom", (0.95, 0), spin=1.3),
        "skid": Part("blade", (0.75, 0.09), 2, "body", (0.05, 1.3)),
        "strut": Part("sickle", (0.2, 0.09), 2, "body", (0.1, 0.8), (-0.8, 0), 90),
        "body": Part("fuselage", (0.9, 0.55), 0, swing=4),
        "canopy": Part("almond", (0.34, 0.3), 3, "body", (0.5, -0.2), angle=25),
        "mast": Part("sickle", (0.16, 0.1), 2, "body", (-0.05, -1), (-0.5, 0), -90),
        "rotor": Part("blade", (1.3, 0.12), 2, "mast", (0.8, 0), angle=90, swing=9),
    }, hover=0.5),
    "airship": Species("side", {
        **pair("fin", Part("lobe", (0.36, 0.3), 1, "body", (-0.85, 0.7), (0, -0.5), 12)),
        "gondola": _GONDOLA._replace(half=(0.42, 0.18), parent="body", joint=(0.1, 1.05)),
        "body": Part("almond", (1.35, 0.52), 0, swing=4),
    }, hover=0.4),
    "balloon": Species("side", {
        "left rope": Part("stilt", (0.36, 0.07), 2, "body", (-0.35, 0.85), (-1, 0), 75),
        "right rope": Part("stilt", (0.36, 0.07), 2, "body", (0.35, 0.85), (-1, 0), 105),
        "basket": _GONDOLA._replace(parent="body", joint=(0, 1.75), angle=0, swing=6),
        "body": Part("lobe", (0.82, 0.9), 0, swing=5),
        "band": Part("boulder", (0.8, 0.2), 1, "body", (0, -0.1)),
    }, hover=0.3),
    "saucer": Species("side", {
        "dome": Part("bun", (0.48, 0.46), 3, "body", (0, -0.7), (0, 0.4), 0, 2),
        "body": Part("almond", (1.25, 0.3), 0, swing=7),
        "ring": Part("blade", (0.8, 0.23), 1, "body", (0, 0.8)),
        **{f"lamp {x}": Part("boulder", (0.14, 0.14), 2, "ring", (x, 0.6))
           for x in (-0.7, 0.0, 0.7)},
    }, hover=0.6),
    "biplane": Species("side", {
        "rudder": Part("lobe", (0.26, 0.36), 1, "body", (-0.9, -0.6), (0, 0.4)),
        "lower wing": Part("boulder", (0.62, 0.11), 1, "body", (0.25, 0.9)),
        "strut": Part("stilt", (0.45, 0.07), 2, "body", (0.3, 0.9), (-1, 0), -90),
        "gear": Part("starfish", (0.24, 0.24), 2, "body", (0.4, 1.7), spin=0.3),
        "body": Part("fuselage", (1.1, 0.32), 0, swing=4),
        "upper wing": Part("boulder", (0.75, 0.12), 1, "body", (0.25, -1.7)),
        "propeller": Part("blade", (0.5, 0.12), 2, "body", (1, -0.1), angle=90, swing=50),
    }, hover=0.4),
    "kite": Species("side", {
        **{f"bow {n}": Part("pincer", (0.2, 0.2), 1, "tail", (x, 0), (0, 0), 90, 30, 0.2 * n)
           for n, x in enumerate((-0.1, 0.4, 0.9))},
        "tail": Part("tentacle", (0.75, 0.14), 2, "body", (-0.95, 0), (-1, 0), 165, 14, bend=2),
        "body": Part("diamond", (1.05, 0.8), 0, angle=-50, swing=6),
        "cross": Part("blade", (0.8, 0.1), 2, "body", (0, 0), (0, 0), 90),
    }, hover=0.4),
}  # fmt: skip


def _machine(
    body: tuple[str, Half], wheels: tuple[tuple[float, float], ...], *,
    back: Parts | None = None, front: Parts | None = None,
) -> Species:  # fmt: skip
    """A machine on the ground, on wheels at x with a radius."""
    outline, half = body
    return Species("side", {
        **(back or {}),
        "body": Part(outline, half, 0, "", (0, -0.3), swing=0.8),
        **{f"wheel {x}": Part("gear", (radius, radius), 2, "", (x, 0.55 - radius), spin=0.7)
           for x, radius in wheels},
        **{f"cap {x}": Part("starfish", (0.55 * radius, 0.55 * radius), 3, f"wheel {x}")
           for x, radius in wheels},
        **(front or {}),
    })  # fmt: skip


_MACHINES = {
    "tractor": _machine(
        ("fuselage", (0.85, 0.36)), ((-0.5, 0.56), (0.65, 0.3)),
        back={"roof": Part("mesa", (0.42, 0.46), 1, "body", (-0.45, -0.9), (0, 0.9)),
              "pane": Part("boulder", (0.24, 0.18), 3, "roof", (0.1, -0.1)),
              "pipe": Part("blade", (0.34, 0.1), 2, "body", (0.6, -0.7), (-1, 0), -90)},
    ),
    "tank": _machine(
        ("mesa", (1.25, 0.34)), tuple((x, 0.22) for x in (-1.0, -0.5, 0.0, 0.5, 1.0)),
        back={"barrel": Part("stilt", (0.75, 0.14), 2, "turret", (0.7, 0), (-1, 0), -10, 6),
              "turret": Part("bun", (0.5, 0.3), 1, "body", (-0.1, -0.9), (0, 0.7))},
    ),
    "locomotive": _machine(
        ("boulder", (0.95, 0.38)), ((-0.8, 0.36), (-0.1, 0.26), (0.5, 0.26)),
        back={"house": Part("column", (0.4, 0.62), 1, "body", (-0.75, -0.2), (0, 0.4)),
              "stack": Part("bell", (0.2, 0.42), 2, "body", (0.6, -0.8), (0, 0.9), 180),
              "dome": Part("lobe", (0.2, 0.24), 1, "body", (0.1, -0.9), (0, 0.2))},
    ),
    "scooter": _machine(
        ("pincer", (0.62, 0.22)), ((-0.6, 0.3), (0.7, 0.3)),
        back={"leg": Part("thigh", (0.36, 0.16), 1, "rider", (0.1, 0.8), (-0.85, 0), 40),
              "rider": Part("bodice", (0.32, 0.48), 1, "body", (-0.4, -0.8), (0, 0.9), 8, 4),
              "face": Part("bun", (0.28, 0.3), 3, "rider", (0.1, -1), (0, 0.8)),
              "arm": Part("forearm", (0.46, 0.1), 3, "rider", (0.2, -0.6), (-0.9, 0), 28)},
        front={"column": Part("stilt", (0.52, 0.13), 2, "", (0.7, 0.25), (-1, 0), -104)},
    ),
    "digger": _machine(
        ("mesa", (0.8, 0.2)), ((-0.55, 0.3), (0.0, 0.3), (0.55, 0.3)),
        front={"house": Part("column", (0.56, 0.42), 1, "body", (-0.35, -0.8), (0, 0.9)),
               "boom": Part("calf", (0.68, 0.18), 0, "house", (0.7, 0), (-0.9, 0), -50, 8),
               "arm": Part("calf", (0.5, 0.14), 0, "boom", (0.9, 0), (-0.9, 0), 112, 14, 0.2),
               "bucket": Part("pincer", (0.34, 0.3), 2, "arm", (0.95, 0), (-0.5, 0), 40, 25, 0.4)},
    ),
    "yacht": _machine(
        ("hull", (1.15, 0.24)), ((-0.7, 0.22), (0.75, 0.22)),
        back={"mast": Part("blade", (1.0, 0.07), 2, "body", (0, -0.6), (-1, 0), -90),
              "sail": Part("sail", (0.95, 0.55), 1, "mast", (0.1, -1), (0, 1), 0, 4),
              "jib": Part("almond", (0.8, 0.24), 3, "mast", (-0.1, 0), (0, -1.2), -12, 5)},
    ),
}  # fmt: skip


VAL_SIDE_KINDS: dict[str, Species] = _BIRDS | _PEOPLE | _GRAZERS | _FLYERS | _MACHINES
