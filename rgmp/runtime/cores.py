"""The CPU cores that this process may use, and how busy other processes keep them."""

import math
import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

BUSY = 0.05
"""Share of cores used by others above which a machine is too busy to measure speed."""


_CGROUP, _CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
_STATISTICS = Path("/proc/stat")


def usable_cores() -> int:
    """Cores that this process may use: its CPU affinity, or its CPU quota if that is lower.

    This respects the limits of containers and batch jobs, which `os.cpu_count` ignores.
    """
    return max(math.floor(min(len(_allowed()), _quota())), 1)


def threads(wanted: int | None, limit: int | None = None, processes: int = 1) -> int:
    """Threads for each process of a job: as many as requested, within its share of the limit.

    Args:
        wanted: threads requested for one process; None: its whole share.
        limit: threads of the whole job; None: the usable cores.
        processes: number of processes that share the limit; each gets at least one thread.
    """
    share = max((limit or usable_cores()) // processes, 1)
    return min(wanted or share, share)


def _allowed() -> set[int]:
    """The indices of the cores that this process may be scheduled on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _quota() -> float:
    """The CPU quota of this process's control groups, in cores; infinite if unlimited."""
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
                least = min(least, int(limit) / int(period))  # "max" is not a number: no limit
    return least


class Watch:
    """Measures how much others use of the cores that this process may use, since its creation.

    Others are all processes except this one, its children and its ancestors, such as a workflow
    that waits for it; and, on a virtual machine, its host's other machines if their time is
    reported. Work on a GPU is not seen.
    """

    def __init__(self) -> None:
        """Start measuring."""
        self._launchers = psutil.Process().parents()
        self._start = time.monotonic(), _busy(), _own(), self._launched()

    def others_share(self) -> float:
        """The share of the cores that others have used so far: 0 to 1.

        Its clock ticks every hundredth of a second: over less than a second it is inaccurate.
        """
        began, busy, own, launched = self._start
        others = (_busy() - busy) - (_own() - own) - (self._launched() - launched)
        return _share(others, began)

    def launchers_share(self) -> float:
        """The share of the cores used by the processes that launched this one: 0 to 1."""
        began, *_, launched = self._start
        return _share(self._launched() - launched, began)

    def _launched(self) -> float:
        """CPU seconds of the ancestors of this process, without their other children."""
        return sum(sum(_times(process)[:2]) for process in self._launchers)


def _share(seconds: float, began: float) -> float:
    """CPU seconds as a share of the time of all cores since `began`."""
    return min(max(seconds / ((time.monotonic() - began) * len(_allowed())), 0.0), 1.0)


def _busy() -> float:
    """Busy seconds of the cores since boot, including those stolen from a virtual machine."""
    every, allowed = psutil.cpu_times(percpu=True), _allowed()
    # a guest's time is also counted as its host process's
    idle = ("idle", "iowait", "guest", "guest_nice")
    return sum(
        sum(seconds for kind, seconds in times._asdict().items() if kind not in idle)
        for core, times in zip(_numbers(len(every)), every, strict=False)
        if core in allowed
    )


def _numbers(count: int) -> list[int]:
    """The numbers of the cores whose times are listed; offline cores are not among them."""
    with suppress(OSError, ValueError):
        lines = _STATISTICS.read_text(encoding="utf-8").splitlines()
        named = [line.split()[0] for line in lines if line.startswith("cpu")]
        return [int(name.removeprefix("cpu")) for name in named if name != "cpu"]
    return list(range(count))


def _own() -> float:
    """CPU seconds of this process and its children, including those that have ended."""
    process = psutil.Process()
    # the time of one that has ended is counted in its parent
    return sum(sum(_times(each)) for each in (process, *process.children(recursive=True)))


def _times(process: psutil.Process) -> tuple[float, float, float, float]:
    """CPU seconds of a process and of its ended children; zeros if it has ended itself."""
    with suppress(psutil.Error):
        used = process.cpu_times()
        return used.user, used.system, used.children_user, used.children_system
    return 0.0, 0.0, 0.0, 0.0
