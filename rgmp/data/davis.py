"""Read and check a DAVIS tree, and write masks that its tools can open.

The layout is that of DAVIS-2017 (Pont-Tuset et al., arXiv:1704.00675); both years share frames:
`JPEGImages/<resolution>/<sequence>/00000.jpg`, `Annotations/<resolution>/<sequence>/00000.png`,
`ImageSets/2016/<split>.txt` and `ImageSets/2017/<split>.txt`, one sequence per line. The archive of
DAVIS-2016 has `ImageSets/<resolution>/<split>.txt` instead, which lists a frame and its annotation
per line; it is read too.

Two benchmarks are read from it. `davis2016` has one object, the foreground: any value but
background, whether in DAVIS-2016's own 0/255 masks or in DAVIS-2017's indexed ones. `davis2017` has
the objects 1, 2, ... of frame 0, and 255 is void.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from PIL import Image

from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.data.images import Labels, Like, read_labels
from rgmp.errors import UserError
from rgmp.runtime.files import files_below, reading, require_regular

VOID = 255


@dataclass(frozen=True)
class Sequence:
    """The files of one video, in order.

    Attributes:
        name: as in the split, such as `blackswan`.
        frames: the JPEGs, at least one.
        annotations: the annotated frames' PNGs; `annotations[0]` belongs to `frames[0]`. One per
            frame, or only the first if the ground truth of the others is withheld.
    """

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]

    @property
    def is_fully_annotated(self) -> bool:
        """Whether every frame has an annotation, not only the first."""
        return len(self.annotations) == len(self.frames)

    @property
    def annotated(self) -> list[str]:
        """The names of the frames that are annotated, such as `00000`."""
        return [annotation.stem for annotation in self.annotations]

    @property
    def scored(self) -> tuple[Path, ...]:
        """The annotations that masks are scored against: all but the first and the last."""
        return self.annotations[1:-1]

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file: the frames, then the annotations."""
        return (*self.frames, *self.annotations)

    def require_annotated(self, least: int, purpose: str) -> None:
        """Require that every frame is annotated, and that there are at least `least`.

        Raises:
            UserError: there are fewer; the message names `purpose`, such as `davis2017/val`.
        """
        if not self.is_fully_annotated or len(self.frames) < least:
            length = f" and at least {least} frames" if least > 1 else ""
            raise UserError(
                f"{self.annotations[0].parent}: {len(self.annotations)} of {len(self.frames)} "
                f"frames annotated; {purpose} needs every frame annotated{length}; complete the "
                "sequence, or name a split without it"
            )


LEAST_TO_TRAIN = 2
"""Frames of a video for stage 2: the reference and a target."""

LEAST_TO_SCORE = 3
"""Frames of a video that can be scored: the first and the last are left out."""

_READABLE_ROOT = "name the root of a readable DAVIS tree"


def split_file(root: Path, benchmark: Benchmark, split: str) -> Path:
    """The list of a split's sequences."""
    return root / "ImageSets" / benchmark.removeprefix("davis") / f"{split}.txt"


def frames_folder(root: Path, resolution: str = RESOLUTION) -> Path:
    """The folder that has a folder of frames for each sequence, 00000.jpg and so on."""
    return root / "JPEGImages" / resolution


def annotations_folder(root: Path, resolution: str = RESOLUTION) -> Path:
    """The folder that has a folder of annotations for each sequence, 00000.png and so on."""
    return root / "Annotations" / resolution


class Listing(NamedTuple):
    """A list of a split's sequences.

    Attributes:
        path: the file.
        names: those that can be read, each once, in the file's order.
        problems: what is wrong with the others, a line each; none in a list that can be used.
    """

    path: Path
    names: list[str]
    problems: list[str]

    def required(self) -> list[str]:
        """The names.

        Raises:
            UserError: something is wrong with the list: the first of it.
        """
        if self.problems:
            raise UserError(self.problems[0])
        return self.names


def read_split(
    root: Path, benchmark: Benchmark, split: str, resolution: str = RESOLUTION
) -> list[str]:
    """The names of a split's sequences, in the file's order.

    Raises:
        UserError: as `list_split`, or an entry is not a plain name or is a duplicate.
    """
    return list_split(root, benchmark, split, resolution).required()


def list_split(
    root: Path, benchmark: Benchmark, split: str, resolution: str = RESOLUTION
) -> Listing:
    """The list of a split's sequences.

    Raises:
        UserError: no such tree or split, or a split that is not a readable file.
    """
    path = split_file(root, benchmark, split)
    listing = root / "ImageSets" / resolution / path.name
    with reading(path, _READABLE_ROOT):
        lists_frames = benchmark == "davis2016" and not _exists(path) and _exists(listing)
        path = listing if lists_frames else path
        if not _exists(path):
            folders = [path.parent, *([listing.parent] if benchmark == "davis2016" else [])]
            found = {file.stem for folder in folders for file in folder.glob("*.txt")}
            raise UserError(
                f"{path}: no such split; splits of {benchmark} in {root}: "
                f"{', '.join(sorted(found)) or 'none'}; "
                "name the root of a DAVIS tree, with ImageSets, JPEGImages and Annotations under it"
            )
    return _list_pairs(path) if lists_frames else _list_names(path)


def read_names(path: Path) -> list[str]:
    """The names in a list of sequences, one per line, in the file's order.

    Raises:
        UserError: it is not a readable file, or an entry is not a plain name or is a duplicate.
    """
    return _list_names(path).required()


def _list_names(path: Path) -> Listing:
    """A list of sequences, one per line.

    Raises:
        UserError: it is not a readable file.
    """
    entries = Counter(_text_of(path).split())
    problems = [
        f"{path}: {name!r} is not a sequence name; allowed: one name per line"
        for name in entries
        if not _is_plain(name)
    ]
    problems += [
        f"{path}: lists {name} {times} times; list each sequence once"
        for name, times in entries.items()
        if times > 1
    ]
    if not entries:
        problems.append(f"{path}: lists no sequence; allowed: one name per line")
    return Listing(path, [*filter(_is_plain, entries)], problems)


def _text_of(path: Path) -> str:
    """The text of a list.

    Raises:
        UserError: it is not a readable file.
    """
    with reading(path, _READABLE_ROOT):
        require_regular(path, _READABLE_ROOT)
        return path.read_text(encoding="utf-8-sig", errors="replace")


def _is_plain(name: str) -> bool:
    """Whether a name leads to no other folder."""
    return Path(name).name == name and name not in {".", ".."} and "\0" not in name


def _list_pairs(path: Path) -> Listing:
    """A list of frames and annotations: its sequences in the order in which they first appear.

    Each line has the paths of a frame and of its annotation, with a slash for the root:
    `/JPEGImages/480p/camel/00000.jpg /Annotations/480p/camel/00000.png`. Which frames a sequence
    has, its folders say.

    Raises:
        UserError: it is not a readable file.
    """
    names: dict[str, None] = {}
    problems = []
    for number, line in enumerate(_text_of(path).splitlines(), start=1):
        match [PurePosixPath(given).parts for given in line.split()]:
            case []:
                continue
            case [("/", "JPEGImages", _, name, frame), ("/", "Annotations", _, same, mask)]:
                if name == same and _is_plain(name) and Path(frame).stem == Path(mask).stem:
                    names[name] = None
                    continue
        problems.append(
            f"{path}: line {number} is no frame and its annotation; allowed: lines such as "
            "/JPEGImages/480p/camel/00000.jpg /Annotations/480p/camel/00000.png"
        )
    if not names and not problems:
        problems.append(f"{path}: lists no frame; download DAVIS-2016 again")
    return Listing(path, [*names], problems)


def _exists(path: Path) -> bool:
    """Whether anything is at `path`, including a dangling link.

    Raises:
        OSError: it cannot be determined.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def open_sequence(root: Path, name: str, resolution: str = RESOLUTION) -> Sequence:
    """List the files of one sequence and check that they match; none is opened.

    Raises:
        UserError: a folder, a frame or an annotation is missing, or a folder is not readable.
    """
    sequence = list_sequence(root, name, resolution)
    for problem in problems_of_files(sequence, root, resolution):
        raise UserError(problem)
    return sequence


def list_sequence(root: Path, name: str, resolution: str = RESOLUTION) -> Sequence:
    """The files of one sequence as they are there, whether or not they match.

    Raises:
        UserError: a folder is not readable.
    """
    frames = _visible(frames_folder(root, resolution) / name, ".jpg")
    return Sequence(name, frames, masks_in(annotations_folder(root, resolution) / name))


def problems_of_files(
    sequence: Sequence, root: Path, resolution: str = RESOLUTION
) -> Iterator[str]:
    """Which files of a sequence (`list_sequence`) are missing or belong to no frame."""
    folder = frames_folder(root, resolution) / sequence.name
    if not sequence.frames:
        yield f"{folder}: no frames (00000.jpg, ...) for sequence {sequence.name}"
        return
    absent = _absent(sequence)
    for number, frame in enumerate(sequence.frames):
        if frame.stem != f"{number:05d}":
            others = [f"{name}.jpg" for name in absent if int(name) > number]
            yield (
                f"{folder}: {number:05d}.jpg is missing, found {frame.name} instead"
                f"{_more(others)}; number frames from 00000 without gaps"
            )
            break
    folder = annotations_folder(root, resolution) / sequence.name
    frames = {frame.stem for frame in sequence.frames if is_numbered(frame)}
    annotated = {*sequence.annotated}
    if surplus := [f"{name}.png" for name in sorted(annotated.difference(frames, absent))]:
        yield f"{folder}: {surplus[0]} has no frame{_more(surplus[1:])}; remove it"
    # the truth of later frames may be withheld
    unlike = [f"{name}.png" for name in sorted(frames - annotated)]
    if unlike and annotated & frames != {"00000"}:
        yield (
            f"{folder}: {unlike[0]} is missing{_more(unlike[1:])}; annotate every frame, or only "
            "frame 0"
        )


def _absent(sequence: Sequence) -> list[str]:
    """The numbers of the frames that are missing before the last one."""
    there = {frame.stem for frame in sequence.frames if is_numbered(frame)}
    last = max(there, default="0")
    return [f"{n:05d}" for n in range(int(last)) if f"{n:05d}" not in there]


def is_numbered(path: Path) -> bool:
    """Whether a file is named by a frame's number, as 00000.jpg."""
    return _NUMBER.fullmatch(path.stem) is not None


_NUMBER = re.compile("[0-9]{5}")


def _more(names: list[str]) -> str:
    """Further names, if there are any: ` (and 00005.jpg)`; of many, how many."""
    if not names:
        return ""
    rest = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f" (and {', '.join(names[:_FEW])}{rest})"


_FEW = 5
"""Names that a line about many of them lists."""


def _visible(folder: Path, suffix: str) -> tuple[Path, ...]:
    """A folder's files, sorted, without hidden files such as archivers leave; none if it is absent.

    Raises:
        UserError: the folder is not readable.
    """
    with reading(folder, _READABLE_ROOT):
        found = folder.iterdir() if _exists(folder) else iter(())
        return tuple(sorted(p for p in found if p.suffix == suffix and p.name[0] != "."))


def files_of(root: Path) -> Iterator[Path]:
    """Every file of a tree."""
    for name in ("ImageSets", "JPEGImages", "Annotations"):
        yield from files_below(root / name)


def read_annotation(path: Path, benchmark: Benchmark, like: Like | None = None) -> Labels:
    """Read an annotation as its benchmark defines it: uint8 (H, W).

    `davis2016`: 1 on the foreground (any nonzero value), else 0. `davis2017`: 0 background, 1, 2,
    ... objects, 255 void.

    Raises:
        UserError: as `read_labels`.
    """
    labels = read_labels(path, like)
    return (labels > 0).astype(np.uint8) if benchmark == "davis2016" else labels


def object_ids(first: Labels) -> list[int]:
    """The object ids of a sequence: 1 to the largest non-void label of its first annotation.

    As davis2017-evaluation counts them (ac7c43f): an id that frame 0 skips still counts.
    """
    labels = first[first != VOID]
    return list(range(1, int(labels.max(initial=0)) + 1))


def no_object(annotation: Path, labels: Labels, benchmark: Benchmark) -> str:
    """The problem of an annotation of frame 0, with its labels, that shows no object."""
    own = " but 255, as in DAVIS-2016's archive; unpack DAVIS-2017's over it, or apart"
    return (
        f"{annotation}: no object{own if (labels == VOID).any() else ''}; "
        f"frame 0 must show every object of {benchmark}"
    )


def without_void(labels: Labels) -> Labels:
    """Labels, uint8 (H, W), with void as background."""
    return np.where(labels == VOID, 0, labels).astype(np.uint8)


def write_mask(path: Path, labels: Labels) -> None:
    """Write labels, uint8 (H, W), as a PNG with DAVIS's palette, and flush it to disk.

    Into a folder that appears whole or not at all (`rgmp.inference.segment`), and so in place: a
    temporary file and its renaming would take longer than a small mask.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        image_of(labels).save(file, format="PNG")
        file.flush()
        os.fsync(file.fileno())


def image_of(labels: Labels) -> Image.Image:
    """Labels, uint8 (H, W), as an image with DAVIS's palette."""
    image = Image.fromarray(labels, mode="P")
    image.putpalette(PALETTE)
    return image


def masks_in(folder: Path) -> tuple[Path, ...]:
    """The masks of a folder, sorted, without hidden files; none if it is absent.

    Raises:
        UserError: the folder is not readable.
    """
    return _visible(folder, ".png")


def _palette() -> bytes:
    """DAVIS's palette, which is Pascal VOC's: an index's bits spread over three channels."""
    index = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (((index >> (3 * bit + channel)) & 1) << (7 - bit)).astype(
                np.uint8
            )
    return colours.tobytes()


PALETTE = _palette()
