"""One process at a time in a folder: an orphan of a killed run, or the job that resumes it."""

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
    """Work on `folder` while no other process does; wait for one that is at it, and say so.

    The lock is on a hidden file beside the folder, removed at the end of the block. Where its
    holder is killed the file stays, and the kernel lets go of the lock.

    Raises:
        UserError: the lock's file cannot be made.
    """
    require_writable(folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f".{folder.name}.lock"
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"{folder}: {_holder(path)} is at work here; waiting", file=sys.stderr, flush=True)
        lock.acquire(poll_interval=0.5)
    try:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with suppress(OSError):  # a full disk: the lock holds without a name in it
            path.write_text(f"process {os.getpid()} of {socket.gethostname()}, since {now},")
        yield
    finally:
        path.unlink(missing_ok=True)  # who waits opens the name anew at each try
        lock.release()


def _holder(path: Path) -> str:
    """Who wrote its name into a lock's file."""
    try:
        return path.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
