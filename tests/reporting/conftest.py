"""A finished study to report on."""

from pathlib import Path

import pytest
from support.fake_study import build

from rgmp.reporting import tables


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake study of five variants with its tables; not to be changed."""
    folder = build(tmp_path_factory.mktemp("five"), variants=5, frames=6)
    tables.write(folder)
    return folder
