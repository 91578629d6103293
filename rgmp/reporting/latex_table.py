r"""Tables in LaTeX: booktabs, numbers aligned by siunitx, in one column of a paper or across two.

`\input` takes them as they are. A column of numbers becomes one of siunitx's, so that decimal
points stand below each other; what follows a number, as its interval, gets a column of its own
beside it. A table that is too wide for a column becomes a `table*`; one that is longer than a page
continues in further floats, since a `longtable` cannot stand in a paper of two columns.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rgmp.reporting.labels import DOWN, UP
from rgmp.reporting.typesetting import NOTHING, Place, Table
from rgmp.runtime.markup import latex
from rgmp.runtime.quantities import MINUS

ROWS_PER_PAGE = 40
"""Of a float, at most; headings are not counted."""
_COLUMN_WIDTH = 68
"""Letters, each column's longest cell and the space beside it: what fits a column of a paper."""
_NEEDS = r"% needs \usepackage{booktabs,graphicx,siunitx}"
_BEYOND_ASCII = (
    r"% has letters beyond ASCII: pdflatex knows those of western languages, some of them with "
    r"\usepackage[T1]{fontenc}; others need xelatex or lualatex and a font that has them"
)
_SMALL = r"\footnotesize\setlength{\tabcolsep}{3.5pt}"
_NUMBERS = (  # options that versions 2 and 3 both know
    r"\sisetup{detect-all,separate-uncertainty,retain-explicit-plus,group-digits=integer,"
    r"group-separator={,},group-minimum-digits=4}"
)
_NO_WIDER = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"


@dataclass(frozen=True)
class _Number:
    """A number as it is printed, such as `+1,234.5 ± 0.6`.

    Attributes:
        sign: a plus or a minus, or nothing.
        whole: digits before the point.
        part: digits after it.
        spread: the digits of its standard deviation, without the point; nothing: it has none.
    """

    sign: str
    whole: str
    part: str
    spread: str

    @classmethod
    def of(cls, text: str) -> "_Number | None":
        """Read a number; None: the text is not one."""
        found = _NUMBER.fullmatch(text)
        if not found or (found["spread"] and len(found["spread_part"]) != len(found["part"] or "")):
            return None
        spread = f"{found['spread'] or ''}{found['spread_part'] or ''}".lstrip("0")
        return cls(
            found["sign"].replace(MINUS, "-"),
            found["whole"].replace(",", ""),
            found["part"] or "",
            spread or "0" * bool(found["spread"]),
        )

    def __str__(self) -> str:
        """As siunitx reads it."""
        point = f".{self.part}" if self.part else ""
        spread = f"({self.spread})" if self.spread else ""
        return f"{self.sign}{self.whole}{point}{spread}"


_NUMBER = re.compile(
    rf"(?P<sign>[+{MINUS}]?)(?P<whole>0|[1-9]\d{{0,2}}(?:,\d{{3}})*|[1-9]\d*)(\.(?P<part>\d+))?"
    r"( ± (?P<spread>\d+)\.(?P<spread_part>\d+))?",
    re.ASCII,
)
_INTERVAL = rf"\[[+{MINUS}]?[\d.,]+, [+{MINUS}]?[\d.,]+\]"
_FOLLOWED = re.compile(rf"(?P<number>\S+) (?P<rest>{_INTERVAL})", re.ASCII)


@dataclass(frozen=True)
class _Column:
    """A column of a table in LaTeX.

    Attributes:
        spec: its part of the argument of `tabular`; more than one column where numbers are
            followed by something.
        head: its header.
        cells: one for each row.
    """

    spec: str
    head: str
    cells: list[str]


def as_latex(table: Table) -> str:
    """A `table`, or a `table*` where a column of a paper is too narrow; more where it is long."""
    star = "*" * (_letters(table) > _COLUMN_WIDTH)
    columns = [
        _column(table, str(header), is_numeric)
        for header, is_numeric in zip(table.cells, table.numeric(), strict=True)
    ]
    spec = "".join(column.spec for column in columns)
    head = " & ".join(column.head for column in columns) + r" \\"
    parts = [*_parts(_rows(table, columns, _count(spec)))]
    caption = " ".join(filter(None, (f"{table.title}.", table.caption)))
    lines = [_NEEDS]
    for number, rows in enumerate(parts):
        lines += [rf"\begin{{table{star}}}", r"\centering", _SMALL, _NUMBERS]
        lines.append(
            r"\emph{Table~\thetable{} continued.}\par\smallskip"
            if number
            else rf"\caption{{{latex(caption)}}}\label{{tab:{table.name}}}"
        )
        lines += [_NO_WIDER, rf"\begin{{tabular}}{{{spec}}}", r"\toprule", head, r"\midrule"]
        lines += [*rows, r"\bottomrule", r"\end{tabular}}"]
        if number == len(parts) - 1:
            notes = latex(" ".join(table.all_notes))
            lines += [r"\par\smallskip", rf"\parbox{{\linewidth}}{{\footnotesize {notes}}}"]
        lines.append(rf"\end{{table{star}}}")
    text = "\n".join(lines) + "\n"
    return text if text.isascii() else text.replace(_NEEDS, f"{_NEEDS}\n{_BEYOND_ASCII}", 1)


def _letters(table: Table) -> int:
    """How many letters wide a table is, with the space between columns."""
    columns = [(*_lines_of_head(table, str(name)), *table.cells[name]) for name in table.cells]
    return sum(max(map(len, texts)) + 2 for texts in columns)


def _lines_of_head(table: Table, header: str) -> list[str]:
    """A heading, in two lines where it is longer than the cells; an arrow stays with its word."""
    head = table.header(header)
    if len(head) <= max(map(len, table.cells[header]), default=0):
        return [head]
    words = re.split(rf" (?![{UP}{DOWN}])", head)
    ways = [[" ".join(words[:n]), " ".join(words[n:])] for n in range(1, len(words))]
    return min(ways, key=lambda lines: max(map(len, lines)), default=[head])


def _head(table: Table, header: str, side: str) -> str:
    """A heading in LaTeX, its lines aligned left (`l`), right (`r`) or in the middle (`c`)."""
    lines = [_first(latex(line)) for line in _lines_of_head(table, header)]
    if len(lines) == 1:
        return lines[0]
    return rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}" + r" \\ ".join(lines) + r"\end{tabular}"


def _count(spec: str) -> int:
    """How many columns LaTeX makes of a specification."""
    return len(re.findall("[lrcS]", re.sub(r"\[[^]]*\]|@\{[^}]*\}", "", spec)))


def _rows(table: Table, columns: Sequence[_Column], count: int) -> list[tuple[str, str]]:
    """The lines of the rows with those of their headings, section by section."""
    lines = dict(
        zip(
            table.cells.index,
            (" & ".join(cells) + r" \\" for cells in zip(*(c.cells for c in columns), strict=True)),
            strict=True,
        )
    )
    sections = [(name, [lines[row] for row in rows.index]) for name, rows in table.sections()]
    return [
        (rf"\multicolumn{{{count}}}{{l}}{{\emph{{{latex(name)}}}}} \\", line)
        for name, of_section in sections
        for line in of_section
    ] or [("", rf"\multicolumn{{{count}}}{{l}}{{{NOTHING}}} \\")]


def _parts(rows: list[tuple[str, str]]) -> Iterator[list[str]]:
    """The lines of each float, as many rows in each: every one begins with a heading."""
    count = -(-len(rows) // ROWS_PER_PAGE)
    ends = [len(rows) * part // count for part in range(count + 1)]
    for start, end in pairwise(ends):
        lines: list[str] = []
        before = ""
        for heading, line in rows[start:end]:
            if heading != before:
                lines += [r"\addlinespace"] * bool(lines) + [heading]
            lines.append(line)
            before = heading
        yield lines


def _column(table: Table, header: str, is_numeric: bool) -> _Column:
    """A column: of text, of numbers, or of numbers each of which is followed by something.

    Text is aligned right where the table has it as numeric (`Table.numeric`).
    """
    cells = [*table.cells[header]]
    places = [table.place(row, header) for row in table.cells.index]
    followed = [_FOLLOWED.fullmatch(cell) for cell in cells]
    before = [f["number"] if f else cell for f, cell in zip(followed, cells, strict=True)]
    numbers = [*map(_Number.of, before)]
    is_first = header == table.cells.columns[0]
    if is_first or not any(numbers) or any(map(_is_other, cells, numbers)):
        made = [_IN_TEXT[place].format(latex(c)) for c, place in zip(cells, places, strict=True)]
        side = "r" if is_numeric else "l"
        return _Column(side, _head(table, header, side), [*map(_first, made)] if is_first else made)
    head = _head(table, header, "c")
    whole = _format(numbers)
    if not any(followed):
        made = [
            _aligned(number, numbers, place) if number else f"{{{latex(cell)}}}"
            for cell, number, place in zip(cells, numbers, places, strict=True)
        ]
        return _Column(f"S[table-format={whole}]", f"{{{head}}}", made)
    made = [
        f"{number} & {latex(found['rest'])}"
        if found
        else rf"\multicolumn{{2}}{{c}}{{{latex(cell)}}}"
        for cell, number, found in zip(cells, numbers, followed, strict=True)
    ]
    spec = rf"S[table-format={whole}]@{{\enspace}}r"
    return _Column(spec, rf"\multicolumn{{2}}{{c}}{{{head}}}", made)


def _is_other(cell: str, number: _Number | None) -> bool:
    """Whether a cell has digits and is no number: it is text, and so is its column."""
    return number is None and any(map(str.isdigit, cell))


_IN_TEXT: dict[Place, str] = {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "": "{}"}


def _format(numbers: Sequence[_Number | None]) -> str:
    """The room that the numbers of a column take, as siunitx is told: `+2.1(2)`."""
    there = [number for number in numbers if number]
    whole, part, spread = (
        max(len(getattr(number, of)) for number in there) for of in ("whole", "part", "spread")
    )
    sign = "+" * any(number.sign for number in there)
    return f"{sign}{whole}.{part}" + (f"({spread})" if spread else "")


def _aligned(number: _Number, numbers: Sequence[_Number | None], place: Place) -> str:
    """A number of a column of numbers.

    siunitx does not underline, and drops a standard deviation of zero: such numbers are text as
    wide as the widest number, which stands as that does.
    """
    if place != "second" and number.spread != "0":
        return rf"\bfseries {number}" if place else str(number)
    there = [one for one in numbers if one]
    left = max(len(one.whole) for one in there) - len(number.whole)
    spreads = [*map(_spread_of, there)]
    own, widest = _spread_of(number), max(spreads, key=len)
    shown = f"{number.sign}{number.whole}" + (f".{number.part}" if number.part else "") + own
    room = "0" * (len(widest) - len(own)) if own else widest
    return "{" + _phantom("0" * left) + _IN_TEXT[place].format(shown) + _phantom(room) + "}"


def _spread_of(number: _Number) -> str:
    """The standard deviation after a number, set as siunitx does; nothing: it has none."""
    if not number.spread:
        return ""
    digits = number.spread.rjust(len(number.part) + 1, "0")
    at = len(digits) - len(number.part)
    return rf"$\mskip\medmuskip{{\pm}}\mskip\medmuskip${digits[:at]}.{digits[at:]}"


def _phantom(text: str) -> str:
    """Space as wide as some text."""
    return rf"\phantom{{{text}}}" if text else ""


def _first(cell: str) -> str:
    """What comes after a line break, which takes a bracket or a star."""
    return "{}" * cell.startswith(("[", "*")) + cell
