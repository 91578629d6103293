"""Made videos and stills of any size: drifting textures with ellipses that move.

What they show does not matter to speed, but how long they take to decode does: at 480x854 a frame
has about 80 kB, as those of DAVIS (863 of 13 videos had 80.3 kB on average).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from rgmp.config.dataset import DAVIS
from rgmp.config.study import Stills
from rgmp.data import davis
from rgmp.data.images import Labels, read_frame
from rgmp.data.sequences import Tree
from rgmp.data.videos import Videos
from rgmp.inference.speed import TimedClip

Size = tuple[int, int]

_THREADS = 8
_QUALITY = 88
_DRIFT = 200
_NOISE = 10
"""Grey levels: with `_QUALITY` the texture of a photograph, by its bytes."""


def frame_of(size: Size, number: int, seed: int) -> Labels:
    """Frame `number` of the video `seed`: a smooth texture that drifts, with noise.

    Returns:
        uint8 (H, W, 3).
    """
    height, width = size
    left, top = 2 * number % _DRIFT, 3 * number % _DRIFT
    box = (left, top, left + width, top + height)
    part = np.asarray(_texture(size, seed).crop(box), dtype=np.int16)
    rng = np.random.default_rng([seed, number])
    noisy = part + rng.integers(-_NOISE, _NOISE + 1, part.shape, dtype=np.int16)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@lru_cache(maxsize=32)
def _texture(size: Size, seed: int) -> Image.Image:
    height, width = size
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    larger = width + _DRIFT, height + _DRIFT
    return Image.fromarray(coarse).resize(larger, Image.Resampling.BICUBIC)


def labels_of(size: Size, objects: int, number: int = 0) -> Labels:
    """Labels of frame `number`: so many ellipses side by side, each of which moves up and down.

    Returns:
        uint8 (H, W): 0 background, 1, 2, ... objects.
    """
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    labels = np.zeros(size, np.uint8)
    for index in range(objects):
        x = (index + 0.5) * width / objects
        y = height * (0.5 + 0.2 * np.sin(0.1 * number + index))
        radius = 0.4 * width / max(objects, 2)
        inside = ((columns - x) / radius) ** 2 + ((rows - y) / (0.3 * height)) ** 2 < 1
        labels[inside] = index + 1
    return labels


def write_videos(root: Path, names: list[str], frames: int, size: Size, objects: int) -> Path:
    """Write a DAVIS tree whose split `train` has these videos, every frame annotated.

    Returns:
        Its root.
    """
    tree = tree_of(root)
    tree.write_split(names)

    def write(video: int, number: int) -> None:
        name = names[video]
        path = tree.frames_of(name) / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(frame_of(size, number, video)).save(path, quality=_QUALITY)
        davis.write_mask(
            tree.annotations_of(name) / f"{number:05d}.png", labels_of(size, objects, number)
        )

    with ThreadPoolExecutor(_THREADS) as pool:
        each = [(v, n) for v in range(len(names)) for n in range(frames)]
        list(pool.map(lambda task: write(*task), each))
    return root


def tree_of(root: Path) -> Tree:
    """The split `train` of the tree that `write_videos` writes."""
    return Videos(davis=root, benchmark="davis2017", split="train").tree


def write_stills(root: Path, count: int, size: Size) -> Stills:
    """Write stills of one object each, and their masks."""
    made = Stills(images=root / "images", masks=root / "masks")
    made.images.mkdir(parents=True)
    made.masks.mkdir()

    def write(number: int) -> None:
        pixels = frame_of(size, 0, 1000 + number)
        Image.fromarray(pixels).save(made.images / f"{number:05d}.jpg", quality=_QUALITY)
        mask = 255 * labels_of(size, 1, number)
        Image.fromarray(mask).save(made.masks / f"{number:05d}.png")

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(write, range(count)))
    return made


def clip_in_memory(folder: Path, size: Size, frames: int, objects: int) -> TimedClip:
    """A clip to time, which is also on the disk, with the annotation of frame 0.

    Args:
        folder: of a tree to write, which need not exist.
        size: of a frame, (H, W).
        frames: how many.
        objects: how many frame 0 shows.
    """
    name = "clip"
    write_videos(folder, [name], frames, size, objects)
    written = tree_of(folder).open_sequence(name)
    benchmark = "davis2017" if objects > 1 else "davis2016"
    sequence = replace(written, annotations=written.annotations[:1], dataset=DAVIS[benchmark])
    decoded = [read_frame(path) for path in sequence.frames]
    return TimedClip(sequence, decoded, labels_of(size, objects))
