"""A finished study to track, beside a store without runs."""

import shutil
from pathlib import Path

import pytest
from support.tracked_study import write_study


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a store without runs, and a study in which every job has ended."""
    return write_study(tmp_path_factory.mktemp("made"))


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study's folder, beside a store of its own; to copy a store is quick, to make one is not."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(made, tmp_path / "results")
    return tmp_path / "results" / "tiny"
