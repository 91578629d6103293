"""What Snakemake remembers of the files that it made, so that it travels with them.

Snakemake keeps a JSON file per output in `.snakemake/metadata` (its `persistence/file.py`). Without
one it goes by times alone, and takes an output for up to date whatever the study says now. With one
it sees that settings, code or the set of inputs are others. What is read of it here is what that
takes, and its report; everything else is left out, and nothing of it is executed.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from rgmp.config.base import Closed
from rgmp.config.load import validated
from rgmp.errors import UserError
from rgmp.runtime.files import read_json, write_json

_FOLDER = Path(".snakemake")


class Remembered(Closed):
    """What Snakemake remembers of an output; the names are its own."""

    record_format_version: int
    rule: str
    input: tuple[str, ...]
    log: tuple[str, ...] = ()
    params: tuple[str, ...]
    shellcmd: str | None = None
    code: str | None = None
    software_stack_hash: str | None = None
    starttime: float | None = None
    endtime: float | None = None
    input_checksums: dict[str, str] = Field(default_factory=dict)


class Memory(Closed):
    """What Snakemake remembers of some outputs, by their paths below the study's folder."""

    outputs: dict[str, Remembered] = Field(default_factory=dict)


def recall(folder: Path, outputs: Iterable[str]) -> Memory:
    """What the Snakemake that ran a study remembers of its outputs, of those that it made.

    Args:
        folder: of the study, `results/<study>` below the folder in which Snakemake ran.
        outputs: paths below the study's folder.
    """
    found = {}
    for output in outputs:
        path = _place(folder, output)
        if path.is_file():
            try:
                known = read_json(path)
                kept = {key: known[key] for key in Remembered.model_fields if key in known}
                found[output] = validated(Remembered, kept, path)
            except (UserError, TypeError):  # as Snakemake, which ignores what it cannot read
                continue
    return Memory(outputs=found)


def remember(folder: Path, outputs: Mapping[str, Remembered]) -> None:
    """Make Snakemake remember what it knew of outputs elsewhere.

    Args:
        folder: of the study, as in `recall`.
        outputs: by their paths below the study's folder.
    """
    # without this folder Snakemake takes the other for one of an earlier version
    (_project(folder) / _FOLDER / "incomplete").mkdir(parents=True, exist_ok=True)
    for output, known in outputs.items():
        write_json(_place(folder, output), known.model_dump(mode="json"))


def _project(folder: Path) -> Path:
    """The folder in which Snakemake runs, for a study in its `results/`."""
    return folder.parent.parent


def _place(folder: Path, output: str) -> Path:
    """Where Snakemake keeps what it remembers of an output: its path in base 64, cut to names."""
    metadata = _project(folder) / _FOLDER / "metadata"
    key = f"{folder.parent.name}/{folder.name}/{output}"
    encoded = urlsafe_b64encode(key.encode()).decode()
    length = os.pathconf(_existing(metadata), "PC_NAME_MAX") - 1
    *above, name = (encoded[at : at + length] for at in range(0, len(encoded), length))
    return metadata.joinpath(*(f"@{part}" for part in above), name)


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.parents) if place.exists())
