"""Masks of two boxes that move."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from rgmp.data import davis

FRAMES = 5
SHAPE = (36, 48)
Labels = npt.NDArray[np.uint8]


def labels(number: int, shift: int = 0) -> Labels:
    """Two boxes that move with the frame's number; `shift` moves the first one further."""
    image = np.zeros(SHAPE, dtype=np.uint8)
    image[4:16, 4 + number + shift : 16 + number + shift] = 1
    image[20:30, 30 - number : 40 - number] = 2
    return image


def write_tree(
    tree: Path, names: Sequence[str], annotate: Callable[[int], Labels], frames: int
) -> Path:
    """A DAVIS tree whose frames are empty files, with the same annotations in each sequence."""
    for year in ("2016", "2017"):
        (tree / "ImageSets" / year).mkdir(parents=True)
        (tree / "ImageSets" / year / "val.txt").write_text("".join(f"{n}\n" for n in names))
    for name in names:
        (tree / "JPEGImages/480p" / name).mkdir(parents=True)
        for number in range(frames):
            (tree / f"JPEGImages/480p/{name}/{number:05d}.jpg").touch()
            save(tree / f"Annotations/480p/{name}/{number:05d}.png", annotate(number))
    return tree


def save(path: Path, image: Labels, mode: str = "P") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "P":
        davis.write_mask(path, image)
    else:
        Image.fromarray(image).convert(mode).save(path)
