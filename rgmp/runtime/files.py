"""Files that appear whole or not at all, and digests of what is in them."""

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rgmp.errors import UserError


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a temporary name for a file; rename it to `path` when the block ends well.

    A block that raises, or a process that is killed, leaves `path` as it was. A file that is there
    is replaced, a link too, and not what it leads to.

    Raises:
        UserError: `path` is a folder, a device or the like, its folder cannot be made or written
            to, or the disk is full.
    """
    _require_replaceable(path)
    with _hidden(path) as temporary:
        yield temporary
        _sync(temporary)
        temporary.replace(path)


@contextmanager
def appearing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary name for a folder; rename it to `path` when the block ends well.

    A block that raises, or a process that is killed, leaves nothing at `path`.

    Raises:
        UserError: something is at `path` that is no empty folder, or as `appearing`.
    """
    if os.path.lexists(path):
        try:
            path.rmdir()
        except OSError as error:
            raise UserError(
                f"{path}: is there already ({error.strerror}); remove it, or name a new folder"
            ) from error
    with _hidden(path) as temporary:
        yield temporary
        temporary.replace(path)


@contextmanager
def _hidden(path: Path) -> Iterator[Path]:
    """A name in a hidden folder beside `path`, which is removed with all that is left in it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        yield hidden / path.name
    except OSError as error:
        if error.errno not in _FORBIDDEN | _NO_ROOM:
            raise
        raise _refusal(path, error) from error
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


_FORBIDDEN = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY, errno.EBUSY),
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _refusal(path: Path, error: OSError) -> UserError:
    """What the operating system says against writing `path`, and where it says so."""
    where = f": {error.filename}" if error.filename else ""
    what_to_do = (
        "free some room" if error.errno in _NO_ROOM else "name a folder that you may write to"
    )
    return UserError(f"{path}: cannot be written ({error.strerror}{where}); {what_to_do}")


@contextmanager
def reading(path: Path, what_to_do: str) -> Iterator[None]:
    """Look at files below `path`; what the system refuses is the user's to mend.

    Raises:
        UserError: a folder or a file may not be looked at.
    """
    try:
        yield
    except OSError as error:
        below = error.filename not in {None, path, str(path)}
        where = f": {error.filename}" if below else ""
        raise UserError(
            f"{path}: cannot be read ({error.strerror}{where}); {what_to_do}"
        ) from error


def require_regular(path: Path, what_to_do: str) -> os.stat_result:
    """Prove that there is a file to be read: to open a FIFO would wait for its writer for ever.

    Returns:
        its status.

    Raises:
        UserError: there is none, or it is a folder, a FIFO, a device or the like.
    """
    try:
        status = path.stat()
    except OSError as error:
        why = error.strerror
        if error.errno == errno.ENOENT and path.is_symlink():
            why = f"a link to {path.readlink()}, which is not there"
        raise UserError(f"{path}: cannot be read ({why}); {what_to_do}") from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: cannot be read (is {_kind(status)}, no file); {what_to_do}")
    return status


def _kind(status: os.stat_result) -> str:
    """What it is that is no file."""
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(status.st_mode), "a device")


def _require_replaceable(path: Path) -> None:
    """Prove that nothing is lost where a file is renamed to `path`, but a file of that name.

    Raises:
        UserError: a folder, a device or the like is there, or a link to one.
    """
    try:
        status = path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path}: is a link that leads back to itself; remove it") from error
        return  # nothing, or a link that leads nowhere; or as will be seen when it is written
    # the links in /dev may lead to files, and everyone else's output goes by them
    if not stat.S_ISREG(status.st_mode) or path.parent.resolve() == Path("/dev"):
        kind = "a device" if stat.S_ISREG(status.st_mode) else _kind(status)
        raise UserError(f"{path}: is {kind}; name a file, which is replaced, or a new one")


class Kind(NamedTuple):
    """A kind of file that this package writes: its name, and what reads it or refuses it.

    `read` raises a `UserError` where a file is none of that kind.
    """

    name: str
    read: Callable[[Path], object]


def require_target(path: Path, kind: Kind, read: Iterable[Path] = ()) -> None:
    """Prove before any work that a file can be put at `path`; nothing is left there.

    A file that is there is replaced only where it is empty, or of the kind that comes in its place.

    Args:
        path: of the file, which may be there.
        kind: of the file that is to be written.
        read: what must not be replaced, of whatever kind; asked for only where a file is there.

    Raises:
        UserError: it cannot, `path` is one of the files that are read, by whatever name, or what is
            there is of another kind.
    """
    _require_replaceable(path)
    require_writable(path.parent)
    if not path.exists():
        return
    own = path.stat()
    for other in read:
        if _is_same(own, other):
            raise UserError(f"{path}: is {other}, which is read; name another file to write")
    if own.st_size:
        try:
            kind.read(path)
        except UserError as error:
            raise UserError(
                f"{path}: is there already, and is no {kind.name}; name another file, or remove it"
            ) from error


def _is_same(own: os.stat_result, other: Path) -> bool:
    """Whether a file is the one of that status; one that may not be looked at cannot be known."""
    try:
        return os.path.samestat(own, other.stat())
    except OSError:
        return False


def _sync(path: Path) -> None:
    """Flush a file to the disk: a rename must not overtake the bytes it names.

    Raises:
        FileNotFoundError: there is nothing at `path`, and nothing must be replaced by it.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())


def require_writable(folder: Path) -> None:
    """Prove that a file can be put into `folder`, before any work is done; nothing is left there.

    Where `folder` is still to be made, that is proved of the nearest folder above it.

    Raises:
        UserError: it cannot.
    """
    try:
        nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
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


def read_text(path: Path, what_to_do: str, encoding: str = "utf-8") -> str:
    """Read a text.

    Raises:
        UserError: it is missing, cannot be read or is no text; the line ends with `what_to_do`.
    """
    require_regular(path, what_to_do)
    try:
        with reading(path, what_to_do):
            return path.read_text(encoding=encoding)
    except ValueError as error:
        raise UserError(f"{path}: is no UTF-8 text ({error}); {what_to_do}") from error


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: it is missing, cannot be read or is no JSON.
    """
    text = read_text(path, "run the job that makes it")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: is no JSON ({error}); remove it and run the job again") from error


def files_below(folder: Path, pattern: str = "*") -> list[Path]:
    """Files below a folder, sorted, without those that are being written (`appearing`).

    Raises:
        UserError: one of them may not be looked at.
    """
    with reading(folder, "name files that you may read"):
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


def _remembered(path: Path) -> dict[str, list[Any]]:
    """What `Digests` left there; what is no such thing is forgotten, and read again."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    entries = known.items() if isinstance(known, dict) else ()
    return {
        key: value
        for key, value in entries
        if isinstance(value, list) and value and isinstance(value[-1], str)
    }


class Digests:
    """Digests of files' bytes, remembered as long as their sizes and times stay the same.

    A study's data are read whole once; after that, a look at their sizes and times suffices.
    """

    def __init__(self, path: Path) -> None:
        """Start from what `path` remembers, if it is there and whole."""
        self._path = path
        self._known = _remembered(path)
        self._used: dict[str, list[Any]] = {}

    def of(self, path: Path) -> str:
        """SHA-256 of a file's bytes.

        Raises:
            UserError: there is no such file, or it cannot be read.
        """
        what_to_do = "see the paths in the study"
        status = require_regular(path, what_to_do)
        key = str(path.absolute())
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self._known.get(key)
        with reading(path, what_to_do):
            digest = known[-1] if known and known[:-1] == stamp else digest_of_file(path)
        self._used[key] = [*stamp, digest]
        return digest

    def of_all(self, paths: Iterable[Path], names: int = 3) -> str:
        """As `digest_of_all`."""
        return digest_of_all(paths, self.of, names)

    def save(self) -> None:
        """Remember, for the next time, the files that were asked for."""
        if self._used != self._known:
            write_json(self._path, self._used)
