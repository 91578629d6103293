"""What of the machine this process may use, and what others take of it."""

import math
import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

BUSY = 0.05
"""The share of its cores from which on a machine is too busy for a speed measured there."""


_CGROUP, _CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and its share of them where that is limited.

    A container's or a batch job's limit counts; `os.cpu_count` knows of neither.
    """
    return max(math.floor(min(len(_allowed()), _quota())), 1)


def threads(wanted: int | None, limit: int | None = None, processes: int = 1) -> int:
    """Threads for each of the processes of a job: what is wanted, and no more than there is room.

    Args:
        wanted: of one process; None: all that there is.
        limit: of the job; None: the cores that may be used.
        processes: that share the limit; each has one thread at least.
    """
    share = max((limit or usable_cores()) // processes, 1)
    return min(wanted or share, share)


def _allowed() -> set[int]:
    """The numbers of the cores that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _quota() -> float:
    """Cores' worth of time that this process's control groups grant it; infinite: no limit."""
    least = math.inf
    with suppress(OSError, ValueError):
        (own,) = (
            line.partition("::")[2].lstrip("/")
            for line in _CGROUP.read_text(encoding="utf-8").splitlines()
            if line.startswith("0::")
        )
        for group in (_CGROUPS / own, *(_CGROUPS / own).parents):
            with suppress(OSError, ValueError):
                limit, period = (group / "cpu.max").read_text(encoding="utf-8").split()
                least = min(least, int(limit) / int(period))  # "max" is no number: no limit
    return least


class Watch:
    """Measures what others take of the cores that this process may use, from its making on.

    Others are all processes but this one and its children, and, on a virtual machine, the other
    machines on its host where it is told of them. What they do on a GPU is not seen.
    """

    def __init__(self) -> None:
        """Start to measure."""
        self._start = time.monotonic(), _busy(), _own()

    def others_share(self) -> float:
        """What others took until now, as a share of the cores: 0 to 1.

        It is counted in ticks of a hundredth of a second: over less than a second it is a guess.
        """
        began, busy, own = self._start
        whole = (time.monotonic() - began) * len(_allowed())
        others = (_busy() - busy) - (_own() - own)
        return min(max(others / whole, 0.0), 1.0)


def _busy() -> float:
    """Seconds of work on the cores since the machine started; of a guest's, those withheld too."""
    every, allowed = psutil.cpu_times(percpu=True), _allowed()
    # a guest's time is counted as its host process's too
    idle = ("idle", "iowait", "guest", "guest_nice")
    return sum(
        sum(seconds for kind, seconds in times._asdict().items() if kind not in idle)
        for core, times in enumerate(every)
        if core in allowed
    )


def _own() -> float:
    """Seconds of work of this process and its children, those that have ended among them."""
    seconds = 0.0
    process = psutil.Process()
    for member in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended: its parent has its time
            used = member.cpu_times()
            seconds += used.user + used.system + used.children_user + used.children_system
    return seconds
