"""The tables that `rgmp tables` wrote, read plainly."""

import csv
import re
from pathlib import Path


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "tables" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def text_of(folder: Path, name: str) -> str:
    text = (folder / "tables" / name).read_text(encoding="utf-8")
    return re.sub(" +", " ", text) if name.endswith(".md") else text  # cells are padded there
