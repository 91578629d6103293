"""Whether a file is the one that was meant: its beginning, size and digest."""

import hashlib
import html
import re
from pathlib import Path
from typing import NamedTuple

from rgmp.download.catalogue import Archive, ArchiveKind

HEAD = 512
"""Bytes at the beginning of a file that tell of what kind it is."""

_MORE_THAN_ABOUT = 5
_SMALL = 10**8
"""Bytes that a file may have whatever the catalogue says about its size."""


class Wanted(NamedTuple):
    """What is known of a file before it is there.

    Attributes:
        kind: of archive.
        size: in bytes; None: not known.
        digest: its algorithm and value, as in `Archive`; None: not known.
        most: bytes; where the size is not known, a file that has more is another one.
        note: what else is known of size and digest, as in `Archive`.
    """

    kind: ArchiveKind
    size: int | None = None
    digest: str | None = None
    most: int = _SMALL
    note: str | None = None

    @classmethod
    def of(cls, archive: Archive) -> "Wanted":
        """What the catalogue knows of an archive."""
        most = max(_SMALL, _MORE_THAN_ABOUT * archive.expected)
        return cls(archive.kind, archive.size, archive.digest, most, archive.note)

    def instead_of(self, wanted: object) -> str:
        """How a message on another size or digest ends."""
        return f" instead of {wanted}{f' ({self.note})' if self.note else ''}"


def fault_of_head(head: bytes, kind: ArchiveKind) -> str | None:
    """Why a file that begins like this is not of that kind; None: it may be.

    Servers answer with web pages where files were: of errors, quotas, a new home page.

    Args:
        head: the first `HEAD` bytes, or all that there are.
        kind: of archive.
    """
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return f"is a web page{title_of(head)}, not a file"
    if kind == "zip" and not head.startswith((b"PK\3\4", b"PK\5\6")):
        return "is not a ZIP archive"
    if kind == "tar" and head[257:262] != b"ustar":
        return "is not a tar archive"
    return None


def title_of(page: bytes) -> str:
    """The title of a web page, in quotes after a space; empty if there is none."""
    found = re.search(rb"<title[^>]*>(.*?)</title", page, re.IGNORECASE | re.DOTALL)
    text = html.unescape(found[1].decode("utf-8", "replace")) if found else ""
    title = " ".join(text.split())[:100]
    return f' "{title}"' if title else ""


def fault_of(path: Path, wanted: Wanted) -> str | None:
    """Why a file is not the one that is wanted; None: it is, as far as is known.

    The whole file is read again, for it is the bytes on the disk that matter.
    """
    with path.open("rb") as file:
        fault = fault_of_head(file.read(HEAD), wanted.kind)
    if fault:
        return fault
    size = path.stat().st_size
    if wanted.size not in {None, size}:
        return f"has {size} bytes{wanted.instead_of(wanted.size)}"
    if wanted.digest:
        algorithm = wanted.digest.partition(":")[0]
        digest = tagged_digest_of(path, algorithm)
        if digest != wanted.digest:
            return f"digest mismatch: {digest}{wanted.instead_of(wanted.digest)}"
    return None


def tagged_digest_of(path: Path, algorithm: str = "sha256") -> str:
    """A file's digest with the name of its algorithm before it, as in `Archive`.

    Args:
        path: of the file.
        algorithm: sha256, or gitblob: SHA-1 of "blob", the size, a zero byte and the file, which
            git calls the file's id.
    """
    digest = hashlib.sha256() if algorithm == "sha256" else hashlib.sha1(usedforsecurity=False)
    if algorithm == "gitblob":
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        hashlib.file_digest(file, lambda: digest)
    return f"{algorithm}:{digest.hexdigest()}"
