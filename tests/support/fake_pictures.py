"""Frames, truth and masks of a fake study: discs that drift, and masks that miss them."""

from pathlib import Path

import numpy as np
from PIL import Image

from rgmp.config.base import RESOLUTION
from rgmp.data.davis import PALETTE
from rgmp.data.images import Labels
from rgmp.evaluation.measures import Score

SEQUENCES = ("occlusion", "fast-motion", "scale-change", "look-alikes", "crossing", "appearance")
SIZE = (96, 160)


def object_count(sequence: str) -> int:
    """How many objects a sequence has on DAVIS-2017: one to three."""
    return 1 + SEQUENCES.index(sequence) % 3


def write_masks(masks: Path, davis: Path, benchmark: str, scores: list[Score]) -> None:
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
        labels = _labels(sequence, int(frame), misses)
        mask = Path(str(masks).format(sequence)) / f"{frame}.png"
        if benchmark == "davis2016":
            objects = range(1, object_count(sequence) + 1)
            labels = _labels(sequence, int(frame), dict.fromkeys(objects, misses[1])).clip(max=1)
        _write_mask(mask, labels)


def _write_truth(davis: Path, sequence: str, frame: int) -> None:
    path = davis / "JPEGImages" / RESOLUTION / sequence / f"{frame:05d}.jpg"
    if path.is_file():
        return
    labels = _labels(sequence, frame, dict.fromkeys(range(1, object_count(sequence) + 1), 0))
    y, x = np.indices(SIZE)
    ground = 110 + 40 * np.sin(x / 9) + 30 * np.cos(y / 7 + frame / 5)
    image = np.stack([ground, ground * 0.9, ground * 0.7], axis=-1)
    image[labels > 0] = image[labels > 0] * 0.4 + np.array([90, 60, 150])
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.astype(np.uint8)).save(path)
    _write_mask(davis / "Annotations" / RESOLUTION / sequence / f"{frame:05d}.png", labels)


def _write_mask(path: Path, labels: Labels) -> None:
    image = Image.fromarray(labels)
    image.putpalette(PALETTE)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, compress_level=1)


def _labels(sequence: str, frame: int, misses: dict[int, int]) -> Labels:
    """Discs, one an object, that drift to the right; each displaced by some pixels."""
    y, x = np.indices(SIZE)
    labels = np.zeros(SIZE, dtype=np.uint8)
    for number, miss in misses.items():
        centre_y = 20 + 25 * (number - 1) + SEQUENCES.index(sequence)
        centre_x = 30 * number + 2 * frame + miss
        labels[(y - centre_y) ** 2 + ((x - centre_x) / 1.5) ** 2 < 15**2] = number
    return labels
