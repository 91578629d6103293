"""Locks between processes: a resumed job waits for a killed run's processes that still work.

They are kernel locks (flock), which are released when their holder is killed. Some file systems do
not support them, and on a shared disk they may exclude only processes of the same machine (Lustre
with `localflock`, NFS before Linux 2.6.12). So a lock is a file as well, which only one process can
create, on any machine. It names its holder, who renews its time, as one does a lease: on another
machine it is this that tells a holder at work from one that has died, whose lock is stale.
"""

import errno
import fcntl
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TextIO

from filelock import FileLock, Timeout

from rgmp.runtime.clock import utc_now
from rgmp.runtime.files import require_writable

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # Linux only
_RENEWED = 10.0
"""Seconds after which a holder renews the time of its lock's file."""
_LEASE = 60.0
"""Seconds without that after which a lock is stale; NFS may show a time so much later."""
_SOMEONE = "another process"


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder`; if another process holds it, say so and wait.

    The lock is two hidden files next to the folder, removed when the block ends: `.lock` names the
    holder, and `.flock` has the kernel's lock. If the holder is killed, the files stay, but the
    kernel releases its lock; a lock of another machine is taken over once it is stale.

    Raises:
        UserError: the lock file cannot be created.
    """
    require_writable(folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f".{folder.name}.lock"
    lock = FileLock(path.with_suffix(".flock"))
    while (name := _take(lock, path, folder)) is None:
        lock.release()
    try:
        with _renewed(path):
            yield
    finally:
        if _name_in(path) == name:  # else it was taken for stale, and is another's
            Path(lock.lock_file).unlink(missing_ok=True)  # those who wait reopen it at each attempt
            path.unlink(missing_ok=True)
        lock.release()


def _take(lock: FileLock, path: Path, folder: Path) -> str | None:
    """Wait for a lock and its last holder, and take it.

    Returns:
        What names this process in it; None: the holder has let go, or another was faster.
    """
    try:
        kept_apart = acquire(lock, timeout=0)
    except Timeout:
        print(f"{folder}: locked by {_holder(path)}; waiting", file=sys.stderr, flush=True)
        kept_apart = acquire(lock)
    last = _name_in(path)
    if last is None:
        return _create(path)
    if kept_apart and f" of {socket.gethostname()}, " in last:
        _remove_stale(path, last)
        return _create(path)
    holder = _holder(path)
    print(
        f"{folder}: locked by {holder}, unless that has died; waiting", file=sys.stderr, flush=True
    )
    last = _wait_until_stale(path)
    if last is None:
        return None
    print(
        f"{folder}: {_holder(path)} has died; its lock is taken over", file=sys.stderr, flush=True
    )
    _remove_stale(path, last)
    name = _create(path)
    time.sleep(_RENEWED / 5)  # others who wait look twice meanwhile: see `_remove_stale`
    return name if _name_in(path) == name else None


def _create(path: Path) -> str | None:
    """Create a lock's file, which names this process.

    Returns:
        What is in it: nothing on a full disk, where the lock works without a name. None: another
        process has created it.
    """
    name = f"process {os.getpid()} of {socket.gethostname()}, since {utc_now()}"
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return None
    try:
        path.write_text(name, encoding="utf-8")
    except OSError:
        return ""
    return name


def _remove_stale(path: Path, name: str) -> None:
    """Remove the file of a stale lock, unless another process has just taken it over.

    Of several that wait only one can rename the file, which is then sure to be the one looked at.
    If it is a new holder's, it is put back; should someone have taken the lock in that moment, the
    new holder finds that it is not its own.
    """
    aside = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}")
    try:
        path.rename(aside)
    except FileNotFoundError:
        return
    if _name_in(aside) != name:
        with suppress(FileExistsError):
            os.link(aside, path)
    aside.unlink()


def acquire(lock: FileLock, timeout: float = -1) -> bool:
    """Acquire a lock; on a file system without locks, warn and continue without it.

    Args:
        lock: not acquired yet.
        timeout: seconds to wait for another process to release it; -1: no limit.

    Returns:
        Whether the file system has locks.

    Raises:
        Timeout: another process still holds it.
    """
    try:
        with warnings.catch_warnings():
            # else filelock falls back to a plain file, which a killed holder leaves behind
            warnings.filterwarnings("error", "flock not supported")
            lock.acquire(timeout, poll_interval=0.5)
        return True
    except (OSError, UserWarning) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        _warn_of_no_locks(lock.lock_file)
        return False


def try_flock(path: Path, how: int) -> TextIO | None:
    """Lock a file if that can be done at once; on a file system without locks, warn and go on.

    Args:
        path: of the file, which is created.
        how: `fcntl.LOCK_EX`, or `fcntl.LOCK_SH` to share it with others that do.

    Returns:
        The open file: closing it releases the lock. None: another holds it.
    """
    with ExitStack() as opened:
        file = opened.enter_context(path.open("a", encoding="utf-8"))
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _warn_of_no_locks(path)
        opened.pop_all()
        return file


def _warn_of_no_locks(path: Path | str) -> None:
    print(
        f"rgmp: warning: {path}: its file system has no locks (flock); "
        "make sure that no other process writes here at the same time",
        file=sys.stderr,
        flush=True,
    )


def _holder(path: Path) -> str:
    """The holder of a lock, as people are told of it."""
    return _name_in(path) or _SOMEONE


def _name_in(path: Path) -> str | None:
    """What names the holder in a lock's file, nothing on a full disk; None: there is no file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def _wait_until_stale(path: Path) -> str | None:
    """Wait until a lock is stale; what names its holder, or None once its file is not there.

    The kernel's lock does not show that holder, which is on another machine, or there are none.
    """
    renewed, since = _time_of(path), time.monotonic()
    while renewed is not None:
        if time.monotonic() - since >= _LEASE:
            return _name_in(path)
        time.sleep(_RENEWED / 10)
        latest = _time_of(path)
        if latest != renewed:
            renewed, since = latest, time.monotonic()
    return None


def _time_of(path: Path) -> int | None:
    """When a file was last written, in ns; None if it is not there. NFS asks its server."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None


@contextmanager
def _renewed(path: Path) -> Iterator[None]:
    """Renew the time of a lock's file during a block."""
    ended = Event()

    def renew() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the main thread's
        while not ended.wait(_RENEWED):
            with suppress(OSError):
                os.utime(path)

    thread = Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def remove_stale_lock(folder: Path) -> TextIO | None:
    """Remove the lock on a working folder that a killed Snakemake left behind.

    While it runs, each Snakemake holds a shared kernel lock on the file `alive`, which names the
    machine of the one that locked the folder. If no other process holds that lock, no other
    Snakemake runs on this machine. On a shared disk, one on another machine may not show; a lock
    from there stays, and a message says what to do.

    Args:
        folder: `.snakemake`.

    Returns:
        The open file, for `record_lock_owner`: closing it releases the kernel lock. None if it
        cannot be written, or the file system has no locks.
    """
    with suppress(OSError), ExitStack() as opened:
        folder.mkdir(exist_ok=True)
        path = folder / "alive"
        owner_file = opened.enter_context(path.open("a+", encoding="utf-8", errors="replace"))
        try:
            fcntl.flock(owner_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another Snakemake runs here: leave its lock to Snakemake
        else:
            _remove_locks(list((folder / "locks").glob("*")), owner_file)
        fcntl.flock(owner_file, fcntl.LOCK_SH)
        opened.pop_all()
        return owner_file
    return None


def _remove_locks(locks: list[Path], owner_file: TextIO) -> None:
    """Remove the locks of a Snakemake on this machine; report those of another machine."""
    owner_file.seek(0)
    host, _, boot = owner_file.read().strip().partition(" ")
    here, boot_here = _machine()
    if boot == boot_here if boot or boot_here else host == here:
        for lock in locks:
            lock.unlink()
    elif locks:
        since = " before it was restarted" if host == here else ""
        print(
            f"rgmp: this folder is locked by a Snakemake on {host or 'an unknown machine'}{since}; "
            "if it is no longer running, run `snakemake --unlock` and try again",
            file=sys.stderr,
        )


def record_lock_owner(owner_file: TextIO | None) -> None:
    """Record this machine as the one whose Snakemake has just locked the folder.

    Args:
        owner_file: from `remove_stale_lock`.
    """
    with suppress(OSError):  # a full disk: the lock's owner is then unknown
        if owner_file is not None:
            owner_file.seek(0)
            owner_file.truncate()
            owner_file.write(" ".join(_machine()))
            owner_file.flush()


def _machine() -> tuple[str, str]:
    """This machine's name and the id of its kernel's boot, "" where there is none (Linux only)."""
    try:
        return socket.gethostname(), _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname(), ""
