"""Which device a job gets, and that two jobs of ours do not get one place twice."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from rgmp.errors import UserError
from rgmp.runtime import device
from rgmp.runtime.distributed import Team

HOLD = """
import sys
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def undone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave no lock held."""
    held: list[ExitStack] = []
    monkeypatch.setattr(device, "_held", held)
    yield
    for lock in held:
        lock.close()


def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, gpus: int) -> None:
    """Let PyTorch see so many GPUs, and locks lie in `tmp_path`."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    properties = [SimpleNamespace(uuid=f"GPU-{i}") for i in range(gpus)]
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: properties[i])
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def refuse_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(_: float) -> None:
        raise TimeoutError

    monkeypatch.setattr(device, "time", SimpleNamespace(sleep=wait))


def hold(lock: Path) -> subprocess.Popen[str]:
    """Another process that holds a lock until its standard input ends."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], text=True, **pipes)  # type: ignore[call-overload]
    assert process.stdout.readline() == "held\n"
    return process  # type: ignore[no-any-return]


def test_without_a_gpu_auto_is_the_cpu_and_deterministic(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, 0)
    assert device.choose("auto", threads=1) == torch.device("cpu")
    assert torch.get_num_threads() == 1
    assert torch.are_deterministic_algorithms_enabled()
    assert not torch.is_deterministic_algorithms_warn_only_enabled()


def test_cuda_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, 0)
    with pytest.raises(UserError, match="device cuda: PyTorch sees no GPU here; choose auto"):
        device.choose("cuda")


def test_the_cpu_can_be_had_beside_a_gpu_and_takes_no_lock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, 2)
    assert device.choose("cpu") == torch.device("cpu")
    assert not list(tmp_path.iterdir())


def test_every_gpu_is_given_once_and_then_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, 2)
    refuse_to_wait(monkeypatch)
    assert [device.choose("auto").index for _ in range(2)] == [0, 1]
    with pytest.raises(TimeoutError):
        device.choose("cuda")


def test_places_fill_one_on_each_gpu_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pretend(monkeypatch, tmp_path, 2)
    refuse_to_wait(monkeypatch)
    chosen = [device.choose("auto", jobs_per_gpu=2).index for _ in range(4)]
    assert chosen == [0, 1, 0, 1]
    with pytest.raises(TimeoutError):
        device.choose("auto", jobs_per_gpu=2)


def test_a_timing_has_its_gpu_alone_whoever_else_would_share_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, 1)
    refuse_to_wait(monkeypatch)
    for held, waiting in ((1, 4), (2, 1), (4, 1), (1, 1)):
        device.choose("cuda", jobs_per_gpu=held)
        with pytest.raises(TimeoutError):
            device.choose("cuda", jobs_per_gpu=waiting)
        device._held.pop().close()
        device.choose("cuda", jobs_per_gpu=waiting)
        device._held.pop().close()


def test_a_training_by_several_processes_has_whole_gpus(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, tmp_path, 2)
    refuse_to_wait(monkeypatch)
    for silent in ("any", "one_first_on_each_machine"):
        monkeypatch.setattr(Team, silent, lambda *_: nullcontext())
    device.choose("cuda", jobs_per_gpu=3)
    assert device.choose("cuda", jobs_per_gpu=3, team=Team(3, 4, 1, 2)).index == 1
    with pytest.raises(TimeoutError):
        device.choose("cuda", jobs_per_gpu=3, team=Team(2, 4, 0, 2))
    with pytest.raises(UserError, match="3 processes: PyTorch sees 2 GPUs here, of which each"):
        device.choose("cuda", jobs_per_gpu=3, team=Team(0, 3, 0, 3))


def test_more_jobs_than_gpus_take_turns_and_none_is_left_idle(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Six processes at once, on two stand-ins of GPUs."""
    pretend(monkeypatch, tmp_path, 2)
    monkeypatch.setattr(device, "time", SimpleNamespace(sleep=lambda _: time.sleep(0.01)))
    log = tmp_path / "log"
    jobs: list[int] = []
    for _ in range(6):
        with warnings.catch_warnings():  # of threads, of which the job needs none
            warnings.simplefilter("ignore", DeprecationWarning)
            job = os.fork()
        if not job:
            taken = device.choose("cuda").index
            for what in ("+", "-"):
                with log.open("a") as file:
                    file.write(f"{what}{taken}\n")
                until = time.monotonic() + 10
                while log.read_text().count("+") < 2 and time.monotonic() < until:
                    time.sleep(0.01)  # else the first might end before the second begins
            os._exit(0)
        jobs.append(job)
    assert [os.waitpid(job, 0)[1] for job in jobs] == [0] * 6
    events = log.read_text().split()
    for gpu in "01":
        own = [event[0] for event in events if event[1] == gpu]
        assert own == ["+", "-"] * (len(own) // 2)
    assert len(events) == 12
    assert {"+0", "+1"} == {*events[:2]}


def test_a_gpu_that_another_process_holds_is_waited_for_and_free_when_that_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, tmp_path, 1)
    device.choose("cuda")
    device._held.pop().close()
    (lock,) = tmp_path.iterdir()
    other = hold(lock)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            other.kill()
            other.communicate()

    monkeypatch.setattr(device, "time", SimpleNamespace(sleep=wait))
    assert device.choose("cuda").index == 0
    assert len(waits) == 3
    assert capsys.readouterr().err.count("waiting") == 1


def test_two_gpus_of_one_machine_are_told_apart_by_their_own_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two jobs may see different GPUs as number 0 (CUDA_VISIBLE_DEVICES)."""
    refuse_to_wait(monkeypatch)
    pretend(monkeypatch, tmp_path, 1)
    assert device.choose("cuda").index == 0
    other = SimpleNamespace(uuid="GPU-other")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: other)
    assert device.choose("cuda").index == 0
