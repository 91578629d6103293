"""ZIP archives whose bytes follow from what is in them, not from when or where they are written."""

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rgmp.errors import UserError
from rgmp.runtime.files import atomic_path, halves_beside, require_writable
from rgmp.runtime.locks import alone_in

_TIME = (1980, 1, 1, 0, 0, 0)
"""Of every member: the first that the format can say."""
_BLOCK = 1 << 20


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
