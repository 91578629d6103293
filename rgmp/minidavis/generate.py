"""Write the embedded benchmark to disk: a DAVIS tree and stills, rendered from a seed.

How it all hangs together, from the words to the pixels:

- `rgmp.minidavis.cast`: which figure plays in which script.
- `rgmp.minidavis.scripts`: the six scripts, each with one difficulty of video object segmentation,
  and the studio that builds a scene from a pool.
- `rgmp.minidavis.creatures`: the three pools. `train`, `val` and `stills` share no figure, outline
  or pattern. Figures are data (`rgmp.minidavis.figures`, one module per pool or view, their parts
  in `anatomy`), and so are `outlines`; `patterns` are functions.
- `rgmp.minidavis.animation`: how figures move; `rgmp.minidavis.painter`: how they are painted,
  moved and photographed.
- This module: which files there are, and who renders them. Each video and each still is a task of
  its own with its own random state, [seed, pool, index], so that any number of processes, and any
  part of the benchmark, gives the same pixels.
- `rgmp.minidavis.version`: a number to raise when any pixel changes; a golden file in the tests
  guards it.
"""

import csv
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from rgmp.config.base import BENCHMARKS
from rgmp.data import attributes, davis
from rgmp.data.images import read_frame, read_labels
from rgmp.data.tree import davis_tree
from rgmp.data.videos import Videos
from rgmp.minidavis.animation import Pixels
from rgmp.minidavis.cast import TRAIN, VAL
from rgmp.minidavis.creatures import POOLS
from rgmp.minidavis.painter import photograph
from rgmp.minidavis.scripts import still, video
from rgmp.runtime import files
from rgmp.runtime.processes import ordered
from rgmp.runtime.progress import Progress


@dataclass(frozen=True)
class Contents:
    """What is rendered: the whole benchmark, or a part of it, with the same pixels.

    Attributes:
        train: the videos of the split, called `difficulty-figure`.
        val: likewise.
        stills: how many.
    """

    train: tuple[str, ...] = TRAIN
    val: tuple[str, ...] = VAL
    stills: int = 640


def render(out: Path, seed: int, contents: Contents = Contents(), processes: int = 1) -> None:
    """Render the benchmark to `out`, all or nothing.

    `davis` is a DAVIS tree with the splits `train` and `val`, in whose root `attributes.csv` has
    the columns `sequence`, `attribute` (its difficulty) and `figure` for every sequence of `val`;
    `stills` has `images/*.jpg` and `masks/*.png`, one object each, which is 255;
    `contact_sheet.jpg` shows every video. The same seed gives the same pixels.

    Args:
        out: the folder to create.
        seed: of everything random.
        contents: what to render.
        processes: how many share the work.

    Raises:
        UserError: `out` cannot be written, or exists and is not an empty folder.
    """
    with files.atomic_folder(out) as folder:
        root = folder / "davis"
        for split, names in (("train", contents.train), ("val", contents.val)):
            for benchmark in BENCHMARKS:
                davis_tree(root, benchmark, split).write_split(names)
        _write_attributes(root / attributes.FILE, contents.val)
        tasks = [
            *(partial(_film, root, "train", name, seed) for name in contents.train),
            *(partial(_film, root, "val", name, seed) for name in contents.val),
            *(partial(_still, folder / "stills", index, seed) for index in range(contents.stills)),
        ]
        progress = Progress("render", "videos and stills", len(tasks))
        with closing(ordered(_carry_out, tasks, processes)) as carried_out:
            for done, _ in enumerate(carried_out, start=1):
                progress.at(done)
        contact_sheet(root, folder / "contact_sheet.jpg")


def _write_attributes(path: Path, names: tuple[str, ...]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(attributes.HEADER)
        table.writerows((name, *name.split("-")) for name in names)


def _carry_out(task: Callable[[], None]) -> None:
    task()


def _film(root: Path, split: str, name: str, seed: int) -> None:
    """Render a video: every frame and its annotation."""
    pool, names = POOLS[split], {"train": TRAIN, "val": VAL}[split]
    rng = np.random.default_rng([seed, pool.number, names.index(name)])
    scene = video(name, pool, rng)
    tree = davis_tree(root, "davis2017", split)
    frames, annotations = tree.frames_of(name), tree.annotations_of(name)
    annotations.mkdir(parents=True)
    for number in range(scene.frames):
        image, labels = photograph(scene, number, rng)
        _write_jpeg(frames / f"{number:05d}.jpg", image)
        davis.image_of(labels).save(annotations / f"{number:05d}.png")


def _still(folder: Path, index: int, seed: int) -> None:
    """Render a still and its mask."""
    rng = np.random.default_rng([seed, POOLS["stills"].number, index])
    image, labels = photograph(still(POOLS["stills"], rng), 0, rng)
    _write_jpeg(folder / "images" / f"{index:05d}.jpg", image)
    mask = folder / "masks" / f"{index:05d}.png"
    mask.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(255 * labels).save(mask)


def _write_jpeg(path: Path, image: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=92, subsampling=0)


def contact_sheet(root: Path, path: Path, columns: int = 6) -> None:
    """Draw one row per video of a DAVIS tree, with objects tinted in every second frame."""
    rows = []
    palette = np.frombuffer(davis.PALETTE, np.uint8).reshape(-1, 3)
    for split in ("train", "val"):
        for sequence in Videos(davis=root, benchmark="davis2017", split=split).open():
            shown = []
            for column, number in enumerate(
                np.linspace(0, len(sequence.frames) - 1, columns).round()
            ):
                frame = read_frame(sequence.frames[int(number)])
                labels = read_labels(sequence.annotations[int(number)])
                tint = 0.5 * (column % 2) * (labels > 0)[..., None]
                shown.append(((1 - tint) * frame + tint * palette[labels]).astype(np.uint8))
            row = Image.fromarray(np.hstack(shown))
            caption = ImageDraw.Draw(row)
            caption.text((4, 2), sequence.name, fill="white", stroke_width=1, stroke_fill="black")
            rows.append(np.asarray(row))
    with files.atomic_path(path) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, format="JPEG", quality=85)
