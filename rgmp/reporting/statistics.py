"""Computes every statistic of a study, once: tables, figures and the report read what it wrote."""

from dataclasses import dataclass

import pandas as pd

from rgmp.evaluation.comparison import Difference, compare_all
from rgmp.evaluation.course import courses_of
from rgmp.evaluation.summary import METHOD, by_seed, per_object, summarise
from rgmp.runtime.tidy import empty_table
from rgmp.study.results import Results, scores_of
from rgmp.study.table_files import DATA


@dataclass(frozen=True)
class Statistics:
    """What the scores of a study amount to; all numbers are fractions.

    Attributes:
        summary: a row for each method (`rgmp.evaluation.summary.summarise`).
        differences: of each method that is compared with `full`, by (benchmark, method).
        data: the tidy tables (`rgmp.study.table_files.DATA`), by name.
    """

    summary: pd.DataFrame
    differences: dict[tuple[str, str], Difference]
    data: dict[str, pd.DataFrame]


def compute(results: Results) -> Statistics:
    """Read the scores of a study and compute its statistics.

    Raises:
        UserError: a score table is broken, or some do not belong together.
    """
    scores = scores_of(results)
    objects = per_object(scores)
    differences = compare_all(objects, results.external)
    sequences = by_seed(objects, [*METHOD, "sequence"])
    data = {
        "objects": objects,
        "sequence_means": sequences[[*DATA["sequence_means"]]],
        "differences": _by_seed(differences),
        "course": courses_of(scores),
        "frames": _frames(scores, results.plan.seeds[0]),
    }
    return Statistics(summarise(objects), differences, data)


def _by_seed(differences: dict[tuple[str, str], Difference]) -> pd.DataFrame:
    """The differences of single seeds, a row each."""
    rows = [
        (*key, seed, value)
        for key, difference in differences.items()
        for seed, value in difference.by_seed.items()
    ]
    table = empty_table(DATA["differences"])
    return pd.DataFrame(rows, columns=table.columns).astype(table.dtypes) if rows else table


def _frames(scores: pd.DataFrame, first: int) -> pd.DataFrame:
    """J of every frame with the first seed, or without one: mean over its objects."""
    shown = scores[scores["seed"].isna() | (scores["seed"] == first)]
    keys = [*METHOD, "sequence", "frame"]
    return shown.groupby(keys, sort=False)["J"].mean().reset_index()
