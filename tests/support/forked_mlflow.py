"""Processes that write to MLflow, forked from one that has imported it: each saves 3 seconds.

That one has opened no store, as SQLite's connections must not be inherited.
"""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace, TracebackType

from rgmp.tracking import track
from support import unsynced_sqlite
from support.forked import FREEZING, PRELOADED, SERVER, start_server

SERVER.set_forkserver_preload(
    [
        *PRELOADED,  # there is one such server for all tests
        unsynced_sqlite.__name__,
        "rgmp.tracking.store",
        "mlflow.store.tracking.sqlalchemy_store",  # MLflow imports these when it opens a store
        "mlflow.store.workspace.utils",
        "sqlalchemy.dialects.sqlite",
        "alembic.command",
        FREEZING,
    ]
)


def start(work: Callable[..., object], *arguments: object, folder: Path) -> ForkServerProcess:
    """Start a process that reads `folder/in`, if it is there, and writes `folder/out` and `err`."""
    start_server()
    process = SERVER.Process(target=_work, args=(folder, dict(os.environ), work, arguments))
    process.start()
    return process


def _work(
    folder: Path,
    environment: Mapping[str, str],
    work: Callable[..., object],
    arguments: list[object],
) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), number)
    if (folder / "in").exists():
        sys.stdin = (folder / "in").open()
    os.environ.clear()
    os.environ.update(environment)
    with warnings.catch_warnings(action="error"):
        work(*arguments)


class _Popen:
    """Of `subprocess`, as far as `rgmp.tracking.track` needs it for its own process."""

    def __init__(self, _: list[str], *, env: Mapping[str, str], **__: int) -> None:
        self._environment = dict(env)
        self.returncode: int | None = None

    def __enter__(self) -> "_Popen":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Nothing is left open."""

    def communicate(self, call: bytes) -> tuple[bytes, None]:
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "in").write_bytes(call)
            process = start(_mirror, self._environment, folder=folder)
            process.join()
            self.returncode = process.exitcode
            os.write(2, (folder / "err").read_bytes())
            return (folder / "out").read_bytes(), None

    def kill(self) -> None:
        """It has ended."""


def _mirror(environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    track._mirror()


FORKED = SimpleNamespace(PIPE=subprocess.PIPE, Popen=_Popen)
"""Stands in for `subprocess` in `rgmp.tracking.track`."""
