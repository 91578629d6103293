"""A tiny DAVIS tree to read, and to break."""

import shutil
from pathlib import Path

import pytest
from support.tiny_study import write_tree


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    write_tree(root)
    return root / "davis"


@pytest.fixture
def tree(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "davis")
