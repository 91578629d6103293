"""The figures of the stills."""

from rgmp.minidavis.figures.anatomy import Part, Species, pair

STILLS_KINDS: dict[str, Species] = {
    "turtle": Species("above", {
        **pair("flipper", Part("paddle", (0.6, 0.22), 1, "body", (0.55, 0.6), (-0.9, 0), 50, 30)),
        **pair("hind", Part("paddle", (0.36, 0.18), 1, "body", (-0.7, 0.6), (-0.9, 0), 135, 25)),
        "head": Part("knob", (0.36, 0.26), 1, "body", (0.95, 0), (-0.7, 0), 0, 15),
        "body": Part("shell", (0.98, 0.8), 0),
    }),
    "butterfly": Species("above", {
        **pair("hind", Part("hindwing", (0.62, 0.5), 1, "body", (-0.2, 0.5), (-0.9, 0), 118, 14)),
        **pair("fore", Part("forewing", (0.9, 0.55), 0, "body", (0.4, 0.5), (-0.9, 0), 70, 16)),
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
        **pair("leg", Part("piston", (0.5, 0.2), 1, "body", (0.95, 0.5), (-0.9, 0), 0, 12)),
        **pair("arm", Part("piston", (0.55, 0.16), 1, "body", (-0.7, 0.95), (-0.9, 0), 40, 45)),
        "head": Part("visor", (0.36, 0.42), 1, "body", (-1, 0), (0.8, 0), 0, 10),
        "body": Part("armour", (0.7, 0.6), 0, angle=90, swing=4),
        "lamp": Part("cog", (0.16, 0.16), 3, "body", (-0.2, 0)),
    }),
    "snail": Species("side", {
        **pair("horn", Part("stem", (0.3, 0.06), 1, "foot", (0.85, 0.3), (-1, 0), -60, 20)),
        "foot": Part("slug", (1.25, 0.34), 1, "", (0.1, 0.5), bend=0.2),
        "house": Part("whorl", (0.8, 0.75), 0, "foot", (-0.2, -0.6), (0, 0.75), 0, 8),
    }),
    "plane": Species("above", {
        **pair("fin", Part("vane", (0.42, 0.22), 1, "body", (-0.85, 0.3), (-0.9, 0), 110, 4)),
        **pair("wing", Part("vane", (1.0, 0.34), 1, "body", (0.15, 0.5), (-0.95, 0), 100, 5)),
        "body": Part("cigar", (1.2, 0.3), 0),
        "nose": Part("cog", (0.16, 0.2), 2, "body", (0.95, 0), spin=0.3),
    }),
    "moth": Species("above", {
        **pair("hind", Part("hindwing", (0.45, 0.42), 1, "body", (-0.4, 0.5), (-0.9, 0), 130, 12)),
        **pair("fore", Part("forewing", (0.75, 0.7), 0, "body", (0.3, 0.5), (-0.9, 0), 105, 14)),
        **pair("feeler", Part("stem", (0.4, 0.07), 2, "body", (0.9, 0.3), (-1, 0), 25, 14)),
        "body": Part("abdomen", (0.7, 0.24), 2),
    }),
    "seal": Species("above", {
        **pair("fin", Part("frond", (0.4, 0.16), 1, "body", (-0.9, 0.3), (-0.9, 0), 165, 20)),
        **pair("flipper", Part("paddle", (0.42, 0.16), 1, "body", (0.3, 0.7), (-0.9, 0), 70, 24)),
        "body": Part("cigar", (1.2, 0.42), 0, bend=0.3),
        "head": Part("knob", (0.34, 0.3), 0, "body", (0.95, 0), (-0.6, 0), 0, 12),
    }),
    "mushroom": Species("side", {
        "stalk": Part("piston", (0.55, 0.22), 1, "", (0, 0.3), angle=90, swing=3),
        "cap": Part("shell", (0.9, 0.5), 0, "stalk", (-1, 0), (0, 0.3), -90, 5),
        "ring": Part("slug", (0.4, 0.14), 3, "stalk", (-0.3, 0), angle=-90),
    }),
    "windmill": Species("side", {
        "house": Part("gable", (0.55, 0.95), 1),
        "door": Part("piston", (0.2, 0.13), 2, "house", (0, 0.75), angle=90),
        **{f"sail {angle}": Part("vane", (0.6, 0.2), 0, "hub", (0, 0), (-1.1, 0), angle)
           for angle in range(20, 380, 90)},
        "hub": Part("cog", (0.16, 0.16), 3, "house", (0, -0.7), spin=0.4),
    }),
    "rocket": Species("side", {
        **pair("fin", Part("vane", (0.4, 0.24), 1, "body", (-0.8, 0.7), (-0.8, 0), 150)),
        "body": Part("cigar", (1.1, 0.36), 0, angle=-80, swing=4),
        "port": Part("cog", (0.17, 0.17), 3, "body", (0.35, 0)),
    }),
    "fern": Species("side", {
        **{f"frond {angle}": Part("frond", (0.85, 0.22), n % 2, "pot", (0.9, 0), (-1, 0), angle,
                                  9, 0.2 * n, bend=0.6)
           for n, angle in enumerate((-70, -35, 0, 35, 70))},
        "pot": Part("armour", (0.36, 0.5), 2, angle=-90),
    }),
}  # fmt: skip
