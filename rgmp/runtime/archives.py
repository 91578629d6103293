"""Archives: how ZIPs are written, and what tells that one is damaged.

The bytes of a ZIP follow from what is in it, not from when or where it is written.
"""

import errno
import hashlib
import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rgmp.errors import UserError
from rgmp.runtime.files import atomic_path, halves_beside, require_writable
from rgmp.runtime.locks import alone_in

_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every member: the first that the format can say."""
_BLOCK = 1 << 20

_OF_DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError,
    # a name of other bytes than text, a version or a flag that is unknown, a place before the file
    ValueError, RuntimeError, IndexError, OverflowError,
)  # fmt: skip
"""What `zipfile` and `tarfile` raise of bytes that make no archive, encrypted ones among them."""

_OF_CONTENT = {None, errno.EINVAL, errno.EOVERFLOW}
"""Numbers of those `OSError` that come of what an archive says: `bz2` has none, and a place may be
before the file. Others come of the disk or its rights."""


@contextmanager
def damage_as(error_of: Callable[[str], Exception]) -> Iterator[None]:
    """Turn what reading a damaged archive raises into one error.

    The block opens, lists or reads an archive, and does nothing else.

    Args:
        error_of: makes the error from what is wrong.
    """
    try:
        yield
    except _OF_DAMAGE as error:
        raise error_of(str(error) or type(error).__name__) from error
    except OSError as error:
        if error.errno not in _OF_CONTENT:
            raise
        raise error_of(error.strerror or str(error)) from error


def files_in(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """The members of an archive that are no folders.

    Raises:
        BadZipFile: one has no name.
    """
    for info in archive.infolist():
        if not info.filename:  # `is_dir` would look at its last character
            raise zipfile.BadZipFile("a member has no name")
        if not info.is_dir():
            yield info


class Content(NamedTuple):
    """A file to be packed.

    Attributes:
        name: its path in the archive, with slashes.
        size: in bytes.
        sha256: of its bytes, in hexadecimal.
        open: opens it for reading.
    """

    name: str
    size: int
    sha256: str
    open: Callable[[], AbstractContextManager[BinaryIO]]

    @classmethod
    def of_file(cls, name: str, path: Path) -> "Content":
        """A file on disk, as it is now."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(name, path.stat().st_size, digest, lambda: path.open("rb"))

    @classmethod
    def of_bytes(cls, name: str, content: bytes) -> "Content":
        """A file that is nowhere else."""
        digest = hashlib.sha256(content).hexdigest()
        return cls(name, len(content), digest, lambda: BytesIO(content))


def write_zip(path: Path, contents: Iterable[Content]) -> None:
    """Write an archive, whole or not at all: the same contents give the same bytes.

    Members are sorted, have one time and are readable by all. PNGs, which are compressed already,
    are stored. What a killed process left of an archive of that name is removed.

    Raises:
        UserError: a file is not any more as it was when its digest was taken, or `path` cannot be
            written.
    """
    require_writable(path.parent)
    with alone_in(path):
        for half in halves_beside(path):
            shutil.rmtree(half, ignore_errors=True)
        with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for content in sorted(contents, key=lambda one: one.name):
                _add(archive, content)


def _add(archive: zipfile.ZipFile, content: Content) -> None:
    info = zipfile.ZipInfo(content.name, _TIME)
    info.create_system = 3  # Unix, wherever it is written
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    stored = content.name.endswith(".png")
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    info.file_size = content.size  # it tells whether the member needs ZIP64
    digest = hashlib.sha256()
    with content.open() as source, archive.open(info, "w") as sink:
        while block := source.read(_BLOCK):
            digest.update(block)
            sink.write(block)
    if digest.hexdigest() != content.sha256:
        raise UserError(f"{content.name}: changed while it was packed; run this again")
