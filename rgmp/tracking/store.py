"""Mirror a study's records in MLflow, as runs to browse and compare.

A study is an experiment; `rgmp.tracking.runs` defines its runs. The files are the source of truth:
`mirror` synchronises the store with them. It adds what is missing, keeps what exists, and may be
killed at any moment and called again.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock, Timeout
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
from sqlalchemy.exc import SQLAlchemyError  # MLflow does not catch all of them

from rgmp.runtime.files import digest_of_file
from rgmp.runtime.locks import acquire
from rgmp.runtime.markup import markdown_paragraph
from rgmp.study.plan import Plan, load_plan
from rgmp.tracking.runs import Mirror, Mirrored, milliseconds, read_mirrors

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
            _make_database(uri)
            client = MlflowClient(tracking_uri=uri)
            mirrors = read_mirrors(plan, folder)
            progress()
            artifacts = None if _has_server(uri) else folder.absolute().parent
            experiment = _experiment(client, plan, artifacts).experiment_id
            room = int(1e6 * weights_megabytes)
            store = _Store(client, experiment, str(folder.absolute()), room)
            written = store.sync(mirrors, progress)
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
    """Find or create the experiment of a study.

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
    ids: dict[str, str] = field(default_factory=dict)

    def sync(self, mirrors: Sequence[Mirror], progress: Callable[[], object]) -> int:
        """Write the runs that differ and return their number; report each run read or written."""
        known = {}
        for run in _runs(self.client, self.experiment):
            progress()
            if run.data.tags.get("folder") == self.folder:
                known[run.data.tags["record"]] = run
        written = 0
        for mirror in mirrors:
            if self._sync_run(mirror, known.get(mirror.name)):
                written += 1
                progress()
        for mirror in mirrors:
            if self._describe(mirror, known.get(mirror.name)):
                progress()
        for name in known.keys() - self.ids.keys():  # of jobs no longer in the study
            if known[name].info.status in {"RUNNING", "SCHEDULED"}:
                self.client.set_terminated(known[name].info.run_id, "KILLED")
        return written

    def _sync_run(self, mirror: Mirror, run: Run | None) -> bool:
        """Update a run to its mirror; return whether anything was written."""
        parent = {"mlflow.parentRunId": self.ids[mirror.parent]} if mirror.parent else {}
        tags = {**mirror.tags, **parent, "digest": mirror.digest}
        if mirror.weights:
            small = mirror.weights.stat().st_size <= self.weights_bytes
            tags["weights.kept"] = "as an artifact" if small else "by their hash"
        if run and _is_as_it_should_be(run, mirror, tags):
            self.ids[mirror.name] = run.info.run_id
            return False
        if run and _is_of_another_job(self.client, run, mirror):
            self.client.delete_run(run.info.run_id)
            run = None
        if run is None:
            key = {"record": mirror.name, "folder": self.folder, **parent}
            run = self.client.create_run(self.experiment, mirror.started, key, mirror.title)
        self.ids[mirror.name] = run.info.run_id
        _write(self.client, run, mirror, tags)
        return True

    def _describe(self, mirror: Mirror, run: Run | None) -> bool:
        """Describe a run on its page, in Markdown, with links to the runs it depends on.

        Returns:
            Whether it was not described so yet.
        """
        links = [
            f"{title}: [{name}](#/experiments/{self.experiment}/runs/{self.ids[name]})"
            for title, name in mirror.links.items()
            if name in self.ids
        ]
        note = "\n\n".join(filter(None, [mirror.note, ", ".join(links)]))
        run_id = self.ids[mirror.name]
        said = run.data.tags.get(_NOTE, "") if run and run.info.run_id == run_id else ""
        if note != said:
            self.client.set_tag(run_id, _NOTE, note)
        return note != said


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
    """Whether a run is up to date; a training run that is repeated keeps its last complete run."""
    if run.info.status == "FINISHED" and mirror.status in {"RUNNING", "KILLED"}:
        return True
    return run.info.status == mirror.status and tags.items() <= run.data.tags.items()


def _is_of_another_job(client: MlflowClient, run: Run, mirror: Mirror) -> bool:
    """Whether a run cannot be updated to the mirror, as MLflow keeps every param and point.

    The digest is written last, except for the status, so a FINISHED run is complete.
    """
    params = run.data.params
    if any(params.get(key, value) != value for key, value in mirror.params.items()):
        return True
    if mirror.parent and run.info.status == "FINISHED":
        return bool(run.data.tags["digest"] != mirror.digest)
    losses = {point["step"]: point["loss"] for point in mirror.curve}
    return any(losses.get(p.step, p.value) != p.value for p in _logged(client, run, mirror))


def _write(client: MlflowClient, run: Run, mirror: Mirror, tags: Mapping[str, str]) -> None:
    """Write what the run lacks of the mirror; what marks it as complete comes last."""
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
    if mirror.weights:
        _write_weights(client, run_id, mirror.weights, tags)
    if mirror.record:
        client.log_dict(run_id, dict(mirror.record), "record.json")
    _write_data_sets(client, run_id, mirror)
    for some in _batches([RunTag(key, value) for key, value in tags.items()], 100):
        client.log_batch(run_id, tags=some)
    if mirror.status in {"FINISHED", "KILLED"}:
        client.set_terminated(run_id, mirror.status, mirror.ended)
    else:
        client.update_run(run_id, mirror.status)


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
    return client.get_metric_history(run.info.run_id, "loss") if mirror.curve else []


def _write_weights(
    client: MlflowClient, run_id: str, weights: Path, tags: Mapping[str, str]
) -> None:
    """Copy weights if they are small and still match the record; else log only their hash."""
    digest = tags.get("weights")
    if tags["weights.kept"] == "as an artifact" and digest_of_file(weights) == digest:
        client.log_artifact(run_id, str(weights))
        return
    named = {"path": str(weights), "bytes": weights.stat().st_size, "sha256": digest}
    client.log_dict(run_id, named, "weights.json")


def _write_data_sets(client: MlflowClient, run_id: str, mirror: Mirror) -> None:
    """Log a run's inputs as MLflow data sets, by the digests of their manifests."""
    inputs = [
        DatasetInput(
            # MLflow stores 36 characters of a digest
            Dataset(name, digest[:36], "local", json.dumps({"manifest": digest})),
            [InputTag("mlflow.data.context", context)],
        )
        for name, digest, context in mirror.data
    ]
    if inputs:
        client.log_inputs(run_id, inputs)


def _batches(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
