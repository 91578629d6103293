"""`rgmp expect`: whether the J&F of one more training is in the normal range, in words.

`rgmp tables` writes J&F of every training of a study to `tables/normal_range.json`, small enough to
be published beside weights; whoever retrains compares with it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field

from rgmp.config.base import Benchmark, Closed, Line
from rgmp.config.load import validated
from rgmp.errors import UserError, nearest, shown
from rgmp.evaluation.crossed import CONFIDENCE
from rgmp.evaluation.prediction import LEAST, NormalRange, normal_range
from rgmp.evaluation.summary import METHOD, by_method, by_seed
from rgmp.runtime.files import read_json, write_json
from rgmp.runtime.quantities import points
from rgmp.study import layout

_WHAT_FOR = (
    "This is for one more training by the same recipe, scored on the same sequences with its last "
    "weights. It says nothing of another recipe, other sequences, or the best of several "
    "checkpoints."
)

_NAME_IT = f"name a study's folder, or a {layout.NORMAL_RANGE}"


class Trainings(Closed):
    """J&F of the trainings of one variant on one benchmark, each a fraction."""

    benchmark: Benchmark
    variant: Line
    values: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1)]

    @property
    def name(self) -> str:
        """What it is called in print."""
        return f"{self.benchmark}, {self.variant}"


class Published(Closed):
    """The file `normal_range.json`."""

    study: Line
    trainings: list[Trainings]


def values_of(objects: pd.DataFrame) -> dict[tuple[str, str], list[float]]:
    """J&F of every training, a fraction, by benchmark and variant; in the order of the seeds."""
    trained = by_seed(objects[objects["seed"].notna()], METHOD)
    return {key: rows["J&F"].tolist() for key, rows in by_method(trained).items()}


def write(folder: Path, study: str, objects: pd.DataFrame) -> None:
    """Write J&F of every training of a study.

    Args:
        folder: of the study.
        study: its name.
        objects: statistics of objects (`rgmp.evaluation.summary.per_object`); rows without a seed
            are of no training.
    """
    trainings = [
        {"benchmark": benchmark, "variant": variant, "values": values}
        for (benchmark, variant), values in values_of(objects).items()
    ]
    write_json(
        folder / layout.TABLES / layout.NORMAL_RANGE, {"study": study, "trainings": trainings}
    )


def range_columns(objects: pd.DataFrame) -> pd.DataFrame:
    """The interval of each method: its key, then `next_training_low` and `next_training_high`."""
    ranges = {key: normal_range(values) for key, values in values_of(objects).items()}
    rows = [(*key, found.low, found.high) for key, found in ranges.items()]
    return pd.DataFrame(rows, columns=[*METHOD, "next_training_low", "next_training_high"])


def expect_of(
    source: Path, number: float | None, benchmark: Benchmark | None, variant: str
) -> list[str]:
    """Compare a number with the trainings of a study, line by line.

    Args:
        source: folder of a study, or a file `normal_range.json`.
        number: J&F in per cent; None: only say what is expected.
        benchmark: None: every one that there is.
        variant: name of it.

    Raises:
        UserError: the file is missing or broken, or has no such trainings, or the number is a
            fraction.
    """
    path = source / layout.TABLES / layout.NORMAL_RANGE if source.is_dir() else source
    if source.is_dir() and not path.is_file():
        raise UserError(f"{path}: not there; run `rgmp tables {source}`")
    published = _published(path, "" if source.is_dir() else _NAME_IT)
    found = [
        one
        for one in published.trainings
        if one.variant == variant and benchmark in {None, one.benchmark}
    ]
    if not found:
        asked = f"{benchmark}, {variant}" if benchmark else variant
        there = "; ".join(one.name for one in published.trainings) or "none"
        meant = nearest(variant, {one.variant for one in published.trainings} - {variant})
        raise UserError(f"{path}: no training of {shown(asked)}; there are: {there}{meant}")
    if number is not None:
        _require_per_cent([number], [100 * max(one.values) for one in found])
    return _lines({one.name: one.values for one in found}, number)


def _published(path: Path, what_to_do: str) -> Published:
    """Read a file `normal_range.json`.

    Args:
        path: of the file.
        what_to_do: if the user named it, and another was meant.

    Raises:
        UserError: it is missing, or none.
    """
    value = read_json(path, what_to_do)
    try:
        return validated(Published, value, path)
    except UserError as error:
        if not what_to_do:
            raise
        raise UserError(f"{error}; {what_to_do}") from error


def expect_among(values: Sequence[float], number: float | None) -> list[str]:
    """The same with the trainings of anyone; all in per cent.

    Raises:
        UserError: some are fractions.
    """
    _require_per_cent([*values] if number is None else [*values, number])
    return _lines({"J&F": [value / 100 for value in values]}, number)


def _require_per_cent(given: Sequence[float], known: Sequence[float] = ()) -> None:
    """Refuse fractions: J&F of 1 % and less is none that anyone expects.

    Args:
        given: by the user, as if in per cent.
        known: to be in per cent; where all of it is so small, so may be what is given.

    Raises:
        UserError: some that are given seem to be fractions.
    """
    fractions = [value for value in given if 0 < value <= 1]
    if fractions and not (known and max(known) <= 1):
        raise UserError(
            f"J&F: {fractions[0]:g} seems to be a fraction; give all in per cent, such as "
            f"{100 * fractions[0]:g}"
        )


def _lines(trainings: dict[str, list[float]], number: float | None) -> list[str]:
    ranges = {name: normal_range(values) for name, values in trainings.items()}
    lines = [f"{name}: {_sentence(found, number)}" for name, found in ranges.items()]
    return (
        [*lines, _WHAT_FOR] if any(found.trainings >= LEAST for found in ranges.values()) else lines
    )


def _sentence(found: NormalRange, number: float | None) -> str:
    """What the trainings say of a number."""
    if found.trainings < LEAST:
        trained = "a single training says" if found.trainings == 1 else "two trainings say"
        return f"{points(found.mean)}; {trained} too little of the next; {LEAST} are needed"
    before = f"{found.trainings} trainings, {points(found.mean)} ± {points(found.sd)}; "
    before += f"the next is expected from {points(found.low)} to {points(found.high)} "
    before += f"({CONFIDENCE:.0%})"
    if number is None:
        return before
    return f"{before}; {number:g} is {_place(found, number / 100)}"


def _place(found: NormalRange, value: float) -> str:
    if found.low <= value <= found.high:
        return "inside"
    return f"outside, {'above' if value > found.high else 'below'}"
