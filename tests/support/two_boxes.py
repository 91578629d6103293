"""Masks of two boxes that move."""

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


def save(path: Path, image: Labels, mode: str = "P") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if mode == "P":
        davis.write_mask(path, image)
    else:
        Image.fromarray(image).convert(mode).save(path)
