"""Locks between processes: a job that resumes a killed run, and the run's orphans.

Locks are the kernel's (flock): whoever is killed lets go. Some file systems have none, and on a
shared disk they may hold on each machine alone.
"""

import errno
import fcntl
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from filelock import FileLock, Timeout

from rgmp.runtime.files import require_writable

_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # Linux only


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder`; if another process holds it, say so and wait.

    The lock is on a hidden file next to the folder, removed when the block ends. If the holder is
    killed, the file stays, but the kernel releases the lock.

    Raises:
        UserError: the lock file cannot be created.
    """
    require_writable(folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f".{folder.name}.lock"
    lock = FileLock(path)
    try:
        acquire(lock, timeout=0)
    except Timeout:
        print(f"{folder}: locked by {_holder(path)}; waiting", file=sys.stderr, flush=True)
        acquire(lock)
    try:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with suppress(OSError):  # a full disk: the lock works without a name in it
            path.write_text(f"process {os.getpid()} of {socket.gethostname()}, since {now}")
        yield
    finally:
        path.unlink(missing_ok=True)  # waiting processes reopen it at each attempt
        lock.release()


def acquire(lock: FileLock, timeout: float = -1) -> None:
    """Take a lock; where the file system has none, go on without it and say so in a line.

    Args:
        lock: not taken yet.
        timeout: seconds to wait for another process that holds it; -1: for ever.

    Raises:
        Timeout: another process still holds it.
    """
    try:
        with warnings.catch_warnings():
            # else it would go on with a mere file, which a killed holder leaves behind
            warnings.filterwarnings("error", "flock not supported")
            lock.acquire(timeout, poll_interval=0.5)
    except (OSError, UserWarning) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        print(
            f"rgmp: warning: {lock.lock_file}: its file system has no locks (flock); see to it "
            f"that nothing else works here at the same time",
            file=sys.stderr,
            flush=True,
        )


def _holder(path: Path) -> str:
    """The holder named in a lock file."""
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"


def remove_lock_of_the_dead(folder: Path) -> TextIO | None:
    """Remove Snakemake's lock on a folder where no Snakemake that could hold it lives.

    Each of them holds a shared lock of the kernel's on the file `alive` as long as it lives, and
    the one whose lock this is has its machine's name there. Who can have the kernel's lock for
    itself is the only one on this machine. On a shared disk another machine's may not show: its
    Snakemake's lock stays, and a line says so.

    Args:
        folder: `.snakemake`.

    Returns:
        The open file with the lock, for `name_holder`: whoever loses it, lets go. None: it cannot
        be written to, or has no locks.
    """
    with suppress(OSError), ExitStack() as opened:
        folder.mkdir(exist_ok=True)
        path = folder / "alive"
        alive = opened.enter_context(path.open("a+", encoding="utf-8", errors="replace"))
        try:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # there is another: Snakemake decides
        else:
            _remove_locks(list((folder / "locks").glob("*")), alive)
        fcntl.flock(alive, fcntl.LOCK_SH)
        opened.pop_all()
        return alive
    return None


def _remove_locks(locks: list[Path], alive: TextIO) -> None:
    """Remove what a Snakemake of this machine has locked; of another's, say what to do."""
    alive.seek(0)
    host, _, boot = alive.read().strip().partition(" ")
    here, boot_here = _machine()
    if boot == boot_here if boot or boot_here else host == here:
        for lock in locks:
            lock.unlink()
    elif locks:
        since = " before it was started anew" if host == here else ""
        print(
            f"rgmp: this folder is locked by a Snakemake on {host or 'an unknown machine'}{since}; "
            "if it is not alive any more, run `snakemake --unlock` and try again",
            file=sys.stderr,
        )


def name_holder(alive: TextIO | None) -> None:
    """Say on which machine the Snakemake runs that has just locked the folder.

    Args:
        alive: as of `remove_lock_of_the_dead`.
    """
    with suppress(OSError):  # a full disk: the lock is then none of a known machine's
        if alive is not None:
            alive.seek(0)
            alive.truncate()
            alive.write(" ".join(_machine()))
            alive.flush()


def _machine() -> tuple[str, str]:
    """This machine's name, and what tells its kernel from every other; "" where it says none."""
    try:
        return socket.gethostname(), _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname(), ""
