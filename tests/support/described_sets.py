"""Small trees in the layouts of data sets that are not DAVIS, with moving boxes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from rgmp.config.dataset import Dataset
from rgmp.config.load import load_dataset
from rgmp.data.davis import write_mask
from rgmp.data.images import Labels
from rgmp.data.videos import Videos

DATASETS = Path(__file__).parents[2] / "workflow/config/datasets"
SHAPE = (40, 64)
Boxes = Mapping[int, tuple[int, int, int, int]]
"""Of each id its box: rows from and to, columns from and to."""


def labels(boxes: Boxes) -> Labels:
    """Boxes as labels, uint8 (H, W)."""
    image = np.zeros(SHAPE, np.uint8)
    for number, (top, bottom, left, right) in boxes.items():
        image[top:bottom, left:right] = number
    return image


def write_video(root: Path, name: str, video: Mapping[str, Boxes | None]) -> None:
    """Write the frames of a video, .jpg, and the annotations of those that have boxes."""
    frames, annotations = (root / kind / name for kind in ("JPEGImages", "Annotations"))
    for folder in (frames, annotations):
        folder.mkdir(parents=True)
    for frame, boxes in video.items():
        truth = labels(boxes or {})
        pixels = 60 + 40 * np.minimum(truth, 4)[..., None].repeat(3, axis=2)
        Image.fromarray(pixels.astype(np.uint8)).save(frames / f"{frame}.jpg")
        if boxes is not None:
            write_mask(annotations / f"{frame}.png", truth)


ONE, FOUR = (5, 15, 10, 20), (20, 30, 30, 40)
VIDEO: dict[str, Boxes | None] = {
    "00000": {1: ONE},
    "00005": None,
    "00010": {1: ONE, 4: FOUR},
    "00015": None,
    "00020": {1: ONE, 4: FOUR},
    "00025": None,
    "00030": {1: ONE, 4: FOUR},
}
"""Every second frame is annotated; object 4 appears in the second of these."""
LATE: dict[str, Boxes | None] = {
    "00005": {},
    "00010": {7: ONE},
    "00015": {2: FOUR, 7: ONE},
    "00020": {2: FOUR, 7: ONE},
}
"""No object is in the first frame, and that with the larger id appears first."""


def write_youtube_vos(root: Path, split: str = "train") -> Path:
    """A tree as YouTube-VOS's archive of training videos unpacks."""
    for name, video in (("0a1b", VIDEO), ("ff00", LATE)):
        write_video(root / split, name, video)
    (root / split / "meta.json").write_text("{}")
    return root


def youtube_vos(root: Path, split: str = "train") -> Videos:
    """The videos of such a tree."""
    return videos_of(root, load_dataset(DATASETS / "youtube_vos.yaml"), split)


def videos_of(root: Path, dataset: Dataset, split: str) -> Videos:
    """The videos of a tree that is described."""
    return Videos(davis=root, benchmark="described", dataset=dataset, split=split)
