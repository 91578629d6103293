"""The figures of the same masks by every convention, as they are printed."""

from collections.abc import Mapping
from typing import cast

import pandas as pd

from rgmp.data.annotations import IN_WORDS, Annotation
from rgmp.evaluation.conventions import FIGURES, TOLERANCE, matches_of
from rgmp.reporting.typesetting import Table, as_markdown, number

_BOUNDARIES = {"davis": "DAVIS", "vot": "VOT"}
_ENDS = {"neither": "not scored", "last": "last scored", "both": "both scored"}
_WORDS: Mapping[str, Mapping[str, str]] = {"boundary": _BOUNDARIES, "ends": _ENDS}
_COLUMNS = {
    "mean_over": "Mean over",
    "ends": "First and last frame",
    "absent": "Frames without the object",
    "boundary": "Boundary",
}
_NOTE = (
    "Points. Official: as davis2017-evaluation reports it. Boundary VOT: F on boundaries as in the "
    "VOT toolkit, the mask without its erosion by 3x3 pixels. Frames without the object in the "
    "truth are counted, as 0, or as 1 where the mask lacks it too; or skipped. Left out is what "
    "makes no difference here: means over sequences of one object each, skipping where every truth "
    "has its objects; and ends without a mask."
)


def printed(table: pd.DataFrame) -> str:
    """A table of conventions (`rgmp.evaluation.conventions`) as Markdown, figures in points."""
    cells = {"Convention": table["official"].map({True: "official", False: ""})}
    for column, header in _COLUMNS.items():
        cells[header] = table[column].replace(dict(_WORDS.get(column, {})))
    for name in FIGURES:
        cells[name] = number(100 * table[name], "{:.2f}")
    headings = table["sequences"] + ", on " + table["annotation"].map(IN_WORDS)
    title = "The same masks by other conventions"
    return as_markdown(Table("conventions", title, pd.DataFrame(cells), headings, [_NOTE]))


def matches(table: pd.DataFrame, figure: float) -> str:
    """Which conventions give a figure, in points: a line each; or that none does."""
    found = matches_of(table, figure)
    if not found:
        nearest = min(FIGURES, key=lambda name: (100 * table[name] - figure).abs().min())
        row = table.iloc[(100 * table[nearest] - figure).abs().argmin()]
        return (
            f"No convention gives {figure:g} within {TOLERANCE:g}; the nearest is "
            f"{_sentence(row, nearest)}"
        )
    lines = [_sentence(row, name) for name, rows in found.items() for _, row in rows.iterrows()]
    return "\n".join([f"{figure:g}, within {TOLERANCE:g}, is given by:", *lines])


def _sentence(row: pd.Series, name: str) -> str:
    """A figure and its convention in words."""
    parts = [
        *(["official"] if row["official"] else []),
        f"mean over {row['mean_over']}",
        f"first and last frame: {_ENDS[row['ends']]}",
        f"frames without the object {row['absent']}",
        f"{_BOUNDARIES[row['boundary']]} boundaries",
        f"{row['sequences']}, on {IN_WORDS[cast(Annotation, row['annotation'])]}",
    ]
    return f"{name} {100 * row[name]:.2f}: {'; '.join(parts)}"
