"""J over the course of a sequence, from its first scored frame to its last, with intervals."""

import numpy as np
import pandas as pd

from rgmp.evaluation.summary import Values, by_method
from rgmp.runtime.tidy import empty_table

COURSE_DTYPES = {
    "benchmark": "str",
    "variant": "str",
    "position": "float64",
    "J": "float64",
    "J_low": "float64",
    "J_high": "float64",
}
"""The columns of the courses, and their dtypes."""

_POSITIONS = np.linspace(0, 100, 41)
_RESAMPLES = 1000


def courses_of(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean J over objects at 41 positions of a sequence, and its 95 % bootstrap interval.

    Frames are interpolated linearly. Sequences are resampled with replacement, each with its
    objects, which are alike; the interval is the percentiles 2.5 and 97.5 of the resampled means.

    Args:
        scores: score tables (`rgmp.evaluation.score_table.SCORE_DTYPES`).

    Returns:
        A row for each benchmark, variant and position (in per cent of the sequence), with the
        columns of `COURSE_DTYPES`; J is a fraction.
    """
    tables = []
    for (benchmark, variant), rows in by_method(scores).items():
        mean, low, high = _course_of(rows)
        columns = {"position": _POSITIONS, "J": mean, "J_low": low, "J_high": high}
        tables.append(pd.DataFrame({"benchmark": benchmark, "variant": variant, **columns}))
    return pd.concat(tables, ignore_index=True) if tables else empty_table(COURSE_DTYPES)


def _course_of(rows: pd.DataFrame) -> tuple[Values, Values, Values]:
    """The mean over objects and seeds, and the ends of its interval, at each position."""
    runs = rows.sort_values("frame").groupby(["sequence", "object", "seed"], dropna=False)["J"]
    curves = runs.agg(list).map(_at_positions)
    objects = curves.groupby(["sequence", "object"]).agg(lambda seeds: np.mean([*seeds], axis=0))
    means = np.stack([*objects])  # (O, 41)
    codes, sequences = pd.factorize(objects.index.get_level_values("sequence"))
    chances = np.full(len(sequences), 1 / len(sequences))
    drawn = np.random.default_rng(0).multinomial(len(sequences), chances, _RESAMPLES)
    weights = drawn[:, codes]  # (resamples, O)
    courses = weights @ means / weights.sum(axis=1, keepdims=True)
    low, high = np.percentile(courses, (2.5, 97.5), axis=0)
    return means.mean(axis=0), low, high


def _at_positions(values: list[float]) -> Values:
    return np.interp(_POSITIONS, np.linspace(0, 100, len(values)), values)
