"""What makes each sequence difficult, and what it shows: a CSV beside a DAVIS tree.

One row states one attribute of a sequence: `sequence,attribute`, and optionally a third column
`figure`, what the sequence shows. A sequence may have several attributes, as in DAVIS-2016 (Perazzi
et al., CVPR 2016, table 1), or none. Where the same figure recurs in several sequences, a spread
over these says less about others than their number promises (`rgmp.evaluation.crossed`).
"""

import csv
from collections.abc import Collection, Iterator
from pathlib import Path

from pydantic import ValidationError

from rgmp.config.base import Closed, Name
from rgmp.config.study import OVERALL
from rgmp.errors import UserError
from rgmp.runtime.files import read_text

FILE = "attributes.csv"
"""Its name in the root of a tree that has its own."""
HEADER = ("sequence", "attribute", "figure")
_FORM = f"a header {','.join(HEADER)} (the last may be absent), one attribute of a sequence a row"


class Attribute(Closed):
    """One attribute of a sequence.

    Attributes:
        sequence: its name.
        attribute: what makes it difficult, such as `occlusion`.
        figure: what it shows; the sequence's own name where that is not stated.
    """

    sequence: Name
    attribute: Name
    figure: Name


def read_attributes(path: Path, known: Collection[str] | None = None) -> tuple[Attribute, ...]:
    """Read the attributes of a tree's sequences.

    Args:
        path: of the CSV.
        known: the tree's sequences; None: any.

    Raises:
        UserError: the file is missing or not such a CSV, names a sequence that is not known, has
            a duplicate, or two figures for one sequence.
    """
    text = read_text(path, f"put the CSV there: {_FORM}")
    found: list[Attribute] = []
    figures: dict[str, str] = {}
    for line, row in _rows(path, text):
        try:
            one = Attribute.model_validate({"figure": row["sequence"], **row})
        except ValidationError as error:
            first = error.errors()[0]
            column = ".".join(map(str, first["loc"]))
            raise UserError(f"{path}, line {line}: {column}: {first['msg']}; {_FORM}") from error
        if known is not None and one.sequence not in known:
            raise UserError(
                f"{path}, line {line}: {one.sequence} is not a sequence of the tree; "
                "remove the row, or correct the name"
            )
        if one.attribute == OVERALL:
            raise UserError(f"{path}, line {line}: {OVERALL} is a reserved name; choose another")
        if any((a.sequence, a.attribute) == (one.sequence, one.attribute) for a in found):
            raise UserError(
                f"{path}, line {line}: duplicate {one.attribute} of {one.sequence}; list it once"
            )
        if figures.setdefault(one.sequence, one.figure) != one.figure:
            raise UserError(
                f"{path}, line {line}: {one.sequence} shows {one.figure} here and "
                f"{figures[one.sequence]} above; name one figure for a sequence"
            )
        found.append(one)
    return tuple(found)


def _rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV with their lines.

    Raises:
        UserError: the header or a row has other columns.
    """
    reader = csv.reader(text.removeprefix("\ufeff").splitlines(), strict=True)
    try:
        header = next(reader, [])
        if tuple(header) not in {HEADER, HEADER[:2]}:
            shown = ",".join(header) or "nothing"
            raise UserError(f"{path}: the header is {shown[:100]!r}; expected {_FORM}")
        for row in reader:
            if len(row) != len(header):
                raise UserError(
                    f"{path}, line {reader.line_num}: {len(row)} cells under {len(header)} columns;"
                    f" expected {_FORM}"
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: {error}; expected {_FORM}") from error
