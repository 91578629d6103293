"""The cores a process may use, and how busy others keep them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from rgmp.runtime import cores
from rgmp.runtime.cores import Watch, usable_cores


class CoreTimes(NamedTuple):
    """Of one core, as psutil has them."""

    user: float
    idle: float = 99.0


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


@pytest.mark.parametrize(
    ("arguments", "threads"),
    [
        ((2,), 2),
        ((None,), 4),
        ((8,), 4),
        ((8, 3), 3),
        ((None, 3), 3),
        ((8, 6, 2), 3),
        ((1, 6, 2), 1),
        ((2, 1, 2), 1),
    ],
)
def test_a_job_gets_the_threads_that_it_wants_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[int, ...], threads: int
) -> None:
    """Wanted, limit, processes."""
    monkeypatch.setattr(cores, "usable_cores", lambda: 4)
    assert cores.threads(*arguments) == threads


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


def test_what_started_this_process_is_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a workflow that waits for its job; its share is told apart."""
    seconds = {"busy": 10.0, "own": 2.0, "launched": 5.0}
    monkeypatch.setattr(cores, "_allowed", lambda: {0, 1})
    monkeypatch.setattr(cores, "_busy", lambda: seconds["busy"])
    monkeypatch.setattr(cores, "_own", lambda: seconds["own"])
    monkeypatch.setattr(Watch, "_launched", lambda _: seconds["launched"])
    monkeypatch.setattr(time, "monotonic", iter([100.0, 110.0, 110.0]).__next__)
    watch = Watch()
    seconds.update(busy=26.0, own=10.0, launched=7.0)
    assert watch.others_share() == pytest.approx((16 - 8 - 2) / 20)
    assert watch.launchers_share() == pytest.approx(2 / 20)


def test_a_busy_parent_is_seen_as_such() -> None:
    code = (
        "import sys, time; from rgmp.runtime.cores import Watch; watch = Watch(); print(flush=True)"
        "; time.sleep(1); print(watch.launchers_share())"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        child.stdout.readline()
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        share = float(child.stdout.readline())
    assert share > 0.1 / len(os.sched_getaffinity(0))


def test_cores_have_their_numbers_where_some_are_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    statistics = tmp_path / "stat"
    statistics.write_text("cpu  9 9\ncpu0 1 0\ncpu2 4 0\ncpu3 2 0\nintr 5\n")
    monkeypatch.setattr(cores, "_STATISTICS", statistics)
    monkeypatch.setattr(cores, "_allowed", lambda: {2, 3})
    times = [CoreTimes(user) for user in (1.0, 4.0, 2.0)]
    monkeypatch.setattr("psutil.cpu_times", lambda **_: times)
    assert cores._busy() == 6.0
    statistics.unlink()
    assert cores._busy() == 2.0  # by their places: the last of three is number 2
