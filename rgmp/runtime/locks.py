"""Locks between processes: a resumed job waits for a killed run's processes that still work.

A lock is a file, which only one process can create, on any machine that shares the disk. It names
its holder, who holds a kernel lock (flock) on it and renews its time, as one does a lease. While
the kernel lock is held, the holder lives. Where it is not, a holder on this machine has died; one
elsewhere may live, since on a shared disk kernel locks may exclude only processes of the same
machine (Lustre with `localflock`, NFS before Linux 2.6.12): it has died if it has not renewed the
time for the length of a lease. No clock is compared with another machine's.

Only one process can create a file on NFS since version 3. There a time, or a file, may show up to a
minute later to other machines, unless they open the file: so they do.
"""

import errno
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import BinaryIO, NamedTuple

from rgmp.runtime.clock import utc_now
from rgmp.runtime.files import digest_of_bytes, require_writable, writing
from rgmp.runtime.kernel_locks import NO_LOCKS, machine, warn_of_no_locks

_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK}
_RENEWED = 10.0
"""Seconds after which a holder renews the time of its lock's file."""
_LOOKED_AT = 0.5
"""Seconds after which one who waits looks at the lock again."""
_LEASE = 60.0
"""Seconds without a renewal after which the holder has died."""

_SIZE = 256
"""Bytes of a lock's file; names of hosts have at most 64."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a lock on `folder`; if another process holds it, say so and wait.

    The lock is two hidden files next to the folder, `.lock` and one that shows that its holder
    lives, removed when the block ends. Those of a holder that is killed stay until its successor's
    block ends.

    One case is left in which two processes work here at once: kernel locks hold on one machine
    only, and the holder, on another, is stopped for longer than a lease (a job that is suspended, a
    machine that swaps). It is taken for dead, and says so when it wakes up and goes on. So what is
    written here has to be the same whoever writes it, to appear whole, and may be there already or
    vanish: the last rename counts.

    Raises:
        UserError: the lock file cannot be created, or the disk is full.
    """
    require_writable(folder.parent)
    folder.parent.mkdir(parents=True, exist_ok=True)
    root = folder.parent / f".{folder.name}.lock"
    with writing(root):
        held = _take(root, folder)
    if _lives(held.chain[-1]) is None:
        warn_of_no_locks(root)
    try:
        with _renewed(held, folder):
            yield
    finally:
        _let_go(held)


class _Seen(NamedTuple):
    """A lock at one moment.

    Attributes:
        path: of its file.
        text: what is in that: who holds it, and in a second line where, and a word of its own. It
            is empty for a moment on a file system without hard links.
        successor: where the file of the lock that follows on it would be.
        renewed: when it was renewed last, in ns, by whichever clock.
        place: where this process is, as the second line has it.
    """

    path: Path
    text: str
    successor: Path
    renewed: int
    place: str

    @property
    def holder(self) -> str:
        """The holder, as people are told of it."""
        return self.text.partition("\n")[0].strip() or "another process"

    @property
    def is_of_here(self) -> bool:
        """Whether a kernel lock of its holder would show here."""
        return self.text.partition("\n")[2].split()[:1] == [self.place]


class _Held(NamedTuple):
    """A lock that this process holds.

    Attributes:
        chain: the locks of the dead holders that it succeeds, and itself.
        life: its open file that shows that its holder lives.
    """

    chain: list[_Seen]
    life: BinaryIO


def _look(root: Path) -> list[_Seen]:
    """All locks from the first to the last, whose holder's turn it is.

    Nobody removes the lock of another. Of two that find one stale, the slower would remove what is
    the faster's by then. They create the file of a successor, whose name follows from what is in
    the stale one; only one of them can.
    """
    chain: list[_Seen] = []
    path = root
    while (seen := _at(path, root)) is not None:
        chain.append(seen)
        path = seen.successor
    return chain


def _at(path: Path, root: Path) -> _Seen | None:
    """The lock whose file is at `path`, as it is now; None: there is none."""
    try:
        # opening a file has NFS ask its server
        with path.open(encoding="utf-8", errors="replace") as file:
            text, status = file.read(), os.fstat(file.fileno())
        successor = _successor(root, text)
        with suppress(FileNotFoundError), _life_of(successor).open() as file:
            status = os.fstat(file.fileno())
    except OSError:
        return None
    return _Seen(path, text, successor, status.st_mtime_ns, _place(status))


def _successor(root: Path, text: str) -> Path:
    return root.with_name(f"{root.name}.{digest_of_bytes(text.encode())[:16]}")


def _life_of(successor: Path) -> Path:
    """The file with the kernel lock of a holder, which it renews.

    It is a link to the lock's file, but has the kernel lock under its own name: file systems in
    user space (FUSE) may take two names for two files.
    """
    return successor.with_name(f"{successor.name}.life")


def _take(root: Path, folder: Path) -> _Held:
    """Wait until a lock is free or its holder has died, and take it.

    Raises:
        OSError: its file cannot be created.
    """
    watch = _Watch(folder)
    while True:
        chain = _look(root)
        if not chain or watch.has_died(chain[-1]):
            held = _succeed(chain, root)
            if held is not None:
                return held
        time.sleep(_LOOKED_AT)


class _Watch:
    """Tells a holder that lives from one that has died, for one who waits."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said = ""
        self._last: _Seen | None = None
        self._unchanged = 0

    def has_died(self, last: _Seen) -> bool:
        """Whether the holder of the last lock has died; of one that may live people are told."""
        lives = _lives(last)
        self._unchanged = self._unchanged + 1 if last == self._last and not lives else 0
        self._last = last
        if lives is False:
            return True
        doubt = "" if lives else ", unless that has died"
        self._say(f"locked by {last.holder}{doubt}; waiting")
        # Looks are counted, not the time between them: the holder may have been stopped together
        # with this process, and then needs a moment to renew its lock.
        if self._unchanged < _LEASE / _LOOKED_AT:
            return False
        self._say(f"{last.holder} has died; its lock is taken over")
        return True

    def _say(self, what: str) -> None:
        if what != self._said:
            print(f"{self._folder}: {what}", file=sys.stderr, flush=True)
            self._said = what


def _lives(seen: _Seen) -> bool | None:
    """Whether the holder of a lock lives, as its kernel lock tells; None: that tells nothing."""
    try:
        with _life_of(seen.successor).open("rb") as file:
            # shared: two that look at once must not take each other for the holder
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False if seen.is_of_here else None


def _succeed(chain: list[_Seen], root: Path) -> _Held | None:
    """Take the lock that follows on those of dead holders.

    Returns:
        None: another process was faster, or the last holder lives after all.

    Raises:
        OSError: its files cannot be created.
    """
    path = chain[-1].successor if chain else root
    text = _text(path)
    life = _create(path, root, text)
    if life is None:
        return None
    now = _look(root)
    if now[:-1] == chain and now[-1:] and now[-1].text == text:
        return _Held(now, life)
    # a holder woke up: it has renewed its lock, or let go of it, and another's is there now
    path.unlink(missing_ok=True)
    _life_of(_successor(root, text)).unlink(missing_ok=True)
    life.close()
    return None


def _text(path: Path) -> str:
    """What this process writes into a lock's file: see `_Seen`."""
    who = f"process {os.getpid()} of {socket.gethostname()}, since {utc_now()}"
    where = f"{_place(path.parent.stat())} {secrets.token_hex(8)}"
    # all have one length: file systems may show that of the file that had the name before
    return f"{who}\n{where}".ljust(_SIZE - 1) + "\n"


def _create(path: Path, root: Path, text: str) -> BinaryIO | None:
    """Create a lock's file, with all that is in it from the start.

    Not so on a file system without hard links, where its creator may die before it has written it.

    Returns:
        The open file that shows that its holder lives; None: another process has created the lock.

    Raises:
        OSError: it cannot be created.
    """
    name = _life_of(_successor(root, text))
    with ExitStack() as undone:
        life = undone.enter_context(name.open("xb"))
        undone.callback(name.unlink, missing_ok=True)
        try:
            fcntl.flock(life, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
        life.write(text.encode())
        life.flush()
        os.fsync(life.fileno())
        if not _link(name, path, text):
            return None
        undone.pop_all()
        return life


def _link(name: Path, path: Path, text: str) -> bool:
    """Give a file that is written a second name, unless there is a file of that name.

    Raises:
        OSError: it cannot be done.
    """
    try:
        os.link(name, path)
    except FileExistsError:
        with suppress(OSError):  # by now it may be gone
            # NFS asks again if it loses an answer, and then the file is there
            return path.read_text(encoding="utf-8", errors="replace") == text
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            return False
    return True


def _let_go(held: _Held) -> None:
    """Remove a lock's files, unless another process has taken this one for dead.

    By then those are of its chain. On a full disk they stay, and the next holder succeeds.
    """
    root, own = held.chain[0].path, held.chain[-1]
    with held.life, suppress(OSError):
        text = _text(root)
        end = _create(own.successor, root, text)  # from now on nobody else can
        if end is not None:
            with end:
                for seen in held.chain:
                    now = _at(seen.path, root)
                    if now is not None and now.text == seen.text:  # else somebody else wrote it
                        seen.path.unlink(missing_ok=True)
                    _life_of(seen.successor).unlink(missing_ok=True)
                own.successor.unlink(missing_ok=True)
                _life_of(_successor(root, text)).unlink(missing_ok=True)
        fcntl.flock(held.life, fcntl.LOCK_UN)  # a process that was forked may have it open, too


@contextmanager
def _renewed(held: _Held, folder: Path) -> Iterator[None]:
    """Renew the time of a lock's file during a block, and say if another process took it."""
    ended = Event()
    root, successor = held.chain[0].path, held.chain[-1].successor

    def renew() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # the main thread's
        while not ended.wait(_RENEWED):
            taken = _at(successor, root)
            if taken is not None:
                _warn_of_successor(folder, taken)
                return
            with suppress(OSError):
                os.utime(held.life.fileno())

    thread = Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _warn_of_successor(folder: Path, taken: _Seen) -> None:
    print(
        f"rgmp: warning: {folder}: this process stood still for so long that {taken.holder} "
        "took it for dead; both work here now, and on processors of one type they write the same",
        file=sys.stderr,
        flush=True,
    )


def _place(status: os.stat_result) -> str:
    """Where a kernel lock on a file holds for certain: under this kernel, in one mounted disk."""
    host, boot = machine()
    return f"{boot or host}/{status.st_dev}"
