"""The files and records of a fake study, and the randomness that they are drawn from."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rgmp.data.digests import digest_of_masks
from rgmp.runtime.files import digest_of, digest_of_file

SOURCES, COMMIT = "5" * 64, "c0ffee1234567890c0ffee1234567890c0ffee12"


def write_record(
    folder: Path,
    kind: str,
    name: str,
    variant: str | None,
    seed: int | None,
    *,
    stage: str | None = None,
    benchmark: str | None = None,
    identity: str = "0" * 12,
    config: dict[str, Any] | None = None,
    results: dict[str, Any] | None = None,
    masks: dict[str, str] | None = None,
    made: dict[str, str] | None = None,
) -> None:
    """A job's record; what is not given is the same for every job.

    `made` are the paths of its outputs, below the study's folder, by their names in the record.
    Masks are one of them if they are there.
    """
    outputs = {key: digest_of_file(folder / path) for key, path in (made or {}).items()}
    places = {sequence: folder / place for sequence, place in (masks or {}).items()}
    if places and all(place.is_dir() for place in places.values()):
        outputs["masks"] = digest_of_masks(places)
    record = {
        "kind": kind,
        "name": name,
        "study": folder.name,
        "variant": variant,
        "seed": seed,
        "stage": stage,
        "benchmark": benchmark,
        "identity": identity,
        "config": config or {},
        "inputs": {"data": digest_of([stage, benchmark])},
        "results": results or {},
        "outputs": outputs,
        "command": ["rgmp", kind],
        "code": {"commit": COMMIT, "dirty": False, "sources": SOURCES},
        "versions": {"rgmp": "0.1.0", "python": "3.11.2", "torch": "2.6.0"},
        "machine": {
            "system": "Linux",
            "cpu": "Xeon",
            "cores": 2,
            "memory_bytes": 8_000_000_000,
            "gpu": None,
            "driver": None,
        },
        "determinism": {"deterministic_algorithms": True},
        "started": "2026-05-04T03:02:01Z",
        "wall_seconds": 2.5,
        "peak_memory_bytes": 512_000_000,
        "peak_gpu_memory_bytes": None,
    }
    if masks:
        record["masks"] = masks
    write(folder / "records" / f"{name}.json", json.dumps(record))


def write(path: Path, text: str) -> None:
    """Write a file, and the folders it is in.

    Not by `rgmp.runtime.files.write_text`: to flush thousands of small files takes many seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def random_of(*key: object) -> np.random.Generator:
    """The same numbers for the same key."""
    return np.random.default_rng(int(digest_of([str(part) for part in key])[:15], 16))
