"""What a study of some seeds and sequences can find, from the variation that another one measured.

A difference varies by seed, by sequence and by single run (`rgmp.evaluation.crossed`). The mean
squares of an analysis estimate the three variances,

    runs = MS_e, seeds = (MS_a - MS_e) / Q, sequences = (MS_b - MS_e) / S, none below zero,

and these give the mean squares that a study of other numbers of seeds and sequences may expect. Its
power is that of Student's t with their degrees of freedom: a difference is found, on its own side
of zero, with the probability that a noncentral t exceeds the limit of the two-sided test.

Three seeds measure a variance badly, and so its consequences. The limits of everything here are
generalised confidence limits: each mean square over a chi-square of its degrees of freedom is drawn
many times, and whatever follows from it is computed for each draw (Weerahandi, Journal of the
American Statistical Association 88, 1993; for this design: Burdick, Borror and Montgomery, Journal
of Quality Technology 35, 2003).
"""

from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.special import nctdtrinc, stdtrit

from rgmp.evaluation.crossed import CONFIDENCE, Crossed, Values, variance_of_mean

POWER = 0.8
"""The probability with which the smallest difference is found."""
SIGNIFICANCE = 1 - CONFIDENCE
_DRAWS = 2000
_MOST = 64, 2048  # seeds and sequences that anyone would add


@dataclass(frozen=True)
class Components:
    """The variances of a difference, in squares of fractions.

    Attributes:
        seeds: by seed.
        sequences: by sequence, or by cluster.
        runs: of the single run: what is left.
    """

    seeds: float
    sequences: float
    runs: float


@dataclass(frozen=True)
class Measured:
    """A value that was measured, and the limits between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Size:
    """How large a study is."""

    seeds: int
    sequences: int


def components_of(crossed: Crossed) -> Components:
    """The variances that an analysis has measured.

    Raises:
        ValueError: it has one seed or one sequence, which cannot tell them apart.
    """
    seeds, sequences, runs = _components(*_mean_squares(crossed), crossed)
    return Components(float(seeds), float(sequences), float(runs))


def deviations(crossed: Crossed) -> dict[str, Measured]:
    """The standard deviations by `seeds`, `sequences` and `runs`, as fractions, with their limits.

    Raises:
        ValueError: as `components_of`.
    """
    drawn = _components(*_drawn(crossed), crossed)
    found = _components(*_mean_squares(crossed), crossed)
    return {
        name: _measured(sqrt(value), np.sqrt(draws))
        for name, value, draws in zip(("seeds", "sequences", "runs"), found, drawn, strict=True)
    }


def smallest_difference(
    components: Components, size: Size, significance: float = SIGNIFICANCE
) -> float:
    """The smallest difference that a study of a size finds with 80 % power, a fraction.

    Args:
        components: how much a difference varies.
        size: seeds and sequences of the study; infinite with one of either.
        significance: of the two-sided test: 0.05 / m for the first of m comparisons in Holm's
            order.
    """
    variances = (np.asarray(v) for v in (components.seeds, components.sequences, components.runs))
    return float(_smallest(*variances, size.seeds, size.sequences, significance))


def forecast(crossed: Crossed, size: Size, significance: float = SIGNIFICANCE) -> Measured:
    """`smallest_difference` from an analysis, with the limits that its own few numbers leave.

    Raises:
        ValueError: as `components_of`.
    """
    value = smallest_difference(components_of(crossed), size, significance)
    drawn = _components(*_drawn(crossed), crossed)
    return _measured(value, _smallest(*drawn, size.seeds, size.sequences, significance))


def deciding_size(
    components: Components, margin: float, least: Size, significance: float = SIGNIFICANCE
) -> Size | None:
    """The size at which a difference as large as the margin is found with 80 % power.

    It does not depend on the difference that was seen, whose own chance it would repeat. Of all
    sizes it is the one with the fewest runs, and of those the one with the fewest seeds.

    Args:
        components: how much a difference varies.
        margin: what is worth finding, a fraction.
        least: the size that is there; nothing smaller is proposed.
        significance: as in `smallest_difference`.

    Returns:
        The size, or None if 64 seeds and 2,048 sequences (or what is there) do not suffice.
    """
    found: Size | None = None
    for seeds in range(max(least.seeds, 2), max(least.seeds, _MOST[0]) + 1):
        fewest, most = max(least.sequences, 2), max(least.sequences, _MOST[1])
        if found:  # more seeds pay only with fewer runs
            most = min(most, (found.seeds * found.sequences - 1) // seeds)
        if most < fewest or not _suffices(components, margin, Size(seeds, most), significance):
            continue
        while fewest < most:
            middle = (fewest + most) // 2
            if _suffices(components, margin, Size(seeds, middle), significance):
                most = middle
            else:
                fewest = middle + 1
        found = Size(seeds, most)
    return found


def _suffices(components: Components, margin: float, size: Size, significance: float) -> bool:
    return smallest_difference(components, size, significance) <= margin


def _smallest(
    of_seeds: Values,
    of_sequences: Values,
    runs: Values,
    seeds: int,
    sequences: int,
    significance: float,
) -> Values:
    if min(seeds, sequences) < 2:
        return np.full(runs.shape, inf)
    a, b = runs + sequences * of_seeds, runs + seeds * of_sequences
    variance, df = variance_of_mean(a, b, runs, seeds, sequences)
    limit = stdtrit(df, 1 - significance / 2)
    noncentrality: Values = nctdtrinc(df, 1 - POWER, limit)
    return noncentrality * np.sqrt(variance)


def _mean_squares(crossed: Crossed) -> tuple[Values, Values, Values]:
    if not crossed.decidable:
        raise ValueError("one seed or one sequence cannot tell the components apart")
    squares = crossed.ms_seeds, crossed.ms_sequences, crossed.ms_runs
    a, b, e = (np.asarray(square, dtype=np.float64) for square in squares)
    return a, b, e


def _components(
    a: Values, b: Values, e: Values, measured: Crossed
) -> tuple[Values, Values, Values]:
    """The variances by seed, sequence and run, from the mean squares of a study's size."""
    return (
        np.maximum(a - e, 0) / measured.sequences,
        np.maximum(b - e, 0) / measured.seeds,
        e,
    )


def _drawn(crossed: Crossed) -> tuple[Values, Values, Values]:
    """Mean squares as they might be in truth, many of each, the same at each call."""
    random = np.random.default_rng(0)
    s, q = crossed.seeds - 1, crossed.sequences - 1
    a, b, e = (
        square * df / random.chisquare(df, _DRAWS)
        for square, df in zip(_mean_squares(crossed), (s, q, s * q), strict=True)
    )
    return a, b, e


def _measured(value: float, draws: Values) -> Measured:
    """A value with the quantiles of its draws."""
    low, high = np.quantile(draws, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return Measured(value, float(low), float(high))
