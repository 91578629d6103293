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
_STATISTICS = Path("/proc/stat")


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and its share of them where that is limited.

    A container's or a batch job's limit counts; `os.cpu_count` knows of neither.
    """
    return max(math.floor(min(len(_allowed()), _quota())), 1)


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
    """Measures what is taken of the cores that this process may use, from its making on.

    Others are all processes but this one with its children and those that started it, such as a
    workflow that waits for it; and, on a virtual machine, the other machines on its host where it
    is told of them. What they do on a GPU is not seen.
    """

    def __init__(self) -> None:
        """Start to measure."""
        self._launchers = psutil.Process().parents()
        self._start = time.monotonic(), _busy(), _own(), self._launched()

    def others_share(self) -> float:
        """What others took until now, as a share of the cores: 0 to 1.

        It is counted in ticks of a hundredth of a second: over less than a second it is a guess.
        """
        began, busy, own, launched = self._start
        others = (_busy() - busy) - (_own() - own) - (self._launched() - launched)
        return _share(others, began)

    def launchers_share(self) -> float:
        """What those took that started this process: the same in every job of a workflow."""
        began, *_, launched = self._start
        return _share(self._launched() - launched, began)

    def _launched(self) -> float:
        """Seconds of work of the processes that this one descends from, without their children."""
        return sum(sum(_times(process)[:2]) for process in self._launchers)


def _share(seconds: float, began: float) -> float:
    """What seconds of work are of the time of all cores since then."""
    return min(max(seconds / ((time.monotonic() - began) * len(_allowed())), 0.0), 1.0)


def _busy() -> float:
    """Seconds of work on the cores since the machine started; of a guest's, those withheld too."""
    every, allowed = psutil.cpu_times(percpu=True), _allowed()
    # a guest's time is counted as its host process's too
    idle = ("idle", "iowait", "guest", "guest_nice")
    return sum(
        sum(seconds for kind, seconds in times._asdict().items() if kind not in idle)
        for core, times in zip(_numbers(len(every)), every, strict=False)
        if core in allowed
    )


def _numbers(count: int) -> list[int]:
    """The numbers of the cores whose times are listed: one that is offline is not among them."""
    with suppress(OSError, ValueError):
        lines = _STATISTICS.read_text(encoding="utf-8").splitlines()
        named = [line.split()[0] for line in lines if line.startswith("cpu")]
        return [int(name.removeprefix("cpu")) for name in named if name != "cpu"]
    return list(range(count))


def _own() -> float:
    """Seconds of work of this process and its children, those that have ended among them."""
    process = psutil.Process()
    # one that has ended has left its time to its parent
    return sum(sum(_times(each)) for each in (process, *process.children(recursive=True)))


def _times(process: psutil.Process) -> tuple[float, float, float, float]:
    """Seconds of work of a process, its own and its ended children's; none where it has ended."""
    with suppress(psutil.Error):
        used = process.cpu_times()
        return used.user, used.system, used.children_user, used.children_system
    return 0.0, 0.0, 0.0, 0.0
