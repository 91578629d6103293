"""The difference of a variant to `full`, with its interval and its verdict."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from math import hypot, inf, sqrt
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from rgmp.errors import UserError
from rgmp.evaluation.measures import Measure
from rgmp.evaluation.summary import Values, by_method

Verdict = Literal["better", "worse", "inconclusive"]


CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """A variant minus `full`.

    Attributes:
        mean: over seeds and objects.
        low: lower end of the interval.
        high: upper end of the interval.
        verdict: `better` or `worse` where the interval excludes zero; for a decay, less is better.
        level: confidence of the interval, 1 - 0.05 / comparisons: all the intervals of a table hold
            at once with 95 % confidence (Bonferroni).
        by_seed: seed -> mean over objects, ascending, of those that the interval rests on: the
            seeds of `full` where the other has none. With one seed the interval is of sequences
            alone, says nothing of another training run, and the verdict is `inconclusive`.
    """

    mean: float
    low: float
    high: float
    verdict: Verdict
    level: float
    by_seed: dict[int, float]


def compare_all(
    objects: pd.DataFrame, external: Collection[str]
) -> dict[tuple[str, str], Difference]:
    """J&F of each method minus that of `full` on the same benchmark, where both are scored.

    The verdicts of a benchmark hold at once: those of the variants, and those of the methods that
    were not trained here, each kind for itself, so that a row beside them weakens no claim.

    Args:
        objects: as `rgmp.evaluation.summary.per_object` returns them.
        external: the methods that were not trained here.

    Returns:
        (benchmark, method) -> its difference, in the order of appearance.

    Raises:
        UserError: as `compare`.
    """
    methods = by_method(objects)
    pairs = [key for key in methods if key[1] != "full" and (key[0], "full") in methods]
    compared = Counter((benchmark, method in external) for benchmark, method in pairs)
    return {
        (benchmark, method): compare(
            methods[benchmark, method],
            methods[benchmark, "full"],
            comparisons=compared[benchmark, method in external],
        )
        for benchmark, method in pairs
    }


def compare(
    variant: pd.DataFrame,
    full: pd.DataFrame,
    *,
    comparisons: int,
    measure: Measure = "J&F",
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """How a variant differs from `full`: an interval and a verdict.

    The differences are paired by object and by the seeds that both have. Their mean varies with the
    seeds and with the sequences, which are crossed: every training meets every sequence. Each is
    resampled in its turn, with replacement, while the other stays:

    - sequences, and inside each one drawn its objects, since objects of one video are alike; the
      mean stays one over objects (a hierarchical bootstrap; Davison and Hinkley, Bootstrap Methods,
      1997, section 3.8);
    - seeds.

    A bootstrap of few is too narrow, one of two seeds by far: it draws three different samples. So
    each standard error is divided by sqrt((n - 1) / n) and multiplied with Student's t of n - 1
    degrees of freedom (Hesterberg, The American Statistician 69, 2015), n the number of seeds or
    sequences. The half-width of the interval is the root of the sum of the two squares, which
    covers at least as often as it says, whichever of the two varies more (Banerjee, Sankhya 23,
    1961, for normal means), and more often the more single runs vary, since both meet that
    variation (Owen, Annals of Applied Statistics 1, 2007). What follows for a study: t is 12.7 for
    two seeds, 4.3 for three, 2.8 for five, and with four comparisons 51, 8.9 and 4.3.

    What has no seeds, someone else's masks, is set against every seed of `full`: the difference is
    to those very masks, and says nothing of another training of what made them.

    Args:
        variant: the statistics of its objects (`rgmp.evaluation.summary.per_object`).
        full: the same of what it is compared with, on the same benchmark.
        comparisons: how many of its kind the table compares with `full`; see `Difference.level`.
        measure: the column that is compared.
        resamples: how many are drawn of each.
        seed: of the resampling: the same seed gives the same interval.

    Raises:
        UserError: the two were scored on different objects, or have no seed in common.
    """
    paired = _paired(variant, full, measure)
    level = 1 - (1 - CONFIDENCE) / comparisons
    random = np.random.default_rng(seed)
    differences = np.ascontiguousarray(paired.to_numpy())  # its rows are summed as they lie
    sizes = list(Counter(paired.columns.get_level_values("sequence")).values())
    half = _half_width(differences.mean(axis=0), sizes, level, random, resamples)
    by_seed = differences.mean(axis=1)
    seeds = len(by_seed)
    if seeds > 1:
        of_seeds = _half_width(by_seed, [1] * seeds, level, random, resamples)
        half = hypot(half, of_seeds)
    mean = float(differences.mean())
    less_is_better = measure.endswith("decay")
    bound = 2.0 if less_is_better else 1.0  # no two scores differ by more
    low, high = max(mean - half, -bound), min(mean + half, bound)
    verdict: Verdict = "inconclusive"
    if seeds > 1 and not low <= 0 <= high:
        verdict = "better" if (mean > 0) != less_is_better else "worse"
    of_seed = dict(zip(paired.index.tolist(), by_seed.tolist(), strict=True))
    return Difference(mean, low, high, verdict, level, of_seed)


def _paired(variant: pd.DataFrame, full: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """The differences by seed of `full` that the variant has, if it has any, and object.

    Returns:
        Seeds ascending as rows, (sequence, object) sorted as columns.
    """
    arms = [_by_seed_and_object(rows, measure) for rows in (variant, full)]
    names = [rows["variant"].iloc[0] for rows in (variant, full)]
    theirs, ours = arms
    if not theirs.columns.equals(ours.columns):
        sequence, number = min({*theirs.columns} ^ {*ours.columns})
        raise UserError(
            f"{names[0]} and {names[1]}: {sequence}, object {number}, is scored in only one of "
            f"them; score both on the same sequences of {full['benchmark'].iloc[0]}"
        )
    if variant["seed"].isna().all():
        return theirs.iloc[0] - ours  # the one row, minus every seed of full
    common = theirs.index.intersection(ours.index)
    if common.empty:
        raise UserError(
            f"{names[0]} has seeds {tuple(theirs.index)}, {names[1]} {tuple(ours.index)}; "
            "a difference is paired by seed: train both with the same seeds"
        )
    return theirs.loc[common] - ours.loc[common]


def _by_seed_and_object(rows: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """One method's measure; what has no seed is one row."""
    seeds = rows["seed"].fillna(-1).astype(int)
    keys = [seeds, rows["sequence"], rows["object"]]
    return (
        rows[measure].set_axis(pd.MultiIndex.from_arrays(keys)).unstack([1, 2]).sort_index(axis=1)
    )


def _half_width(
    values: Values, sizes: list[int], level: float, random: np.random.Generator, resamples: int
) -> float:
    """Half the width of a bootstrap t interval of a mean; infinite for a single cluster.

    Args:
        values: float64 (O,), those of a cluster together.
        sizes: of the n clusters, their sum O.
        level: confidence.
        random: where the resamples come from.
        resamples: how many.
    """
    clusters = len(sizes)
    if clusters == 1:
        return inf
    drawn = random.multinomial(clusters, np.full(clusters, 1 / clusters), resamples)  # (R, n)
    weights = np.concatenate(  # how often each value is drawn: (R, O)
        [
            random.multinomial(drawn[:, i] * size, np.full(size, 1 / size))
            for i, size in enumerate(sizes)
        ],
        axis=1,
    )
    means = weights @ values / weights.sum(axis=1)
    error = means.std() / sqrt((clusters - 1) / clusters)
    return float(stdtrit(clusters - 1, (1 + level) / 2) * error)
