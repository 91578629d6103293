"""A DAVIS tree of two boxes, and masks for it that are not quite right."""

from pathlib import Path

import pytest
from support.two_boxes import FRAMES, labels, save, write_tree

from rgmp.data.videos import Videos


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A DAVIS tree with two sequences of two objects, `ant` and `bee`."""
    return write_tree(tmp_path / "davis", ("bee", "ant"), labels, FRAMES)


@pytest.fixture
def videos(root: Path) -> Videos:
    """All of it, as `davis2017` reads it."""
    return Videos(davis=root, benchmark="davis2017")


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Masks for that tree whose first object is two pixels off."""
    folder = tmp_path / "masks"
    for name in ("ant", "bee"):
        for number in range(FRAMES):
            save(folder / name / f"{number:05d}.png", labels(number, shift=2))
    return folder
