"""Records mirrored in MLflow: what a study's files say, as runs that one can browse and compare.

A study is an experiment. In it, one run stands for the study (with its tables, figures and report),
one for each variant and seed (with its final scores), and below these there is one for each record.
A training that several variants share is one run, below the first of them; all name it in a tag.

The files are the truth: `track` brings the store to what they say. It adds what is missing, leaves
what is there, and may be killed at any moment and called again.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from filelock import FileLock

from rgmp.files import digest_of, digest_of_file
from rgmp.plan import Plan, PlannedVariant, Training, load_plan
from rgmp.plan import Run as PlannedRun
from rgmp.records import Record, read_all
from rgmp.results import read_metrics

# Read by MLflow when it is imported or called; what the user has set for the store stays.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # no network access but to the store
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # what goes wrong, `track` says
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines a run
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # a store that is away: seconds,
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")  # not minutes

from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError  # MLflow lets some of them through

Status = Literal["FINISHED", "RUNNING", "SCHEDULED", "KILLED"]
_STUDY = "study"
_SECONDS_TO_WAIT = 600  # for another process that tracks into the same store
_SECONDS_TO_CALL_DEAD = 600  # a training that has logged nothing for as long


@dataclass(frozen=True)
class Tracked:
    """What `track` did: the store, the runs that mirror the study, how many it had to write."""

    uri: str
    runs: int
    written: int


@dataclass(frozen=True)
class Mirror:
    """One run as the files say it should be.

    Attributes:
        name: unique in the study; of a record, the record's. The tag `record` holds it.
        parent: the mirror that this one lies below; None: it stays the same run whatever changes,
            so that others can lie below it.
        status: FINISHED: whole; RUNNING and KILLED: a training that logs, or has ceased to;
            SCHEDULED: something that belongs to it is missing.
        started, ended: milliseconds since 1970.
        curve: points of a training, each with its `step` and `seconds`.
        artifacts: files by the folder they appear in; "" is the top.
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
    curve: Sequence[Mapping[str, float]] = ()
    artifacts: Sequence[tuple[Path, str]] = ()
    record: Record | None = None

    @cached_property
    def digest(self) -> str:
        """What tells this content from another; tags are compared one by one.

        Logs are left out, for that of this very job grows; they go along with each new record.
        """
        contents = [
            (folder, path.name, digest_of_file(path))
            for path, folder in self.artifacts
            if not folder.startswith("logs")
        ]
        points = [json.dumps(point) for point in self.curve]
        return digest_of([self.params, self.metrics, points, contents, self.record])


def track(folder: Path, uri: str | None = None) -> Tracked | None:
    """Bring an MLflow store to what the files of a study say.

    Args:
        folder: the study's, `results/<study>`.
        uri: the store; None: `MLFLOW_TRACKING_URI`, else a SQLite file beside the study's folder.

    Returns:
        What was done, or None where the store is away: that costs one line on standard error and
        nothing else; a later call completes it.

    Raises:
        UserError: the folder is none of a study, or one of its files is broken.
    """
    plan = load_plan(folder)
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_store(folder)}/mlflow.db"
    try:
        # One at a time: two that look for a run before they add it would add it twice.
        with _lock(uri, folder):
            _make_database(uri)
            client = MlflowClient(tracking_uri=uri)
            mirrors = _mirrors(plan, folder)
            experiment = _experiment(client, plan, None if _has_server(uri) else _store(folder))
            written = _bring(client, experiment.experiment_id, mirrors, str(folder.absolute()))
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        reason = str(error).partition("\n")[0]
        print(
            _without_password(
                f"rgmp: warning: MLflow at {uri} cannot be written ({reason}); nothing is lost: "
                f"`rgmp track {folder}` completes it later"
            ),
            file=sys.stderr,
        )
        return None
    return Tracked(_without_password(uri), len(mirrors), written)


def _store(folder: Path) -> Path:
    return folder.absolute().parent


def _has_server(uri: str) -> bool:
    """Whether a server takes the artifacts, and decides where they go."""
    return not uri.startswith(("sqlite:", "postgresql", "mysql", "mssql"))


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


def _lock(uri: str, folder: Path) -> FileLock:
    guarded = _database(uri) or folder / "tracking"
    guarded.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(guarded.with_name(f".{guarded.name}.lock"), timeout=_SECONDS_TO_WAIT)


def _database(uri: str) -> Path | None:
    """The file of a SQLite store."""
    is_file = uri.startswith("sqlite:///")
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if is_file else None


def _make_database(uri: str) -> None:
    """Make the file of a SQLite store, whole or not at all: MLflow cannot repair one in part."""
    path = _database(uri)
    if path is None or path.exists():
        return
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as hidden:
        MlflowClient(f"sqlite:///{hidden}/{path.name}").search_experiments()
        Path(hidden, path.name).rename(path)


def _experiment(client: MlflowClient, plan: Plan, artifacts: Path | None) -> Experiment:
    """Find or make the experiment of a study.

    MLflow writes the place of the artifacts into it, as an absolute path, for ever: when `results/`
    moves, remove mlflow.db and track again.
    """
    found = client.get_experiment_by_name(plan.study)
    if found is None:
        location = (artifacts / "mlflow-artifacts").as_uri() if artifacts else None
        note = f"{plan.title}." + (" Rendered toy data, not DAVIS." if plan.embedded else "")
        tags = {"mlflow.note.content": note, "file": plan.file}
        return client.get_experiment(client.create_experiment(plan.study, location, tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found


# What the store should hold


def _mirrors(plan: Plan, folder: Path) -> list[Mirror]:
    """Every run that the files of a study call for; parents come before their children."""
    records = [record for record in read_all(folder) if record["kind"] != "track"]
    parents = {_parent(v.name, run.seed): (v, run) for v in plan.variants for run in v.runs}
    done = [_of_record(plan, record, folder, set(parents)) for record in records]
    recorded = {mirror.name for mirror in done}
    growing = [
        _of_growing(plan, training, folder)
        for training in plan.trainings
        if training.folder not in recorded and (folder / training.folder / _CURVE).is_file()
    ]
    children = [*done, *growing]
    now = _milliseconds((folder / "plan.json").stat().st_mtime)
    runs = [
        _of_run(plan, variant, run, [m for m in children if m.parent == name], now)
        for name, (variant, run) in parents.items()
    ]
    return [_of_study(plan, folder, runs, len(records), now), *runs, *children]


_CURVE = "metrics.jsonl"


def _parent(variant: str | None, seed: int | None) -> str:
    return f"{variant}/seed{seed}"


def _of_study(plan: Plan, folder: Path, runs: Sequence[Mirror], records: int, now: int) -> Mirror:
    """The run of the study as a whole, with what is made from all of it."""
    rendered = [path for name in ("tables", "figures") for path in _visible(folder / name)]
    logs = _visible(folder / "logs")
    report = [folder / "report.html", folder / "plan.json"]
    return Mirror(
        name=_STUDY,
        title=plan.study,
        parent=None,
        status="FINISHED" if all(run.status == "FINISHED" for run in runs) else "SCHEDULED",
        started=min((run.started for run in runs), default=now),
        ended=max((run.ended for run in runs), default=now),
        tags={"kind": _STUDY, "study": plan.study, "embedded": _text(plan.embedded)},
        params={"benchmarks": _text(plan.benchmarks), "split": plan.split},
        metrics={"records": records},
        artifacts=[
            (path, path.relative_to(folder).parent.as_posix().removeprefix("."))
            for path in (*rendered, *logs, *report)
            if path.is_file()
        ],
    )


def _visible(folder: Path) -> list[Path]:
    """Files below a folder, without those that are being written."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(x.startswith(".") for x in path.relative_to(folder).parts)
    )


def _of_run(
    plan: Plan, variant: PlannedVariant, run: PlannedRun, children: Sequence[Mirror], now: int
) -> Mirror:
    """The run of a variant and seed: what it changes, and what it reached."""
    trainings = [plan.training(identity) for identity in run.trainings]
    records = [child.record for child in children if child.record]
    scored = {record["benchmark"] for record in records if record["kind"] == "score"}
    finals = {
        f"{record['benchmark']}/{key}": value
        for record in records
        if record["kind"] in {"score", "speed"}
        for key, value in _numbers(record).items()
    }
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
            "mlflow.note.content": variant.claim,
            **{f"training.{training.stage}": training.folder for training in trainings},
        },
        params={"variant": variant.name, "seed": str(run.seed)}
        | _varied_settings(plan, variant, trainings),
        metrics=finals,
    )


def _varied_settings(
    plan: Plan, variant: PlannedVariant, trainings: Sequence[Training]
) -> dict[str, str]:
    """A variant's values of the settings that any variant of the study changes: few columns."""
    changed = {key for other in plan.variants for key in _flat(other.overrides)}
    settings: dict[str, Any] = {
        "stages": [training.stage for training in trainings],
        "inference": variant.inference.model_dump(mode="json"),
    }
    for training in trainings:
        settings |= training.settings
    return {key: value for key, value in _flat(settings).items() if key in changed}


def _of_record(plan: Plan, record: Record, folder: Path, parents: set[str]) -> Mirror:
    """The run of one job that has ended."""
    parent = _parent(record["variant"], record["seed"])
    started = _milliseconds(datetime.fromisoformat(record["started"]).timestamp())
    made = [folder / f"{record['name']}{suffix}" for suffix in (".csv", ".json")]
    curve = read_metrics(folder / record["name"] / _CURVE) if record["kind"] == "train" else []
    numbers = _numbers(record)
    return Mirror(
        name=record["name"],
        title=record["name"],
        parent=parent if parent in parents else _STUDY,
        status="FINISHED",
        started=started,
        ended=started + _milliseconds(record["wall_seconds"]),
        tags=_record_tags(plan, record),
        params=_flat(record["config"]),
        metrics={key: numbers[key] for key in numbers if not curve or key not in curve[0]},
        curve=curve,
        artifacts=[(path, "") for path in made if path.is_file()],
        record=record,
    )


def _of_growing(plan: Plan, training: Training, folder: Path) -> Mirror:
    """The run of a training that has not ended: under way, or killed and not yet resumed."""
    path = folder / training.folder / _CURVE
    curve = read_metrics(path)
    logged = path.stat().st_mtime
    spent = curve[-1]["seconds"] if curve else 0.0
    return Mirror(
        name=training.folder,
        title=training.folder,
        parent=_parent(training.variants[0], training.seed),
        status="RUNNING" if time.time() - logged < _SECONDS_TO_CALL_DEAD else "KILLED",
        started=_milliseconds(logged - spent),
        ended=_milliseconds(logged),
        tags=_training_tags(plan, training) | {"kind": "train", "variant": training.variants[0]},
        params=_flat(training.settings),
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
    """What one filters runs by: what a job was, its code, its machine, what it read and made."""
    code, machine, versions = record["code"], record["machine"], record["versions"]
    keys = ("kind", "study", "variant", "seed", "stage", "benchmark", "identity")
    training = [t for t in plan.trainings if t.folder == record["name"]]
    weights = [v for key, v in record["outputs"].items() if key.endswith("weights.safetensors")]
    tags = {
        **{key: record[key] for key in keys},  # type: ignore[literal-required]
        **(_training_tags(plan, training[0]) if training else {}),
        **{f"input.{key}": value for key, value in record["inputs"].items()},
        "weights": weights[0] if weights else None,
        "commit": code["commit"],
        "mlflow.source.git.commit": code["commit"],  # shown in the list of runs
        "mlflow.source.name": " ".join(record["command"]),
        "dirty": code["dirty"],
        "sources": code["sources"],
        "cpu": machine["cpu"],
        "gpu": machine["gpu"],
        "driver": machine["driver"],
        "python": versions.get("python"),
        "torch": versions.get("torch"),
    }
    return {key: _text(value) for key, value in tags.items() if value not in {None, ""}}


def _numbers(record: Record) -> dict[str, float]:
    """A record's results that are numbers, under names that MLflow takes: J&F is J_and_F."""
    return {
        re.sub(r"[^\w. /:-]", "_", key.replace("&", "_and_")): float(value)
        for key, value in record["results"].items()
        if isinstance(value, int | float)
    }


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


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


# Bringing the store there


def _bring(client: MlflowClient, experiment: str, mirrors: Sequence[Mirror], folder: str) -> int:
    """Write what differs; the number of runs that did.

    Others may mirror their results of the same study in the same store: the tag `folder` tells
    whose a run is.
    """
    known = {
        run.data.tags["record"]: run
        for run in _runs(client, experiment)
        if run.data.tags["folder"] == folder
    }
    ids: dict[str, str] = {}
    written = 0
    for mirror in mirrors:
        run = known.pop(mirror.name, None)
        parent = {"mlflow.parentRunId": ids[mirror.parent]} if mirror.parent else {}
        tags = {**mirror.tags, **parent, "digest": mirror.digest}
        if run and _is_as_it_should_be(run, mirror, tags):
            ids[mirror.name] = run.info.run_id
            continue
        if run and _is_of_another_job(client, run, mirror):
            client.delete_run(run.info.run_id)
            run = None
        if run is None:
            key = {"record": mirror.name, "folder": folder, **parent}
            run = client.create_run(experiment, mirror.started, key, mirror.title)
        ids[mirror.name] = run.info.run_id
        _write(client, run, mirror, tags)
        written += 1
    for run in known.values():  # of jobs that the study no longer has
        if run.info.status in {"RUNNING", "SCHEDULED"}:
            client.set_terminated(run.info.run_id, "KILLED")
    return written


def _runs(client: MlflowClient, experiment: str) -> Iterator[Run]:
    """Every run of ours in an experiment, with its parameters, tags and latest metrics."""
    token: str | None = None
    while True:
        page = client.search_runs([experiment], page_token=token)
        yield from (run for run in page if "record" in run.data.tags)
        token = page.token
        if not token:
            return


def _is_as_it_should_be(run: Run, mirror: Mirror, tags: Mapping[str, str]) -> bool:
    """Whether nothing is to be written; a training that runs anew keeps its last whole run."""
    if run.info.status == "FINISHED" and mirror.status in {"RUNNING", "KILLED"}:
        return True
    return run.info.status == mirror.status and tags.items() <= run.data.tags.items()


def _is_of_another_job(client: MlflowClient, run: Run, mirror: Mirror) -> bool:
    """Whether a run cannot become what the mirror says: MLflow keeps every param and point.

    Its digest is written last but for its status, so a run that is FINISHED is whole.
    """
    params = run.data.params
    if any(params.get(key, value) != value for key, value in mirror.params.items()):
        return True
    if mirror.parent and run.info.status == "FINISHED":
        return bool(run.data.tags["digest"] != mirror.digest)
    losses = {point["step"]: point["loss"] for point in mirror.curve}
    return any(losses.get(p.step, p.value) != p.value for p in _logged(client, run, mirror))


def _write(client: MlflowClient, run: Run, mirror: Mirror, tags: Mapping[str, str]) -> None:
    """Write the whole mirror but for what the run has; what says that it is whole comes last."""
    run_id = run.info.run_id
    params = [Param(k, v) for k, v in mirror.params.items() if k not in run.data.params]
    for some in _batches(params, 100):
        client.log_batch(run_id, params=some)
    finals = [
        Metric(key, value, mirror.ended, 0)
        for key, value in mirror.metrics.items()
        if run.data.metrics.get(key) != value
    ]
    for some in _batches(finals, 1000):
        client.log_batch(run_id, metrics=some)
    _write_curve(client, run, mirror)
    for path, folder in mirror.artifacts:
        client.log_artifact(run_id, str(path), folder or None)
    if mirror.record:
        client.log_dict(run_id, dict(mirror.record), "record.json")
        _write_data_set(client, run_id, mirror.record)
    for some in _batches([RunTag(key, value) for key, value in tags.items()], 100):
        client.log_batch(run_id, tags=some)
    if mirror.status in {"FINISHED", "KILLED"}:
        client.set_terminated(run_id, mirror.status, mirror.ended)
    else:
        client.update_run(run_id, mirror.status)


def _write_curve(client: MlflowClient, run: Run, mirror: Mirror) -> None:
    """Add the points that come after the run's last; a store would keep the others twice."""
    last = max((point.step for point in _logged(client, run, mirror)), default=-1)
    new = [point for point in mirror.curve if point["step"] > last]
    for points in _batches(new, 200):  # a call takes 1000 metrics, and all or none of them
        metrics = [
            Metric(key, value, run.info.start_time + _milliseconds(p["seconds"]), int(p["step"]))
            for p in points
            for key, value in p.items()
            if key not in {"step", "seconds"}
        ]
        client.log_batch(run.info.run_id, metrics=metrics)


def _logged(client: MlflowClient, run: Run, mirror: Mirror) -> list[Metric]:
    """The losses that a training's run has; every point has one."""
    return client.get_metric_history(run.info.run_id, "loss") if mirror.curve else []


def _write_data_set(client: MlflowClient, run_id: str, record: Record) -> None:
    """Name what a job read as an MLflow data set, by its manifest's digest."""
    digest = record["inputs"].get("data")
    if digest is None:
        return
    name = f"{record['study']}/{record['stage'] or record['benchmark'] or record['kind']}"
    context = "training" if record["kind"] == "train" else "evaluation"
    # MLflow holds 36 characters of a digest; the tag input.data has them all
    data = Dataset(name, digest[:36], "local", json.dumps({"manifest": digest}))
    tag = InputTag("mlflow.data.context", context)
    client.log_inputs(run_id, [DatasetInput(data, [tag])])


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
