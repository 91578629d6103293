"""Published masks and scores of ../shared, and DAVIS trees around their truth."""

import csv
from pathlib import Path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def tree_of(root: Path, annotations: Path, year: str, names: list[str]) -> Path:
    """A DAVIS tree around given annotations; its frames are named but not there."""
    (root / "ImageSets" / year).mkdir(parents=True)
    (root / "ImageSets" / year / "val.txt").write_text("\n".join(names))
    (root / "Annotations").mkdir()
    (root / "Annotations" / "480p").symlink_to(annotations)
    for name in names:
        (root / "JPEGImages" / "480p" / name).mkdir(parents=True)
        for path in (annotations / name).glob("*.png"):
            (root / "JPEGImages" / "480p" / name / f"{path.stem}.jpg").touch()
    return root
