"""A lock on a folder, between a job that resumes a killed run and the run's orphans."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from rgmp.runtime.files import require_writable


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
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{folder}: locked by {_holder(path)}; waiting", file=sys.stderr, flush=True)
        lock.acquire(poll_interval=0.5)
    try:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with suppress(OSError):  # a full disk: the lock works without a name in it
            path.write_text(f"process {os.getpid()} of {socket.gethostname()}, since {now}")
        yield
    finally:
        path.unlink(missing_ok=True)  # waiting processes reopen it at each attempt
        lock.release()


def _holder(path: Path) -> str:
    """The holder named in a lock file."""
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
