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
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

from rgmp.download.catalogue import Archive, ArchiveKind
from rgmp.errors import UserError, shown
from rgmp.runtime.progress import Progress

_MOST_FILES = 200_000
_LARGEST_RATIO = 20
"""Unpacked to packed bytes: images and masks are compressed already and stay near 1."""

_SMALL = 10**7
"""Bytes that an archive may unpack to whatever its own size."""

_BLOCK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)


class ArchiveError(UserError):
    """An archive that is damaged, or that nobody should unpack."""


class Member(NamedTuple):
    """A regular file in an archive: its path below the new folder, its size, its bytes."""

    path: Path
    size: int
    open: Callable[[], IO[bytes]]


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
        ArchiveError: as `unpack`, also for what the block finds to be damaged.
    """
    members_of = _zip_members if kind == "zip" else _tar_members
    with _one_line_of(file), members_of(file, strip) as members:
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
def _one_line_of(file: Path) -> Iterator[None]:
    """Turn the errors of a damaged archive into user errors."""
    try:
        yield
    except _DAMAGED as error:
        raise ArchiveError(f"{file}: is damaged ({error}); fetch it again") from error
    except FileExistsError as error:
        raise ArchiveError(
            f"{file}: has duplicate members at {error.filename}; not unpacked"
        ) from error


@contextmanager
def _zip_members(file: Path, strip: str | None) -> Iterator[list[Member]]:
    with zipfile.ZipFile(file) as opened:
        members = []
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir():
                continue
            if kind not in {0, stat.S_IFREG}:
                _refuse(file, info.filename, "is neither a file nor a folder")
            if info.flag_bits & 1:
                _refuse(file, info.filename, "is encrypted")
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                _refuse(file, info.filename, "is compressed by a method other than deflate")
            path = _path_of(file, info.orig_filename, strip)
            if path:
                members.append(Member(path, info.file_size, partial(opened.open, info)))
        yield members


@contextmanager
def _tar_members(file: Path, strip: str | None) -> Iterator[list[Member]]:
    with tarfile.open(file, "r:") as opened:
        members = []
        for info in opened:
            if info.isdir():
                continue
            if not info.isreg():
                _refuse(file, info.name, "is neither a file nor a folder")
            path = _path_of(file, info.name, strip)
            if path:
                members.append(Member(path, info.size, partial(_opened, opened, info)))
        yield members


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
        FileExistsError: a file of its path is there, or one in the place of a folder above it.
        EOFError: it has fewer bytes, or more.
    """
    target = folder / member.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except NotADirectoryError as error:  # a file is there
        raise FileExistsError(error.errno, error.strerror, error.filename) from error
    left = member.size
    with member.open() as source, target.open("xb") as sink:
        while block := source.read(_BLOCK):
            left -= len(block)
            if left < 0:
                break
            sink.write(block)
    if left:
        raise EOFError(f"{member.path} does not have the size stated in the archive")


def _refuse(file: Path, member: str, why: str) -> NoReturn:
    raise ArchiveError(f"{file}: member {shown(member)} {why}; not unpacked")
