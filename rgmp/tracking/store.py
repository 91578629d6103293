"""Mirror a study's records in MLflow, as runs to browse and compare.

A study is an experiment; `rgmp.tracking.runs` defines its runs. The files are the source of truth:
`mirror` synchronises the store with them. It adds what is missing, keeps what exists, and may be
killed at any moment and called again.
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelStatus,
    Metric,
    Param,
    Run,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList
from sqlalchemy.exc import SQLAlchemyError  # MLflow does not catch all of them

from rgmp.runtime.files import digest_of_file
from rgmp.runtime.kernel_locks import acquire
from rgmp.runtime.markup import markdown_paragraph
from rgmp.study.plan import Plan, load_plan
from rgmp.tracking.mirror import Mirror, Mirrored, milliseconds
from rgmp.tracking.runs import read_mirrors
from rgmp.tracking.views import saved_views

_Found = TypeVar("_Found")
_NOTE = "mlflow.note.content"


def mirror(
    folder: Path,
    uri: str,
    weights_megabytes: float,
    timeout: float,
    progress: Callable[[], object] = lambda: None,
) -> Mirrored:
    """Synchronise an MLflow store with the files of a study.

    Args:
        folder: the study's, `results/<study>`.
        uri: the store.
        weights_megabytes: larger weights are logged by hash, not copied.
        timeout: seconds to wait for another process that writes to this store.
        progress: called when the study has been read, and with every run that the store gives or
            takes.

    Raises:
        UserError: it is not a study folder, or one of its files is broken.
        ConnectionError: the store is unavailable, or cannot be written.
    """
    plan = load_plan(folder)
    try:
        # One at a time: two processes that look for a run before adding it would add it twice.
        with _alone(uri, folder, timeout):
            mirrors = read_mirrors(plan, folder)
            progress()
            _make_database(uri)
            client = MlflowClient(tracking_uri=uri)
            artifacts = None if _has_server(uri) else folder.absolute().parent
            experiment = _experiment(client, plan, artifacts).experiment_id
            room = int(1e6 * weights_megabytes)
            store = _Store(client, experiment, str(folder.absolute()), room, progress)
            written = store.sync(mirrors)
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise ConnectionError(str(error)) from error
    return Mirrored(experiment, store.ids, written, mirrors[0].status == "FINISHED")


def _has_server(uri: str) -> bool:
    """Whether a server receives the artifacts and decides where they are stored."""
    return not uri.startswith(("sqlite:", "postgresql", "mysql", "mssql"))


@contextmanager
def _alone(uri: str, folder: Path, timeout: float) -> Iterator[None]:
    """Keep every other process from a store.

    Raises:
        TimeoutError: another one writes to it for too long.
    """
    guarded = _database(uri) or folder / "tracking"
    guarded.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(guarded.with_name(f".{guarded.name}.lock"))
    try:
        acquire(lock, timeout)
    except Timeout as error:
        raise TimeoutError(f"another process has been writing to it for {timeout:g} s") from error
    try:
        yield
    finally:
        lock.release()


def _database(uri: str) -> Path | None:
    """The file of a SQLite store."""
    is_file = uri.startswith("sqlite:///")
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if is_file else None


def _make_database(uri: str) -> None:
    """Create the file of a SQLite store atomically: MLflow cannot repair an incomplete one.

    Raises:
        IsADirectoryError: its path is a folder.
    """
    path = _database(uri)
    if path is not None and path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a database")
    if path is None or path.exists():
        return
    prefix = f".{path.name}.new-"
    for left in path.parent.iterdir():
        if left.name.startswith(prefix):  # by one that was killed: this one is alone
            rmtree(left, ignore_errors=True)
    with TemporaryDirectory(prefix=prefix, dir=path.parent) as hidden:
        MlflowClient(tracking_uri=f"sqlite:///{hidden}/{path.name}").search_experiments()
        Path(hidden, path.name).rename(path)


def _experiment(client: MlflowClient, plan: Plan, artifacts: Path | None) -> Experiment:
    """Find or create the experiment of a study, with its saved views.

    MLflow stores the artifact location in it as an absolute path for good: when `results/` moves,
    remove mlflow.db and track again.
    """
    found: Experiment | None = client.get_experiment_by_name(plan.study)
    if found is None:
        location = (artifacts / "mlflow-artifacts").as_uri() if artifacts else None
        note = f"{markdown_paragraph(plan.title)}." + (
            " Rendered toy data, not DAVIS." if plan.embedded else ""
        )
        kind = "custom_model_development"  # shows the pages for training, not those for chat
        tags = {_NOTE: note, "mlflow.experimentKind": kind, "file": plan.file}
        found = client.get_experiment(client.create_experiment(plan.study, location, tags))
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    created = found.creation_time or 0  # None: made by an early version of MLflow
    for tag, view in saved_views(plan, created).items():
        if found.tags.get(tag) != view:
            client.set_experiment_tag(found.experiment_id, tag, view)
    return found


@dataclass
class _Store:
    """An experiment of a store, and its runs that mirror one study folder.

    Others may mirror their own results of the same study in the same store: the tag `folder` tells
    them apart.
    """

    client: MlflowClient
    experiment: str
    folder: str
    weights_bytes: int
    progress: Callable[[], object]
    ids: dict[str, str] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)

    def sync(self, mirrors: Sequence[Mirror]) -> int:
        """Write the runs that differ and return their number.

        Trainings are written before what reads their weights, once all runs that sum some up are
        there; these themselves are completed last.
        """
        known = {}
        for run in _runs(self.client, self.experiment):
            self.progress()
            if run.data.tags.get("folder") == self.folder:
                known[run.data.tags["record"]] = run
        models = {
            model.tags["record"]: model
            for model in _models(self.client, self.experiment)
            if model.tags.get("folder") == self.folder
        }
        leaves = sorted(
            (mirror for mirror in mirrors if not mirror.sums_up), key=lambda m: m.weights is None
        )
        sums = [mirror for mirror in mirrors if mirror.sums_up]
        placed = {m.name: self._placed(m, known.get(m.name), self._parent(m)) for m in sums}
        written = sum(
            self._sync_job(mirror, known.get(mirror.name), models.get(mirror.name))
            for mirror in leaves
        )
        written += sum(self._sync_sum(mirror, placed[mirror.name]) for mirror in sums)
        for name in known.keys() - self.ids.keys():  # of jobs no longer in the study
            if known[name].info.status in {"RUNNING", "SCHEDULED"}:
                self.client.set_terminated(known[name].info.run_id, "KILLED")
        return written

    def _parent(self, mirror: Mirror) -> dict[str, str]:
        return {"mlflow.parentRunId": self.ids[mirror.parent]} if mirror.parent else {}

    def _placed(self, mirror: Mirror, run: Run | None, tags: Mapping[str, str]) -> Run:
        """The run that is there, if it can be updated to the mirror; else a new one."""
        if run and _is_of_another_job(self.client, run, mirror):
            self.client.delete_run(run.info.run_id)
            run = None
        if run is None:
            key = {"record": mirror.name, "folder": self.folder, **tags}
            run = self.client.create_run(self.experiment, mirror.started, key, mirror.title)
            self.progress()
        self.ids[mirror.name] = run.info.run_id
        return run

    def _sync_job(self, mirror: Mirror, run: Run | None, model: LoggedModel | None) -> bool:
        """Update the run of a job to its mirror; return whether anything was written."""
        tags = self._tags(mirror)
        if mirror.weights:
            small = mirror.weights.stat().st_size <= self.weights_bytes
            tags["weights.kept"] = "as an artifact" if small else "by their hash"
        current = run and _is_as_it_should_be(run, mirror, tags)
        if current and run and (not mirror.weights or _is_ready(model, run)):
            self.ids[mirror.name] = run.info.run_id
            if model:
                self.models[mirror.name] = model.model_id
            return False
        # What marks a run as complete comes last: the status, or the digest if it is to be RUNNING.
        first = {k: v for k, v in tags.items() if mirror.status != "RUNNING" or k != "digest"}
        run = self._placed(mirror, run, first)
        if mirror.weights:
            self._sync_model(mirror, mirror.weights, run, model, tags)
        self._write(run, mirror, tags)
        return True

    def _sync_sum(self, mirror: Mirror, run: Run) -> bool:
        """Update a run that sums up those below it; return whether anything was written."""
        tags = self._tags(mirror)
        if _is_as_it_should_be(run, mirror, tags):
            return False
        self._write(run, mirror, tags)
        return True

    def _tags(self, mirror: Mirror) -> dict[str, str]:
        """A run's tags, its description among them, with links to the runs that it depends on."""
        links = [
            f"{title}: [{name}](#/experiments/{self.experiment}/runs/{self.ids[name]})"
            for title, name in mirror.links.items()
            if name in self.ids
        ]
        model = self.models.get(mirror.model or "")
        return {
            **mirror.tags,
            **self._parent(mirror),
            **({"model": model} if model else {}),
            _NOTE: "\n\n".join(filter(None, [mirror.note, ", ".join(links)])),
            "mlflow.source.type": "LOCAL",
            "digest": mirror.digest,
        }

    def _sync_model(
        self,
        mirror: Mirror,
        weights: Path,
        run: Run,
        model: LoggedModel | None,
        tags: Mapping[str, str],
    ) -> None:
        """Bring the MLflow model of a training run up to date: what is not READY is incomplete."""
        client, run_id = self.client, run.info.run_id
        if model and model.source_run_id != run_id:
            client.delete_logged_model(model.model_id)
            model = None
        key = {"record": mirror.name, "folder": self.folder}
        key |= {k: tags[k] for k in ("weights", "weights.kept", "identity") if k in tags}
        made: set[str] = set()
        if model is None:
            name = re.sub(r"[/:.%\"']", "-", mirror.name.removeprefix("weights/"))
            model = client.create_logged_model(
                self.experiment, name, run_id, key, mirror.params, "weights"
            )
        else:
            client.set_logged_model_tags(model.model_id, key)
            outputs = client.get_run(run_id).outputs
            made = {output.model_id for output in outputs.model_outputs} if outputs else set()
        self.models[mirror.name] = model.model_id
        _write_weights(client, model.model_id, weights, tags)
        if model.model_id not in made:
            step = int(mirror.curve[-1]["step"]) if mirror.curve else 0
            client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step)])
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)

    def _write(self, run: Run, mirror: Mirror, tags: Mapping[str, str]) -> None:
        """Write what the run lacks of the mirror; what marks it as complete comes last."""
        client, run_id = self.client, run.info.run_id
        client.log_batch(
            run_id,
            params=[Param(k, v) for k, v in mirror.params.items() if k not in run.data.params],
            metrics=self._metrics(run, mirror),
        )
        _write_curve(client, run, mirror)
        for path, folder in mirror.artifacts:
            client.log_artifact(run_id, str(path), folder or None)
        if mirror.record:
            client.log_dict(run_id, dict(mirror.record), "record.json")
        self._write_inputs(run_id, mirror)
        new = [RunTag(k, v) for k, v in tags.items() if run.data.tags.get(k) != v]
        client.log_batch(run_id, tags=new)
        if mirror.status in {"FINISHED", "KILLED"}:
            ended = run.info.start_time + mirror.milliseconds
            client.set_terminated(run_id, mirror.status, ended)
        else:
            client.update_run(run_id, mirror.status)
        self.progress()

    def _metrics(self, run: Run, mirror: Mirror) -> list[Metric]:
        """The numbers that a run lacks; scores are also those of a model on a data set."""
        model: dict[str, str] = {}
        if mirror.model in self.models and mirror.tags["kind"] == "score" and mirror.data:
            ((name, digest, _),) = mirror.data
            model = {
                "model_id": self.models[mirror.model],
                "dataset_name": name,
                "dataset_digest": _stored(digest),
            }
        # of several values of a metric, MLflow shows that with the latest time
        moment = milliseconds(time.time()) if mirror.sums_up else mirror.ended
        return [
            Metric(key, value, moment, 0, **model)
            for key, value in mirror.metrics.items()
            if run.data.metrics.get(key) != value
        ]

    def _write_inputs(self, run_id: str, mirror: Mirror) -> None:
        """Log a run's inputs: data sets, by the digests of their manifests, and a model."""
        data = [
            DatasetInput(
                Dataset(name, _stored(digest), "local", json.dumps({"manifest": digest})),
                [InputTag("mlflow.data.context", context)],
            )
            for name, digest, context in mirror.data
        ]
        model = self.models.get(mirror.model or "")
        if data or model:
            self.client.log_inputs(run_id, data, [LoggedModelInput(model)] if model else None)


def _stored(digest: str) -> str:
    return digest[:36]  # MLflow takes no more


def _runs(client: MlflowClient, experiment: str) -> Iterator[Run]:
    """Every run of ours in an experiment, with its parameters, tags and latest metrics."""
    found: Iterator[Run] = _pages(lambda t: client.search_runs([experiment], page_token=t))
    return (run for run in found if "record" in run.data.tags)


def _models(client: MlflowClient, experiment: str) -> Iterator[LoggedModel]:
    """Every model of ours in an experiment."""
    found: Iterator[LoggedModel] = _pages(
        lambda t: client.search_logged_models([experiment], page_token=t)
    )
    return (model for model in found if "record" in model.tags)


def _pages(search: Callable[[str | None], PagedList[_Found]]) -> Iterator[_Found]:
    """All that a search finds.

    Args:
        search: for the page of a token; None: the first.

    Raises:
        ConnectionError: the store sends the same pages for ever.
    """
    token, seen = None, {""}
    while token not in seen:
        page = search(token)
        yield from page
        seen.add(token or "")
        token = page.token or ""
    if token:
        raise ConnectionError("it sends the same page of a search again and again")


def _is_ready(model: LoggedModel | None, run: Run) -> bool:
    """Whether a training run has its model."""
    if model is None or model.source_run_id != run.info.run_id:
        return False
    return bool(model.status == LoggedModelStatus.READY)


def _is_as_it_should_be(run: Run, mirror: Mirror, tags: Mapping[str, str]) -> bool:
    """Whether a run is up to date; a training run that is repeated keeps its last complete run."""
    if run.info.status == "FINISHED" and mirror.status in {"RUNNING", "KILLED"}:
        return True
    return run.info.status == mirror.status and tags.items() <= run.data.tags.items()


def _is_of_another_job(client: MlflowClient, run: Run, mirror: Mirror) -> bool:
    """Whether a run cannot be updated to the mirror, as MLflow keeps every param, name and point.

    What marks a run as complete is written last, so a FINISHED run is complete.
    """
    params = run.data.params
    if any(params.get(key, value) != value for key, value in mirror.params.items()):
        return True
    if mirror.sums_up:
        return bool(run.data.metrics.keys() - mirror.metrics.keys())
    if run.info.status == "FINISHED":
        return bool(run.data.tags["digest"] != mirror.digest)
    losses = {point["step"]: point["loss"] for point in mirror.curve}
    return any(losses.get(p.step, p.value) != p.value for p in _logged(client, run, mirror))


def _write_curve(client: MlflowClient, run: Run, mirror: Mirror) -> None:
    """Add the points after the run's last; a store would duplicate the others."""
    last = max((point.step for point in _logged(client, run, mirror)), default=-1)
    new = [point for point in mirror.curve if point["step"] > last]
    for points in _batches(new, 200):  # a call takes at most 1000 metrics, all or none
        metrics = [
            Metric(key, value, run.info.start_time + milliseconds(p["seconds"]), int(p["step"]))
            for p in points
            for key, value in p.items()
            if key not in {"step", "seconds"}
        ]
        client.log_batch(run.info.run_id, metrics=metrics)


def _logged(client: MlflowClient, run: Run, mirror: Mirror) -> list[Metric]:
    """The losses already logged for a training run; every point has one."""
    if not mirror.curve or "loss" not in run.data.metrics:
        return []
    return client.get_metric_history(run.info.run_id, "loss")


def _write_weights(
    client: MlflowClient, model_id: str, weights: Path, tags: Mapping[str, str]
) -> None:
    """Copy weights if they are small and still match the record; else log only their hash."""
    digest = tags.get("weights")
    if tags["weights.kept"] == "as an artifact" and digest_of_file(weights) == digest:
        client.log_model_artifact(model_id, str(weights))
        return
    named = {"path": str(weights), "bytes": weights.stat().st_size, "sha256": digest}
    with TemporaryDirectory() as folder:
        path = Path(folder, "weights.json")
        path.write_text(json.dumps(named, indent=2), encoding="utf-8")
        client.log_model_artifact(model_id, str(path))


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
