"""The table of scores: J and F of every object in every frame, a row each, as CSV."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from rgmp.errors import UserError
from rgmp.runtime.files import read_text, reading, write_text


class Score(NamedTuple):
    """J and F, in [0, 1], of one object in one frame: a row of the table.

    `frame` is its number as the files have it, such as `00001`. `seed` is that of the training
    behind the masks, None where no training here made them.
    """

    benchmark: str
    variant: str
    seed: int | None
    sequence: str
    object: int
    frame: str
    J: float
    F: float


def fraction(text: str) -> float:
    """A figure in [0, 1] from its text.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is not in [0, 1]")
    return value


def write_scores(path: Path, rows: Iterable[Score]) -> None:
    """Write a table of scores as CSV, every digit kept, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Score._fields)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def require_scores(path: Path) -> None:
    """Check that a file has the header of a table of scores.

    Raises:
        UserError: it does not, or cannot be read.
    """
    with reading(path, "name a readable file"), path.open("rb") as file:
        if file.readline(1000).rstrip(b"\r\n") != ",".join(Score._fields).encode():
            raise UserError(f"{path}: not a table of scores")


def read_scores(path: Path) -> list[Score]:
    """Read a table of scores.

    Raises:
        UserError: it is missing, is no such table or has no row.
    """
    text = read_text(path, "`rgmp score` makes it")
    try:
        header, *lines = csv.reader(io.StringIO(text), strict=True)
        if tuple(header) != Score._fields or not lines:
            raise ValueError(f"a header of {','.join(Score._fields)} and rows are expected")
        return [_score(line) for line in lines]
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: is no table of scores ({error}); remove it and score again"
        ) from error


def _score(line: list[str]) -> Score:
    """One row from its text.

    Raises:
        ValueError: other columns, or a figure that is none or out of range.
    """
    benchmark, variant, seed, sequence, number, frame, region, contour = line
    return Score(
        benchmark,
        variant,
        int(seed) if seed else None,
        sequence,
        int(number),
        frame,
        fraction(region),
        fraction(contour),
    )
