"""Processes that share work: in order, and gone when the one that started them is."""

import subprocess
import sys
from contextlib import closing

import psutil
import pytest

from rgmp.runtime.workers import ordered


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_items(processes: int) -> None:
    assert list(ordered(abs, range(-20, 0), processes, chunk=3)) == list(range(20, 0, -1))


def test_what_a_worker_raises_is_raised_here() -> None:
    results = ordered(int, ["1", "one", "3"], 2)
    with closing(results), pytest.raises(ValueError, match="one"):
        list(results)


def test_workers_end_when_their_parent_is_killed() -> None:
    script = (
        "import time; from rgmp.runtime.workers import ordered\n"
        "for _ in ordered(time.sleep, [0, 0, 600, 600], 2):\n"
        "    print('one is done', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "one is done\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
        parent.kill()
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
