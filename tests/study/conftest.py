"""A folder in which the tiny study is planned."""

import shutil
from pathlib import Path

import pytest
from support.tiny_plan import USER_VARIANTS

ABLATIONS = Path(__file__).parents[2] / "ablations"


@pytest.fixture
def here(pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder to work in: a tree, stills and the variants that the user named."""
    root = tmp_path / "here"
    shutil.copytree(pristine.parent, root)
    (root / "ablations").mkdir()
    for name in USER_VARIANTS:
        shutil.copy(ABLATIONS / f"{name}.yaml", root / "ablations")
    monkeypatch.chdir(root)
    return root
