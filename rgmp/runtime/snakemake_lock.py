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
    machines of those that locked the folder since it last had no lock. If no other process holds
    that kernel lock, no other Snakemake runs on this machine. On a shared disk, one on another
    machine may not show, and a lock does not tell whose it is: if any may be from there all stay,
    and a message says what to do.

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
            _remove_locks(folder / "locks", owner_file)
        fcntl.flock(owner_file, fcntl.LOCK_SH)
        opened.pop_all()
        return owner_file
    return None


def _remove_locks(folder: Path, owner_file: TextIO) -> None:
    """Remove locks if all are of this machine; report those that may be of another."""
    owners = _owners(owner_file)
    others = [owner for owner in owners if not _is_here(owner)]
    locks = list(folder.glob("*"))
    if owners and not others:
        for lock in locks:
            lock.unlink()
    elif locks:
        print(
            "rgmp: this folder is locked by a Snakemake on "
            f"{' or '.join(map(_named, others)) or 'an unknown machine'}; "
            "if it is no longer running, run `snakemake --unlock` and try again",
            file=sys.stderr,
        )
        return
    owner_file.truncate(0)


def _owners(owner_file: TextIO) -> list[str]:
    """The machines that a file names, one on each line: name and boot, as `machine`."""
    owner_file.seek(0)
    return [line for line in owner_file.read().splitlines() if line]


def _is_here(owner: str) -> bool:
    host, _, boot = owner.partition(" ")
    here, boot_here = machine()
    return boot == boot_here if boot or boot_here else host == here


def _named(other: str) -> str:
    """The name of a machine that is not this one, since its boot."""
    host = other.partition(" ")[0]
    return host + (" before it was restarted" if host == machine()[0] else "")


def record_lock_owner(owner_file: TextIO | None) -> None:
    """Record this machine as one whose Snakemake has locked the folder.

    Args:
        owner_file: from `remove_stale_lock`.
    """
    with suppress(OSError):  # a full disk: the lock's owner is then unknown
        if owner_file is not None:
            here = " ".join(machine()).strip()
            if here not in _owners(owner_file):
                owner_file.write(f"\n{here}")  # other machines append, too
                owner_file.flush()
