"""Provenance: every job writes one JSON file with its settings, inputs, code and machine.

    with recording(path, kind="train", name=name, ...) as record:
        ...
        record.results["samples"] = 12
        record.outputs["weights.safetensors"] = digest_of_file(weights)

A block that raises writes nothing. Tables, figures, the report and MLflow mirror these files.
"""

import math
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NotRequired, cast

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from rgmp.config.load import require_shape
from rgmp.provenance.code import Code, package_versions, running_code
from rgmp.provenance.machine import (
    Determinism,
    MachineInfo,
    determinism,
    peak_gpu_memory,
    peak_memory,
    processor_of,
    this_machine,
)
from rgmp.runtime.clock import utc_now
from rgmp.runtime.files import (
    Kind,
    files_below,
    read_json,
    require_target,
    write_json,
)

RECORDS = "records"
"""The folder of records in a study's folder."""

Value = float | int | str | None


class Circumstances(TypedDict):
    """How a job ran: what the process itself says of it."""

    command: list[str]
    code: Code
    versions: dict[str, str]
    machine: MachineInfo
    determinism: Determinism
    started: str  # UTC, ISO 8601
    wall_seconds: float
    cpu_seconds: NotRequired[float]  # meanwhile, of the process and of its workers that ended
    peak_memory_bytes: int  # of the process, without its workers
    peak_gpu_memory_bytes: int | None


class Record(Circumstances):
    """The content of a record file."""

    kind: str  # the `rgmp` command
    name: str  # the record's path in the folder of records, without .json
    study: str | None
    variant: str | None
    seed: int | None
    stage: str | None
    benchmark: str | None
    identity: str | None  # of a training run; of the last one behind masks, scores and speed
    config: dict[str, Any]
    # SHA-256 of the data that were read, the manifest of the part they are of, weights, masks, ...
    inputs: dict[str, str]
    results: dict[str, Value]
    outputs: dict[str, str]  # SHA-256 of outputs, by path
    masks: NotRequired[
        dict[str, str]
    ]  # where a study's masks lie: sequence -> folder below its own
    # of a check: part of the data -> what it consists of -> SHA-256, counts, sizes
    manifest: NotRequired[dict[str, dict[str, dict[str, int | str]]]]


@dataclass(frozen=True)
class Draft:
    """What a job adds to its record while it runs; non-finite numbers become null."""

    inputs: dict[str, str]
    results: dict[str, Value] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    manifest: dict[str, dict[str, dict[str, int | str]]] = field(default_factory=dict)


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
    """Run a job's block and, if it succeeds, write its record to `path`.

    Args:
        path: the record's file; None writes nothing.
        kind: the `rgmp` command that runs.
        name: what the job makes, as a path under the study's folder without its suffix.
        study: the study, if the job belongs to one.
        variant: the variant; for a shared training run, the first that needs it.
        seed: the seed, of training or of rendering.
        stage: `pretrain` or `finetune`.
        benchmark: `davis2016` or `davis2017`.
        identity: of a training run; of the last one behind masks, scores and speed.
        config: the resolved settings, JSON values only.
        inputs: digests of inputs; more can be added to the draft.

    Yields:
        the draft, which the block fills.
    """
    draft = Draft(inputs=dict(inputs or {}))
    started, clock, worked = utc_now(), time.perf_counter(), _cpu_seconds()
    code = running_code()  # now, because it may be edited while the job runs
    yield draft
    if path is None:
        return
    record: Record = {
        "kind": kind,
        "name": name,
        "study": study,
        "variant": variant,
        "seed": seed,
        "stage": stage,
        "benchmark": benchmark,
        "identity": identity,
        "config": dict(config or {}),
        "inputs": draft.inputs,
        "results": {key: _finite(value) for key, value in draft.results.items()},
        "outputs": draft.outputs,
        "masks": draft.masks,
        "manifest": draft.manifest,
        **_circumstances(code, started, time.perf_counter() - clock, _cpu_seconds() - worked),
    }
    if not draft.manifest:
        del record["manifest"]
    write_json(path, record)


def _circumstances(code: Code, started: str, seconds: float, cpu_seconds: float) -> Circumstances:
    """How this process ran a job."""
    return Circumstances(
        command=[Path(sys.argv[0]).name, *sys.argv[1:]],
        code=code,
        versions=package_versions(),
        machine=this_machine(),
        determinism=determinism(),
        started=started,
        wall_seconds=round(seconds, 3),
        cpu_seconds=round(cpu_seconds, 3),
        peak_memory_bytes=peak_memory(),
        peak_gpu_memory_bytes=peak_gpu_memory(),
    )


def _cpu_seconds() -> float:
    """CPU time so far of this process, and of the processes it started that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def require_place(path: Path) -> None:
    """Check before a job that its record can be written and replaces at most a record.

    Raises:
        UserError: it cannot, or another file exists there.
    """
    require_target(path, Kind("record", read))


def read_all(folder: Path) -> list[Record]:
    """Every record of a study folder, sorted by name, except those being written.

    Raises:
        UserError: one of them is not valid JSON, or not a record.
    """
    whole = files_below(folder / RECORDS, "*.json")
    return sorted(map(read, whole), key=lambda record: record["name"])


def processors_of(record: Record) -> str:
    """What decided the last bits of a job's result, as `processor_of` has it.

    Of a training run all that its attempts and its processes ran on.
    """
    said = record["results"].get("processors")
    return str(said) if said else processor_of(record["machine"], record["determinism"])


def read(path: Path) -> Record:
    """Read one record.

    Raises:
        UserError: it is missing, not valid JSON, or not a record.
    """
    value = read_json(path)
    require_shape(_RECORD, value, path, "a record of a job", "remove it and run the job again")
    return cast(Record, value)


_RECORD = TypeAdapter(Record)


def _finite(value: Value) -> Value:
    return None if isinstance(value, float) and not math.isfinite(value) else value
