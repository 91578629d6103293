"""A study's files as MLflow runs; `rgmp.tracking.store` writes them.

There is one run for the study (with tables and figures), one for each variant and seed (with final
scores) and, below these, one for each record. A training run that several variants share is one
MLflow run, below the first of them; all of them link to it. Runs meant for comparison have few
parameters and metrics, with the same names in every study.
"""

import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rgmp.provenance.machine import device_of
from rgmp.provenance.record import Record, read_all
from rgmp.runtime.files import digest_of, digest_of_file, files_below
from rgmp.runtime.markup import markdown_paragraph
from rgmp.study import layout
from rgmp.study.job_files import read_metrics
from rgmp.study.plan import Plan
from rgmp.study.planned import PlannedVariant, Run, Training
from rgmp.study.timing import SpeedFiles, read_speed_files, summary_of
from rgmp.training.job import WEIGHTS

Status = Literal["FINISHED", "RUNNING", "SCHEDULED", "KILLED"]
_STUDY = "study"
_SECONDS_TO_CALL_DEAD = 600  # of a training run that logs nothing
_SPEED = ("fps", "end_to_end_fps", "authors_fps", "fraction_of_limit", "peak_memory_bytes")


@dataclass(frozen=True)
class Mirror:
    """The intended content of one MLflow run.

    Attributes:
        name: unique in the study; of a record, the record's. The tag `record` holds it.
        parent: the mirror above this one; None: a top-level run, which is updated in place, so that
            others can stay below it.
        status: FINISHED: complete; RUNNING and KILLED: a training run that logs, or no longer does;
            SCHEDULED: something that belongs to it is missing.
        started, ended: milliseconds since 1970.
        note: first sentence of its page, Markdown.
        links: title -> name of another mirror, to link to.
        data: MLflow data sets: name, digest of the manifest, context.
        curve: points of a training run, each with its `step` and `seconds`.
        artifacts: files by artifact folder; "" is the top level.
        weights: those of a training run, by their hash in the record; large ones are named, not
            copied.
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
    note: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    data: Sequence[tuple[str, str, str]] = ()
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
        return digest_of([self.params, self.metrics, self.data, points, contents, self.record])


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


def read_mirrors(plan: Plan, folder: Path) -> list[Mirror]:
    """Every run that a study's files require; parents come before their children.

    Raises:
        UserError: a record or a speed file is broken.
    """
    records = [record for record in read_all(folder) if record["kind"] != "track"]
    parents = {_parent(v.name, run.seed): (v, run) for v in plan.variants for run in v.runs}
    done = [_of_record(plan, record, folder, set(parents)) for record in records]
    recorded = {mirror.name for mirror in done}
    growing = [
        _of_growing(plan, training, folder)
        for training in plan.trainings
        if training.folder not in recorded and (folder / layout.curve(training.folder)).is_file()
    ]
    children, speed = [*done, *growing], read_speed_files(plan, folder)
    now = milliseconds((folder / layout.PLAN).stat().st_mtime)
    runs = [
        _of_run(plan, variant, run, [m for m in children if m.parent == name], speed, now)
        for name, (variant, run) in parents.items()
    ]
    return [_of_study(plan, folder, runs, len(records), now), *runs, *children]


def _parent(variant: str | None, seed: int | None) -> str:
    return f"{variant}/seed{seed}"


def _of_study(plan: Plan, folder: Path, runs: Sequence[Mirror], jobs: int, now: int) -> Mirror:
    """The run of the whole study, with its tables and figures."""
    rendered = [
        path for name in (layout.TABLES, layout.FIGURES) for path in files_below(folder / name)
    ]
    logs = files_below(folder / layout.LOGS)
    return Mirror(
        name=_STUDY,
        title=plan.study,
        parent=None,
        status="FINISHED" if all(run.status == "FINISHED" for run in runs) else "SCHEDULED",
        started=min((run.started for run in runs), default=now),
        ended=max((run.ended for run in runs), default=now),
        tags={"kind": _STUDY, "study": plan.study, "embedded": _text(plan.embedded)},
        params={"benchmarks": _text(plan.benchmarks), "split": plan.split},
        metrics={"records": jobs},
        artifacts=[
            (path, path.relative_to(folder).parent.as_posix().removeprefix("."))
            for path in (*rendered, *logs, folder / layout.PLAN)
            if path.is_file()
        ],
    )


def _of_run(
    plan: Plan,
    variant: PlannedVariant,
    run: Run,
    children: Sequence[Mirror],
    speed: SpeedFiles,
    now: int,
) -> Mirror:
    """The run of a variant and seed: its changed settings, its final scores and its speed."""
    trainings = [plan.training(identity) for identity in run.trainings]
    records = [child.record for child in children if child.record]
    # not those of earlier checkpoints, which are runs of their own
    scores = [record for record in records if f"{record['name']}.csv" in plan.scores]
    scored = {record["benchmark"] for record in scores}
    finals = {key: value for record in scores for key, value in _numbers(record).items()}
    for benchmark, timed in speed.items():
        finals |= _speed_of(benchmark, summary_of(plan, timed, benchmark, variant))
    read = {data for record in scores for data in _data_of(record)}
    read |= {(f"{plan.study}/{t.stage}", t.data, "training") for t in trainings}
    return Mirror(
        name=_parent(variant.name, run.seed),
        title=f"{variant.name} seed {run.seed}",
        parent=None,
        status="FINISHED" if scored >= set(plan.benchmarks) else "SCHEDULED",
        started=min((child.started for child in children), default=now),
        ended=max((child.ended for child in children), default=now),
        tags={
            "kind": "variant",
            "study": plan.study,
            "variant": variant.name,
            "seed": str(run.seed),
            "label": variant.label,
            **({"identity": trainings[-1].identity} if trainings else {}),
            **{f"training.{training.stage}": training.folder for training in trainings},
            **_common_tags(records),
        },
        note=markdown_paragraph(variant.claim),
        links={training.stage: training.folder for training in trainings},
        data=sorted(read),
        params={"variant": variant.name, "seed": str(run.seed)}
        | _varied_settings(plan, variant, trainings),
        metrics=finals,
    )


def _varied_settings(
    plan: Plan, variant: PlannedVariant, trainings: Sequence[Training]
) -> dict[str, str]:
    """A variant's values of the settings that any variant changes, to keep columns few."""
    changed = {key for other in plan.variants for key in _flat(other.overrides)}
    settings: dict[str, Any] = {
        "stages": [training.stage for training in trainings],
        "inference": variant.inference.model_dump(mode="json"),
    }
    for training in trainings:
        settings |= training.config
    return {key: value for key, value in _flat(settings).items() if key in changed}


def _of_record(plan: Plan, record: Record, folder: Path, parents: set[str]) -> Mirror:
    """The run of a finished job."""
    parent = _parent(record["variant"], record["seed"])
    started = milliseconds(datetime.fromisoformat(record["started"]).timestamp())
    made = [folder / f"{record['name']}{suffix}" for suffix in (".csv", ".json")]
    weights = folder / layout.weights(record["name"])
    curve = read_metrics(folder / layout.curve(record["name"])) if record["kind"] == "train" else []
    numbers = _numbers(record)
    return Mirror(
        name=record["name"],
        title=record["name"],
        parent=parent if parent in parents else _STUDY,
        status="FINISHED",
        started=started,
        ended=started + milliseconds(record["wall_seconds"]),
        tags=_record_tags(plan, record),
        params=_flat(_settings(record)),
        metrics={key: numbers[key] for key in numbers if not curve or key not in curve[0]},
        data=_data_of(record),
        curve=curve,
        artifacts=[(path, "") for path in made if path.is_file()],
        weights=weights if record["kind"] == "train" and weights.is_file() else None,
        record=record,
    )


def _settings(record: Record) -> dict[str, Any]:
    """A job's settings, under their names in a study file."""
    return {"inference": record["config"]} if record["kind"] == "infer" else record["config"]


def _data_of(record: Record) -> list[tuple[str, str, str]]:
    """A job's inputs as MLflow data sets: name, digest of the manifest, context."""
    inputs = record["inputs"]
    if record["kind"] == "check":
        parts = [part for part in record.get("manifest", {}) if part in inputs]
        return [(f"{record['study']}/{part}", inputs[part], "check") for part in parts]
    digest = inputs.get("manifest", inputs.get("data"))
    if digest is None:
        return []
    name = f"{record['study']}/{record['stage'] or record['benchmark'] or record['kind']}"
    return [(name, digest, "training" if record["kind"] == "train" else "evaluation")]


def _of_growing(plan: Plan, training: Training, folder: Path) -> Mirror:
    """The run of an unfinished training run: in progress, or killed and not yet resumed."""
    path = folder / layout.curve(training.folder)
    curve = read_metrics(path)
    logged = path.stat().st_mtime
    spent = curve[-1]["seconds"] if curve else 0.0
    return Mirror(
        name=training.folder,
        title=training.folder,
        parent=_parent(training.variants[0], training.seed),
        status="RUNNING" if time.time() - logged < _SECONDS_TO_CALL_DEAD else "KILLED",
        started=milliseconds(logged - spent),
        ended=milliseconds(logged),
        tags=_training_tags(plan, training) | {"kind": "train", "variant": training.variants[0]},
        params=_flat(training.config),
        curve=curve,
    )


def _training_tags(plan: Plan, training: Training) -> dict[str, str]:
    return {
        "study": plan.study,
        "stage": training.stage,
        "seed": str(training.seed),
        "identity": training.identity,
        "variants": _text(training.variants),
    }


def _record_tags(plan: Plan, record: Record) -> dict[str, str]:
    """Tags to filter runs by: the job, its code, machine, inputs and outputs."""
    code, machine, versions = record["code"], record["machine"], record["versions"]
    keys = ("kind", "study", "variant", "seed", "stage", "benchmark", "identity")
    training = [t for t in plan.trainings if t.folder == record["name"]]
    weights = [v for key, v in record["outputs"].items() if key.endswith(WEIGHTS)]
    tags = {
        **{key: record[key] for key in keys},  # type: ignore[literal-required]
        **(_training_tags(plan, training[0]) if training else {}),
        **{f"input.{key}": value for key, value in record["inputs"].items()},
        **_common_tags([record]),
        "weights": weights[0] if weights else None,
        "mlflow.source.git.commit": code["commit"],  # shown in the list of runs
        "mlflow.source.name": " ".join(record["command"]),
        "dirty": code["dirty"],
        "cpu": machine["cpu"],
        "gpu": machine["gpu"],
        "driver": machine["driver"],
        "python": versions.get("python"),
        "torch": versions.get("torch"),
    }
    return {key: _text(value) for key, value in tags.items() if value not in {None, ""}}


def _common_tags(records: Sequence[Record]) -> dict[str, str]:
    """The code, locked environment and machine that some jobs have in common."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        code, machine = record["code"], record["machine"]
        for key, value in (
            ("commit", code["commit"]),
            ("sources", code["sources"]),
            ("lock", code.get("lock")),  # absent in records of an earlier version
            ("machine", device_of(machine)),
        ):
            if value:
                found[key].add(value)
    return {key: _text(sorted(values)) for key, values in found.items()}


def _numbers(record: Record) -> dict[str, float]:
    """A record's numeric results, under sortable names that MLflow accepts.

    Scores and speeds are prefixed with their benchmark: `davis2016/J_mean`. J&F is J_and_F.
    """
    kind, benchmark = record["kind"], record["benchmark"]
    prefix = f"{benchmark}/" if kind in {"score", "speed"} else ""
    return {
        prefix + re.sub(r"[^\w. /:-]", "_", key.replace("&", "_and_")): float(value)
        for key, value in record["results"].items()
        if isinstance(value, int | float)
    }


def _speed_of(benchmark: str, summary: Mapping[str, float | None]) -> dict[str, float]:
    """What a run shows of the speed of its variant, measured or shared with another."""
    shown = {key: summary.get(key) for key in _SPEED}
    return {f"{benchmark}/{key}": value for key, value in shown.items() if value is not None}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings under dotted names, as text."""
    flat: dict[str, str] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = _text(value)
    return flat


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value)


def milliseconds(seconds: float) -> int:
    """Seconds as MLflow counts them."""
    return round(seconds * 1000)
