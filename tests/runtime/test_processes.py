"""Workers end with the process that started them."""

import subprocess
import sys
from contextlib import closing

import psutil
import pytest

from rgmp.runtime.processes import ordered


def test_none_outlives_a_killed_parent() -> None:
    """One sleeps, one waits for work."""
    code = """
import os, time
from rgmp.runtime.processes import worker_pool

with worker_pool(2) as pool:
    pool.submit(time.sleep, 300)
    pool.submit(os.getpid).result()
    print(*pool._processes, flush=True)
    time.sleep(300)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(number)) for number in parent.stdout.readline().split()]
        assert len(workers) == 2
        parent.kill()
    gone, alive = psutil.wait_procs(workers, timeout=60)
    for process in alive:
        process.kill()
    assert len(gone) == 2


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_items(processes: int) -> None:
    assert list(ordered(abs, range(-20, 0), processes, chunk=3)) == list(range(20, 0, -1))


def test_what_a_worker_raises_is_raised_here() -> None:
    with (
        closing(ordered(int, ["1", "one", "3"], 2)) as results,
        pytest.raises(ValueError, match="one"),
    ):
        list(results)
