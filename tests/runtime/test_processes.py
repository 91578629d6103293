"""Workers end with the process that started them."""

import subprocess
import sys

import psutil


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
