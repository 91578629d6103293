"""Training samples as a picture: a row per sample, from its reference to its last target."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, PngImagePlugin
from torch import Tensor

from rgmp.data.sample import IGNORE, Sample
from rgmp.errors import UserError
from rgmp.runtime.files import reading

_WIDTH = 256  # of a tile, pixels
_HEADING = 16
_DIMMED = 0.35
_GREY = 128


def paint(samples: Sample) -> Image.Image:
    """Draw a row of tiles for each sample.

    The reference with its true mask, the first target with its guidance mask, then every target
    with its true mask. Everything but the object is dimmed; pixels ignored by the loss are grey.

    Args:
        samples: a batch: frames (n, T, 3, h, w).
    """
    rows = [_row(Sample(*tensors)) for tensors in zip(*samples, strict=True)]
    picture = Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows]))
    headed = Image.new("RGB", (picture.width, picture.height + _HEADING), "white")
    headed.paste(picture, (0, _HEADING))
    write = ImageDraw.Draw(headed)
    targets = [f"target {t}: truth" for t in range(1, len(rows[0]) - 1)]
    for i, name in enumerate(["reference", "target 1: guidance", *targets]):
        write.text((i * _WIDTH + 4, 2), name, fill="black")
    return headed


_SOFTWARE = "rgmp preview"


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture as a PNG that says what made it."""
    said = PngImagePlugin.PngInfo()
    said.add_text("Software", _SOFTWARE)
    picture.save(path, format="PNG", pnginfo=said)


def require_ours(path: Path) -> None:
    """Check that a file is a picture that `save` wrote.

    Raises:
        UserError: it is not, or cannot be read.
    """
    with reading(path, "name a readable file"), path.open("rb") as file:
        head = file.read(200)
    if not head.startswith(b"\x89PNG") or f"Software\0{_SOFTWARE}".encode() not in head:
        raise UserError(f"{path}: not an rgmp preview picture")


def _row(sample: Sample) -> list[npt.NDArray[np.uint8]]:
    reference, *truths = sample.masks
    guided = _tile(sample.frames[1], sample.guidance)
    targets = [_tile(*pair) for pair in zip(sample.frames[1:], truths, strict=True)]
    return [_tile(sample.frames[0], reference), guided, *targets]


def _tile(frame: Tensor, mask: Tensor) -> npt.NDArray[np.uint8]:
    """A frame (3, h, w) under a mask (h, w): uint8 (h', w', 3) with a white edge."""
    pixels = 255 * frame.permute(1, 2, 0).numpy()
    shape = mask.float().numpy()[..., None]
    shown = np.where(shape == 1, pixels, _DIMMED * pixels)
    shown = np.where(shape == IGNORE, _GREY, shown).round().astype(np.uint8)
    height = round(_WIDTH * shown.shape[0] / shown.shape[1])
    tile = np.array(Image.fromarray(shown).resize((_WIDTH, height), Image.Resampling.BILINEAR))
    tile[-2:], tile[:, -2:] = 255, 255
    return tile
