"""From the scores of frames to the statistics of a data set and their spread.

All numbers are fractions, not per cent. From the inside out:

1. an object's frames -> its mean, recall and decay (`per_object`);
2. objects -> one number per seed, the mean over *objects*, as DAVIS has it;
3. seeds -> the mean over seeds, and their sample standard deviation (`summarise`);
4. a variant against `full` -> the paired difference, its interval and its verdict
   (`rgmp.evaluation.comparison`).
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from rgmp.errors import UserError
from rgmp.evaluation.measures import MEASURES, statistics_of
from rgmp.runtime.tidy import empty_table

Values = npt.NDArray[np.float64]

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
    tables = [_per_object_of(", ".join(key), rows) for key, rows in by_method(scores).items()]
    return pd.concat(tables, ignore_index=True) if tables else empty_table(OBJECT_DTYPES)


def _per_object_of(method: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The same of one method on one benchmark."""
    ordered = rows.sort_values(["seed", "sequence", "object", "frame"], ignore_index=True)
    _require_whole(method, ordered)
    begins = ~ordered.duplicated(_OBJECT)
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
    grouped = objects.groupby([*keys, "seed"], sort=False, dropna=False)[[*MEASURES]]
    return grouped.agg(_mean).reset_index()


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
    grouped = by_seed(objects, keys).groupby(keys, sort=False)
    columns = {"seeds": grouped["seed"].count().astype("Int64")}
    for measure in MEASURES:
        columns[measure] = grouped[measure].agg(_mean)
        columns[f"{measure}_spread"] = grouped[measure].agg(_spread)
    return pd.DataFrame(columns).reset_index()


def _mean(values: pd.Series) -> float:
    return float(values.to_numpy().mean())


def _spread(values: pd.Series) -> float:
    return float(values.to_numpy().std(ddof=1)) if len(values) > 1 else np.nan
