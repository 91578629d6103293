"""How tables are printed: numbers as text, what is best, and Markdown; `latex_table` has LaTeX."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import pandas as pd

from rgmp.reporting.labels import UP
from rgmp.runtime.markup import markdown, markdown_paragraph
from rgmp.runtime.quantities import MINUS, UNKNOWN, minus, points

NOTHING = "No data yet."
ON_PLACES = (
    "Bold: the best of its column, underlined: the second best, among variants of one study, by "
    "the digits that are printed; whether two differ is what verdicts say."
)

Place = Literal["best", "second", ""]


@dataclass(frozen=True)
class Table:
    """A table as it is printed.

    Attributes:
        name: stem of its files.
        title: what it shows.
        cells: text; the first column names the row.
        headings: of each row, what it shares with others as a heading; indexed as `cells`.
        notes: sentences under the table.
        caption: sentences on how to read it.
        arrows: of columns of which more is better, or less, by header.
        places: which cells are the best or second best of what they may be compared with
            (`Place`); rows and columns of `cells`, none: of no cell it is said.
    """

    name: str
    title: str
    cells: pd.DataFrame
    headings: pd.Series
    notes: list[str]
    caption: str = ""
    arrows: Mapping[str, str] = field(default_factory=dict)
    places: pd.DataFrame = field(default_factory=pd.DataFrame)

    def sections(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """The rows of each heading, in the order in which headings first appear."""
        for heading, rows in self.cells.groupby(self.headings, sort=False):
            yield str(heading), rows

    def numeric(self) -> list[bool]:
        """For each column, whether it prints numbers, which are aligned right.

        Beside them it may have words; the first column never prints numbers: it names the row.
        """
        _, *others = (self.cells[column] for column in self.cells)
        return [False, *(_prints_numbers(cells) for cells in others)]

    def header(self, column: str) -> str:
        """A header with its arrow: `J ↑`."""
        return " ".join(filter(None, (column, self.arrows.get(column))))

    def place(self, row: object, column: str) -> Place:
        """Whether a cell is the best or second best; `row` is its label in the index of `cells`."""
        return self._places.get((row, column), "")

    @cached_property
    def _places(self) -> dict[tuple[object, str], Place]:
        return {
            (row, str(name)): place for name, of in self.places.items() for row, place in of.items()
        }

    @property
    def all_notes(self) -> list[str]:
        """The notes, with what best and second best mean where cells are marked so."""
        return [*([ON_PLACES] if (self.places != "").any(axis=None) else []), *self.notes]


_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(rf"\[?[+{MINUS}]?\d")
_BEGINS = re.compile(rf"[-+{MINUS}]?[\d.]+")
"""The number that a cell begins with."""


def _prints_numbers(cells: pd.Series) -> bool:
    """Whether cells are numbers, intervals, or words without a digit, and not words alone."""
    with_digits = [*filter(_DIGIT.search, cells)]
    return bool(with_digits) and all(map(_NUMBER.match, with_digits))


def places_of(
    cells: pd.DataFrame,
    headings: pd.Series,
    compared: pd.Series | None,
    arrows: Mapping[str, str],
) -> pd.DataFrame:
    """Which cells are the best and second best of their column under their heading.

    Args:
        cells: text, which begins with a number or says that there is none.
        headings: of the rows.
        compared: the rows that may be compared; None: none.
        arrows: whether more or less is better, by header; other columns are not ranked.

    Returns:
        `Place` of every cell of the ranked columns. Equal digits share a place; with two values
        there is no second best.
    """
    ranked = [str(header) for header in cells if header in arrows]
    places: dict[str, dict[object, Place]] = {header: {} for header in ranked}
    rows = cells[compared] if compared is not None else cells[:0]
    for _, group in rows.groupby(headings, sort=False):
        for header in ranked:
            found = [(row, _BEGINS.match(cell)) for row, cell in group[header].items()]
            values = {row: float(one[0].replace(MINUS, "-")) for row, one in found if one}
            distinct = sorted({*values.values()}, reverse=arrows[header] == UP)
            if len(distinct) > 1:
                marks: dict[float, Place] = {distinct[0]: "best"}
                marks |= {second: "second" for second in distinct[1:2] if len(distinct) > 2}
                places[header] |= {row: marks.get(value, "") for row, value in values.items()}
    return pd.DataFrame(places, cells.index, dtype="object").fillna("").astype("str")


def number(values: pd.Series, form: str) -> pd.Series:
    """Numbers in a format such as `{:.1f}`; a dash where there is none."""
    return values.map(lambda value: UNKNOWN if pd.isna(value) else minus(form.format(value)))


def percent(fractions: pd.Series) -> pd.Series:
    """Fractions as per cent with one decimal; a dash where there is none."""
    return fractions.map(points)


def as_markdown(table: Table) -> str:
    """A heading, a table for each section, and the notes."""
    parts = [f"## {markdown(table.title)}"]
    align = ["right" if right else "left" for right in table.numeric()]
    for heading, rows in table.sections():
        escaped = pd.DataFrame(
            {
                markdown(table.header(str(column))): [
                    _IN_MARKDOWN[table.place(row, str(column))].format(markdown(cell))
                    for row, cell in rows[column].items()
                ]
                for column in rows
            }
        )
        parts.append(f"**{markdown(heading)}**")
        parts.append(escaped.to_markdown(index=False, disable_numparse=True, colalign=align))
    if table.cells.empty:
        parts.append(NOTHING)
    return "\n\n".join([*parts, *map(markdown_paragraph, table.all_notes)]) + "\n"


_IN_MARKDOWN: dict[Place, str] = {"best": "**{}**", "second": "<ins>{}</ins>", "": "{}"}
