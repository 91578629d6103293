"""What is DAVIS's own: how its tree is laid out, how its masks are coded and painted.

The layout is that of DAVIS-2017 (Pont-Tuset et al., arXiv:1704.00675); both years share frames:
`JPEGImages/<resolution>/<sequence>/00000.jpg`, `Annotations/<resolution>/<sequence>/00000.png`,
`ImageSets/2016/<split>.txt` and `ImageSets/2017/<split>.txt`, one sequence per line. The archive of
DAVIS-2016 has `ImageSets/<resolution>/<split>.txt` instead, which lists a frame and its annotation
per line; it is read too (`rgmp.config.dataset.DAVIS` says all this to those who read).
"""

import os
from pathlib import Path

import numpy as np
from PIL import Image

from rgmp.data.images import Labels
from rgmp.runtime.files import visible_files

VOID = 255
"""Label where the truth is unknown."""


def object_ids(first: Labels) -> list[int]:
    """The object ids of a sequence: 1 to the largest non-void label of its first annotation.

    As davis2017-evaluation counts them (ac7c43f): an id that frame 0 skips still counts.
    """
    labels = first[first != VOID]
    return list(range(1, int(labels.max(initial=0)) + 1))


def without_void(labels: Labels) -> Labels:
    """Labels, uint8 (H, W), with void as background."""
    known: Labels = labels * (labels != VOID)
    return known


def write_mask(path: Path, labels: Labels) -> None:
    """Write labels, uint8 (H, W), as a PNG with DAVIS's palette, and flush it to disk.

    Into a folder that appears whole or not at all (`rgmp.inference.segment`), and so in place: a
    temporary file and its renaming would take longer than a small mask.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        image_of(labels).save(file, format="PNG")
        file.flush()
        os.fsync(file.fileno())


def image_of(labels: Labels) -> Image.Image:
    """Labels, uint8 (H, W), as an image with DAVIS's palette."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(PALETTE)
    return image


def masks_in(folder: Path) -> tuple[Path, ...]:
    """The masks of a folder, sorted, without hidden files; none if it is absent.

    Raises:
        UserError: the folder is not readable.
    """
    return visible_files(folder, ".png", "name a readable data set")


def _palette() -> bytes:
    """DAVIS's palette, which is Pascal VOC's: an index's bits spread over three channels."""
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return colours.tobytes()


PALETTE = _palette()
