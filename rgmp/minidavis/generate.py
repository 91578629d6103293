"""Write the embedded benchmark to disk: a DAVIS tree and stills, rendered from a seed."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from rgmp.config.base import RESOLUTION
from rgmp.data import davis
from rgmp.data.images import read_frame, read_labels
from rgmp.minidavis.animation import Pixels
from rgmp.minidavis.creatures import POOLS
from rgmp.minidavis.painter import Scene, photograph
from rgmp.minidavis.patterns import Generator
from rgmp.minidavis.scripts import TRAIN, VAL, still, video
from rgmp.runtime import files

STILLS = 160


def render(out: Path, seed: int) -> None:
    """Render the benchmark to `out`, all or nothing.

    `davis` is a DAVIS tree with the splits `train` and `val`; `stills` has `images/*.jpg` and
    `masks/*.png`, one object each, which is 255; `contact_sheet.jpg` shows every video. The same
    seed gives the same pixels.

    Raises:
        UserError: `out` cannot be written, or exists and is not an empty folder.
    """
    with files.atomic_folder(out) as folder:
        for split, names in (("train", TRAIN), ("val", VAL)):
            for year in ("2016", "2017"):
                listing = folder / "davis" / "ImageSets" / year / f"{split}.txt"
                listing.parent.mkdir(parents=True, exist_ok=True)
                listing.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
            for index, name in enumerate(names):
                rng = np.random.default_rng([seed, POOLS[split].number, index])
                _film(folder / "davis", name, video(name, POOLS[split], rng), rng)
        for index in range(STILLS):
            rng = np.random.default_rng([seed, POOLS["stills"].number, index])
            image, labels = photograph(still(POOLS["stills"], rng), 0, rng)
            _write_jpeg(folder / "stills" / "images" / f"{index:05d}.jpg", image)
            mask = folder / "stills" / "masks" / f"{index:05d}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 * labels).save(mask)
        contact_sheet(folder / "davis", folder / "contact_sheet.jpg")


def _film(root: Path, name: str, scene: Scene, rng: Generator) -> None:
    """Write every frame of a scene and its annotation."""
    for number in range(scene.frames):
        image, labels = photograph(scene, number, rng)
        _write_jpeg(root / "JPEGImages" / RESOLUTION / name / f"{number:05d}.jpg", image)
        annotations = root / "Annotations" / RESOLUTION / name
        davis.write_mask(annotations / f"{number:05d}.png", labels)


def _write_jpeg(path: Path, image: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, quality=92, subsampling=0)


def contact_sheet(root: Path, path: Path, columns: int = 6) -> None:
    """Draw one row per video of a DAVIS tree, with objects tinted in every second frame."""
    rows = []
    palette = np.frombuffer(davis.PALETTE, np.uint8).reshape(-1, 3)
    for split in ("train", "val"):
        for name in davis.read_split(root, "davis2017", split):
            video = davis.open_sequence(root, name)
            shown = []
            for column, number in enumerate(np.linspace(0, len(video.frames) - 1, columns).round()):
                frame = read_frame(video.frames[int(number)])
                labels = read_labels(video.annotations[int(number)])
                tint = 0.5 * (column % 2) * (labels > 0)[..., None]
                shown.append(((1 - tint) * frame + tint * palette[labels]).astype(np.uint8))
            row = Image.fromarray(np.hstack(shown))
            caption = ImageDraw.Draw(row)
            caption.text((4, 2), name, fill="white", stroke_width=1, stroke_fill="black")
            rows.append(np.asarray(row))
    with files.atomic_path(path) as temporary:
        Image.fromarray(np.vstack(rows)).save(temporary, format="JPEG", quality=85)
