"""A finished study to track, beside a store without runs."""

import shutil
from pathlib import Path

import pytest
from support.made_once import made_once
from support.tracked_study import write_store, write_study


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a store without runs, and a study in which every job has ended.

    All workers share it: it is not to be changed.
    """

    def make(root: Path) -> None:
        write_store(write_study(root))

    return made_once(tmp_path_factory, "tracked", make) / "results"


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder, beside a store of its own; to copy a store is quick, to make one is not."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(made, tmp_path / "results")
    return tmp_path / "results" / "tiny"
