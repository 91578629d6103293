"""Kernel locks (flock), which die with their holder, and where they hold."""

import errno
import fcntl
import socket
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from filelock import FileLock

NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
_BOOT = Path("/proc/sys/kernel/random/boot_id")  # Linux only


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
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        warn_of_no_locks(lock.lock_file)
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
            if error.errno not in NO_LOCKS:
                raise
            warn_of_no_locks(path)
        opened.pop_all()
        return file


def warn_of_no_locks(path: Path | str) -> None:
    """Say that nothing keeps two processes apart at a path."""
    print(
        f"rgmp: warning: {path}: its file system has no locks (flock); "
        "make sure that no other process writes here at the same time",
        file=sys.stderr,
        flush=True,
    )


def machine() -> tuple[str, str]:
    """This machine's name and the id of its kernel's boot, "" where there is none (Linux only)."""
    try:
        return socket.gethostname(), _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname(), ""
