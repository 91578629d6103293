"""What came of a study, for a terminal: the ablation table, the claims, and where the rest is.

The numbers are those of `tables/ablation.csv`, printed as in the report. `rgmp show` prints it, and
so does the workflow when it has made the tables.
"""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from rgmp.config.study import SEVERAL
from rgmp.errors import UserError, visible
from rgmp.reporting import catalog
from rgmp.reporting.claims import tally
from rgmp.reporting.table_layouts import CLAIM, DIFFERENCE, VERDICT, printed_table
from rgmp.runtime.quantities import UNKNOWN
from rgmp.runtime.terminal import Colour, Screen
from rgmp.runtime.tidy import rows_of
from rgmp.study import layout
from rgmp.study.compared_data import each_once
from rgmp.study.mlflow_links import runs_of
from rgmp.study.results import Results, load

_SHOWN = ("Variant", "J&F", DIFFERENCE, VERDICT, CLAIM)
_NAMES = {DIFFERENCE: "Difference"}
"""Shorter names of columns, for a narrow screen."""
_NUMBERS = {"J&F", "Difference"}
_INDENT = "  "
_GAP = 2
"""Columns between those of a table."""
_COLOURS: dict[str, Colour] = {
    "better": "green",
    "supported": "green",
    "worse": "red",
    "contradicted": "red",
    "undecided": "yellow",
}
"""Of what a verdict, or the word on a claim, begins with."""


def outcome(folder: Path, screen: Screen) -> Iterator[str]:
    """What came of a study, line by line.

    Args:
        folder: of the study.
        screen: what the lines are made for.

    Raises:
        UserError: it is not a study's folder, or one of its tables is missing or broken.
    """
    study = load(folder)
    yield from _table(study, screen)
    yield from _claims(study, screen)
    yield from _places(study)


def _table(study: Results, screen: Screen) -> Iterator[str]:
    """The ablation table: a heading, then the variants, of each benchmark."""
    printed = printed_table(study, catalog.ABLATION)
    yield from _wrapped(f"{printed.title}: {study.plan.title}", screen)
    told = f"{study.nature}; J&F in per cent, differences in points with 95% intervals"
    yield from _wrapped(f"{told[0].upper()}{told[1:]}.", screen)
    yield from _wrapped(study.unfinished, screen)
    for heading, rows in printed.sections():
        cells = rows[[*_SHOWN]]
        if cells[DIFFERENCE].eq(UNKNOWN).all():
            cells = cells[["Variant", "J&F"]]
        yield ""
        yield heading
        yield from _lines(cells.rename(columns=_NAMES), screen)


def _lines(cells: pd.DataFrame, screen: Screen) -> list[str]:
    """The rows of a benchmark, wrapped where the screen is too narrow."""
    widths = {str(name): max(len(str(name)), *map(len, cells[name])) for name in cells}
    free = screen.width - len(_INDENT) - _GAP * len(widths) - sum(widths.values())
    for column in (VERDICT, CLAIM, "Variant"):
        if free < 0 and column in widths:
            longest = max(len(word) for cell in (column, *cells[column]) for word in cell.split())
            narrower = max(widths[column] + free, longest)
            free, widths[column] = free + widths[column] - narrower, narrower
    text: str = cells.map(lambda cell: _painted(visible(cell), screen)).to_markdown(
        index=False,
        disable_numparse=True,
        tablefmt="plain",
        colalign=["right" if name in _NUMBERS else "left" for name in cells],
        maxcolwidths=[*widths.values()],
    )
    return [f"{_INDENT}{line}".rstrip() for line in text.splitlines()]


def _painted(cell: str, screen: Screen) -> str:
    """A verdict, or the word on a claim, in its colour."""
    colour = _COLOURS.get(cell.partition(",")[0])
    return screen.paint(cell, colour) if colour else cell


def _claims(study: Results, screen: Screen) -> Iterator[str]:
    """What became of the claims, in all benchmarks and difficulties, each result once."""
    for what, name in (("Claims", "ablation"), ("Predictions by difficulty", "difficulty")):
        table = study.table(name)
        if name == "difficulty":  # what is asked on several objects is among the claims
            table = table[table["difficulty"] != SEVERAL]
        words, repeats = tally(table)
        if words:
            counts = ", ".join(f"{n} {_painted(word, screen)}" for word, n in words.most_common())
            yield ""
            yield f"{what}: {counts}"
            yield from _wrapped(repeats, screen, _INDENT)
            yield from _named(study, table, screen) if name == "ablation" else ()


def _named(study: Results, table: pd.DataFrame, screen: Screen) -> Iterator[str]:
    """Each claim of a variant, and what became of it: on each benchmark, where that differs."""
    for variant in study.others:
        rows = each_once(rows_of(table[table["claim"] != ""], variant=variant))
        found = dict(zip(rows["benchmark"], rows["claim"], strict=True))
        words = [*dict.fromkeys(found.values())]
        if len(words) > 1:
            words = [f"{word} ({study.plan.title_of(where)})" for where, word in found.items()]
        if words:
            yield from _wrapped(f"{study.label(variant)}: {', '.join(words)}", screen, _INDENT)
            yield from _wrapped(study.plan.variant(variant).claim, screen, 2 * _INDENT)


def _wrapped(text: str, screen: Screen, indent: str = "") -> list[str]:
    """A sentence on as many lines as it takes."""
    return textwrap.wrap(
        visible(text), screen.width, initial_indent=indent, subsequent_indent=f"{indent}{_INDENT}"
    )


def _places(study: Results) -> Iterator[str]:
    """Where the rest is: the report, the tables, and what shows the runs in MLflow."""
    yield ""
    report = study.folder / layout.REPORT
    if report.is_file():
        yield visible(f"Report: {report}")
    yield visible(f"Tables: {study.folder / layout.TABLES}")
    try:
        runs = runs_of(study.folder)
    except UserError:  # it only shows what the files say
        return
    if runs.experiment is not None:
        yield visible(f"MLflow: {runs.command or runs.page}")
