"""Labels from masks that anyone made, in the encodings that published masks come in.

What says unambiguously which pixel is which object is read; everything else is refused in a line
that says how to store it. Palette indices count, as in the official evaluator, not their colours;
an RGB mask has nothing but colours, so those of DAVIS's palette are taken for its indices.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from rgmp.config.base import Benchmark
from rgmp.data import images
from rgmp.data.davis import PALETTE
from rgmp.data.images import Labels, Like
from rgmp.data.mask_source import MaskFile
from rgmp.errors import UserError

_MOST_COLOURS = 256
_BLACK, _OBJECT, _WHITE = (0, 0, 0), 1, 255

_INDEX_OF = {tuple(PALETTE[3 * i : 3 * i + 3]): i for i in range(256)}
"""The label that DAVIS's palette shows in each of its colours."""


class Read(NamedTuple):
    """A mask as it was read.

    Attributes:
        labels: uint8 (H, W), as `rgmp.data.davis.read_annotation` gives them.
        by_colour: for a palette mask whose indices show the colours of other labels in DAVIS's
            palette, the labels (H, W) that the colours say; else None.
    """

    labels: Labels
    by_colour: Labels | None = None


def read_mask(mask: MaskFile, benchmark: Benchmark, objects: int, like: Like | None = None) -> Read:
    """Read a mask in any encoding of which the meaning is certain.

    Palette indices and grey values are labels; with one object to find, 0 and 255 are background
    and object too. In RGB the colours of DAVIS's palette stand for their indices; with one object,
    black and any other colour are background and object. For `davis2016` every label other than 0
    is the object.

    Args:
        mask: the file.
        benchmark: what counts as an object.
        objects: how many the ground truth has; 1 for `davis2016`.
        like: the size it must have; None: any.

    Raises:
        UserError: the file cannot be read or is no PNG, it is of another size, or what its values
            mean is uncertain.
    """
    picture = images.decode(mask, mask.open, like)
    image = picture.image
    by_colour = None
    if image.format == "PNG" and image.mode in {"RGB", "RGBA"}:
        labels = _labels_of_colours(mask, image, objects)
    else:
        labels = images.labels_in(mask, picture)
        if image.mode == "P":
            by_colour = _shown_by(image, labels)
        elif benchmark == "davis2017":
            labels = _labels_of_grey(mask, labels, objects)
    if benchmark == "davis2016":
        shown = None if by_colour is None else _foreground(by_colour)
        return Read(_foreground(labels), shown)
    if by_colour is not None and labels.max() > objects >= by_colour.max():
        raise UserError(
            f"{mask}: palette index {labels.max()}, but {objects} objects; its colours are those "
            "of DAVIS under other indices; convert it to RGB, whose colours are read"
        )
    return Read(labels, by_colour)


def _foreground(labels: Labels) -> Labels:
    """1 where there is a label, else 0."""
    return (labels > 0).astype(np.uint8)


def _labels_of_grey(mask: MaskFile, labels: Labels, objects: int) -> Labels:
    """The labels of a grey mask of `davis2017`, in which 255 may be the only object.

    Raises:
        UserError: it is black and white, but there are several objects.
    """
    if labels.max() != _WHITE or ((labels != 0) & (labels != _WHITE)).any():
        return labels
    if objects > 1:
        raise UserError(
            f"{mask}: black and white, one mask for {objects} objects; allowed: their ids 1 to "
            f"{objects}; store them, or score as davis2016"
        )
    return _foreground(labels)


def _shown_by(image: Image.Image, labels: Labels) -> Labels | None:
    """What a palette's colours say where they contradict its indices; None where they do not.

    Colours count only if DAVIS's palette has each that is used.
    """
    palette = np.array(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    used = np.flatnonzero(image.histogram())
    if used[-1] >= len(palette):
        return None
    said = [_INDEX_OF.get(tuple(palette[index].tolist())) for index in used]
    table = np.zeros(256, dtype=np.uint8)
    for index, label in zip(used, said, strict=True):
        if label is None:
            return None
        table[index] = label
    return None if (table[used] == used).all() else table[labels]


def _labels_of_colours(mask: MaskFile, image: Image.Image, objects: int) -> Labels:
    """The labels of an RGB or opaque RGBA mask.

    Raises:
        UserError: it is a picture, is transparent, or has colours of unknown meaning.
    """
    if image.mode == "RGBA":
        if image.getchannel("A").getextrema() != (255, 255):
            raise UserError(f"{mask}: RGBA mask that is transparent; convert it to palette or RGB")
        image = image.convert("RGB")
    counted = image.getcolors(_MOST_COLOURS)
    if counted is None:
        raise UserError(
            f"{mask}: mask of mode RGB with more than {_MOST_COLOURS} colours, such as a picture; "
            "allowed: one colour per object; store labels as a palette PNG"
        )
    colours: list[tuple[int, ...]] = sorted(c for _, c in counted if isinstance(c, tuple))
    said = {colour: _INDEX_OF.get(colour) for colour in colours}
    others = [colour for colour in colours if colour != _BLACK]
    if objects == 1 and len(others) == 1 and len(colours) <= 2:
        said[others[0]] = _OBJECT
    unknown = [c for c, label in said.items() if label is None or label > objects]
    if unknown:
        shown = ", ".join(map(str, unknown[0]))
        allowed = (
            f"DAVIS's colours of objects 1 to {objects}" if objects > 1 else "one other colour"
        )
        raise UserError(
            f"{mask}: mask of mode RGB, whose colour ({shown}) is of no object; allowed: black "
            f"and {allowed}; store labels as a palette PNG"
        )
    pixels = np.asarray(image)
    labels = np.zeros(pixels.shape[:2], dtype=np.uint8)
    for colour, label in said.items():
        labels[_equal(pixels, colour)] = label or 0
    return labels


def _equal(pixels: npt.NDArray[np.uint8], colour: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Where pixels, (H, W, 3), have a colour: bool (H, W)."""
    equal: npt.NDArray[np.bool_] = (pixels == np.array(colour, dtype=np.uint8)).all(axis=2)
    return equal
