"""The cores a process may use, and how busy others keep them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rgmp.runtime import cores
from rgmp.runtime.cores import Watch, usable_cores

BURN = "import time\nend = time.monotonic() + 30\nwhile time.monotonic() < end: pass"


def test_cores_are_those_that_this_process_may_use() -> None:
    """Not those that the machine has."""
    core = str(min(os.sched_getaffinity(0)))
    code = "from rgmp.runtime.cores import usable_cores; print(usable_cores())"
    command = ["taskset", "--cpu-list", core, sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "1\n"


@pytest.mark.parametrize(("quota", "usable"), [(float("inf"), 4), (2.5, 2), (0.5, 1), (9.0, 4)])
def test_a_limit_of_time_counts(monkeypatch: pytest.MonkeyPatch, quota: float, usable: int) -> None:
    monkeypatch.setattr(cores, "_allowed", lambda: {0, 1, 2, 3})
    monkeypatch.setattr(cores, "_quota", lambda: quota)
    assert usable_cores() == usable


@contextmanager
def burning(*, ours: bool) -> Iterator[None]:
    """A process that keeps a core busy: a child of this one, or nobody's."""
    command = [sys.executable, "-c", BURN]
    if ours:
        with subprocess.Popen(command) as child:
            yield
            child.kill()
        return
    code = (
        "import subprocess, sys; "
        "print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid)"
    )
    started = subprocess.run(
        [sys.executable, "-c", code, *command], stdout=subprocess.PIPE, text=True, check=True
    )
    try:
        yield
    finally:
        os.kill(int(started.stdout), signal.SIGKILL)


def test_what_others_take_is_told_from_ones_own() -> None:
    """On a core of its own, as tests run beside others: the burners share it by halves."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        with burning(ours=True):
            watch = Watch()
            time.sleep(1.5)
            own = watch.others_share()
        with burning(ours=False):
            watch = Watch()
            time.sleep(1.5)
            others = watch.others_share()
    finally:
        os.sched_setaffinity(0, before)
    assert others > 0.5
    assert own < others


def test_limits_are_read_from_the_control_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The least of those above the process; none is no limit."""
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "cgroup").write_text("0::/a/b\n")
    (tmp_path / "a/cpu.max").write_text("150000 100000\n")
    (tmp_path / "a/b/cpu.max").write_text("max 100000\n")
    monkeypatch.setattr(cores, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path)
    assert cores._quota() == 1.5
    (tmp_path / "cgroup").unlink()
    assert cores._quota() == float("inf")
