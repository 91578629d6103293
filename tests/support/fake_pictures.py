"""Frames, truth and masks of a fake study: discs that drift, and masks that miss them.

Many tests build a study, most of them of the same pictures: a process draws each of these once.
"""

import io
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from rgmp.config.base import RESOLUTION
from rgmp.data.davis import PALETTE
from rgmp.data.images import Labels
from rgmp.evaluation.measures import Score

SEQUENCES = ("occlusion", "fast-motion", "scale-change", "look-alikes", "crossing", "appearance")
SIZE = (96, 160)
Misses = tuple[tuple[int, int], ...]
"""The number of each object, and by how many pixels it is missed."""


def object_count(sequence: str) -> int:
    """How many objects a sequence has on DAVIS-2017: one to three."""
    return 1 + SEQUENCES.index(sequence) % 3


def write_masks(masks: Path, davis: Path, benchmark: str, scores: Iterable[Score]) -> None:
    """Frames and truth once, and masks that miss the truth by as much as their J says.

    `masks` is the folder of a sequence's, with {} for its name.
    """
    quality: dict[tuple[str, str], dict[int, float]] = {}
    for row in scores:
        quality.setdefault((row.sequence, row.frame), {})[row.object] = row.J
    for (sequence, frame), figures in quality.items():
        for number in {0, int(frame)}:
            _write_truth(davis, sequence, number)
        misses = {o: round(30 * (1 - j)) for o, j in figures.items()}
        binary = benchmark == "davis2016"
        if binary:
            misses = dict.fromkeys(range(1, object_count(sequence) + 1), misses[1])
        mask = _mask(sequence, int(frame), tuple(misses.items()), binary)
        _write(Path(str(masks).format(sequence)) / f"{frame}.png", mask)


def _write_truth(davis: Path, sequence: str, frame: int) -> None:
    path = davis / "JPEGImages" / RESOLUTION / sequence / f"{frame:05d}.jpg"
    if path.is_file():
        return
    _write(path, _frame(sequence, frame))
    truth = _mask(sequence, frame, _where_it_is(sequence), binary=False)
    _write(davis / "Annotations" / RESOLUTION / sequence / f"{frame:05d}.png", truth)


def _write(path: Path, encoded: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded)


def _where_it_is(sequence: str) -> Misses:
    return tuple((number, 0) for number in range(1, object_count(sequence) + 1))


@cache
def _frame(sequence: str, frame: int) -> bytes:
    """A frame as JPEG."""
    labels = _labels(sequence, frame, _where_it_is(sequence))
    y, x = np.indices(SIZE)
    ground = 110 + 40 * np.sin(x / 9) + 30 * np.cos(y / 7 + frame / 5)
    image = np.stack([ground, ground * 0.9, ground * 0.7], axis=-1)
    image[labels > 0] = image[labels > 0] * 0.4 + np.array([90, 60, 150])
    encoded = io.BytesIO()
    Image.fromarray(image.astype(np.uint8)).save(encoded, "JPEG")
    return encoded.getvalue()


@cache
def _mask(sequence: str, frame: int, misses: Misses, binary: bool) -> bytes:
    """A mask as PNG: of every object by its number, or all of them as one."""
    labels = _labels(sequence, frame, misses)
    image = Image.fromarray(labels.clip(max=1) if binary else labels)
    image.putpalette(PALETTE)
    encoded = io.BytesIO()
    image.save(encoded, "PNG", compress_level=1)
    return encoded.getvalue()


def _labels(sequence: str, frame: int, misses: Misses) -> Labels:
    """Discs, one an object, that drift to the right; each displaced by some pixels."""
    y, x = np.indices(SIZE)
    labels = np.zeros(SIZE, dtype=np.uint8)
    for number, miss in misses:
        centre_y = 20 + 25 * (number - 1) + SEQUENCES.index(sequence)
        centre_x = 30 * number + 2 * frame + miss
        labels[(y - centre_y) ** 2 + ((x - centre_x) / 1.5) ** 2 < 15**2] = number
    return labels
