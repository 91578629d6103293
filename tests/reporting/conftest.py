"""A finished study to report on."""

from pathlib import Path

import pytest
from support.fake_study import build, share_single_objects

from rgmp.reporting import tables


@pytest.fixture(scope="session")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fake study of five variants with its tables; not to be changed."""
    folder = build(tmp_path_factory.mktemp("five"), variants=5, frames=6)
    tables.write(folder)
    return folder


@pytest.fixture(scope="session")
def repeating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whose sequences with a single object have the same scores on both benchmarks; likewise.

    `without BPTT` predicts of these, of `occlusion`, and of nothing else.
    """
    folder = build(tmp_path_factory.mktemp("repeating"), variants=5, frames=6, seeds=(0, 1, 2))
    share_single_objects(folder)
    tables.write(folder)
    return folder
