"""Atomic writes, and digests of files."""

import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any, NamedTuple

from rgmp.errors import UserError


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name for a file; rename it to `path` when the block succeeds.

    A block that raises, or a process that is killed, leaves `path` as it was. An existing file is
    replaced; so is a symbolic link, rather than its target.

    Raises:
        UserError: `path` is a folder, a device or the like, its folder cannot be created or written
            to, or the disk is full.
    """
    _require_replaceable(path)
    with hidden_beside(path) as temporary:
        yield temporary
        _sync(temporary)
        temporary.replace(path)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary name for a folder; rename it to `path` when the block succeeds.

    A block that raises, or a process that is killed, leaves nothing at `path`.

    Raises:
        UserError: `path` exists and is not an empty folder, or as `atomic_path`.
    """
    if os.path.lexists(path):
        try:
            path.rmdir()
        except OSError as error:
            raise UserError(
                f"{path}: already exists ({error.strerror}); remove it, or name a new folder"
            ) from error
    with hidden_beside(path) as temporary:
        yield temporary
        temporary.replace(path)


@contextmanager
def renewed_folder(path: Path, older: Iterable[str] = ()) -> Iterator[Path]:
    """Yield a temporary name for a folder; put its files at `path` when the block succeeds.

    A new folder appears whole or not at all. In one that is there, each file replaces that of its
    name, whole, the `older` ones that are not made again are removed, and others stay.

    Args:
        path: of the folder.
        older: names of files below it, such as `tables/pairs.csv`.

    Raises:
        UserError: `path` is no folder, or as `atomic_path`.
    """
    if not os.path.lexists(path):
        with atomic_folder(path) as temporary:
            yield temporary
        return
    if not path.is_dir():
        raise UserError(f"{path}: already exists and is no folder; name a new folder")
    require_writable(path)
    with hidden_beside(path) as temporary:
        yield temporary
        made = [file.relative_to(temporary) for file in files_below(temporary)]
        for name in made:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).replace(path / name)
        for name in {*map(Path, older)}.difference(made):
            (path / name).unlink(missing_ok=True)


@contextmanager
def hidden_beside(path: Path) -> Iterator[Path]:
    """Yield a name in a hidden folder next to `path`; remove the folder with its content.

    Of a process that is killed the hidden folder stays: `halves_beside` lists such ones.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        hidden = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        with writing(path):
            yield hidden / path.name
    finally:
        shutil.rmtree(hidden, ignore_errors=True)


def halves_beside(path: Path) -> list[Path]:
    """The hidden folders that killed processes left next to `path`, or living ones work in."""
    return [*path.parent.glob(f".{escape(path.name)}.????????")]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn refusals of the operating system while writing `path` into user errors.

    Raises:
        UserError: it is not allowed, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FORBIDDEN | _NO_ROOM:
            raise
        raise _refusal(path, error) from error


_FORBIDDEN = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTEMPTY, errno.EBUSY),
}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def _refusal(path: Path, error: OSError) -> UserError:
    """The error for a `path` that the operating system refuses to write."""
    where = f": {error.filename}" if error.filename else ""
    what_to_do = "free some space" if error.errno in _NO_ROOM else "name a writable folder"
    return UserError(f"{path}: cannot be written ({error.strerror}{where}); {what_to_do}")


@contextmanager
def reading(path: Path, what_to_do: str) -> Iterator[None]:
    """Turn errors of the operating system while reading below `path` into user errors.

    Raises:
        UserError: a folder or a file cannot be read.
    """
    try:
        yield
    except OSError as error:
        below = error.filename not in {None, path, str(path)}
        where = f": {error.filename}" if below else ""
        why = _reason(error, Path(str(error.filename)) if below else path)
        raise UserError(f"{path}: cannot be read ({why}{where}); {what_to_do}") from error


def require_regular(path: Path, what_to_do: str) -> os.stat_result:
    """Check that `path` is a regular file: opening a FIFO would wait forever for its writer.

    Returns:
        its status.

    Raises:
        UserError: it does not exist, or is a folder, a FIFO, a device or the like.
    """
    try:
        status = path.stat()
    except OSError as error:
        why = _reason(error, path)
        raise UserError(f"{path}: cannot be read ({why}); {what_to_do}") from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path}: cannot be read (is {_kind(status)}, not a file); {what_to_do}")
    return status


def no_such(wanted: str, path: Path) -> str:
    """Why nothing of a kind was found at `path`, for messages: `no such folder`, or what is there.

    Args:
        wanted: the kind, such as `folder`, as which a FIFO or a broken link does not count.
        path: where it should be.
    """
    try:
        found = _kind(path.stat())
    except (OSError, ValueError) as error:
        if not os.path.islink(path):  # noqa: PTH114 - of a name that is too long, it is none
            return f"no such {wanted}"
        itself = isinstance(error, OSError) and error.errno == errno.ELOOP
        found = "a link to itself" if itself else f"a broken link to {path.readlink()}"
    return f"is {found}, not a {wanted}"


def _reason(error: OSError, path: Path) -> str:
    """Why `path` cannot be read."""
    if error.errno == errno.ENOENT and path.is_symlink():
        return f"broken link to {path.readlink()}"
    if error.errno == errno.ENOTDIR and os.path.lexists(path):
        return no_such("folder", path)
    return error.strerror or str(error)


def _kind(status: os.stat_result) -> str:
    """The kind of a file, folder or the like."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(status.st_mode), "a device")


def _require_replaceable(path: Path) -> None:
    """Check that renaming a file to `path` replaces nothing but a file.

    Raises:
        UserError: `path` is a folder, a device or the like, or a link to one.
    """
    try:
        status = path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path}: is a link to itself; remove it") from error
        return  # nothing or a broken link there; any other obstacle shows when it is written
    # links in /dev may lead to files, and other programs write through them
    if not stat.S_ISREG(status.st_mode) or path.parent.resolve() == Path("/dev"):
        kind = "a device" if stat.S_ISREG(status.st_mode) else _kind(status)
        raise UserError(f"{path}: is {kind}; name a new file, or an existing one to replace")


class Kind(NamedTuple):
    """A kind of file that this package writes.

    Attributes:
        name: in an error message.
        read: reads such a file, or raises a `UserError` if it is of another kind.
    """

    name: str
    read: Callable[[Path], object]


def require_target(path: Path, kind: Kind, read: Iterable[Path] = ()) -> None:
    """Check before any work that a file can be written to `path`; nothing is left there.

    An existing file is replaced only if it is empty or of the same kind.

    Args:
        path: of the file, which may exist.
        kind: of the file to write.
        read: inputs that must not be replaced; consulted only if the file exists.

    Raises:
        UserError: it cannot, `path` is one of the inputs, under whatever name, or the existing file
            is of another kind.
    """
    _require_replaceable(path)
    require_writable(path.parent)
    if not path.exists():
        return
    own = path.stat()
    for other in read:
        if _is_same(own, other):
            raise UserError(
                f"{path}: is the same file as the input {other}; name another file to write"
            )
    if own.st_size:
        try:
            kind.read(path)
        except UserError as error:
            raise UserError(
                f"{path}: already exists and is not a {kind.name}; name another file, or remove it"
            ) from error


def _is_same(own: os.stat_result, other: Path) -> bool:
    """Whether `other` is the file with that status; false if it cannot be looked up."""
    try:
        return os.path.samestat(own, other.stat())
    except OSError:
        return False


def _sync(path: Path) -> None:
    """Flush a file to disk, so that a rename cannot overtake its content.

    Raises:
        FileNotFoundError: the block has not written `path`.
    """
    with path.open("rb") as file:
        os.fsync(file.fileno())


def require_writable(folder: Path) -> None:
    """Check before any work that a file can be written into `folder`; nothing is left there.

    If `folder` does not exist yet, its nearest existing parent is checked.

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
    """Write `text` (UTF-8) to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` as indented JSON with sorted keys, atomically."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_text(path: Path, what_to_do: str, encoding: str = "utf-8") -> str:
    """Read a text file.

    Raises:
        UserError: it is missing, unreadable or not text; the message ends with `what_to_do`.
    """
    require_regular(path, what_to_do)
    try:
        with reading(path, what_to_do):
            return path.read_text(encoding=encoding)
    except ValueError as error:
        raise UserError(f"{path}: not UTF-8 text ({error}); {what_to_do}") from error


def read_json(path: Path, what_to_do: str = "") -> Any:
    """Read a JSON file.

    Args:
        path: of the file.
        what_to_do: if it is none that a job makes.

    Raises:
        UserError: it is missing, unreadable or not valid JSON; the message ends with `what_to_do`.
    """
    text = read_text(path, what_to_do or "run the job that makes it")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        what = what_to_do or "remove it and run the job again"
        raise UserError(f"{path}: not valid JSON ({error}); {what}") from error


def files_below(folder: Path, pattern: str = "*") -> list[Path]:
    """Files below a folder, sorted, except those being written (`atomic_path`).

    Raises:
        UserError: a file or folder cannot be looked up.
    """
    with reading(folder, "name a readable folder"):
        return sorted(
            path
            for path in folder.rglob(pattern)
            if path.is_file() and not any(x.startswith(".") for x in path.relative_to(folder).parts)
        )


def visible_files(folder: Path, suffix: str, what_to_do: str) -> tuple[Path, ...]:
    """A folder's files, sorted, without hidden files such as archivers leave; none if it is absent.

    Raises:
        UserError: the folder is not readable; ends with `what_to_do`.
    """
    with reading(folder, what_to_do):
        found = folder.iterdir() if exists(folder) else iter(())
        return tuple(sorted(p for p in found if p.suffix == suffix and p.name[0] != "."))


def exists(path: Path) -> bool:
    """Whether anything is at `path`, including a dangling link.

    Raises:
        OSError: it cannot be determined.
    """
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def digest_of(value: Any) -> str:
    """SHA-256, in hexadecimal, of a JSON value in its canonical form."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def digest_of_bytes(content: bytes) -> str:
    """SHA-256, in hexadecimal, of bytes."""
    return hashlib.sha256(content).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256, in hexadecimal, of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_all(
    paths: Iterable[Path], digest: Callable[[Path], str] = digest_of_file, names: int = 3
) -> str:
    """One SHA-256 for a set of files: their bytes and the last `names` parts of their paths."""
    return digest_of(sorted(["/".join(path.parts[-names:]), digest(path)] for path in paths))
