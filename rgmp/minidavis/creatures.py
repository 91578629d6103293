"""The building blocks of the embedded benchmark: patterns, outlines, figures, in three pools.

`train`, `val` and `stills` share no outline and no pattern. A figure is data: parts in painter's
order, each an outline on a joint of another part. `rgmp.minidavis.painter` paints and moves them.
"""

from dataclasses import dataclass

from rgmp.minidavis.figures.anatomy import Species, Viewpoint
from rgmp.minidavis.figures.stills import STILLS_KINDS
from rgmp.minidavis.figures.train import TRAIN_KINDS
from rgmp.minidavis.figures.val_above import VAL_ABOVE_KINDS
from rgmp.minidavis.figures.val_side import VAL_SIDE_KINDS
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
        kinds=VAL_SIDE_KINDS | VAL_ABOVE_KINDS,
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
