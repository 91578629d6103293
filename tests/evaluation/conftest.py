"""A DAVIS tree of two boxes, and masks for it that are not quite right."""

from pathlib import Path

import pytest
from support.two_boxes import FRAMES, labels, save

from rgmp.data.videos import Videos


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A DAVIS tree with two sequences of two objects, `ant` and `bee`."""
    tree = tmp_path / "davis"
    for year in ("2016", "2017"):
        (tree / "ImageSets" / year).mkdir(parents=True)
        (tree / "ImageSets" / year / "val.txt").write_text("bee\nant\n")
    for name in ("ant", "bee"):
        (tree / "JPEGImages" / "480p" / name).mkdir(parents=True)
        for number in range(FRAMES):
            (tree / "JPEGImages" / "480p" / name / f"{number:05d}.jpg").touch()
            save(tree / "Annotations" / "480p" / name / f"{number:05d}.png", labels(number))
    return tree


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
