"""A finished study of seconds, made once for all workers, and jobs that are forked."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from support import forked
from support.made_once import made_once
from support.workflow import make_workspace, snakemake


@pytest.fixture(scope="module")
def forked_jobs() -> Iterator[None]:
    """Let jobs fork their processes, not start new interpreters; all else is as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.environ[forked.VARIABLE], prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study of seconds after one run of everything.

    All workers share it: it is not to be changed, and Snakemake runs in it under `made.lock` alone.
    """

    def make(root: Path) -> None:
        request.getfixturevalue("forked_jobs")
        done = snakemake(make_workspace(root), "all")
        logs = "\n".join(p.read_text() for p in root.glob("results/tiny/logs/**/*.log"))
        assert done.returncode == 0, done.stderr + logs

    return made_once(tmp_path_factory, "made", make)


@pytest.fixture(scope="class")
def finished(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it for each class, whose tests change and restore it."""
    copy = tmp_path_factory.mktemp("finished") / "study"
    with FileLock(made.with_suffix(".lock")):
        return shutil.copytree(made, copy, symlinks=True)
