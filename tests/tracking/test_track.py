"""`rgmp track`, where a store is away, slow or locked: a line, in time, and nothing is lost."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, repeat
from pathlib import Path
from socket import SHUT_RDWR, socket
from typing import Any, ClassVar

import pytest
from filelock import FileLock
from support.tracked_study import (
    Store,
    mirrored,
    retrack,
    tracked,
    write_score,
)

from rgmp.cli.main import main
from rgmp.errors import UserError
from rgmp.study import layout
from rgmp.tracking.track import environment, track


def test_ids_of_the_runs_are_left_for_the_report(folder: Path) -> None:
    tracked(folder)
    store = Store(folder)
    left = json.loads((folder / "mlflow.json").read_text())
    assert left["runs"] == {name: run.info.run_id for name, run in store.runs.items()}
    assert left["experiment"] == store.experiment.experiment_id
    assert left["uri"] == f"sqlite:///{folder.parent}/mlflow.db"


@pytest.mark.usefixtures("forked_mirror")
def test_study_is_followed_until_it_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = folder / layout.record("scores/davis2016/full/seed0")
    record.rename(folder / "kept")
    waited, sleep = [], time.sleep

    def finish(seconds: float) -> None:
        if seconds != 30:  # of MLflow's own threads
            return sleep(seconds)
        waited.append(seconds)
        assert Store(folder).runs["study"].info.status == "SCHEDULED"
        (folder / "kept").rename(record)
        return None

    with monkeypatch.context() as patch:
        patch.setattr(time, "sleep", finish)
        assert main(["track", str(folder), "--every", "30"]) == 0
    assert waited == [30]
    assert Store(folder).runs["study"].info.status == "FINISHED"
    assert capsys.readouterr().out.count("written now") == 2


@pytest.mark.usefixtures("forked_mirror")
def test_folder_without_a_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"plan\.json"):
        track(tmp_path)


@pytest.mark.usefixtures("forked_mirror")
def test_fault_of_ours_keeps_its_traceback(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="see above"):
        track(folder, weights_megabytes="many")  # type: ignore[arg-type]
    assert "TypeError" in capfd.readouterr().err


# ---- a store that is away ----


@pytest.mark.usefixtures("forked_mirror")
@pytest.mark.parametrize(
    "uri", ["http://someone:secret@127.0.0.1:9", "sqlite:////proc/nowhere/mlflow.db", "/nowhere"]
)
def test_store_that_is_away_costs_one_line(
    folder: Path, uri: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert track(folder, uri) is None
    said = capfd.readouterr().err
    assert said.startswith("rgmp: warning: MLflow at ")
    assert said.count("\n") == 1
    assert f"`rgmp track {folder}` completes it later" in said
    assert "secret" not in said
    assert len(retrack(folder).all) == len(mirrored(folder).ids)


@pytest.fixture
def mute(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a server that takes every call and never says all of its answer."""
    hung, said = threading.Event(), request.param

    def answer(line: socket) -> None:
        with line, suppress(OSError):
            line.sendall(said)
            while said and not hung.wait(0.05):
                line.sendall(b" ")
            hung.wait()

    def serve(server: socket) -> None:
        with suppress(OSError):
            while True:
                callers.append(threading.Thread(target=answer, args=[server.accept()[0]]))
                callers[-1].start()

    callers: list[threading.Thread] = []
    with socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        serving = threading.Thread(target=serve, args=[server])
        serving.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(SHUT_RDWR)
        hung.set()
        for thread in (serving, *callers):
            thread.join()


DRIP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"
mute_servers = pytest.mark.parametrize(
    "mute", [DRIP, b""], ids=["a byte at a time", "never"], indirect=True
)


@pytest.mark.usefixtures("forked_mirror")
@mute_servers
def test_server_that_does_not_answer_costs_one_line_and_no_lock(
    folder: Path, mute: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mute)
    assert main(["track", str(folder), "--timeout", "1"]) == 0
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert (
        f"{mute} cannot be written (not done within the time limit of 1 s); nothing is lost" in said
    )
    FileLock(folder / ".tracking.lock").acquire(timeout=0).lock.release()


OURS: dict[str, Any] = {
    "info": {"run_id": "1"},
    "data": {"tags": [{"key": "record", "value": "masks"}]},
}
"""A run as a server sends it."""


class _Endless(BaseHTTPRequestHandler):
    """A server of MLflow that answers every call at once, and has always one more page of runs."""

    tokens: Iterator[str] = map(str, count())
    runs: ClassVar[list[dict[str, Any]]] = []

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        about = {"experiment_id": "1", "name": "tiny", "lifecycle_stage": "active"}
        pages = {"runs": self.runs, "next_page_token": next(self.tokens)}
        said = json.dumps(pages if self.path.endswith("search") else {"experiment": about}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Repeating(_Endless):
    """Another, whose pages are all the same one, with a run of ours."""

    tokens = repeat("more")
    runs: ClassVar = [OURS]


@pytest.mark.usefixtures("forked_mirror")
@pytest.mark.parametrize(
    ("endless", "said"),
    [
        (_Endless, "not done within the time limit of 1 s"),
        (_Repeating, "it sends the same page of a search again and again"),
    ],
)
def test_the_time_is_that_of_all_calls_that_give_no_run(
    endless: type[_Endless], said: str, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), endless) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        assert track(folder, f"http://127.0.0.1:{server.server_port}", timeout=1) is None
        server.shutdown()
        serving.join()
    assert said in capfd.readouterr().err


@pytest.mark.usefixtures("forked_mirror")
def test_another_process_that_writes_is_not_waited_for_any_longer(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with FileLock(folder.parent / ".mlflow.db.lock"):
        assert track(folder, timeout=1) is None
    assert "(another process has been writing to it for 0.9 s)" in capfd.readouterr().err


@pytest.mark.usefixtures("forked_mirror")
@pytest.mark.slow
def test_what_ran_out_of_time_is_completed_by_the_next(folder: Path, made: Path) -> None:
    undisturbed = retrack(folder).content()
    uri = f"sqlite:///{shutil.copy(made / 'mlflow.db', folder.parent / 'short.db')}"
    for timeout in (0.2, 0.4):
        track(folder, uri, timeout=timeout)
    mirrored(folder, uri)
    assert Store(folder, uri).content() == undisturbed


@pytest.mark.usefixtures("forked_mirror")
def test_database_that_does_not_answer_costs_one_line(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mirrored(folder)
    write_score(folder, "full", J=0.75)
    with closing(sqlite3.connect(folder.parent / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert track(folder, timeout=0.3) is None
    assert "cannot be written (not done within the time limit of 0.3 s" in capfd.readouterr().err
    assert mirrored(folder).written > 0


# ---- the environment ----


@pytest.mark.usefixtures("forked_mirror")
def test_store_of_the_environment_is_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    database = (folder.parent / "mlflow.db").rename(tmp_path / "mine.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
    done = tracked(folder)
    assert done.uri == f"sqlite:///{database}"
    assert len(Store(folder, done.uri).runs) == done.runs
    assert not (folder.parent / "mlflow.db").exists()


def test_settings_of_mlflow_are_left_alone_and_telemetry_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "false")
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "DEBUG")
    given = environment()
    assert given["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert given["MLFLOW_LOGGING_LEVEL"] == os.environ["MLFLOW_LOGGING_LEVEL"] == "DEBUG"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "false"
    look = "import os; before = dict(os.environ); import rgmp.tracking.store; "
    look += "print({k for k in os.environ if k.startswith('MLFLOW_')} - {*before})"
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_run_of_the_environment_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "0" * 32)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "another")
    assert len(retrack(folder).all) == len(mirrored(folder).ids)
