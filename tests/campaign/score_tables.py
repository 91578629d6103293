"""Tables of someone else's scores that are none, or not of these frames."""

import csv
import io
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from campaign.case import Case, Expected
from campaign.paths import SCORE
from campaign.workspace import replace, score_rows

Rows = list[dict[str, Any]]
NO_SHARES = [
    *("nan", "inf", "-inf", "-0.1", "1.0000001", "50", "", "text", "0,5", "1e999", "0x1"),
    *("True", "\x1b[31m", "9" * 5000, "0_0.5", "0.\u0665", "1e-0_1", "0.5.5", ".", "e1"),
]
COMMAND = (*SCORE, "--scores", "scores.csv")


def score_cases() -> Iterator[Case]:
    """Rows, columns and texts."""
    for name, content in [*_bad_rows(), *_bad_columns(), *_bad_texts()]:
        yield _case(name, content, Expected.REFUSED)
    for name, content in _good():
        yield _case(name, content, Expected.ACCEPTED)
    yield _case("semicolons and decimal commas", _semicolons(), Expected.REFUSED)
    yield _case("UTF-16", _csv(score_rows()).encode("utf-16"), Expected.REFUSED)
    yield _case("numbers with spaces around", _with("J", " 0.5 "), Expected.EITHER)
    yield _case("an object with a plus", _with("object", "+1"), Expected.EITHER)


def _case(name: str, content: bytes, expected: Expected) -> Case:
    return Case(
        family="score tables",
        name=name,
        arguments=COMMAND,
        expected=expected,
        prepare=partial(_write, content),
        says="scores.csv" if expected is Expected.REFUSED else "",
        makes=() if expected is Expected.REFUSED else ("out.csv",),
    )


def _write(content: bytes, work: Path) -> None:
    replace(work / "scores.csv", content)


def _csv(rows: Rows, columns: list[str] | None = None, **how: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n", **how)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _changed(change: Callable[[Rows], object]) -> bytes:
    """The good table with some of its rows changed."""
    rows = score_rows()
    change(rows)
    return _csv(rows).encode()


def _with(column: str, value: object, row: int = 1) -> bytes:
    return _changed(lambda rows: rows[row].update({column: value}))


def _bad_rows() -> Iterator[tuple[str, bytes]]:
    for column in ("J", "F"):
        for value in NO_SHARES:
            yield f"{column} is {value[:12]!r}", _with(column, value)
    for value in ("1_0", "0_1", "\u0661", "1e0", "0x1"):
        yield f"object is {value[:12]!r}", _with("object", value)
    for value in ("", "a", "1.0", "1.5", "-1", "0", "3", "255", "9" * 5000, "nan", "\x1b[31m"):
        yield f"object is {value[:12]!r}", _with("object", value)
    for value in ("", "1", "0001", "00099", "frame 1", "-0001", "00001.png", "\x1b[31m"):
        yield f"frame is {value[:12]!r}", _with("frame", value)
    for value in ("", "VAL_A", "val_a ", "../val_a", "absent", "\x1b[31m", "a" * 200_000):
        yield f"sequence is {value[:12]!r}", _with("sequence", value)
    yield "a frame twice", _changed(lambda rows: rows.append(dict(rows[1])))
    differs = partial(_changed, lambda rows: rows.append({**rows[1], "J": 0.9}))
    yield "a frame twice, not alike", differs()
    yield "a frame missing", _changed(lambda rows: rows.pop(1))
    yield "an object missing", _changed(lambda rows: _keep(rows, lambda r: r["object"] == 1))
    yield (
        "a sequence missing",
        _changed(lambda rows: _keep(rows, lambda r: r["sequence"] != "val_b")),
    )
    yield "per cent", _changed(lambda rows: [r.update(J=50, F=25) for r in rows])


def _keep(rows: Rows, wanted: Callable[[dict[str, Any]], bool]) -> None:
    rows[:] = [row for row in rows if wanted(row)]


def _bad_columns() -> Iterator[tuple[str, bytes]]:
    rows = score_rows()
    columns = list(rows[0])
    for column in columns:
        lacking = [name for name in columns if name != column]
        yield f"without {column}", _csv(rows, lacking, extrasaction="ignore").encode()
        body = _csv(rows).partition("\n")[2]
        yield (
            f"{column} twice",
            "".join(
                [",".join([*columns, column]), "\n", *(f"{line},0\n" for line in body.splitlines())]
            ).encode(),
        )
    text = _csv(rows)
    yield "columns in upper case", text.replace("sequence,object", "Sequence,Object").encode()
    yield "spaces in its head", text.replace(",", ", ", 4).encode()
    yield "no head", text.partition("\n")[2].encode()
    yield "a head alone", (text.partition("\n")[0] + "\n").encode()
    lines = text.splitlines()
    yield (
        "a row that is short",
        "\n".join([*lines[:2], lines[2].rpartition(",")[0], *lines[3:]]).encode(),
    )
    yield "a row that is long", "\n".join([*lines[:2], lines[2] + ",1", *lines[3:]]).encode()


def _bad_texts() -> Iterator[tuple[str, bytes]]:
    text = _csv(score_rows())
    yield "empty", b""
    yield "blank lines", b"\n\n\n"
    yield "NUL", text.replace("val_a", "val\0_a").encode()
    yield "zeros", bytes(1000)
    yield "an open quote", text.replace("val_a", '"val_a', 1).encode()
    yield "a quote inside", text.replace("val_a", '"val_a" x', 1).encode()
    yield "Latin-1", text.replace("val_a", "vål_a").encode("latin-1")
    yield "an image", b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    yield "JSON", b'{"sequence": []}'
    yield "tabs", text.replace(",", "\t").encode()
    yield "a field of megabytes", text.replace("val_a", "v" * 3_000_000, 1).encode()
    yield "a head of megabytes", ("a" * 3_000_000 + "\n").encode()
    yield "many columns", (",".join(f"c{i}" for i in range(100_000)) + "\n").encode()
    many = "".join(f"absent,1,{i:05d},2,2\n" for i in range(50_000))
    yield "many bad rows", (text + many).encode()


def _good() -> Iterator[tuple[str, bytes]]:
    rows = score_rows()
    text = _csv(rows)
    yield "its own text", text.encode()
    yield "byte order mark", b"\xef\xbb\xbf" + text.encode()
    yield "CRLF", text.replace("\n", "\r\n").encode()
    yield "quotes around all", _csv(rows, quoting=csv.QUOTE_ALL).encode()
    yield "no end", text.rstrip("\n").encode()
    yield "a surplus column", _csv([{**row, "note": 'grün, "so"\nso'} for row in rows]).encode()
    yield "a surplus column without a name", _csv([{**row, "": 1} for row in rows]).encode()
    yield "other order of columns", _csv(rows, list(rows[0])[::-1]).encode()
    yield "other order of rows", _csv(rows[::-1]).encode()
    yield "its own benchmark", _csv([{**row, "benchmark": "davis2017"} for row in rows]).encode()
    others = [{**row, "benchmark": "davis2016", "J": 7} for row in rows]
    ours = [{**row, "benchmark": "davis2017"} for row in rows]
    yield "another benchmark beside it", _csv([*others, *ours]).encode()
    yield (
        "no first and last frame",
        _csv([r for r in rows if r["frame"] in {"00001", "00002"}]).encode(),
    )
    yield "a training sequence too", _csv([*rows, {**rows[0], "sequence": "train_a"}]).encode()
    for value in (
        "0",
        "1",
        "1.0",
        "1e-9",
        "0.30000000000000004",
        ".5",
        "-0.0",
        "1.",
        "5E-1",
        "+0.5",
    ):
        yield f"J is {value}", _with("J", value)


def _semicolons() -> bytes:
    return _csv(score_rows()).replace(".", ",").replace(",0", ";0").encode()
