"""From the scores of frames to the statistics of a data set and their spread.

All numbers are fractions, not per cent. From the inside out:

1. an object's frames -> its mean, recall and decay (`per_object`);
2. objects -> one number per seed, the mean over *objects*, as DAVIS has it;
3. seeds -> the mean over seeds, and their sample standard deviation (`summarise`);
4. a variant against `full` -> the paired difference, its interval and its verdict
   (`rgmp.evaluation.comparison`).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rgmp.errors import UserError
from rgmp.evaluation.measures import MEASURES, statistics_of
from rgmp.runtime.tidy import empty_table

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

METHOD = ["benchmark", "variant"]
"""The columns that tell one method on one benchmark from another."""
_OBJECT = [*METHOD, "seed", "sequence", "object"]

OBJECT_DTYPES: dict[str, str] = {
    "benchmark": "str",
    "variant": "str",
    "seed": "Int64",  # missing where no training here made the masks
    "sequence": "str",
    "object": "int64",
    **dict.fromkeys((*MEASURES[1:], MEASURES[0]), "float64"),  # J&F last
}
"""The columns of the statistics of objects, and their dtypes."""


def by_method(table: pd.DataFrame) -> dict[tuple[str, str], pd.DataFrame]:
    """The rows of each (benchmark, variant), in the order in which they first appear."""
    groups = table.groupby(METHOD, sort=False)
    return {(str(benchmark), str(variant)): rows for (benchmark, variant), rows in groups}


def keys_of(table: pd.DataFrame) -> list[tuple[str, str]]:
    """The benchmark and the method of each row."""
    return [*table[METHOD].itertuples(index=False, name=None)]


def per_object(scores: pd.DataFrame) -> pd.DataFrame:
    """The statistics of each object's frames, for each method and seed.

    Args:
        scores: score tables (`rgmp.evaluation.score_table.SCORE_DTYPES`), their rows in any order.

    Returns:
        A row for each benchmark, variant, seed, sequence and object, with the columns of
        `OBJECT_DTYPES`: methods in the order in which they first appear, then sorted.

    Raises:
        UserError: a frame that is scored twice; seeds of a method that differ in their objects or
            frames; rows with a seed beside rows without.
    """
    if scores.empty:
        return empty_table(OBJECT_DTYPES)
    of_run = ["method", "seed", "sequence", "object"]
    ordered = scores.assign(method=scores.groupby(METHOD, sort=False).ngroup())
    ordered = ordered.sort_values([*of_run, "frame"], ignore_index=True)
    for method, rows in by_method(ordered).items():
        _require_whole(", ".join(method), rows)
    begins = ~ordered.duplicated(of_run)
    starts = np.flatnonzero(begins)[1:]
    columns: dict[str, Values] = {}
    for name in ("J", "F"):
        frames = np.split(ordered[name].to_numpy(), starts)
        statistics = np.array([statistics_of(values) for values in frames])
        for key, column in zip(("mean", "recall", "decay"), statistics.T, strict=True):
            columns[f"{name}_{key}"] = column
    columns["J&F"] = np.mean([columns["J_mean"], columns["F_mean"]], axis=0)
    objects = ordered.loc[begins, _OBJECT].reset_index(drop=True)
    return objects.assign(**columns)


def _require_whole(method: str, ordered: pd.DataFrame) -> None:
    """Refuse frames scored twice, seeds beside none, and seeds scored on different frames."""
    again = ordered[ordered.duplicated([*_OBJECT, "frame"])]
    if not again.empty:
        row = again.iloc[0]
        raise UserError(
            f"{method}, seed {row['seed']}: {row['sequence']}, object {row['object']}, frame "
            f"{row['frame']} is scored twice; give each score table once"
        )
    seeds = ordered["seed"].unique()
    if ordered["seed"].hasnans and len(seeds) > 1:
        raise UserError(f"{method}: has rows with a seed and rows without; score it again")
    frame = ["sequence", "object", "frame"]
    first = set(ordered.loc[ordered["seed"] == seeds[0], frame].itertuples(index=False, name=None))
    for seed in seeds[1:]:
        other = set(ordered.loc[ordered["seed"] == seed, frame].itertuples(index=False, name=None))
        if first != other:
            sequence, number, _ = min(first ^ other)
            raise UserError(
                f"{method}: seeds {seeds[0]} and {seed} are scored on different frames of "
                f"{sequence}, object {number}; score every seed on the same sequences"
            )


def by_seed(objects: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The mean over the objects of each group of `keys` and each seed, of every measure.

    Returns:
        A row for each group, in the order of appearance: `keys`, `seed`, then `MEASURES`.
    """
    named, groups = _groups_of(objects, [*keys, "seed"])
    return named.assign(**_over_rows(_mean, objects, groups))


def summarise(objects: pd.DataFrame, keys: list[str] = METHOD) -> pd.DataFrame:
    """The mean and the spread over seeds of each method.

    Args:
        objects: as `per_object` returns them.
        keys: the columns that name a group.

    Returns:
        A row for each group, in the order of appearance: `keys`; `seeds`, how many; then for each
        measure its mean over seeds of the mean over objects, and, as `<measure>_spread`, the sample
        standard deviation over seeds (n - 1), missing with one seed or none.
    """
    runs = by_seed(objects, keys)
    named, groups = _groups_of(runs, keys)
    trained = runs["seed"].notna().to_numpy()
    columns: dict[str, Any] = {
        "seeds": pd.array([trained[rows].sum() for rows in groups], dtype="Int64")
    }
    means, spreads = (_over_rows(of, runs, groups) for of in (_mean, _spread))
    for measure in MEASURES:
        columns |= {measure: means[measure], f"{measure}_spread": spreads[measure]}
    return named.assign(**columns)


def _groups_of(table: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, list[Rows]]:
    """The keys of each group, in the order of appearance, and where the rows of each are."""
    grouped = table.groupby(keys, sort=False, dropna=False)
    numbers = grouped.ngroup().to_numpy()
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(grouped.ngroups + 1))
    named = table[keys].iloc[order[ends[:-1]]].reset_index(drop=True)
    return named, [order[start:end] for start, end in pairwise(ends)]


def _over_rows(
    of: Callable[[Values], Values], table: pd.DataFrame, groups: list[Rows]
) -> dict[str, Values]:
    """A statistic of every measure over the rows of each group.

    `of` takes the values of a group, (measures, rows), in which those of a measure lie side by
    side: so numpy adds them up as it does those of a single one.
    """
    values = table[[*MEASURES]].to_numpy().T
    found = [of(np.ascontiguousarray(values[:, rows])) for rows in groups]
    columns = np.reshape(found, (-1, len(MEASURES))).T
    return dict(zip(MEASURES, columns, strict=True))


def _mean(values: Values) -> Values:
    return np.asarray(values.mean(axis=1))


def _spread(values: Values) -> Values:
    measures, rows = values.shape
    return np.asarray(values.std(axis=1, ddof=1)) if rows > 1 else np.full(measures, np.nan)
