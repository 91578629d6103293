"""Workers end with the process that started them."""

import inspect
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest

from rgmp.runtime.processes import apart, ordered


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


def some_then_fail() -> Iterator[int]:
    yield from (1, 2)
    raise ValueError("no third")


def one_then_sleep(path: Path) -> Iterator[int]:
    """With a child of its own, which is to end too."""
    with subprocess.Popen(["sleep", "300"]) as child:
        path.write_text(str(child.pid))
        yield 1
        time.sleep(300)


def test_results_come_from_a_process_apart_until_it_fails() -> None:
    found = apart(some_then_fail, 60)
    assert (next(found), next(found)) == (1, 2)
    with pytest.raises(RuntimeError, match="ValueError: no third") as raised:
        next(found)
    assert "in some_then_fail" in raised.value.__notes__[0]


def test_what_a_process_apart_started_ends_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys; from functools import partial; from pathlib import Path\n"
        "from runtime_of_test import one_then_sleep\n"
        "from rgmp.runtime.processes import apart\n"
        "if __name__ == '__main__':\n"
        "    for _ in apart(partial(one_then_sleep, Path(sys.argv[1])), 300):\n"
        "        print('started', flush=True)\n"
    )
    (tmp_path / "runtime_of_test.py").write_text(
        "import subprocess, time\n"
        + inspect.getsource(one_then_sleep).replace("(path: Path) -> Iterator[int]", "(path)")
    )
    command = [sys.executable, "-c", code, str(tmp_path / "child")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        child = psutil.Process(int((tmp_path / "child").read_text()))
        parent.kill()
    _, alive = psutil.wait_procs([child], timeout=60)
    for process in alive:
        process.kill()
    assert not alive


@pytest.mark.slow
def test_a_process_apart_is_ended_with_all_it_started(tmp_path: Path) -> None:
    found = apart(partial(one_then_sleep, tmp_path / "child"), 10)
    assert next(found) == 1
    child = psutil.Process(int((tmp_path / "child").read_text()))
    with pytest.raises(TimeoutError, match="not done after 10 s"):
        next(found)
    _, alive = psutil.wait_procs([child], timeout=60)  # on a busy machine a signal takes a while
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in alive)
