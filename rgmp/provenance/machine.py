"""The machine that a job ran on, and the flags that decide the bits of its results."""

import os
import platform
import re
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NotRequired

import psutil
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

_STATUS = Path("/proc/self/status")
_CPU = Path("/proc/cpuinfo")


class MachineInfo(TypedDict):
    """The machine of a job; of one that several share, that which wrote the record."""

    host: NotRequired[str]  # its name, on a cluster that of the node; not in earlier records
    system: str
    cpu: str
    cores: int
    memory_bytes: int
    gpu: str | None  # None: the job used no GPU, even if there is one
    driver: str | None


def device_of(machine: MachineInfo) -> str:
    """The device that a job computed on: its GPU, or the CPU."""
    return machine["gpu"] or machine["cpu"]


def machine_of(machine: MachineInfo) -> str:
    """A machine in words, with the GPU that was used: `Xeon, 16 cores, H200, driver 550.54`."""
    driver = machine["driver"] and f"driver {machine['driver']}"
    parts = (machine["cpu"], f"{machine['cores']} cores", machine["gpu"], driver)
    return ", ".join(part for part in parts if part)


_ASK_DRIVER = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")


def _said_by_driver() -> str:
    """What NVIDIA's tool says of the driver's version; nothing without it."""
    try:
        done = subprocess.run(_ASK_DRIVER, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


Determinism = dict[str, bool | int | str | None]
"""The torch settings that decide the last bits; empty if torch is not imported."""


def processor_of(machine: MachineInfo, flags: Determinism) -> str:
    """What decides the last bits of a result: the GPU, or the CPU and the instructions it may use.

    `Xeon, AVX2, oneDNN up to AVX2`; without what the record does not say.
    """
    if machine["gpu"]:
        return machine["gpu"]
    capability, limit = flags.get("cpu_capability"), flags.get("onednn_max_cpu_isa")
    parts = (machine["cpu"], capability, limit and f"oneDNN up to {limit}")
    return ", ".join(str(part) for part in parts if part)


def processor_here(gpu: str | None) -> str:
    """What decides the last bits of what this process computes on a GPU, or else on the CPU."""
    return processor_of({**this_machine(), "gpu": gpu}, determinism())


def this_machine() -> MachineInfo:
    """This machine, with the GPU that the process has used, if any."""
    gpu = _gpu()
    return MachineInfo(
        # Slurm's own names, of which one machine may have several
        host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        system=platform.platform(),
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        gpu=None if gpu is None else _torch().cuda.get_device_name(gpu),
        driver=None if gpu is None else _driver(),
    )


def _cpu() -> str:
    return _said_of_cpu("model name") or platform.processor() or platform.machine()


def cpu_capability() -> str:
    """The vector instructions that torch uses on this CPU, in its words: known without torch.

    Torch's own rule (`torch.backends.cpu.get_cpu_capability`); ATEN_CPU_CAPABILITY lowers it.
    """
    has = {*_said_of_cpu("flags").split()}
    allowed = os.environ.get("ATEN_CPU_CAPABILITY")
    if has >= {"avx512vl", "avx512bw", "avx512dq", "fma"} and allowed not in {"avx2", "default"}:
        return "AVX512"
    return "AVX2" if has >= {"avx2", "fma"} and allowed != "default" else "DEFAULT"


def _said_of_cpu(key: str) -> str:
    """What Linux says of the first core under a key; nothing elsewhere."""
    try:
        information = _CPU.read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(rf"^{key}\s*:\s*(.+)$", information, re.MULTILINE)
    return found[1] if found else ""


def _torch() -> Any:
    """The torch module if the job has imported it, else None: importing it takes seconds."""
    return sys.modules.get("torch")


def _gpu() -> int | None:
    """The index of the GPU that the job used most, if it used one."""
    torch = _torch()
    if torch is None or not torch.cuda.is_initialized():
        return None
    return max(range(torch.cuda.device_count()), key=torch.cuda.max_memory_allocated)


def gpus_here() -> list[str]:
    """The names of this machine's NVIDIA GPUs as their driver has them: known without torch."""
    found = (
        re.search(r"^Model:\s*(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    )
    return [model[1].strip() for model in found if model]


def _driver() -> str | None:
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:  # some containers hide it
        text = _said_by_driver()
    found = re.search(r"\b\d+\.\d+(\.\d+)?\b", text)
    return found[0] if found else None


def determinism() -> Determinism:
    """The flags of this process."""
    torch = _torch()
    if torch is None:
        return {}
    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "onednn_max_cpu_isa": os.environ.get("ONEDNN_MAX_CPU_ISA"),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_tf32": _or_mixed(lambda: torch.backends.cudnn.allow_tf32),
        "matmul_precision": _or_mixed(torch.get_float32_matmul_precision),
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


def _or_mixed(ask: Callable[[], bool | str]) -> bool | str:
    """Torch's answer, or "mixed": it raises if both its interfaces have set TF32."""
    try:
        return ask()
    except RuntimeError:
        return "mixed"


def peak_memory() -> int:
    """Peak memory of this process so far, without its workers: bytes.

    On Linux that of its own program alone: `getrusage` counts what the process held, as a copy of
    the one that started it, before it became that program.
    """
    with suppress(OSError):
        held = re.search(r"^VmHWM:\s*(\d+) kB$", _STATUS.read_text(encoding="utf-8"), re.MULTILINE)
        if held:
            return int(held[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB


def peak_device_memory() -> int:
    """Peak memory where the job computed, so far: tensors on the GPU, or this process; bytes."""
    return peak_gpu_memory() or peak_memory()


def peak_gpu_memory() -> int | None:
    """Peak memory of tensors on the GPU so far: bytes; None if no GPU was used."""
    gpu = _gpu()
    return None if gpu is None else int(_torch().cuda.max_memory_allocated(gpu))
