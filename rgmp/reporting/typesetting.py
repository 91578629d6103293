"""How tables are printed: Markdown with tabulate, and LaTeX with booktabs by pandas' Styler.

By hand, because neither library does it: the escaping of text, of which pandas leaves brackets at
the start of a row, quotes and ligatures to break; headings over groups of rows; and, in LaTeX, a
table no wider than the text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

import pandas as pd

from rgmp.runtime.markup import markdown, markdown_paragraph

MINUS = "\N{MINUS SIGN}"
UNKNOWN = "\N{EN DASH}"
NOTHING = "No data yet."
ROWS_PER_PAGE = 40  # rows; a longer table runs over pages in LaTeX


@dataclass(frozen=True)
class Table:
    """A table as it is printed.

    Attributes:
        name: stem of its files.
        title: what it shows.
        cells: text; the first column names the row.
        headings: of each row, what it shares with others as a heading; indexed as `cells`.
        notes: sentences under the table.
    """

    name: str
    title: str
    cells: pd.DataFrame
    headings: pd.Series
    notes: list[str]

    def sections(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """The rows of each heading, in the order in which headings first appear."""
        for heading, rows in self.cells.groupby(self.headings, sort=False):
            yield str(heading), rows

    def numeric(self) -> list[bool]:
        """For each column, whether it prints numbers, which are aligned right."""
        number = rf"[+{MINUS}]?\d|{UNKNOWN}$"
        return [bool(self.cells[column].str.match(number).all()) for column in self.cells]


def number(values: pd.Series, form: str) -> pd.Series:
    """Numbers in a format such as `{:.1f}`; a dash where there is none."""
    return values.map(lambda value: UNKNOWN if pd.isna(value) else _minus(form.format(value)))


def percent(fractions: pd.Series) -> pd.Series:
    """Fractions as per cent with one decimal; a dash where there is none."""
    return fractions.map(points)


def points(fraction: float, sign: str = "-") -> str:
    """A fraction as per cent with one decimal: 12.3; with sign `+`, +12.3; a dash for none.

    With a sign, what is just below zero is -0.0: an interval that ends there leaves zero out.
    """
    zero = "z" if sign == "-" else ""
    return UNKNOWN if isnan(fraction) else _minus(f"{100 * fraction + 0.0:{sign}{zero}.1f}")


def interval(mean: float, low: float, high: float) -> str:
    """A difference of fractions, with its interval in points: +1.2 [-0.3, +2.7]; or a dash."""
    return UNKNOWN if isnan(mean) else f"{points(mean, '+')} {limits(low, high)}"


def limits(low: float, high: float) -> str:
    """The limits of an interval of differences, in points: [-0.3, +2.7]; or a dash."""
    return UNKNOWN if isnan(low) else f"[{points(low, '+')}, {points(high, '+')}]"


def _minus(text: str) -> str:
    return text.replace("-", MINUS)


def as_markdown(table: Table) -> str:
    """A heading, a table for each section, and the notes."""
    parts = [f"## {markdown(table.title)}"]
    align = ["right" if right else "left" for right in table.numeric()]
    for heading, rows in table.sections():
        escaped = rows.map(markdown).rename(columns=markdown)
        parts.append(f"**{markdown(heading)}**")
        parts.append(escaped.to_markdown(index=False, disable_numparse=True, colalign=align))
    if table.cells.empty:
        parts.append(NOTHING)
    return "\n\n".join([*parts, *map(markdown_paragraph, table.notes)]) + "\n"


def as_latex(table: Table) -> str:
    """A `table` no wider than the text, or a `longtable` where it is longer than a page."""
    long = len(table.cells) > ROWS_PER_PAGE
    caption, label = f"{_latex(table.title)}.", f"tab:{table.name}"
    tabular = _longtable(table, caption, label) if long else _with_headings(table, r"\midrule")
    notes = rf"{{\footnotesize {_latex(' '.join(table.notes))}\par}}"
    if long:
        lines = [r"\begingroup", _SMALL, tabular, notes, r"\endgroup"]
    else:
        head = rf"\caption{{{caption}}}\label{{{label}}}"
        lines = [r"\begin{table}", r"\centering", head, _SMALL, f"{_NO_WIDER}{tabular}}}"]
        lines += [r"\par\smallskip", notes, r"\end{table}"]
    text = "\n".join(lines) + "\n"
    needs = [r"% needs \usepackage{booktabs,graphicx,longtable}"]
    if not text.isascii():
        needs.append(_BEYOND_ASCII)
    return "\n".join([*needs, text])


_SMALL = r"\footnotesize\setlength{\tabcolsep}{3.5pt}"
_NO_WIDER = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%" + "\n"


def _longtable(table: Table, caption: str, label: str) -> str:
    """The rows over several pages, each with the header; pandas writes caption and label too."""
    options = {"environment": "longtable", "caption": caption, "label": label}
    return _with_headings(table, r"\endlastfoot", **options)


def _with_headings(table: Table, before: str, **options: Any) -> str:
    """The rows as pandas writes them, a heading before those of each section.

    Args:
        table: what is printed.
        before: the line after which pandas writes the rows.
        options: of `Styler.to_latex`.
    """
    rows = pd.concat([table.cells[:0], *(rows for _, rows in table.sections())])
    escaped = rows.map(_latex).rename(columns=_latex)
    escaped.iloc[:, 0] = escaped.iloc[:, 0].map(_first)
    align = "".join("r" if right else "l" for right in table.numeric())
    style = escaped.style.hide(axis="index")
    lines = style.to_latex(hrules=True, column_format=align, **options).splitlines()
    at = lines.index(before) + 1
    headings = [(rf"\emph{{{_latex(name)}}}", len(rows)) for name, rows in table.sections()]
    for index, (heading, count) in enumerate(headings or [(NOTHING, 0)]):
        space = r"\addlinespace " if index else ""
        lines.insert(at, rf"{space}\multicolumn{{{len(align)}}}{{l}}{{{heading}}} \\")
        at += 1 + count
    return "\n".join(lines)


def _first(cell: str) -> str:
    """The first cell of a row, of which the line break before takes a bracket or a star."""
    return "{}" * cell.startswith(("[", "*")) + cell


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
    "§": r"\S{}",
    "¶": r"\P{}",
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
