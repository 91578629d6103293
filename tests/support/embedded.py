"""Scenes of the embedded benchmark."""

import numpy as np

from rgmp.minidavis import scripts
from rgmp.minidavis.cast import TRAIN, VAL
from rgmp.minidavis.creatures import POOLS
from rgmp.minidavis.painter import Scene

SPLITS = {"train": TRAIN, "val": VAL}
VIDEOS = [(split, name) for split, names in SPLITS.items() for name in names]


def scene(split: str, name: str, seed: int = 0) -> tuple[Scene, np.random.Generator]:
    rng = np.random.default_rng([seed, POOLS[split].number, SPLITS[split].index(name)])
    return scripts.video(name, POOLS[split], rng), rng
