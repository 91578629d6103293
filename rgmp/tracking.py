"""Records mirrored in MLflow: what a study's files say, as runs that one can browse and compare.

A study is an experiment; `rgmp.mirror` says which runs it has. The files are the truth: `track`
brings the store to what they say. It adds what is missing, leaves what is there, and may be killed
at any moment and called again.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from rgmp.mirror import Mirror, milliseconds, read_mirrors
from rgmp.plan import Plan, load_plan
from rgmp.records import Record

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

_SECONDS_TO_WAIT = 600  # for another process that tracks into the same store


@dataclass(frozen=True)
class Tracked:
    """What `track` did: the store, the runs that mirror the study, how many it had to write."""

    uri: str
    runs: int
    written: int


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
            mirrors = read_mirrors(plan, folder)
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
        kind = "custom_model_development"  # opens the pages for training, not those for chat
        tags = {"mlflow.note.content": note, "mlflow.experimentKind": kind, "file": plan.file}
        return client.get_experiment(client.create_experiment(plan.study, location, tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return found


def _bring(client: MlflowClient, experiment: str, mirrors: Sequence[Mirror], folder: str) -> int:
    """Write what differs; the number of runs that did.

    Others may mirror their results of the same study in the same store: the tag `folder` tells
    whose a run is.
    """
    known = {
        run.data.tags["record"]: run
        for run in _runs(client, experiment)
        if run.data.tags.get("folder") == folder
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
            Metric(key, value, run.info.start_time + milliseconds(p["seconds"]), int(p["step"]))
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
