"""List the images and masks of a set of stills: two folders, one, or part of a dataset.

Saliency sets (ECSSD, MSRA10K) pair images and masks by name, in two folders or one. Pascal VOC and
DAVIS have a mask with an index for each object, and text files that list a split's images or
folders of images. Nothing is decoded here.
"""

from collections.abc import Container
from pathlib import Path

from rgmp.config.study import IMAGES, MASKS, Stills
from rgmp.errors import UserError
from rgmp.runtime.files import read_text, reading


def list_pairs(stills: Stills) -> list[tuple[Path, Path]]:
    """Every image of a set with its mask, in order.

    Raises:
        UserError: a folder, a mask, an image or a listed name is missing.
    """
    together = stills.images == stills.masks
    images = list_images(stills.images, IMAGES - MASKS if together else IMAGES)
    masks = list_images(stills.masks, MASKS)
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
    frames, annotations = list_images(images, IMAGES), list_images(masks, MASKS)
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
            raise UserError(f"{folder}: no such folder of stills; name images and masks")
        paths = sorted(folder.iterdir())
    images: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() not in suffixes or path.name.startswith("."):
            continue
        if path.stem in images:
            raise UserError(f"{path}: {images[path.stem].name} has the same stem; keep one of them")
        images[path.stem] = path
    return images
