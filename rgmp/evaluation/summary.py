"""From the scores of frames to figures of a data set, their spread, and what a difference is worth.

All figures are fractions, not per cent. From the inside out:

1. an object's frames -> its mean, recall and decay (`rgmp.evaluation.measures.statistics_of`);
2. objects -> one figure a seed, the mean over *objects*, as DAVIS has it;
3. seeds -> the mean over seeds, and their sample standard deviation (`summarise`);
4. a variant against `full` -> the paired difference, its interval and a word (`compare`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from math import hypot, inf, sqrt
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from rgmp.errors import UserError
from rgmp.evaluation.measures import Statistics, statistics_of
from rgmp.evaluation.scoring import Score

Measure = Literal["J&F", "J_mean", "J_recall", "J_decay", "F_mean", "F_recall", "F_decay"]
Verdict = Literal["better", "worse", "inconclusive"]

MEASURES: tuple[Measure, ...] = get_args(Measure)
CONFIDENCE = 0.95

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ObjectScores:
    """What one variant reached on every object of one benchmark, with every seed.

    Attributes:
        benchmark: as in the rows.
        variant: as in the rows.
        seeds: the S seeds, ascending; none where no training here made the masks, and S is 1.
        objects: the O objects as (sequence, id), sorted.
        values: for each measure float64 (S, O), fractions; `J&F` is the mean of J_mean and F_mean.
    """

    benchmark: str
    variant: str
    seeds: tuple[int, ...]
    objects: tuple[tuple[str, int], ...]
    values: dict[Measure, Values]


@dataclass(frozen=True)
class Summary:
    """One figure of a variant on a benchmark.

    Attributes:
        mean: over seeds, of the mean over objects.
        spread: sample standard deviation over seeds (n - 1); None with one seed or none.
        seeds: how many.
    """

    mean: float
    spread: float | None
    seeds: int


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


def per_object(rows: Iterable[Score]) -> ObjectScores:
    """Gather the rows of one variant on one benchmark, all its seeds.

    Raises:
        UserError: no row; rows of two variants or benchmarks; a frame that stands twice; seeds that
            differ in their objects or frames; rows with a seed beside rows without.
    """
    measured: dict[int | None, _Frames] = {}
    names = set()
    for row in rows:
        names.add((row.benchmark, row.variant))
        frames = measured.setdefault(row.seed, {}).setdefault((row.sequence, row.object), {})
        if row.frame in frames:
            raise UserError(
                f"{row.variant}, seed {row.seed}: {row.sequence}, object {row.object}, frame "
                f"{row.frame} is scored twice; give each table once"
            )
        frames[row.frame] = (row.J, row.F)
    if len(names) != 1:
        raise UserError(
            f"one variant on one benchmark is needed, got the scores of {sorted(names)}"
        )
    ((benchmark, variant),) = names
    seeds = sorted(seed for seed in measured if seed is not None)
    if seeds and None in measured:
        raise UserError(f"{variant}: has rows with a seed and rows without; score it anew")
    _require_same_frames(variant, measured)
    runs: list[int | None] = [*seeds] or [None]
    objects = sorted(measured[runs[0]])
    statistics = np.array(  # (S, O, 2, 3): J and F; mean, recall and decay
        [[_statistics(measured[run][key]) for key in objects] for run in runs]
    )
    columns: list[Values] = [
        statistics[..., 0].mean(axis=-1),
        *np.moveaxis(statistics.reshape(len(runs), len(objects), 6), -1, 0),
    ]
    values = dict(zip(MEASURES, columns, strict=True))
    return ObjectScores(benchmark, variant, tuple(seeds), tuple(objects), values)


_Frames = dict[tuple[str, int], dict[str, tuple[float, float]]]
"""Of each (sequence, object) its frames by number, and their J and F."""


def _statistics(frames: dict[str, tuple[float, float]]) -> list[Statistics]:
    """Those of J, then of F."""
    in_order = [frames[frame] for frame in sorted(frames)]
    return [statistics_of(values) for values in zip(*in_order, strict=True)]


def _require_same_frames(variant: str, measured: dict[int | None, _Frames]) -> None:
    """Refuse seeds that were scored on different frames."""
    first, *others = measured
    for seed in others:
        for key in sorted({*measured[first], *measured[seed]}):
            if measured[first].get(key, {}).keys() != measured[seed].get(key, {}).keys():
                raise UserError(
                    f"{variant}: seeds {first} and {seed} are scored on different frames of "
                    f"{key[0]}, object {key[1]}; score every seed on the same sequences"
                )


def summarise(scores: ObjectScores) -> dict[Measure, Summary]:
    """The figures of a variant on a benchmark, one a measure."""
    return {
        measure: _summary(values.mean(axis=1), len(scores.seeds))
        for measure, values in scores.values.items()
    }


def _summary(by_seed: Values, seeds: int) -> Summary:
    spread = float(by_seed.std(ddof=1)) if seeds > 1 else None
    return Summary(float(by_seed.mean()), spread, seeds)


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
