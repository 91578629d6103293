"""How tables are printed: CSV at full precision, Markdown, and LaTeX with booktabs.

Labels, claims and titles are one line each (`rgmp.config.base.Line`); what else a format would
take for its own is escaped here, in one function a format.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rgmp.runtime.markup import markdown, markdown_paragraph

Row = dict[str, Any]
Cell = Callable[[Row], str]

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "\N{EN DASH}"
NOTHING = "This study has nothing to show here yet."
PAGE = 40  # rows; a longer table runs over pages in LaTeX


@dataclass(frozen=True)
class Table:
    """A table as data, and how its rows are printed.

    Attributes:
        name: stem of its files.
        title: what it shows.
        rows: as the CSV has them, at full precision; None where a figure is not known.
        columns: header -> what a row's cell prints; the first column names the row.
        section: what a row prints as the heading that it shares with its neighbours.
        notes: sentences under the table.
    """

    name: str
    title: str
    rows: list[Row]
    columns: dict[str, Cell]
    section: Cell
    notes: list[str]

    def sections(self) -> Iterator[tuple[str, list[list[str]]]]:
        """The printed rows, by heading."""
        for heading, rows in groupby(self.rows, key=self.section):
            yield heading, [[cell(row) for cell in self.columns.values()] for row in rows]

    def numeric(self) -> list[bool]:
        """For each column, whether it prints figures, which stand right."""
        return [
            all(re.match(rf"[+{MINUS}]?\d|{UNKNOWN}$", cell(row)) for row in self.rows)
            for cell in self.columns.values()
        ]


def number(key: str, form: str) -> Cell:
    """A cell that prints a figure in a format such as `{:.1f}`."""
    return lambda row: (
        UNKNOWN if row.get(key) is None else form.format(row[key]).replace("-", MINUS)
    )


def percent(key: str) -> Cell:
    """A cell that prints a fraction as per cent with one decimal."""
    return lambda row: UNKNOWN if row.get(key) is None else points(row[key])


def points(fraction: float, sign: str = "-") -> str:
    """A fraction as per cent with one decimal: 12.3; with sign `+`, +12.3."""
    return f"{100 * fraction:{sign}z.1f}".replace("-", MINUS)


def interval(mean: float, low: float, high: float) -> str:
    """A difference of fractions with its interval, in points: +1.2 [-0.3, +2.7]."""
    return f"{points(mean, '+')} [{points(low, '+')}, {points(high, '+')}]"


def duration(seconds: float) -> str:
    """A time for people: `12 s`, `3.4 min`, `2.1 h`."""
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def as_csv(table: Table) -> str:
    """The rows at full precision; a column where any row has one, empty where it is not known.

    Text is as it is, also a label that a spreadsheet would take for a formula (`=`, `+`, `-`, `@`):
    it is the study's own, and what is put before it would be wrong for every other reader.
    """
    columns = list(dict.fromkeys(key for row in table.rows for key in row)) or ["note"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table.rows or [{"note": NOTHING}])
    return text.getvalue()


def as_markdown(table: Table) -> str:
    """A heading, a table for each section, and the notes."""
    parts = [f"## {markdown(table.title)}"]
    rule = ["---:" if right else "---" for right in table.numeric()]
    for heading, rows in table.sections():
        lines = [[markdown(cell) for cell in row] for row in [list(table.columns), *rows]]
        lines.insert(1, rule)
        parts.append(f"**{markdown(heading)}**")
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    if not table.rows:
        parts.append(NOTHING)
    return "\n\n".join([*parts, *map(markdown_paragraph, table.notes)]) + "\n"


def as_latex(table: Table) -> str:
    """A `table` no wider than the text, or a `longtable` where it is longer than a page."""
    columns = "".join("r" if right else "l" for right in table.numeric())
    title = rf"\caption{{{_latex(table.title)}.}}\label{{tab:{table.name}}}"
    head = [r"\toprule", _latex_row(map(_latex, table.columns)), r"\midrule"]
    body: list[str] = []
    for heading, rows in table.sections():
        body += [r"\addlinespace"] * bool(body)
        body.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{\emph{{{_latex(heading)}}}}} \\")
        body += [_latex_row(map(_latex, row)) for row in rows]
    if not body:
        body.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{{NOTHING}}} \\")
    notes = rf"{{\footnotesize {_latex(' '.join(table.notes))}\par}}"
    if len(table.rows) > PAGE:
        lines = [*_SMALL, rf"\begin{{longtable}}{{{columns}}}", rf"{title} \\", *head, r"\endhead"]
        lines = [r"\begingroup", *lines, *body, r"\bottomrule", r"\end{longtable}"]
        lines += [notes, r"\endgroup"]
    else:
        lines = [r"\begin{table}", r"\centering", title, *_SMALL, _NO_WIDER]
        lines += [rf"\begin{{tabular}}{{{columns}}}", *head, *body, r"\bottomrule"]
        lines += [r"\end{tabular}}", r"\par\smallskip", notes, r"\end{table}"]
    text = "\n".join(lines) + "\n"
    needs = [r"% needs \usepackage{booktabs,graphicx,longtable}"]
    if not text.isascii():
        needs.append(_BEYOND_ASCII)
    return "\n".join([*needs, text])


_SMALL = (r"\footnotesize", r"\setlength{\tabcolsep}{3.5pt}")
_NO_WIDER = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


def _latex_row(cells: Iterable[str]) -> str:
    """A row: the line break before it would take a bracket or a star for its own."""
    row = " & ".join(cells)
    return "{}" * row.startswith(("[", "*")) + row + r" \\"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    '"': r"\texttt{\char34}",  # elsewhere a closing quote, and with babel the half of an umlaut
    MINUS: "$-$",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    UNKNOWN: r"\textendash{}",
    "‡": r"$^\ddagger$",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def _latex(text: str) -> str:
    """Text for LaTeX, in which no two characters join: two hyphens stay two, as in an option."""
    escaped = "".join(_LATEX.get(character, character) for character in text)
    return re.sub(r"(?<=[-'`,?!])(?=[-'`,])", "{}", escaped)


_BEYOND_ASCII = (
    r"% has letters beyond ASCII: pdflatex knows those of western languages, some of them with "
    r"\usepackage[T1]{fontenc}; others need xelatex or lualatex and a font that has them"
)
