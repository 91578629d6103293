"""The score table: J and F of every object in every frame, a row each, as CSV."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from rgmp.evaluation.measures import Score
from rgmp.runtime.tidy import not_a_table, read_table, require_header, write_table

SCORE_DTYPES = {
    "benchmark": "str",
    "variant": "str",
    "seed": "Int64",  # missing where no training here made the masks
    "sequence": "str",
    "object": "int64",
    "frame": "str",
    "J": "float64",
    "F": "float64",
}
"""The columns of a score table, those of `Score`, and their dtypes."""


def table_of(rows: Iterable[Score]) -> pd.DataFrame:
    """Scores as a table."""
    return pd.DataFrame([*rows], columns=[*Score._fields]).astype(SCORE_DTYPES)


def write_scores(path: Path, scores: pd.DataFrame) -> None:
    """Write a score table as CSV, every digit kept, whole or not at all."""
    write_table(path, scores[[*SCORE_DTYPES]])


def require_scores(path: Path) -> None:
    """Check that a file has the header of a score table.

    Raises:
        UserError: it does not, or cannot be read.
    """
    require_header(path, SCORE_DTYPES, "a score table")


def read_scores(path: Path, command: str) -> pd.DataFrame:
    """Read a score table.

    Args:
        path: of the CSV file.
        command: what writes it, for messages.

    Returns:
        A row for each object and frame, at least one, with the columns of `SCORE_DTYPES`; J and F
        lie in [0, 1].

    Raises:
        UserError: it is missing, not a score table, or has no row.
    """
    scores = read_table(path, SCORE_DTYPES, what="a score table", command=command)
    if scores.empty:
        raise not_a_table(path, "a score table", "it has no row", command)
    for name in ("J", "F"):
        outside = scores[~scores[name].between(0, 1)]
        if not outside.empty:
            row = outside.iloc[0]
            where = f"{row['sequence']}, object {row['object']}, frame {row['frame']}"
            problem = f"{where}: {name} is {row[name]}, not in [0, 1]"
            raise not_a_table(path, "a score table", problem, command)
    return scores
