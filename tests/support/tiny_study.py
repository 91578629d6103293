"""A DAVIS tree, stills and a study so small that a whole study of them takes seconds."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rgmp.data import davis
from rgmp.data.images import Labels
from support.davis_tree import read_annotation

HEIGHT, WIDTH, FRAMES = 40, 72, 4
SEQUENCES = ("train_a", "train_b", "val_a", "val_b")
STUDY: dict[str, Any] = {
    "study": "tiny",
    "title": "A study of seconds",
    "data": {"davis": "davis", "stills": [{"images": "stills/images", "masks": "stills/masks"}]},
    "benchmarks": ["davis2016", "davis2017"],
    "seeds": [0, 1],
    "network": {"backbone": "resnet10", "width": 4, "decoder_width": 4},
    "pretrain": {
        "steps": 2,
        "batch": 2,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        "crop": [32, 64],
    },
    "finetune": {
        "steps": 2,
        "batch": 2,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-4,
        "crop": [32, 64],
        "frames": [2, 3],
    },
    "inference": {"scales": [1.0]},
    "machine": {"device": "cpu"},
    "speed": {"sequences": 1, "frames": 3, "repeats": 5, "seconds": 0},
}


def draw(rng: np.random.Generator, shift: int) -> tuple[Labels, Labels]:
    """A frame with two rectangles of noise, `shift` pixels along, and its labels."""
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[5:20, 4 + shift : 24 + shift] = 1
    labels[22:36, 40 - shift : 60 - shift] = 2
    frame = rng.integers(0, 80, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    frame[labels == 1] += 100
    frame[labels == 2] += 170
    return frame, labels


def write_tree(root: Path) -> None:
    """Write `root/davis`, two sequences a split, and `root/stills`."""
    rng = np.random.default_rng(0)
    for year in ("2016", "2017"):
        (root / "davis/ImageSets" / year).mkdir(parents=True)
        for split in ("train", "val"):
            (root / f"davis/ImageSets/{year}/{split}.txt").write_text(f"{split}_a\n{split}_b\n")
    for name in SEQUENCES:
        folder = root / "davis/JPEGImages/480p" / name
        folder.mkdir(parents=True)
        for t in range(FRAMES):
            frame, labels = draw(rng, 2 * t)
            Image.fromarray(frame).save(folder / f"{t:05d}.jpg")
            davis.write_mask(root / f"davis/Annotations/480p/{name}/{t:05d}.png", labels)
    for kind in ("images", "masks"):
        (root / "stills" / kind).mkdir(parents=True)
    for i in range(3):
        frame, labels = draw(rng, i)
        Image.fromarray(frame).save(root / f"stills/images/{i}.jpg")
        Image.fromarray((labels == 1).astype(np.uint8) * 255).save(root / f"stills/masks/{i}.png")


PAIR = "/JPEGImages/480p/{0}/{1:05d}.jpg /Annotations/480p/{0}/{1:05d}.png \n"


def make_archive_of_2016(tree: Path) -> None:
    """Make of a tree what DAVIS-2016's archive has: lists of frames, and masks of 0 and 255."""
    shutil.rmtree(tree / "ImageSets")
    (tree / "ImageSets/480p").mkdir(parents=True)
    for split in ("train", "val"):
        lines = [PAIR.format(f"{split}_{letter}", t) for letter in "ba" for t in range(FRAMES)]
        (tree / f"ImageSets/480p/{split}.txt").write_text("".join(lines))
    for path in (tree / "Annotations/480p").rglob("*.png"):
        Image.fromarray(255 * read_annotation(path, "davis2016")).save(path)


def frame(tree: Path, number: int, name: str = "val_a") -> Path:
    """Where a frame of a sequence of the tree lies."""
    return tree / f"JPEGImages/480p/{name}/{number:05d}.jpg"


def annotation(tree: Path, number: int, name: str = "val_a") -> Path:
    """Where the mask of a frame lies."""
    return tree / f"Annotations/480p/{name}/{number:05d}.png"
