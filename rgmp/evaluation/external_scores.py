"""J and F of every frame as computed elsewhere, adopted unchanged."""

import csv
import io
import re
from collections import Counter
from pathlib import Path

from rgmp.config.base import Benchmark
from rgmp.data.sequence import ids_text
from rgmp.data.videos import Videos
from rgmp.errors import UserError, refuse
from rgmp.evaluation.measures import Measured, Score
from rgmp.evaluation.scoring import open_truths
from rgmp.runtime.files import read_text


def adopt(videos: Videos, table: Path, *, variant: str, seed: int | None = None) -> list[Score]:
    """Adopt J and F of every frame computed elsewhere, in the row order of `score`.

    Args:
        videos: those whose rows are expected, with their ground truth.
        table: CSV with the columns sequence, object, frame (as the files have it, such as 00001), J
            and F, in [0, 1]. Ignored are other sequences, the first and the last frame, other
            benchmarks if there is a column benchmark, and all other columns.
        variant: variant name of the rows.
        seed: seed of the rows.

    Raises:
        UserError: as `score`; or the table has a row of none of the sequences.
        ProblemsError: all of them: missing, surplus or duplicate frames, and invalid values.
    """
    truths = open_truths(videos)
    given, problems = _read_given(table, videos.benchmark)
    names = [truth.sequence.name for truth in truths]
    if not problems and {name for name, _ in given}.isdisjoint(names):
        raise UserError(
            f"{table}: has no row of any of the {len(names)} sequences of {videos.benchmark} "
            f"({names[0]}, ...); name the table of those"
        )
    for truth in truths:
        name = truth.sequence.name
        known = {annotation.stem for annotation in truth.sequence.annotations}
        for i in sorted({*truth.objects, *(number for s, number in given if s == name)}):
            there = given.get((name, i), {}).keys()
            if i not in truth.objects:
                problems.append(f"{name}: unknown object {i}; allowed: {ids_text(truth.objects)}")
            elif missing := [frame for frame in truth.frames_of(i) if frame not in there]:
                problems.append(f"{name}, object {i}: missing frame {', '.join(missing)}")
            if surplus := sorted(there - known):
                problems.append(f"{name}, object {i}: unknown frame {', '.join(surplus)}")
    refuse(f"{table}: {problem}" for problem in problems)
    return [
        Score(truth.benchmark, variant, seed, name, i, frame, *given[name, i][frame])
        for name, truth in ((truth.sequence.name, truth) for truth in truths)
        for number, frame in enumerate(truth.sequence.annotated)
        for i in truth.sequence.scored_at(number)
    ]


def _read_given(
    path: Path, benchmark: Benchmark
) -> tuple[dict[tuple[str, int], dict[str, Measured]], list[str]]:
    """The values of someone else's table, by sequence and object, then frame.

    Returns:
        The values, and the problems of single lines.

    Raises:
        UserError: it is missing or not such a table.
    """
    needed = "required columns: sequence, object, frame, J, F"
    text = read_text(path, f"name a CSV file; {needed}", "utf-8-sig")
    try:
        if "\0" in text:
            raise ValueError("it contains zero bytes")
        lines = csv.DictReader(io.StringIO(text), strict=True)
        columns = Counter(lines.fieldnames or ())
        lacking = {"sequence", "object", "frame", "J", "F"} - {*columns}
        if lacking:
            raise ValueError(f"missing columns {', '.join(sorted(lacking))}")
        column, times = columns.most_common(1)[0]
        if times > 1:
            raise ValueError(f"column {column} appears {times} times")
        rows = [(lines.line_num, row) for row in lines]
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: not a score table ({error}); {needed}") from error
    given: dict[tuple[str, int], dict[str, Measured]] = {}
    problems: list[str] = []
    for number, row in rows:
        if None in row or None in row.values():  # how csv marks it
            problems.append(f"line {number}: number of columns differs from the header")
            continue
        if row.get("benchmark", benchmark) != benchmark:
            continue
        where = f"{row['sequence']}, object {row['object']}, frame {row['frame']}"
        try:
            figures = Measured(*(_fraction(row[name]) for name in Measured._fields))
            frames = given.setdefault((row["sequence"], _whole(row["object"])), {})
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        if row["frame"] in frames:
            problems.append(f"{where}: duplicate row")
        frames[row["frame"]] = figures
    return given, problems


_ORDINARY = re.compile(r"\s*[+-]?[0-9.]+(e[+-]?[0-9]+)?\s*", re.ASCII | re.IGNORECASE)
"""Decimal or scientific notation; Python also reads `1_0` and the digits of other scripts."""


def _require_ordinary(text: str) -> None:
    """Reject a number that other programs would not read, or not as Python does.

    Raises:
        ValueError: it is one.
    """
    if not _ORDINARY.fullmatch(text):
        raise ValueError(f"{text} is not a number in decimal or scientific notation")


def _whole(text: str) -> int:
    """A whole number from its text.

    Raises:
        ValueError: it is not one.
    """
    value = int(text)
    _require_ordinary(text)
    return value


def _fraction(text: str) -> float:
    """A number in [0, 1] from its text.

    Raises:
        ValueError: it is not one.
    """
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is not in [0, 1]")
    _require_ordinary(text)
    return value
