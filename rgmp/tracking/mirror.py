"""The intended content of MLflow's runs, as `rgmp.tracking.store` takes it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rgmp.provenance.record import Record
from rgmp.runtime.files import digest_of, digest_of_file
from rgmp.study import layout

Status = Literal["FINISHED", "RUNNING", "SCHEDULED", "KILLED"]


@dataclass(frozen=True)
class Mirror:
    """The intended content of one MLflow run.

    Attributes:
        name: unique in the study; of a record, the record's. The tag `record` holds it.
        parent: the mirror above this one; None: a top-level run.
        sums_up: whether it stands for those below it. Then it is updated in place, so that they can
            stay below it.
        status: FINISHED: complete; RUNNING and KILLED: a training run that logs, or no longer does;
            SCHEDULED: something that belongs to it is missing.
        started, ended: milliseconds since 1970. What sums up ends as if the jobs below it had run
            one after the other, without a pause.
        note: what it is, in a sentence, Markdown.
        links: title -> name of another mirror, to link to.
        data: MLflow data sets: name, digest of the manifest, context.
        model: the training run whose weights it reads, if it is one of the study's.
        curve: points of a training run, each with its `step` and `seconds`.
        artifacts: files by artifact folder; "" is the top level.
        weights: those of a finished training run: an MLflow model. They are known by their hash in
            the record; large ones are named, not copied.
    """

    name: str
    title: str
    parent: str | None
    status: Status
    started: int
    ended: int
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    sums_up: bool = False
    note: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    data: Sequence[tuple[str, str, str]] = ()
    model: str | None = None
    curve: Sequence[Mapping[str, float]] = ()
    artifacts: Sequence[tuple[Path, str]] = ()
    weights: Path | None = None
    record: Record | None = None

    @cached_property
    def digest(self) -> str:
        """A digest of the content, except tags, which are compared one by one.

        Logs are excluded, because this job's own log grows; they are uploaded with each new record.
        """
        contents = [
            (folder, path.name, digest_of_file(path))
            for path, folder in self.artifacts
            if not folder.startswith(layout.LOGS)
        ]
        points = [json.dumps(point) for point in self.curve]
        about = [self.params, self.metrics, self.data, self.model]
        return digest_of([*about, points, contents, self.record])

    @property
    def milliseconds(self) -> int:
        """How long it took."""
        return self.ended - self.started


class Mirrored(NamedTuple):
    """A study's runs in a store.

    Attributes:
        experiment: its id.
        ids: name of a mirror -> id of its run.
        written: how many of them had to be.
        whole: whether every variant and seed of the study is trained and scored.
    """

    experiment: str
    ids: dict[str, str]
    written: int
    whole: bool


def milliseconds(seconds: float) -> int:
    """Seconds as MLflow counts them."""
    return round(seconds * 1000)


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings under dotted names, as text."""
    found: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = text(value)
    return found


def text(value: Any) -> str:
    """A setting as text: lists without brackets, words without quotes."""
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    return value if isinstance(value, str) else json.dumps(value)
