"""Stills and their masks: in two folders, in one, or in part of a dataset.

Saliency sets (ECSSD, MSRA10K) pair images and masks by name, in two folders or one. Pascal VOC and
DAVIS have a mask with an index for each object, and text files that list a split's images or
folders of images.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rgmp.config.study import IMAGE_SUFFIXES, MASK_SUFFIXES, MaskValues, Stills
from rgmp.data.davis import VOID
from rgmp.data.images import Labels, Like, read_frame, read_labels
from rgmp.errors import UserError
from rgmp.runtime.files import no_such, read_text, reading


@dataclass(frozen=True)
class Still:
    """A photograph and its mask, whose values are defined by `Stills.labels`."""

    image: Path
    mask: Path
    labels: MaskValues = "foreground"

    def read_mask(self, size: tuple[int, ...]) -> Labels:
        """Decode the mask of an image of this size (H, W): 0, objects 1, 2, ..., VOID.

        Raises:
            UserError: it cannot be read, has another size, or its foreground is empty.
        """
        values = read_labels(self.mask, Like("its image", size))
        if self.labels == "objects":
            return values
        if not (values == 255).any():
            raise UserError(
                f"{self.mask}: no pixel has the foreground value 255; if each value is an object "
                "of its own, its labels are objects"
            )
        return np.select([values == 0, values == 255], [0, 1], VOID).astype(np.uint8)


def find_stills(sets: Sequence[Stills]) -> list[Still]:
    """Every image of the sets with its mask, in order.

    Raises:
        UserError: there is none, or as `list_pairs`.
    """
    found = [Still(*pair, each.labels) for each in sets for pair in list_pairs(each)]
    if not found:
        raise UserError("no images in any folder of stills; stage 1 needs at least one")
    return found


def problems_of(stills: Iterable[Still]) -> Iterator[str]:
    """Decode every still and its mask and yield their problems, one line each."""
    for still in stills:
        try:
            still.read_mask(read_frame(still.image).shape[:2])
        except UserError as error:
            yield str(error)


def list_pairs(stills: Stills) -> list[tuple[Path, Path]]:
    """Every image of a set with its mask, in order.

    Raises:
        UserError: a folder, a mask, an image or a listed name is missing.
    """
    together = stills.images == stills.masks
    suffixes = IMAGE_SUFFIXES - MASK_SUFFIXES if together else IMAGE_SUFFIXES
    images = list_images(stills.images, suffixes)
    masks = list_images(stills.masks, MASK_SUFFIXES)
    if stills.names is None:
        return _matched(images, masks, stills)
    found = []
    for name in _read_names(stills.names):
        if (stills.images / name).is_dir():
            found += _annotated(stills.images / name, stills.masks / name)
        elif name in images and name in masks:
            found.append((images[name], masks[name]))
        else:
            raise UserError(
                f"{stills.names}: {name} is neither an image in {stills.images} with a mask in "
                f"{stills.masks} nor a folder there; allowed: one name per line, without suffix"
            )
    return found


def _matched(
    images: dict[str, Path], masks: dict[str, Path], stills: Stills
) -> list[tuple[Path, Path]]:
    """Images and masks paired by name; each must have a counterpart."""
    for stem in sorted(images.keys() ^ masks.keys()):
        if stem in images:
            raise UserError(
                f"{images[stem]}: mask {stills.masks / stem}.png is missing; add it, or list those "
                "that have one in a text file (names)"
            )
        raise UserError(f"{masks[stem]}: no image of that name in {stills.images}")
    return [(images[stem], masks[stem]) for stem in images]


def _annotated(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """The frames of a video that have an annotation."""
    frames, annotations = list_images(images, IMAGE_SUFFIXES), list_images(masks, MASK_SUFFIXES)
    for stem in sorted(annotations.keys() - frames.keys()):
        raise UserError(f"{annotations[stem]}: no image of that name in {images}")
    return [(frames[stem], annotations[stem]) for stem in annotations]


def _read_names(path: Path) -> list[str]:
    text = read_text(path, "name a text file of images or folders, one per line", "utf-8-sig")
    names = text.split()
    for name in names:
        if Path(name).name != name or name in {".", ".."}:
            raise UserError(
                f"{path}: {name!r} is not an image or folder name; allowed: one name per line"
            )
    return names


def list_images(folder: Path, suffixes: Container[str]) -> dict[str, Path]:
    """The images of a folder by stem, sorted; hidden files are skipped.

    Raises:
        UserError: there is no such folder, or two images share a stem.
    """
    with reading(folder, "name readable folders of stills"):
        if not folder.is_dir():
            raise UserError(
                f"{folder}: {no_such('folder', folder)} of stills; name images and masks"
            )
        paths = sorted(folder.iterdir())
    images: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in images:
            raise UserError(f"{path}: {images[path.stem].name} has the same stem; keep one of them")
        images[path.stem] = path
    return images
