"""Made videos and stills of any size on a disk, for sections that read them.

What they show does not matter to speed, but how long they take to decode does: at 480x854 a frame
has about 85 kB, as those of DAVIS (863 of 13 videos had 80 kB on average).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from rgmp.config.dataset import DAVIS
from rgmp.config.study import Stills
from rgmp.data import davis
from rgmp.data.images import read_frame
from rgmp.data.tree import Tree, davis_tree
from rgmp.inference.speed import TimedClip
from rgmp.selftest.scenes import discs, video

Size = tuple[int, int]

_THREADS = 8
_QUALITY = 92


def write_videos(root: Path, count: int, frames: int, size: Size, objects: int) -> Tree:
    """Write videos of discs on drifting textures, every frame annotated.

    Args:
        root: of the DAVIS tree to write.
        count: how many videos; they are called `0`, `1`, ...
        frames: of each.
        size: of a frame, (H, W).
        objects: in each frame.

    Returns:
        The split `train` of the tree, which has them all.
    """
    tree = davis_tree(root, "davis2017", "train")
    names = [str(number) for number in range(count)]
    tree.write_split(names)
    labels = discs(objects, *size)

    def write(name: str) -> None:
        tree.frames_of(name).mkdir(parents=True)
        for number, frame in enumerate(video(frames, *size, seed=int(name))):
            image = Image.fromarray(frame)
            image.save(tree.frames_of(name) / f"{number:05d}.jpg", quality=_QUALITY)
            davis.write_mask(tree.annotations_of(name) / f"{number:05d}.png", labels)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(write, names))
    return tree


def write_stills(root: Path, count: int, size: Size) -> Stills:
    """Write stills of one object each, and their masks."""
    made = stills_in(root)
    made.images.mkdir(parents=True)
    made.masks.mkdir()
    mask = Image.fromarray(255 * discs(1, *size))

    def write(number: int) -> None:
        (frame,) = video(1, *size, seed=1000 + number)
        Image.fromarray(frame).save(made.images / f"{number:05d}.jpg", quality=_QUALITY)
        mask.save(made.masks / f"{number:05d}.png")

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(write, range(count)))
    return made


def stills_in(root: Path) -> Stills:
    """The stills that `write_stills` writes below a folder."""
    return Stills(images=root / "images", masks=root / "masks")


def timed_clip(root: Path, frames: int, size: Size, objects: int) -> TimedClip:
    """A clip to time, in memory and on the disk, with the annotation of frame 0.

    Args:
        root: of the DAVIS tree to write.
        frames: how many.
        size: of a frame, (H, W).
        objects: how many it shows.
    """
    written = write_videos(root, 1, frames, size, objects).open_sequence("0")
    benchmark = "davis2017" if objects > 1 else "davis2016"
    sequence = replace(written, annotations=written.annotations[:1], dataset=DAVIS[benchmark])
    decoded = [read_frame(path) for path in sequence.frames]
    return TimedClip(sequence, decoded, np.asarray(discs(objects, *size)))
