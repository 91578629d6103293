"""Tidy tables as CSV: pandas DataFrames whose columns and dtypes are stated, every digit kept."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from rgmp.errors import UserError
from rgmp.runtime.files import read_text, reading, write_text

Dtypes = Mapping[str, str]
"""Of each column, in order, its pandas dtype: `str` (absent: empty), `boolean`, `Int64`, ..."""


def empty_table(dtypes: Dtypes) -> pd.DataFrame:
    """A table without rows."""
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in dtypes.items()})


def rows_of(table: pd.DataFrame, **values: str) -> pd.DataFrame:
    """The rows that have these values, each in the column of its name."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def as_csv(table: pd.DataFrame) -> str:
    """A table as CSV: floats with every digit, empty where missing.

    Text is as it is, also a label that a spreadsheet would take for a formula (`=`, `+`, `-`, `@`):
    it is the study's own, and what is put before it would be wrong for every other reader.
    """
    return table.to_csv(index=False, lineterminator="\n")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV (`as_csv`), whole or not at all."""
    write_text(path, as_csv(table))


def require_header(path: Path, dtypes: Dtypes, what: str) -> None:
    """Check that a file begins as a table with these columns; `what` it is, for messages.

    Raises:
        UserError: it does not, or cannot be read.
    """
    with reading(path, "name a readable file"), path.open("rb") as file:
        if file.readline(1000).rstrip(b"\r\n") != ",".join(dtypes).encode():
            raise UserError(f"{path}: not {what}")


def read_table(
    path: Path, dtypes: Dtypes, *, what: str, command: str, more: str | None = None
) -> pd.DataFrame:
    """Read a table that `write_table` wrote.

    Args:
        path: of the CSV file.
        dtypes: the columns that it must have, in this order.
        what: the file is, for messages.
        command: what writes it, for messages.
        more: dtype of further columns; None: there must be none.

    Raises:
        UserError: it is missing, or not such a table.
    """
    text = read_text(path, f"run `{command}` to write it")
    try:
        return _parsed(text, dtypes, more)
    except (ValueError, TypeError, OverflowError, csv.Error) as error:
        raise not_a_table(path, what, error, command) from error


def not_a_table(path: Path, what: str, error: object, command: str) -> UserError:
    """The one line for a file that is not such a table."""
    reason = " ".join(str(error).split())
    return UserError(f"{path}: not {what} ({reason}); remove it and run `{command}` again")


def _parsed(text: str, dtypes: Dtypes, more: str | None) -> pd.DataFrame:
    """The table in a text.

    Raises:
        ValueError: another header, a row with more or fewer cells, a cell that does not fit its
            column (pandas also raises TypeError and OverflowError, csv its own error).
    """
    if "\0" in text:
        raise ValueError("it contains NUL bytes")
    header, *rows = csv.reader(io.StringIO(text), strict=True) if text else [[]]
    further = header[len(dtypes) :]
    if header != [*dtypes, *further] or (further and more is None) or len({*header}) < len(header):
        raise ValueError(f"the header must be {','.join(dtypes)}")
    if any(len(row) != len(header) for row in rows):  # pandas' own reader would fill it up
        raise ValueError("a row has more or fewer cells than the header")
    columns = zip(*rows, strict=True) if rows else [()] * len(header)
    stated = {**dtypes, **dict.fromkeys(further, more or "str")}
    return pd.DataFrame(
        {
            name: _column(name, cells, dtype)
            for (name, dtype), cells in zip(stated.items(), columns, strict=True)
        }
    )


def _column(name: str, cells: Sequence[str], dtype: str) -> pd.Series:
    """A column from its text.

    Raises:
        ValueError: a cell does not fit; pandas also raises TypeError and OverflowError.
    """
    if dtype == "str":
        return pd.Series(cells, dtype="str")
    if dtype == "float64":
        return pd.Series([float(cell or "nan") for cell in cells], dtype="float64")
    given = pd.Series([cell or None for cell in cells], dtype="str")
    if dtype == "boolean":
        if unknown := {*cells} - {"True", "False", ""}:
            raise ValueError(f"{name}: {min(unknown)} is neither True nor False")
        return given.map({"True": True, "False": False}).astype("boolean")
    numbers: pd.Series = pd.to_numeric(given).astype(dtype)  # type: ignore[call-overload]
    return numbers
