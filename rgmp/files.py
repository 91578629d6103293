"""Files that appear whole or not at all, and digests of what is in them."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rgmp.errors import UserError


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` when the block ends well.

    The block may create a file or a folder under the yielded name. A block that raises, or a
    process that is killed, leaves `path` as it was. An existing folder at `path` is replaced; in
    the instant between the two renames of that, it is absent.

    Raises:
        UserError: the parent folder cannot be made or written to, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _refusal(path, error) from error
    temporary = hidden / path.name
    try:
        yield temporary
        _sync(temporary)
        if path.is_dir() and not path.is_symlink():
            path.replace(hidden / "replaced")
        temporary.replace(path)
    except OSError as error:
        if error.errno not in _FORBIDDEN | _NO_ROOM:
            raise
        raise _refusal(path, error) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _refusal(path: Path, error: OSError) -> UserError:
    """What the operating system says against writing `path`, and where it says so."""
    where = f": {error.filename}" if error.filename else ""
    what_to_do = (
        "free some room" if error.errno in _NO_ROOM else "name a folder that you may write to"
    )
    return UserError(f"{path}: cannot be written ({error.strerror}{where}); {what_to_do}")


def _sync(path: Path) -> None:
    """Flush a file to the disk: a rename must not overtake the bytes it names.

    Raises:
        FileNotFoundError: there is nothing at `path`, and nothing must be replaced by it.
    """
    if not path.is_dir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def require_writable(folder: Path) -> None:
    """Prove that a file can be put into `folder`, before any work is done; nothing is left there.

    Where `folder` is still to be made, that is proved of the nearest folder above it.

    Raises:
        UserError: it cannot.
    """
    try:
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise _refusal(folder, error) from error


def write_text(path: Path, text: str) -> None:
    """Write `text` (UTF-8) to `path`, whole or not at all."""
    with appearing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is missing, cannot be read or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); run the job that makes it"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: is no JSON ({error}); remove it and run the job again") from error


def files_below(folder: Path, pattern: str = "*") -> list[Path]:
    """Files below a folder, sorted, without those that are being written (`appearing`)."""
    return sorted(
        path
        for path in folder.rglob(pattern)
        if path.is_file() and not any(x.startswith(".") for x in path.relative_to(folder).parts)
    )


def digest_of(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON value in its canonical form."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256, in hexadecimal, of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_all(
    paths: Iterable[Path], digest: Callable[[Path], str] = digest_of_file, names: int = 3
) -> str:
    """One SHA-256 for a set of files: their bytes and last `names` names, wherever they lie."""
    return digest_of(sorted(["/".join(path.parts[-names:]), digest(path)] for path in paths))


class Digests:
    """Digests of files' bytes, remembered as long as their sizes and times stay the same.

    A study's data are read whole once; after that, a look at their sizes and times suffices.
    """

    def __init__(self, path: Path) -> None:
        """Start from what `path` remembers, if it is there and whole."""
        self._path = path
        try:
            self._known: dict[str, list[Any]] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._known = {}
        self._used: dict[str, list[Any]] = {}

    def of(self, path: Path) -> str:
        """SHA-256 of a file's bytes.

        Raises:
            UserError: there is no such file, or it cannot be read.
        """
        try:
            status = path.stat()
            key = str(path.absolute())
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            known = self._known.get(key)
            digest = known[-1] if known and known[:-1] == stamp else digest_of_file(path)
        except OSError as error:
            raise UserError(
                f"{path}: cannot be read ({error.strerror}); see the paths in the study"
            ) from error
        self._used[key] = [*stamp, digest]
        return digest

    def of_all(self, paths: Iterable[Path], names: int = 3) -> str:
        """As `digest_of_all`."""
        return digest_of_all(paths, self.of, names)

    def save(self) -> None:
        """Remember, for the next time, the files that were asked for."""
        if self._used != self._known:
            write_json(self._path, self._used)
