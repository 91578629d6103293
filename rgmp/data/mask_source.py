"""Where masks of any method lie: a folder or a zip of them, and which file is which frame's.

A zip is read in place. Names are matched to frames by their only changing number where they are not
the frames' own (`0.png`, `frame_00000.png`); what that says is a note for the user. What archivers
leave behind is ignored.
"""

import os
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from rgmp.errors import UserError
from rgmp.runtime.archives import damage_as, files_in
from rgmp.runtime.files import (
    digest_of,
    digest_of_bytes,
    files_below,
    no_such,
    reading,
    require_regular,
)

_READABLE = "name a readable folder or zip of masks, <sequence>/00000.png and so on"
_DEPTH = 3
"""Folders above those of the sequences that are looked through, such as `rgmp/480p/`."""
_LARGEST = 2**26
"""Bytes of one mask in an archive; a larger one is no mask."""


class MaskFile(NamedTuple):
    """A file of a folder, or a member of an archive.

    Attributes:
        place: the file, or the archive.
        member: its full name in the archive; empty for a file.
    """

    place: Path
    member: str = ""

    def __str__(self) -> str:
        return f"{self.place}/{self.member}" if self.member else str(self.place)

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return PurePosixPath(self.member).name if self.member else self.place.name

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Open it for reading.

        Raises:
            UserError: it is no file, or its archive is damaged, encrypted or packed otherwise.
        """
        if self.member:
            return BytesIO(_unpacked(self))
        require_regular(self.place, "put the image there")
        return self.place.open("rb")


class Match(NamedTuple):
    """The masks of a sequence.

    Attributes:
        masks: of each frame that has one, by the frame's name, such as `00000`.
        surplus: names of files that belong to no frame.
        example: a name that is not its frame's own; empty if every name is.
    """

    masks: Mapping[str, MaskFile]
    surplus: tuple[str, ...]
    example: str = ""


@dataclass(frozen=True)
class MaskSource:
    """A folder or an archive of masks.

    Attributes:
        path: of the folder or the archive.
        top: the folders between it and those of the sequences; empty if there are none.
        folders: the images of each folder in there, by the folder's and the file's name.
    """

    path: Path
    top: str
    folders: Mapping[str, Mapping[str, MaskFile]]

    def where(self, sequence: str) -> str:
        """The place of a sequence's masks, for messages."""
        return str(self.path / self.top / sequence)

    def masks_of(self, sequence: str, frames: Sequence[str]) -> Match:
        """The masks of a sequence, by the names of its frames."""
        files = {n: f for n, f in self.folders.get(sequence, {}).items() if n.endswith(".png")}
        return match(files, frames)

    def jpegs_of(self, sequence: str) -> list[str]:
        """The names of JPEGs in the folder of a sequence, which are no masks."""
        return sorted(n for n in self.folders.get(sequence, {}) if not n.endswith(".png"))

    def digest_of(self, sequences: Collection[str]) -> str:
        """SHA-256 of the files of masks, as `rgmp.data.digests.digest_of_masks` has it."""
        return digest_of(
            {
                name: digest_of(sorted(_named_digests(self.folders.get(name, {}))))
                for name in sequences
            }
        )


def _named_digests(files: Mapping[str, MaskFile]) -> Iterator[list[str]]:
    """The name and digest of each mask."""
    for name, file in files.items():
        if name.endswith(".png"):
            with file.open() as opened:
                yield [name, digest_of_bytes(opened.read())]


def match(files: Mapping[str, MaskFile], frames: Sequence[str]) -> Match:
    """Say which file is which frame's.

    A file named as a frame is that frame's. If none is, and the names differ in one number alone,
    each is the mask of the frame with that number.

    Args:
        files: by name.
        frames: names such as `00000`, in order.
    """
    stems = {name.rpartition(".")[0]: file for name, file in files.items()}
    if not stems.keys().isdisjoint(frames):
        found = {frame: stems[frame] for frame in frames if frame in stems}
        surplus = sorted(file.name for stem, file in stems.items() if stem not in found)
        return Match(found, tuple(surplus))
    by_number = {int(frame): frame for frame in frames if frame.isdecimal()}
    numbers = _numbers_of(sorted(stems))
    if not numbers or not set(numbers.values()) <= by_number.keys():
        return Match({}, tuple(sorted(files)))
    renamed = {by_number[number]: stems[stem] for stem, number in numbers.items()}
    found = {frame: renamed[frame] for frame in frames if frame in renamed}
    return Match(found, (), example=next(iter(found.values())).name)


def _numbers_of(stems: Sequence[str]) -> dict[str, int]:
    """The one number in which names differ, by name; empty if it is not certain or not unique."""
    parts = [re.split(r"([0-9]+)", stem) for stem in stems]
    if len({len(each) for each in parts}) != 1:
        return {}
    differs = [place for place, each in enumerate(zip(*parts, strict=True)) if len(set(each)) > 1]
    if len(differs) != 1 or not differs[0] % 2:  # odd places hold the numbers
        return {}
    numbers = {stem: int(each[differs[0]]) for stem, each in zip(stems, parts, strict=True)}
    return numbers if len(set(numbers.values())) == len(numbers) else {}


def files_of(path: Path) -> list[Path]:
    """The files that hold masks: an archive, if it has any, or the PNGs below a folder.

    Raises:
        UserError: they cannot be looked up, or it is neither a folder nor a readable zip.
    """
    with reading(path, _READABLE):
        if _is_archive(path):
            return [path] if _members(path) else []
    return files_below(path, "*.png")


def open_masks(path: Path, sequences: Collection[str]) -> MaskSource:
    """List the masks in a folder or an archive; none is opened.

    Args:
        path: a folder with a folder of masks per sequence, or a zip of that. If it has none of the
            sequences' folders, they are looked for below its top folders.
        sequences: the names to look for.

    Raises:
        UserError: there is no such folder or readable zip, or it has several folders of the same
            sequence.
    """
    with reading(path, _READABLE):
        if _is_archive(path):
            folders = _members(path)
        else:
            folders = _listed(path, "", 1)
            if not any(name in sequences for name in folders):
                folders = _listed(path, "", _DEPTH + 1)
    top = _top_of(path, folders, sequences)
    below = {
        PurePosixPath(folder).name: files
        for folder, files in folders.items()
        if _parent(folder) == top
    }
    return MaskSource(path, top, below)


def _is_archive(path: Path) -> bool:
    """Whether masks are in a file, not a folder.

    Raises:
        UserError: there is neither.
    """
    if path.is_file():
        return True
    if not path.is_dir():
        raise UserError(
            f"{path}: {no_such('folder or zip', path)}; name one of masks, <sequence>/00000.png "
            "and so on"
        )
    return False


def _parent(folder: str) -> str:
    """The folder above, without a final slash; empty for none."""
    return folder.rpartition("/")[0]


def _top_of(path: Path, folders: Collection[str], sequences: Collection[str]) -> str:
    """The folder that holds those of the sequences.

    Raises:
        UserError: there are several.
    """
    tops = {_parent(folder) for folder in folders if PurePosixPath(folder).name in sequences}
    if "" in tops or not tops:
        return ""
    if len(tops) > 1:
        raise UserError(
            f"{path}: masks of the same data set in {', '.join(sorted(tops))}; name one of them"
        )
    return tops.pop()


def _listed(folder: Path, name: str, depth: int) -> dict[str, dict[str, MaskFile]]:
    """The images of the folders below one, by the folders' names from there; hidden ones apart."""
    found: dict[str, dict[str, MaskFile]] = {}
    for child in sorted(folder.iterdir()):
        if _is_left_behind(child.name) or not child.is_dir():
            continue
        below = f"{name}/{child.name}" if name else child.name
        images = [path for path in sorted(child.iterdir()) if _is_image(path.name)]
        found[below] = {path.name: MaskFile(path) for path in images}
        if depth > 1 and not images:
            found |= _listed(child, below, depth - 1)
    return found


def _is_left_behind(name: str) -> bool:
    """Whether archivers or file managers leave such files and folders behind."""
    return name.startswith(".") or name == "__MACOSX"


def _is_image(name: str) -> bool:
    return not _is_left_behind(name) and PurePosixPath(name).suffix in {".png", ".jpg", ".jpeg"}


def _members(path: Path) -> dict[str, dict[str, MaskFile]]:
    """The images in an archive, by folder and name.

    Raises:
        UserError: it is no zip that can be read, or has a file twice.
    """
    found: dict[str, dict[str, MaskFile]] = {}
    _archive.cache_clear()  # the file may have been replaced since
    with _opening(path):
        entries = [*files_in(_archive(path, os.getpid()))]
    for entry in entries:
        parts = entry.filename.replace("\\", "/").split("/")  # some packers write backslashes
        *above, name = [part for part in parts if part not in {"", "."}] or [""]
        if any(map(_is_left_behind, above)) or not _is_image(name):
            continue
        files = found.setdefault("/".join(above), {})
        if name in files:
            raise UserError(f"{path}: has {entry.filename} twice; pack it again")
        files[name] = MaskFile(path, entry.filename)
    return found


@lru_cache(maxsize=64)
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    """An open archive, once for each process: one that is shared would read at another's place."""
    del process
    return zipfile.ZipFile(path)


@contextmanager
def _opening(name: Path | MaskFile) -> Iterator[None]:
    """Turn what `zipfile` raises of an archive or its member into user errors.

    Raises:
        UserError: it is damaged, encrypted, or packed in a way that is not supported.
    """
    with (
        reading(Path(str(name)), _READABLE),
        damage_as(lambda why: UserError(f"{name}: not a readable zip ({why}); {_READABLE}")),
    ):
        yield


def _unpacked(mask: MaskFile) -> bytes:
    """The content of a member of an archive.

    Raises:
        UserError: it is larger than any mask, damaged or encrypted.
    """
    with _opening(mask):
        archive = _archive(mask.place, os.getpid())
        size = archive.getinfo(mask.member).file_size
        if size > _LARGEST:
            raise UserError(f"{mask}: unpacks to {size:,} bytes; no mask is that large")
        return archive.read(mask.member)
