"""Digests of files' bytes, computed once: unchanged files are not read again.

A digest is trusted by git's rules for its index (https://git-scm.com/docs/racy-git): while size,
times of modification and change, and inode are those that the file had when it was read; and only
if both times were over by then, since a file can change again within one tick of its clock. The
cache decides nothing else: without it, or with garbage in it, files are read again.

Processes may share a cache. It is replaced as a whole, with what others have added meanwhile; of
two that write in the same instant one may lose what it added, which is then computed again.
"""

import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from rgmp.errors import UserError
from rgmp.runtime import files
from rgmp.runtime.files import digest_of_all, reading, require_regular, write_json

FILE = "digests.json"
"""The cache of all studies of a project, beside their folders."""

_TICK_NS = 2 * 10**9
"""The coarsest clock of a file system (FAT: 2 s)."""
_SHA256 = re.compile("[0-9a-f]{64}")

_Stamp = list[int]
_Entries = dict[str, tuple[_Stamp, str]]


class Digests:
    """Digests of files' bytes, cached."""

    def __init__(self, path: Path | None = None) -> None:
        """Load the cache at `path`, if it exists and is intact; None: nothing is kept."""
        self._path = path
        self._known = _read(path) if path else {}
        self._new: _Entries = {}

    def of(self, path: Path) -> str:
        """SHA-256 of a file's bytes.

        Raises:
            UserError: there is no such file, or it is unreadable.
        """
        what_to_do = "put it there, or correct its path"
        key = str(path.absolute())
        status = require_regular(path, what_to_do)
        stamp, digest = self._known.get(key, ([], ""))
        if stamp == _stamp(status):
            return digest
        now = time.time_ns()
        with reading(path, what_to_do):
            digest = files.digest_of_file(path)
            unchanged = _stamp(path.stat()) == _stamp(status)
        if unchanged and max(status.st_mtime_ns, status.st_ctime_ns) + _TICK_NS < now:
            self._new[key] = self._known[key] = _stamp(status), digest
        return digest

    def of_all(self, paths: Iterable[Path], names: int = 3) -> str:
        """Like `digest_of_all`, with cached digests."""
        return digest_of_all(paths, self.of, names)

    def save(self) -> None:
        """Save what was computed for the next time; without files that are no longer there.

        Where it cannot be written, nothing is kept.
        """
        if self._path is None or not self._new:
            return
        entries = _read(self._path) | self._new
        there = {
            key: [*stamp, digest] for key, (stamp, digest) in entries.items() if _is_there(key)
        }
        try:
            write_json(self._path, there)
        except UserError:
            return
        self._new = {}


def _stamp(status: os.stat_result) -> _Stamp:
    """What changes with a file's bytes."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _is_there(name: str) -> bool:
    try:
        return os.path.lexists(name)
    except ValueError:  # no path at all
        return False


def _read(path: Path) -> _Entries:
    """The entries of a cache; those that are none are ignored, as is a file that is none."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {key: (value[:-1], value[-1]) for key, value in entries if _is_entry(value)}


def _is_entry(value: object) -> bool:
    """Whether a value of the file is a stamp and a digest."""
    match value:
        case [int(), int(), int(), int(), str(digest)]:
            return _SHA256.fullmatch(digest) is not None
    return False
