"""Provenance: every job writes one JSON that says what it was, from what, with what, on what.

    with recording(record_path(folder, name), kind="train", name=name, ...) as record:
        ...
        record.results["samples"] = 12
        record.outputs["weights.safetensors"] = digest_of_file(weights)

A block that raises writes nothing. Tables, figures, the report and MLflow mirror these files.
"""

import importlib.metadata
import math
import os
import platform
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict, cast

import psutil

import rgmp
from rgmp import __version__
from rgmp.errors import UserError
from rgmp.runtime.files import (
    digest_of,
    digest_of_file,
    files_below,
    read_json,
    require_target,
    write_json,
)

Value = float | int | str | None


class Code(TypedDict):
    """Which code ran."""

    commit: str | None  # None: not run from a git checkout of this project
    dirty: bool | None  # changed or untracked files in the checkout; ignored ones do not count
    sources: str  # SHA-256 of every .py of the package
    lock: str | None  # SHA-256 of requirements.lock; None: not run from a checkout


class Machine(TypedDict):
    """Where it ran."""

    system: str
    cpu: str
    cores: int
    memory_bytes: int
    gpu: str | None  # None: the job used no GPU, whether or not there is one
    driver: str | None


class Record(TypedDict):
    """What a record's file holds."""

    kind: str  # the `rgmp` command
    name: str  # the record's path under records/, without .json
    study: str | None
    variant: str | None
    seed: int | None
    stage: str | None
    benchmark: str | None
    identity: str | None  # of a training; of the last one behind masks, scores and speed
    config: dict[str, Any]
    inputs: dict[str, str]  # SHA-256 of data (their manifest), weights, masks, ...
    results: dict[str, Value]
    outputs: dict[str, str]  # SHA-256 of what was made, by path
    command: list[str]
    code: Code
    versions: dict[str, str]
    machine: Machine
    determinism: dict[str, bool | int | str | None]
    started: str  # UTC, ISO 8601
    wall_seconds: float
    peak_memory_bytes: int  # of the process, without its workers
    peak_gpu_memory_bytes: int | None


@dataclass(frozen=True)
class Draft:
    """What a job adds to its record while it runs; numbers that are not finite become null."""

    inputs: dict[str, str]
    results: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


@contextmanager
def recording(
    path: Path | None,
    *,
    kind: str,
    name: str,
    study: str | None = None,
    variant: str | None = None,
    seed: int | None = None,
    stage: str | None = None,
    benchmark: str | None = None,
    identity: str | None = None,
    config: Mapping[str, Any] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> Iterator[Draft]:
    """Run a job's block and, where it ends well, write its record to `path`.

    Args:
        path: the record's file, usually `record_path(folder, name)`; None: nothing is written.
        kind: the `rgmp` command that runs.
        name: what the job makes, as a path under the study's folder without its suffix.
        study: the study, where the job belongs to one.
        variant: the variant; a shared training names the first that needs it.
        seed: the seed, of training or of rendering.
        stage: `pretrain` or `finetune`.
        benchmark: `davis2016` or `davis2017`.
        identity: of a training; of the last training behind masks, scores and speed.
        config: the resolved settings, JSON values only.
        inputs: digests of what is read; more can be added to the draft.

    Yields:
        the draft, whose `results`, `outputs` and `inputs` the block fills.
    """
    draft = Draft(inputs=dict(inputs or {}))
    started, clock = datetime.now(UTC), time.perf_counter()
    code = _code()  # now: an editor may change it while the job runs
    yield draft
    if path is None:
        return
    record = Record(
        kind=kind,
        name=name,
        study=study,
        variant=variant,
        seed=seed,
        stage=stage,
        benchmark=benchmark,
        identity=identity,
        config=dict(config or {}),
        inputs=draft.inputs,
        results={key: _finite(value) for key, value in draft.results.items()},
        outputs=draft.outputs,
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        code=code,
        versions=_versions(),
        machine=_machine(),
        determinism=_determinism(),
        started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        wall_seconds=round(time.perf_counter() - clock, 3),
        peak_memory_bytes=peak_memory(),
        peak_gpu_memory_bytes=peak_gpu_memory(),
    )
    write_json(path, record)


def record_path(folder: Path, name: str) -> Path:
    """Where, in a study's folder, the record called `name` lies."""
    return folder / "records" / f"{name}.json"


def require_place(path: Path) -> None:
    """Prove before a job that its record can be written, in place of nothing but a record.

    Raises:
        UserError: it cannot, or another file is there.
    """
    require_target(path)
    if path.exists() and path.stat().st_size:
        try:
            read(path)
        except UserError as error:
            raise UserError(
                f"{path}: is there already, and is no record; name another file, or remove it"
            ) from error


def read_all(folder: Path) -> list[Record]:
    """Every record of a study's folder, sorted by name; those being written are left out.

    Raises:
        UserError: one of them is no JSON, or no record.
    """
    whole = files_below(folder / "records", "*.json")
    return sorted(map(read, whole), key=lambda record: record["name"])


def read(path: Path) -> Record:
    """One record.

    Raises:
        UserError: it is missing, no JSON, or no record.
    """
    value = read_json(path)
    known = value.keys() if isinstance(value, dict) else set()
    if lacking := sorted(Record.__annotations__.keys() - known):
        raise UserError(
            f"{path}: is no record of a job, it lacks {', '.join(lacking)}; remove it and run the "
            "job again"
        )
    return cast(Record, value)


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _code() -> Code:
    package = Path(rgmp.__file__).parent
    commit, dirty = _commit(package)
    lock = package.parent / "requirements.lock"
    locked = digest_of_file(lock) if lock.is_file() else None
    return Code(commit=commit, dirty=dirty, sources=package_sources(), lock=locked)


def package_sources() -> str:
    """SHA-256 of every .py of the package as it is now."""
    package = Path(rgmp.__file__).parent
    paths = files_below(package, "*.py")
    return digest_of({str(path.relative_to(package)): digest_of_file(path) for path in paths})


def _commit(package: Path) -> tuple[str | None, bool | None]:
    """The commit and dirty flag of the checkout that `package` is part of, or None twice.

    A package installed under another project's checkout (its .venv) is no part of that.
    """
    if _git(package, "ls-files", "__init__.py") in {None, ""}:
        return None, None
    status = _git(package, "status", "--porcelain=v2", "--branch")
    if status is None:
        return None, None
    found = re.search(r"^# branch\.oid ([0-9a-f]+)$", status, re.MULTILINE)
    dirty = any(line and not line.startswith("#") for line in status.splitlines())
    return (found[1], dirty) if found else (None, None)


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, or None where it is absent, fails or does not answer."""
    # no optional locks: jobs run side by side, and a commit may be in progress beside them
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    hook = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}  # set when a git hook is what runs us
    environment = {key: value for key, value in os.environ.items() if key not in hook}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True, env=environment
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


_PACKAGES = ("torch", "torchvision", "numpy", "scipy", "pillow", "pandas", "snakemake", "mlflow")


def _versions() -> dict[str, str]:
    versions = {"rgmp": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def device_name() -> str:
    """What the job computed on: its GPU, or the CPU."""
    machine = _machine()
    return machine["gpu"] or machine["cpu"]


def _machine() -> Machine:
    gpu = _gpu()
    return Machine(
        system=platform.platform(),
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        gpu=None if gpu is None else _torch().cuda.get_device_name(gpu),
        driver=None if gpu is None else _driver(),
    )


def _cpu() -> str:
    try:
        information = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        information = ""
    found = re.search(r"^model name\s*:\s*(.+)$", information, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def _torch() -> Any:
    """Torch where the job has imported it, else None: a record does not wait seconds for it."""
    return sys.modules.get("torch")


def _gpu() -> int | None:
    """The index of the GPU that the job used most, if it used one."""
    torch = _torch()
    if torch is None or not torch.cuda.is_initialized():
        return None
    return max(range(torch.cuda.device_count()), key=torch.cuda.max_memory_allocated)


def _driver() -> str | None:
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"\b\d+\.\d+(\.\d+)?\b", text)
    return found[0] if found else None


def _determinism() -> dict[str, bool | int | str | None]:
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
    """What torch answers; it refuses where both its old and its new interface have set TF32."""
    try:
        return ask()
    except RuntimeError:
        return "mixed"


def peak_memory() -> int:
    """Largest memory of this process until now, without its workers: bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, Linux KiB


def peak_gpu_memory() -> int | None:
    """Largest memory of tensors on the GPU until now: bytes; None where none was used."""
    gpu = _gpu()
    return None if gpu is None else int(_torch().cuda.max_memory_allocated(gpu))
