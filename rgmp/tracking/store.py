"""Mirror a study's records in MLflow, as runs to browse and compare.

A study is an experiment; `rgmp.tracking.runs` defines its runs. The files are the source of truth:
`track` synchronises the store with them. It adds what is missing, keeps what exists, and may be
killed at any moment and called again.
"""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from filelock import FileLock

from rgmp.runtime.files import digest_of_file, read_json, write_json
from rgmp.runtime.markup import markdown
from rgmp.study.layout import RUNS
from rgmp.study.plan import Plan, load_plan
from rgmp.tracking.runs import Mirror, milliseconds, read_mirrors

# Read by MLflow when it is imported or called; the user's settings for the store are kept.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # no network access except to the store
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "CRITICAL")  # `track` reports errors
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines per run
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # fail in seconds if a server refuses

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

_NOTE = "mlflow.note.content"
_SECONDS_TO_WAIT = 600  # for another process that writes to the same store
SECONDS_TO_ANSWER = 30
"""Default timeout of one call to the store."""


@dataclass(frozen=True)
class Tracked:
    """The result of `track`.

    Attributes:
        uri: the store.
        runs: how many mirror the study.
        written: how many of them were created or updated.
        whole: whether every variant and seed of the study is trained and scored.
    """

    uri: str
    runs: int
    written: int
    whole: bool


def track(
    folder: Path,
    uri: str | None = None,
    weights_megabytes: float = 64,
    timeout: float = SECONDS_TO_ANSWER,
) -> Tracked | None:
    """Synchronise an MLflow store with the files of a study.

    The ids of the runs are written to `RUNS` next to the plan, for the report's links.

    Args:
        folder: the study's, `results/<study>`.
        uri: the store; None: `MLFLOW_TRACKING_URI`, else a SQLite file next to the study folder.
        weights_megabytes: larger weights are logged by hash, not copied.
        timeout: seconds that the store may take for one call, including the first; a slower one
            counts as unavailable. Its last call may still complete: until then, this process keeps
            the store locked.

    Returns:
        What was done, or None if the store is unavailable: that prints one line on standard error
        and has no other effect; a later call completes it.

    Raises:
        UserError: it is not a study folder, or one of its files is broken.
    """
    plan = load_plan(folder)
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI")
    shown = _without_password(uri) if uri else f"sqlite:///{folder.parent}/mlflow.db"
    uri = uri or f"sqlite:///{_beside(folder)}/mlflow.db"
    try:
        # One at a time: two processes that look for a run before adding it would add it twice.
        calls = _Calls(timeout)
        with _alone(uri, folder, calls):
            _make_database(uri, calls)
            client = _Client(uri, calls)
            mirrors = read_mirrors(plan, folder)
            artifacts = None if _has_server(uri) else _beside(folder)
            experiment = _experiment(client, plan, artifacts).experiment_id
            room = int(1e6 * weights_megabytes)
            store = _Store(client, experiment, str(folder.absolute()), room)
            written = store.bring(mirrors)
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        reason = str(error).partition("\n")[0]
        print(
            _without_password(
                f"rgmp: warning: MLflow at {uri} cannot be written ({reason}); nothing is lost: "
                f"`rgmp track {folder}` completes it later"
            ),
            file=sys.stderr,
        )
        if not (folder / RUNS).is_file():
            write_json(folder / RUNS, {"uri": shown, "experiment": None, "runs": {}})
        return None
    tracked = {"uri": shown, "experiment": experiment, "runs": store.ids}
    if not (folder / RUNS).is_file() or read_json(folder / RUNS) != tracked:
        write_json(folder / RUNS, tracked)
    return Tracked(_without_password(uri), len(mirrors), written, mirrors[0].status == "FINISHED")


def _beside(folder: Path) -> Path:
    return folder.absolute().parent


def _has_server(uri: str) -> bool:
    """Whether a server receives the artifacts and decides where they are stored."""
    return not uri.startswith(("sqlite:", "postgresql", "mysql", "mssql"))


def _without_password(text: str) -> str:
    return re.sub(r"//[^/@\s]*@", "//", text)


@contextmanager
def _alone(uri: str, folder: Path, calls: "_Calls") -> Iterator[None]:
    """Lock a store against other processes until the last call to it has ended."""
    guarded = _database(uri) or folder / "tracking"
    guarded.parent.mkdir(parents=True, exist_ok=True)
    path = guarded.with_name(f".{guarded.name}.lock")
    # not owned by a thread: an abandoned call releases it when it ends
    lock = FileLock(path, timeout=_SECONDS_TO_WAIT, thread_local=False)
    lock.acquire()
    try:
        yield
    finally:
        calls.last.add_done_callback(lambda _: lock.release())


class _Calls:
    """Sequential calls to a store, each with a timeout.

    Each runs in its own thread, because nothing else bounds them all: a server may send a byte now
    and then, a driver may wait in C, a library may retry. The thread of a call that takes too long
    is abandoned; the process may exit without it.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.last: Future[Any] = Future()
        self.last.set_result(None)

    def __call__(self, call: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Make a call; return what it returns or raise what it raises.

        Raises:
            TimeoutError: it did not finish in time.
        """
        outcome = self.last = Future[Any]()

        def run() -> None:
            try:
                outcome.set_result(call(*arguments, **keywords))
            except BaseException as error:  # re-raised in the waiting thread
                outcome.set_exception(error)

        Thread(target=run, name="call to MLflow", daemon=True).start()
        if not wait([outcome], self.timeout).done:
            raise TimeoutError(f"no answer within {self.timeout:g} s, see --timeout")
        return outcome.result()


class _Client:
    """MLflow's client of a store, with a timeout on every call."""

    def __init__(self, uri: str, calls: _Calls) -> None:
        self._calls = calls
        self._client = calls(MlflowClient, tracking_uri=uri)  # queries a database for its tables

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return partial(self._calls, getattr(self._client, name))


def _database(uri: str) -> Path | None:
    """The file of a SQLite store."""
    is_file = uri.startswith("sqlite:///")
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if is_file else None


def _make_database(uri: str, calls: _Calls) -> None:
    """Create the file of a SQLite store atomically: MLflow cannot repair an incomplete one.

    Raises:
        IsADirectoryError: its path is a folder.
    """
    path = _database(uri)
    if path is not None and path.is_dir():
        raise IsADirectoryError(f"{path} is a folder, not a database")
    if path is None or path.exists():
        return
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as hidden:
        _Client(f"sqlite:///{hidden}/{path.name}", calls).search_experiments()
        Path(hidden, path.name).rename(path)


def _experiment(client: _Client, plan: Plan, artifacts: Path | None) -> Experiment:
    """Find or create the experiment of a study.

    MLflow stores the artifact location in it as an absolute path for good: when `results/` moves,
    remove mlflow.db and track again.
    """
    found: Experiment | None = client.get_experiment_by_name(plan.study)
    if found is None:
        location = (artifacts / "mlflow-artifacts").as_uri() if artifacts else None
        note = f"{markdown(plan.title)}." + (
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

    client: _Client
    experiment: str
    folder: str
    weights_bytes: int
    ids: dict[str, str] = field(default_factory=dict)

    def bring(self, mirrors: Sequence[Mirror]) -> int:
        """Write the runs that differ and return their number."""
        known = {
            run.data.tags["record"]: run
            for run in _runs(self.client, self.experiment)
            if run.data.tags.get("folder") == self.folder
        }
        written = sum(self._bring(mirror, known.get(mirror.name)) for mirror in mirrors)
        for mirror in mirrors:
            self._describe(mirror, known.get(mirror.name))
        for name in known.keys() - self.ids.keys():  # of jobs no longer in the study
            if known[name].info.status in {"RUNNING", "SCHEDULED"}:
                self.client.set_terminated(known[name].info.run_id, "KILLED")
        return written

    def _bring(self, mirror: Mirror, run: Run | None) -> bool:
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

    def _describe(self, mirror: Mirror, run: Run | None) -> None:
        """Describe a run on its page, in Markdown, with links to the runs it depends on."""
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


def _runs(client: _Client, experiment: str) -> Iterator[Run]:
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


def _is_of_another_job(client: _Client, run: Run, mirror: Mirror) -> bool:
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


def _write(client: _Client, run: Run, mirror: Mirror, tags: Mapping[str, str]) -> None:
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


def _write_curve(client: _Client, run: Run, mirror: Mirror) -> None:
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


def _logged(client: _Client, run: Run, mirror: Mirror) -> list[Metric]:
    """The losses already logged for a training run; every point has one."""
    return client.get_metric_history(run.info.run_id, "loss") if mirror.curve else []


def _write_weights(client: _Client, run_id: str, weights: Path, tags: Mapping[str, str]) -> None:
    """Copy weights if they are small and still match the record; else log only their hash."""
    digest = tags.get("weights")
    if tags["weights.kept"] == "as an artifact" and digest_of_file(weights) == digest:
        client.log_artifact(run_id, str(weights))
        return
    named = {"path": str(weights), "bytes": weights.stat().st_size, "sha256": digest}
    client.log_dict(run_id, named, "weights.json")


def _write_data_sets(client: _Client, run_id: str, mirror: Mirror) -> None:
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
