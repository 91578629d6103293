"""A study's jobs as MLflow runs: one for each record, and for each training run in progress."""

import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rgmp.provenance.machine import device_of
from rgmp.provenance.record import Record
from rgmp.study import layout
from rgmp.study.job_files import read_metrics
from rgmp.study.mlflow_links import STUDY, seed_run
from rgmp.study.plan import Plan
from rgmp.study.planned import Training
from rgmp.study.results import seconds_of
from rgmp.tracking import measures, sentences
from rgmp.tracking.mirror import Mirror, flat, milliseconds, text
from rgmp.training.job import WEIGHTS

_SECONDS_TO_CALL_DEAD = 600  # of a training run that logs nothing


def jobs(plan: Plan, records: Sequence[Record], folder: Path) -> list[Mirror]:
    """The runs of finished jobs, and of trainings that go on or have ceased.

    Raises:
        UserError: a curve is broken.
    """
    trainings = {training.folder: training for training in plan.trainings}
    parents = {seed_run(v.name, run.seed) for v in plan.variants for run in v.runs}
    trained = {weights_of(r): r["name"] for r in records if r["kind"] == "train"}
    # a score is that of the weights that made its masks
    models = {
        name: trained.get(record["inputs"].get("weights"))
        for record in records
        if record["kind"] == "infer"
        for name in (record["name"], record["name"].replace(layout.MASKS, layout.SCORES, 1))
    }
    done = []
    for record in records:
        parent = seed_run(record["variant"], record["seed"])
        below = parent if parent in parents else STUDY
        training = trainings.get(record["name"])
        done.append(
            _job(plan, record, folder, below, models.get(record["name"]))
            if training is None
            else _training(training, record, folder, below)
        )
    recorded = {mirror.name for mirror in done}
    growing = [
        _growing(training, folder)
        for training in plan.trainings
        if training.folder not in recorded and (folder / layout.curve(training.folder)).is_file()
    ]
    return [*done, *growing]


def _job(plan: Plan, record: Record, folder: Path, parent: str, model: str | None) -> Mirror:
    """The run of a finished job."""
    made = [folder / f"{record['name']}{suffix}" for suffix in (".csv", ".json")]
    return Mirror(
        **_about(record, parent),
        note=sentences.of_job(plan, record),
        metrics=measures.numbers(record),
        model=model,
        artifacts=[(path, "") for path in made if path.is_file()],
    )


def _training(training: Training, record: Record, folder: Path, parent: str) -> Mirror:
    """The run of a finished training."""
    about, numbers = _about(record, parent), measures.numbers(record)
    curve = _curve(training, folder)
    weights = folder / layout.weights(training.folder)
    about["tags"] = {**about["tags"], **_training_tags(training)}
    return Mirror(
        **about,
        note=sentences.of_training(training),
        metrics={key: numbers[key] for key in numbers if not curve or key not in curve[0]},
        curve=curve,
        weights=weights if weights.is_file() else None,
    )


def _about(record: Record, parent: str) -> dict[str, Any]:
    """What the runs of all finished jobs have."""
    started = milliseconds(datetime.fromisoformat(record["started"]).timestamp())
    # settings are under their names in a study file
    config = {"inference": record["config"]} if record["kind"] == "infer" else record["config"]
    return {
        "name": record["name"],
        "title": record["name"],
        "parent": parent,
        "status": "FINISHED",
        "started": started,
        "ended": started + milliseconds(seconds_of(record)),
        "tags": _tags(record),
        "params": flat(config),
        "data": data_of(record),
        "record": record,
    }


def _growing(training: Training, folder: Path) -> Mirror:
    """The run of an unfinished training run: in progress, or killed and not yet resumed."""
    curve = _curve(training, folder)
    logged = (folder / layout.curve(training.folder)).stat().st_mtime
    spent = curve[-1]["seconds"] if curve else 0.0
    kind = {"kind": "train", "variant": training.variants[0]}
    return Mirror(
        name=training.folder,
        title=training.folder,
        parent=seed_run(training.variants[0], training.seed),
        status="RUNNING" if time.time() - logged < _SECONDS_TO_CALL_DEAD else "KILLED",
        started=milliseconds(logged - spent),
        ended=milliseconds(logged),
        tags=_training_tags(training) | kind,
        note=sentences.of_training(training),
        params=flat(training.config),
        curve=curve,
    )


def _curve(training: Training, folder: Path) -> list[dict[str, float]]:
    """The points that a training run has logged."""
    return [*map(measures.point, read_metrics(folder / layout.curve(training.folder)))]


def data_of(record: Record) -> list[tuple[str, str, str]]:
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


def weights_of(record: Record) -> str | None:
    """The digest of the weights that a job has made."""
    made = (v for key, v in record["outputs"].items() if key.endswith(WEIGHTS))
    return next(made, None)


def _training_tags(training: Training) -> dict[str, str]:
    return {
        "stage": training.stage,
        "seed": str(training.seed),
        "identity": training.identity,
        "variants": text(training.variants),
    }


def _tags(record: Record) -> dict[str, str]:
    """Tags to filter runs by: the job, its code, machine, inputs and outputs."""
    machine, versions = record["machine"], record["versions"]
    keys = ("kind", "study", "variant", "seed", "stage", "benchmark", "identity")
    tags = {
        **{key: record[key] for key in keys},  # type: ignore[literal-required]
        **{f"input.{key}": value for key, value in record["inputs"].items()},
        **provenance([record]),
        "weights": weights_of(record),
        "mlflow.source.name": f"rgmp {record['kind']}",
        "command": " ".join(record["command"]),
        "host": machine.get("host"),
        "cpu": machine["cpu"],
        "gpu": machine["gpu"],
        "driver": machine["driver"],
        "python": versions.get("python"),
        "torch": versions.get("torch"),
    }
    return {key: text(value) for key, value in tags.items() if value not in {None, ""}}


def provenance(records: Sequence[Record]) -> dict[str, str]:
    """The code, locked environment and machine that some jobs have in common, where MLflow looks.

    MLflow has a place for one commit: that of all, or none.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        code, machine = record["code"], record["machine"]
        for key, value in (
            ("commit", code["commit"]),
            ("mlflow.source.git.dirty", None if code["dirty"] is None else text(code["dirty"])),
            ("sources", code["sources"]),
            ("lock", code.get("lock")),  # absent in records of an earlier version
            ("machine", device_of(machine)),
        ):
            if value:
                found[key].add(value)
    tags = {key: text(sorted(values)) for key, values in found.items()}
    if len(found["commit"]) == 1:
        tags["mlflow.source.git.commit"] = tags["commit"]
    return tags
