"""Which figure plays in which script, and so which videos there are.

Apart from the scripts: a study asks for their difficulties, and to paint takes scipy.
"""

TRAIN_CAST: dict[str, tuple[str, ...]] = {
    "occlusion": ("fox", "cat", "bus", "pickup", "beetle", "weevil", "angler", "toad"),
    "fast": ("fox", "hound", "truck", "pickup", "ant", "koi", "shark", "gecko"),
    "scale": ("fox", "badger", "truck", "bus", "beetle", "weevil", "angler", "toad"),
    "appearance": ("cat", "hound", "bus", "ant", "koi", "shark", "gecko", "crocodile"),
    "lookalike": ("cat", "badger", "pickup", "beetle", "koi", "angler", "crocodile", "toad"),
    "crossing": ("hound", "badger", "truck", "ant", "weevil", "shark", "gecko", "crocodile"),
}

VAL_CAST: dict[str, tuple[str, ...]] = {
    "occlusion": (
        "heron", "monk", "camel", "balloon", "tractor",
        "spider", "octopus", "owl", "caterpillar", "kart",
    ),
    "fast": (
        "ostrich", "boxer", "anteater", "saucer", "scooter",
        "scorpion", "squid", "swallow", "eel", "drone",
    ),
    "scale": (
        "duck", "porter", "elephant", "airship", "locomotive",
        "tick", "starfish", "wasp", "tadpole", "roller",
    ),
    "appearance": (
        "toucan", "dancer", "rhino", "copter", "digger",
        "woodlouse", "jellyfish", "dragonfly", "newt", "hovercraft",
    ),
    "lookalike": (
        "penguin", "stilter", "giraffe", "kite", "tank",
        "crab", "cuttlefish", "bat", "centipede", "catamaran",
    ),
    "crossing": (
        "peacock", "wizard", "ram", "biplane", "yacht",
        "lobster", "nautilus", "manta", "adder", "rowboat",
    ),
}  # fmt: skip
"""Each figure of the pool once, one of each body plan per difficulty."""


def _names(cast: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(f"{difficulty}-{kind}" for difficulty, kinds in cast.items() for kind in kinds)


TRAIN, VAL = _names(TRAIN_CAST), _names(VAL_CAST)
