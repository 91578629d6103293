"""Labels from masks that anyone made, in the encodings that published masks come in.

What says unambiguously which pixel is which object is read; everything else is refused in a line
that says how to store it. Palette indices count, as in the official evaluator, not their colours;
an RGB mask has nothing but colours, so those of DAVIS's palette are taken for its indices.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from rgmp.config.dataset import Dataset
from rgmp.data import images
from rgmp.data.davis import PALETTE
from rgmp.data.images import Labels, Like
from rgmp.data.mask_source import MaskFile
from rgmp.data.sequence import ids_text
from rgmp.errors import UserError

_MOST_COLOURS = 256
_BLACK, _WHITE = (0, 0, 0), 255

_INDEX_OF = {tuple(PALETTE[3 * i : 3 * i + 3]): i for i in range(256)}
"""The label that DAVIS's palette shows in each of its colours."""


class Read(NamedTuple):
    """A mask as it was read.

    Attributes:
        labels: uint8 (H, W), as `rgmp.data.sequence.read_annotation` gives them.
        by_colour: for a palette mask whose indices show the colours of other labels in DAVIS's
            palette, the labels (H, W) that the colours say; else None.
    """

    labels: Labels
    by_colour: Labels | None = None


def read_mask(
    mask: MaskFile, dataset: Dataset, objects: Sequence[int], like: Like | None = None
) -> Read:
    """Read a mask in any encoding of which the meaning is certain.

    Palette indices and grey values are labels; with one object to find, 0 and 255 are background
    and object too. In RGB the colours of DAVIS's palette stand for their indices; with one object,
    black and any other colour are background and object. Where the foreground is the object, every
    label other than 0 is.

    Args:
        mask: the file.
        dataset: what counts as an object.
        objects: the ids that the ground truth has, in order; of the foreground 1.
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
        elif dataset.has_several:
            labels = _labels_of_grey(mask, labels, objects)
    if not dataset.has_several:
        shown = None if by_colour is None else _foreground(by_colour)
        return Read(_foreground(labels), shown)
    if by_colour is not None and labels.max() > objects[-1] >= by_colour.max():
        raise UserError(
            f"{mask}: palette index {labels.max()}, but {len(objects)} objects; its colours are "
            "those of DAVIS under other indices; convert it to RGB, whose colours are read"
        )
    return Read(labels, by_colour)


def _foreground(labels: Labels) -> Labels:
    """1 where there is a label, else 0."""
    return (labels > 0).astype(np.uint8)


def _labels_of_grey(mask: MaskFile, labels: Labels, objects: Sequence[int]) -> Labels:
    """The labels of a grey mask of objects, of which 255 may be the only one.

    Raises:
        UserError: it is black and white, but there are several objects.
    """
    if labels.max() != _WHITE or ((labels != 0) & (labels != _WHITE)).any():
        return labels
    if len(objects) > 1:
        raise UserError(
            f"{mask}: black and white, one mask for {len(objects)} objects; allowed: their ids "
            f"{ids_text(objects)}; store them, or score as davis2016"
        )
    return _foreground(labels) * np.uint8(objects[0])


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


def _labels_of_colours(mask: MaskFile, image: Image.Image, objects: Sequence[int]) -> Labels:
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
    if len(objects) == 1 and len(others) == 1 and len(colours) <= 2:
        said[others[0]] = objects[0]
    unknown = [c for c, label in said.items() if label is None or label not in {0, *objects}]
    if unknown:
        shown = ", ".join(map(str, unknown[0]))
        allowed = (
            f"DAVIS's colours of objects {ids_text(objects)}"
            if len(objects) > 1
            else "one other colour"
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
