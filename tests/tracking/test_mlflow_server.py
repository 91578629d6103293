"""A real `mlflow server`: it holds what a file holds, and its pages show it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient
from support.process_group import process_group
from support.tracked_study import (
    ABLATIONS,
    TIMEOUT,
    Store,
    die_at_write,
    mirrored,
    tracked,
)

from rgmp.study import mlflow_links


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an empty database, SQLite's or, where there is one, PostgreSQL's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('database')}/mlflow.db"
    address = os.environ.get("RGMP_TEST_POSTGRESQL")
    if address is None:
        pytest.skip("RGMP_TEST_POSTGRESQL names no PostgreSQL server")
    driver = pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    name = f"rgmp_test_{os.getpid()}"
    with closing(driver.connect(address)) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
    return f"{address.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="module")
def server(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real `mlflow server` before that database."""
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", backend]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    log = folder / "log"
    command += ["--port", "0"]  # a free one, which the log then names
    with (
        log.open("w") as file,
        process_group(
            command,
            stdout=file,
            stderr=file,
            cwd=folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        ) as process,
    ):
        yield address_of(process, log)


def address_of(process: subprocess.Popen[str], log: Path) -> str:
    """Where a server listens, as soon as it does."""
    deadline = time.monotonic() + TIMEOUT
    while not (found := re.search(r"running on (http://\S+)", log.read_text())):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    return found[1]


@pytest.mark.usefixtures("forked_mirror")
@pytest.mark.slow
def test_server_holds_what_a_file_holds_and_the_report_links_into_it(
    folder: Path, server: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored(folder, alone := f"sqlite:///{folder.parent}/mlflow.db")
    beside = Store(folder, alone).content()
    with monkeypatch.context() as patch:
        die_at_write(patch, 30)
        with pytest.raises(KeyboardInterrupt):
            mirrored(folder, server)
    done = tracked(folder, server)
    assert Store(folder, server).content() == beside
    assert mirrored(folder, server).written == 0
    left = json.loads((folder / "mlflow.json").read_text())
    assert left["uri"] == done.uri == server
    client = MlflowClient(server)
    for name, run_id in left["runs"].items():
        assert client.get_run(run_id).data.tags["record"] == name
    assert len(Store(folder, backend).runs) == done.runs, "the database itself says the same"


@pytest.mark.usefixtures("forked_mirror")
@pytest.mark.slow
def test_web_pages_show_the_variants_side_by_side(
    folder: Path, server: str, browse: Callable[[str, int], tuple[str, str]]
) -> None:
    tracked(folder, server)
    runs = mlflow_links.runs_of(folder)
    page, _ = browse(runs.table, 1600)
    for variant in ABLATIONS:
        assert runs.runs[mlflow_links.variant_run(variant)] in page
        assert f"{variant}/seed0" not in page
    for text in ("J_and_F/davis2016", "62.5", "verdict/davis2016", "worse"):
        assert text in page
    compared = runs.comparison([mlflow_links.variant_run(variant) for variant in ABLATIONS])
    assert compared is not None
    page, _ = browse(compared, 1600)
    for text in ("Parallel Coordinates Plot", "inference.aggregation", "J_and_F/davis2016"):
        assert text in page
