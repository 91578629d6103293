"""Which device a job gets, and that two jobs of ours do not get one place twice."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock

from rgmp.errors import UserError
from rgmp.runtime import device

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
    """Leave PyTorch as it was, and no lock held."""
    held: list[FileLock] = []
    monkeypatch.setattr(device, "_held", held)
    threads = torch.get_num_threads()
    yield
    for lock in held:
        lock.release()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


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


def test_a_gpu_that_another_process_holds_is_waited_for_and_free_when_that_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, tmp_path, 1)
    device.choose("cuda")
    device._held.pop().release()
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
