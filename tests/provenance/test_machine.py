"""What is said of a machine, and of what decides the last bits on it."""

import socket
from pathlib import Path

import pytest
import torch

from rgmp.provenance import machine
from rgmp.provenance.machine import (
    MachineInfo,
    device_of,
    machine_of,
    processor_of,
    this_machine,
)

CPU: MachineInfo = {
    "system": "Linux",
    "cpu": "Xeon",
    "cores": 16,
    "memory_bytes": 8_000_000_000,
    "gpu": None,
    "driver": None,
}
GPU: MachineInfo = {**CPU, "gpu": "H200", "driver": "550.54"}


def test_a_job_computes_on_its_gpu_or_else_on_the_cpu() -> None:
    assert (device_of(CPU), device_of(GPU)) == ("Xeon", "H200")


def test_a_machine_has_the_name_that_slurm_calls_it_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURMD_NODENAME", raising=False)
    assert this_machine()["host"] == socket.gethostname()
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert this_machine()["host"] == "n2"


def test_a_machine_is_its_cpu_and_the_gpu_that_was_used() -> None:
    assert machine_of(CPU) == "Xeon, 16 cores"
    assert machine_of(GPU) == "Xeon, 16 cores, H200, driver 550.54"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"cpu_capability": "AVX2", "onednn_max_cpu_isa": None}, "Xeon, AVX2"),
        ({"cpu_capability": "AVX2", "onednn_max_cpu_isa": "AVX"}, "Xeon, AVX2, oneDNN up to AVX"),
        ({}, "Xeon"),
    ],
)
def test_a_cpu_decides_bits_by_the_instructions_that_it_may_use(
    flags: dict[str, bool | int | str | None], said: str
) -> None:
    assert processor_of(CPU, flags) == said
    assert processor_of(GPU, flags) == "H200"


def test_the_instructions_are_known_without_torch_as_torch_says_them() -> None:
    assert machine.cpu_capability() == torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize(
    ("flags", "allowed", "said"),
    [
        ("fma avx2 avx512f avx512dq avx512bw avx512vl", None, "AVX512"),
        ("fma avx2 avx512f avx512dq avx512bw avx512vl", "avx2", "AVX2"),
        ("fma avx2 avx512f avx512dq avx512bw avx512vl", "default", "DEFAULT"),
        ("fma avx2 avx512f", None, "AVX2"),
        ("avx", None, "DEFAULT"),
        (None, None, "DEFAULT"),
    ],
)
def test_all_instructions_of_a_set_are_needed_for_it(
    flags: str | None,
    allowed: str | None,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "_CPU", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"model name\t: Xeon\nflags\t\t: {flags}\n" * 2)
    if allowed:
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", allowed)
    else:
        monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    assert machine.cpu_capability() == said


def test_the_driver_is_asked_where_its_file_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_ASK_DRIVER", ("echo", "580.159.03"))
    assert machine._said_by_driver().strip() == "580.159.03"
    for absent in (("no-such-tool",), ("false",)):
        monkeypatch.setattr(machine, "_ASK_DRIVER", absent)
        assert machine._said_by_driver() == ""
