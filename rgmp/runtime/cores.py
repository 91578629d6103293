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


def usable_cores() -> int:
    """Cores that this process may use: its CPU affinity, or its CPU quota if that is lower.

    This respects the limits of containers and batch jobs, which `os.cpu_count` ignores.
    """
    return max(math.floor(min(len(_allowed()), _quota())), 1)


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

    Others are all processes except this one and its children and, on a virtual machine, its host's
    other machines if their time is reported. Work on a GPU is not seen.
    """

    def __init__(self) -> None:
        """Start measuring."""
        self._start = time.monotonic(), _busy(), _own()

    def others_share(self) -> float:
        """The share of the cores that others have used so far: 0 to 1.

        Its clock ticks every hundredth of a second: over less than a second it is inaccurate.
        """
        began, busy, own = self._start
        whole = (time.monotonic() - began) * len(_allowed())
        others = (_busy() - busy) - (_own() - own)
        return min(max(others / whole, 0.0), 1.0)


def _busy() -> float:
    """Busy seconds of the cores since boot, including those stolen from a virtual machine."""
    every, allowed = psutil.cpu_times(percpu=True), _allowed()
    # a guest's time is also counted as its host process's
    idle = ("idle", "iowait", "guest", "guest_nice")
    return sum(
        sum(seconds for kind, seconds in times._asdict().items() if kind not in idle)
        for core, times in enumerate(every)
        if core in allowed
    )


def _own() -> float:
    """CPU seconds of this process and its children, including those that have ended."""
    seconds = 0.0
    process = psutil.Process()
    for member in (process, *process.children(recursive=True)):
        with suppress(psutil.Error):  # it has ended: its time is counted in its parent
            used = member.cpu_times()
            seconds += used.user + used.system + used.children_user + used.children_system
    return seconds
