"""Unpack an archive into a new folder, and nothing outside it.

Members are not extracted by the archive's own rules: only the names, once checked, and the bytes of
regular files are used, never links, modes, owners or times. All names, kinds and sizes are checked
before the first file is written.
"""

import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

from rgmp.download.catalogue import Archive, ArchiveKind
from rgmp.errors import UserError, shown
from rgmp.runtime.archives import damage_as, files_in
from rgmp.runtime.files import reading
from rgmp.runtime.progress import Progress

_MOST_FILES = 200_000
_LARGEST_RATIO = 20
"""Unpacked to packed bytes: images and masks are compressed already and stay near 1."""

_SMALL = 10**7
"""Bytes that an archive may unpack to whatever its own size."""

_BLOCK = 1 << 20


class ArchiveError(UserError):
    """An archive that is damaged, or that nobody should unpack."""


class Member(NamedTuple):
    """A regular file in an archive.

    Attributes:
        archive: the file that it is in.
        path: below the new folder.
        size: in bytes, as the archive states it.
        open: opens it for reading.
    """

    archive: Path
    path: Path
    size: int
    open: Callable[[], IO[bytes]]

    def blocks(self) -> Iterator[bytes]:
        """Its bytes: as many as stated.

        Raises:
            ArchiveError: it is damaged, or has fewer bytes, or more.
        """
        left = self.size
        with _faults_named(self.archive), self.open() as source:
            while block := source.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    break
                yield block
            if left:
                raise EOFError(f"{self.path} does not have the size stated in the archive")


def unpack(file: Path, archive: Archive, folder: Path) -> None:
    """Unpack an archive; a file that is no archive is copied.

    What archivers of macOS add is left out.

    Args:
        file: the archive.
        archive: its description.
        folder: exists; the archive's files are added to what is there.

    Raises:
        ArchiveError: the archive is damaged or far larger than a data set's, or has a member that
            leads out of the folder, is neither a file nor a folder, or is a duplicate.
        UserError: there is no room for its files.
    """
    if archive.kind == "plain":
        require_room(folder, file.stat().st_size)
        shutil.copyfile(file, folder / Path(archive.file).name)
        return
    with opened(file, archive.kind, archive.strip) as members:
        require_room(folder, sum(member.size for member in members))
        progress = Progress(f"unpacking {file.name}", "files", len(members))
        for number, member in enumerate(members, 1):
            write_member(member, folder)
            progress.at(number)


@contextmanager
def opened(file: Path, kind: ArchiveKind, strip: str | None = None) -> Iterator[list[Member]]:
    """Open an archive and list its members; the block may read them.

    Args:
        file: the archive.
        kind: of archive.
        strip: top folders that are left out of the members' paths.

    Raises:
        ArchiveError: as `unpack`.
        UserError: the file cannot be read.
    """
    with ExitStack() as opening:
        with _faults_named(file):
            if kind == "zip":
                members = [*_zip_members(opening.enter_context(zipfile.ZipFile(file)), file, strip)]
            else:
                tar = opening.enter_context(tarfile.open(file, "r:"))
                members = [*_tar_members(tar, file, strip)]
        _require_sane(members, file)
        yield members


def require_room(folder: Path, needed: int) -> None:
    """Check that a disk has room.

    Args:
        folder: exists.
        needed: bytes.

    Raises:
        UserError: it has less.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder}: needs {megabytes(needed)} of disk, and {megabytes(free)} are free; "
            "free some space, or name another folder"
        )


def megabytes(size: int) -> str:
    """A size in bytes as text, in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{size / 1e6:.1f} MB"


@contextmanager
def _faults_named(file: Path) -> Iterator[None]:
    """Turn the errors of an archive that is read into user errors.

    Raises:
        ArchiveError: it is damaged.
        UserError: it cannot be read.
    """
    with (
        reading(file, "name a readable archive"),
        damage_as(lambda why: ArchiveError(f"{file}: is damaged ({why}); fetch it again")),
    ):
        yield


def _zip_members(archive: zipfile.ZipFile, file: Path, strip: str | None) -> Iterator[Member]:
    for info in files_in(archive):
        if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
            _refuse(file, info.filename, "is neither a file nor a folder")
        if info.flag_bits & 1:
            _refuse(file, info.filename, "is encrypted")
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            _refuse(file, info.filename, "is compressed by a method other than deflate")
        path = _path_of(file, info.orig_filename, strip)
        if path:
            yield Member(file, path, info.file_size, partial(archive.open, info))


def _tar_members(archive: tarfile.TarFile, file: Path, strip: str | None) -> Iterator[Member]:
    for info in archive:
        if info.isdir():
            continue
        if not info.isreg():
            _refuse(file, info.name, "is neither a file nor a folder")
        path = _path_of(file, info.name, strip)
        if path:
            yield Member(file, path, info.size, partial(_opened, archive, info))


def _opened(archive: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    """The content of a regular file in an archive."""
    content = archive.extractfile(info)
    if content is None:
        raise tarfile.ReadError("a member without content")
    return content


def _path_of(file: Path, name: str, strip: str | None) -> Path | None:
    """Where a member is unpacked, below the new folder; None: it is left out."""
    if name.startswith("/") or re.search(r"[\\\0]|^[A-Za-z]:", name):
        _refuse(file, name, "has an absolute path or one that is not portable")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if ".." in parts or not parts:
        _refuse(file, name, "leads out of its folder")
    if "__MACOSX" in parts or parts[-1] == ".DS_Store" or parts[-1].startswith("._"):
        return None
    top = strip.split("/") if strip else []
    return Path(*(parts[len(top) :] if parts[: len(top)] == top and parts != top else parts))


def _require_sane(members: Sequence[Member], file: Path) -> None:
    """Refuse an archive that fills a disk."""
    allowed = max(_SMALL, _LARGEST_RATIO * file.stat().st_size)
    total = sum(member.size for member in members)
    if len(members) > _MOST_FILES or total > allowed:
        raise ArchiveError(
            f"{file}: would unpack to {len(members)} files of {megabytes(total)}; allowed: "
            f"{_MOST_FILES} files of {megabytes(allowed)}; not unpacked"
        )


def write_member(member: Member, folder: Path) -> None:
    """Write a member's bytes below a folder: as many as the archive states, which was checked.

    Raises:
        ArchiveError: it is damaged, or a file of its path is there, or one in the place of a folder
            above it.
    """
    target = folder / member.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as sink:
            sink.writelines(member.blocks())
    except (FileExistsError, NotADirectoryError) as error:
        raise ArchiveError(
            f"{member.archive}: has duplicate members at {error.filename}; not unpacked"
        ) from error


def _refuse(file: Path, member: str, why: str) -> NoReturn:
    raise ArchiveError(f"{file}: member {shown(member)} {why}; not unpacked")
