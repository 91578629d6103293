"""The lock of Snakemake on its working folder, which a killed one leaves behind."""

import fcntl
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TextIO

from rgmp.runtime.kernel_locks import machine


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
    here, boot_here = machine()
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
            owner_file.write(" ".join(machine()))
            owner_file.flush()
