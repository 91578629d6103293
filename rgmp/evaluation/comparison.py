"""The difference of a variant to `full`, with its interval and its verdict."""

from collections import Counter
from dataclasses import dataclass
from math import hypot, inf, sqrt
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from rgmp.errors import UserError
from rgmp.evaluation.summary import Measure, ObjectScores, Values

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
        seeds: how many the interval rests on; those of `full` where the other has none. With one
            it is of sequences alone, says nothing of another training, and the verdict is
            `inconclusive`.
        by_seed: of each of them, ascending, the mean over objects.
    """

    mean: float
    low: float
    high: float
    verdict: Verdict
    level: float
    seeds: int
    by_seed: tuple[float, ...]


def compare(
    variant: ObjectScores,
    full: ObjectScores,
    *,
    comparisons: int,
    measure: Measure = "J&F",
    resamples: int = 10_000,
    seed: int = 0,
) -> Difference:
    """What a variant differs from `full` by: an interval, and a word for it.

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
        variant: what is compared.
        full: what with.
        comparisons: how many of its kind the table compares with `full`; see `Difference.level`.
        measure: of what.
        resamples: how many are drawn of each.
        seed: of the resampling: the same seed gives the same interval.

    Raises:
        UserError: the two were scored on different objects, or have no seed in common.
    """
    differences = _paired(variant, full, measure)
    level = 1 - (1 - CONFIDENCE) / comparisons
    random = np.random.default_rng(seed)
    sizes = list(Counter(sequence for sequence, _ in full.objects).values())
    half = _half_width(differences.mean(axis=0), sizes, level, random, resamples)
    by_seed = differences.mean(axis=1)
    seeds = len(by_seed)
    if seeds > 1:
        of_seeds = _half_width(by_seed, [1] * seeds, level, random, resamples)
        half = hypot(half, of_seeds)
    mean = float(differences.mean())
    less_is_better = measure.endswith("decay")
    bound = 2.0 if less_is_better else 1.0  # no two figures differ by more
    low, high = max(mean - half, -bound), min(mean + half, bound)
    verdict: Verdict = "inconclusive"
    if seeds > 1 and not low <= 0 <= high:
        verdict = "better" if (mean > 0) != less_is_better else "worse"
    return Difference(mean, low, high, verdict, level, seeds, tuple(by_seed.tolist()))


def _paired(variant: ObjectScores, full: ObjectScores, measure: Measure) -> Values:
    """The differences by seed of `full` that the variant has, if it has any, and object: (S, O)."""
    if variant.objects != full.objects:
        name, number = min({*variant.objects} ^ {*full.objects})
        raise UserError(
            f"{variant.variant} and {full.variant}: {name}, object {number}, is scored in one "
            f"of them alone; score both on the same sequences of {full.benchmark}"
        )
    if not variant.seeds:
        return variant.values[measure] - full.values[measure]
    common = sorted({*variant.seeds} & {*full.seeds})
    if not common:
        raise UserError(
            f"{variant.variant} has seeds {variant.seeds}, {full.variant} {full.seeds}; "
            "a difference is paired by seed, train both with the same"
        )
    arms = [
        scores.values[measure][[scores.seeds.index(seed) for seed in common]]
        for scores in (variant, full)
    ]
    return arms[0] - arms[1]


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
