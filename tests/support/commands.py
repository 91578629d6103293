"""Command lines by hand over the tiny study, in the folder that holds it, and what they leave."""

import json
from collections.abc import Callable
from pathlib import Path

from rgmp.provenance.record import Record

VAL = ["--davis", "davis", "--benchmark", "davis2017", "--split", "val"]
INFER = ["infer", "--weights", "tiny.safetensors", *VAL, "--scales", "1", "--device", "cpu"]
SCORE = ["score", *VAL, "--masks", "truth", "--out", "scores.csv"]
SPEED = ["speed", *INFER[1:], "--out", "speed.json"]
CHECK = ["check", "davis", "--split", "davis2016/val", "davis2017/val", "davis2017/train"]
PREVIEW = ["preview", "study.yaml", "--stage", "pretrain"]
FRAME = "davis/JPEGImages/480p/val_b/00002.jpg"


def the_record(path: str) -> Record:
    record: Record = json.loads(Path(path).read_text())
    return record


def everything(folder: Path) -> dict[Path, bytes | None]:
    """Every path under a folder, with the bytes of those that are files."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def truncate(path: str) -> Callable[[], object]:
    return lambda: Path(path).write_bytes(Path(path).read_bytes()[:-200])


def edit_study(old: str, new: str) -> Callable[[], object]:
    path = Path("study.yaml")
    return lambda: path.write_text(path.read_text().replace(old, new))


def given_scores() -> None:
    """A table of someone's scores of one of the two sequences."""
    rows = ["1,00001,0.5,0.25", "1,00002,0.5,0.25", "2,00001,1,1", "2,00002,1,1"]
    lines = ["sequence,object,frame,J,F", *(f"val_a,{row}" for row in rows)]
    Path("given.csv").write_text("\n".join(lines))
