"""What every case starts from: a tiny tree, a study, weights and masks; or a finished study."""

import csv
import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from support import fake_study, tiny_study

from campaign.case import Base, Snapshot
from rgmp.config.method import Network
from rgmp.model import network
from rgmp.model import weights as checkpoint
from rgmp.reporting import catalog, tables
from rgmp.study import plan, resolve

LARGE = 64 * 2**20
"""Bytes of a file above which its size and time stand for its content."""
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {"label": "RGMP", "claim": "The whole method.", "overrides": {}},
    "hard": {
        "label": "winner-take-all",
        "claim": "Soft aggregation keeps the doubt.",
        "overrides": {"inference": {"aggregation": "winner_take_all"}},
    },
}
PLANNED = ("results/tiny/plan.json",)
"""What `rgmp plan tiny.yaml` makes."""


def make_bases(root: Path) -> dict[Base, Path]:
    """Make both kinds of workspace, once, to be copied for each case."""
    data, study = root / "data", root / "study"
    tiny_study.write_tree(data)
    write_yaml(data / "tiny.yaml", tiny_study.STUDY)
    (data / "ablations").mkdir()
    for name, variant in VARIANTS.items():
        write_yaml(data / f"ablations/{name}.yaml", variant)
    (data / "masks").mkdir()
    for name in ("val_a", "val_b"):
        shutil.copytree(data / "davis/Annotations/480p" / name, data / "masks" / name)
    write_scores(data / "scores.csv", score_rows())
    settings = Network(backbone="resnet10", width=4, decoder_width=4)
    checkpoint.save(data / "weights.safetensors", network.RGMP(settings), {"identity": "0" * 12})
    before = Path.cwd()
    os.chdir(data)  # a plan's paths are those of its study, seen from where one calls
    resolved = resolve.resolve(Path("tiny.yaml"))
    plan.save(resolved, Path("results/tiny"))
    os.chdir(before)
    fake_study.build(
        study / "results/toy", variants=2, benchmarks=("davis2017",), seeds=(0,), frames=5
    )
    tables.write(study / "results/toy")
    (study / "results/toy/figures").mkdir()  # stand-ins: a report needs some, and takes any
    for name in catalog.FIGURE_NAMES:
        Image.new("L", (8, 8)).save(study / f"results/toy/figures/{name}.png")
    return {"data": data, "study": study}


def score_rows() -> list[dict[str, Any]]:
    """The rows of someone's score table of `val`, every frame of both objects."""
    return [
        {"sequence": name, "object": number, "frame": f"{t:05d}", "J": 0.5, "F": 0.25}
        for name in ("val_a", "val_b")
        for number in (1, 2)
        for t in range(tiny_study.FRAMES)
    ]


def write_scores(path: Path, rows: list[dict[str, Any]], **how: Any) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n", **how)
        writer.writeheader()
        writer.writerows(rows)


def write_yaml(path: Path, value: Any) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), encoding="utf-8")


def replace(path: Path, content: bytes) -> None:
    """Put a file at `path`, whatever was there."""
    remove(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def put_folder(path: Path) -> None:
    """Put an empty folder in the place of what is at `path`."""
    remove(path)
    path.mkdir()


def put_link(path: Path, target: str) -> None:
    """Put a link in the place of what is at `path`."""
    remove(path)
    path.symlink_to(target)


def put_fifo(path: Path) -> None:
    """Put a FIFO in the place of what is at `path`."""
    remove(path)
    os.mkfifo(path)


def remove_all(paths: Iterable[Path]) -> None:
    for path in paths:
        remove(path)


def look(root: Path) -> Snapshot:
    """What is at every path below `root`: its kind, rights and content; no link is followed."""
    found: Snapshot = {}
    for folder, folders, names in os.walk(root):
        for name in [*folders, *names]:
            path = Path(folder, name)
            found[str(path.relative_to(root))] = _what(path)
    return found


def _what(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    kind = stat.filemode(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return kind, str(path.readlink())
    if not stat.S_ISREG(status.st_mode):
        return (kind,)
    if status.st_size > LARGE:
        return kind, status.st_size, status.st_mtime_ns
    return kind, hashlib.sha256(path.read_bytes()).hexdigest()
