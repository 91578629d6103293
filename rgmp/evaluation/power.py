"""What a study of some seeds and sequences can find, from the variation that another one measured.

A difference varies by seed, by sequence and by single run (`rgmp.evaluation.crossed`). The mean
squares of an analysis estimate the three variances,

    runs = MS_e, seeds = (MS_a - MS_e) / Q, sequences = (MS_b - MS_e) / S, none below zero,

and these give the mean squares that a study of other numbers of seeds and sequences may expect. A
difference is found on its own side of zero. How often, follows from what the study will compute:
its mean is normal, and its mean squares are chi-squares, independent of the mean; many of them are
drawn, and each gives the limit that the mean has to exceed. A noncentral t with the degrees of
freedom of the expected mean squares, the usual formula, is quick and promises too much for few
seeds (power 0.6 to 0.8 instead of 0.8 with three: `tests/calibration.py`); it serves to search.

Three seeds measure a variance badly, and so its consequences. The limits of everything here are
generalised confidence limits: each mean square over a chi-square of its degrees of freedom is drawn
many times, and whatever follows from it is computed for each draw (Weerahandi, Journal of the
American Statistical Association 88, 1993; for this design: Burdick, Borror and Montgomery, Journal
of Quality Technology 35, 2003).
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
from scipy.optimize import brentq
from scipy.special import nctdtrinc, ndtr, stdtrit

from rgmp.evaluation.crossed import CONFIDENCE, Crossed, Values, variance_of_mean
from rgmp.evaluation.unpaired import Unpaired, variance_of_difference

POWER = 0.8
"""The probability with which the smallest difference is found."""
SIGNIFICANCE = 1 - CONFIDENCE
_DRAWS = 4000
_MOST = 64, 2048  # seeds and sequences that anyone would add

Squares = tuple[Values, Values, Values]
"""By seed, sequence and run: mean squares or variances."""


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
class MeasuredValue:
    """A value that was measured, and the limits between which it lies with 95 % confidence."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class StudySize:
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


def analysis_with(components: Components, size: StudySize) -> Crossed:
    """An analysis of a study of a size that has measured these variances.

    It serves where only they are kept. Of a component that vanished nothing says how far its mean
    square was below that of the runs: it is taken to be as large, so that upper limits are, if
    anything, too high.
    """
    a, b, e = _expected(*_arrays(components), size)
    return Crossed((0.0,) * size.seeds, size.sequences, float(a), float(b), float(e))


def deviations(crossed: Crossed) -> dict[str, MeasuredValue]:
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
    components: Components, size: StudySize, significance: float = SIGNIFICANCE
) -> float:
    """The smallest difference that a study of a size finds with 80 % power, a fraction.

    Args:
        components: how much a difference varies.
        size: seeds and sequences of the study; infinite with one of either.
        significance: of the two-sided test: 0.05 / m for the first of m comparisons in Holm's
            order.
    """
    if min(size.seeds, size.sequences) < 2:
        return inf
    expected = _expected(*_arrays(components), size)
    variance, _ = variance_of_mean(*expected, size.seeds, size.sequences)
    if variance == 0:
        return 0.0
    s, q = size.seeds - 1, size.sequences - 1
    a, b, e = _scaled(expected, (s, q, s * q), lambda df, random: random.chisquare(df, _DRAWS) / df)
    found, df = variance_of_mean(np.maximum(a, e), np.maximum(b, e), e, size.seeds, size.sequences)
    return _found_beyond(found, df, float(variance), significance)


def _found_beyond(found: Values, df: Values, variance: float, significance: float) -> float:
    """The smallest difference found with 80 % power, from draws of what a study will compute.

    Args:
        found: variances of the mean, as they may be estimated.
        df: their degrees of freedom.
        variance: of the mean, in truth; above 0.
        significance: of the two-sided test.
    """
    limits = stdtrit(df, 1 - significance / 2) * np.sqrt(found / variance)

    def missing(errors: float) -> float:
        return float(ndtr(errors - limits).mean()) - POWER

    return float(brentq(missing, 0, limits.max() + 10, rtol=1e-6)) * sqrt(variance)


def forecast(
    crossed: Crossed, size: StudySize, significance: float = SIGNIFICANCE
) -> MeasuredValue:
    """`smallest_difference` from an analysis, with the limits that its own few numbers leave.

    Raises:
        ValueError: as `components_of`.
    """
    components = components_of(crossed)
    value = smallest_difference(components, size, significance)
    quick = _quickly(*_arrays(components), size, significance)
    drawn = _quickly(*_components(*_drawn(crossed), crossed), size, significance)
    return _measured(value, drawn * (value / quick if 0 < quick < inf else 1))


def deciding_size(
    components: Components, margin: float, least: StudySize, significance: float = SIGNIFICANCE
) -> StudySize | None:
    """The size at which a difference as large as the margin is found with 80 % power.

    It does not depend on the difference that was seen, whose own chance it would repeat. Of all
    sizes it is about the one with the fewest runs.

    Args:
        components: how much a difference varies.
        margin: what is worth finding, a fraction.
        least: the size that is there; nothing smaller is proposed.
        significance: as in `smallest_difference`.

    Returns:
        The size, or None if 64 seeds and 2,048 sequences (or what is there) do not suffice.
    """
    within = margin
    for _ in range(5):
        found = _search(components, within, least, significance)
        if found is None:
            return None
        needed = smallest_difference(components, found, significance)
        if needed <= margin:
            return found
        within *= min(margin / needed, 0.99)  # else it would come near without an end
    return None


def smallest_found(crossed: Crossed | Unpaired, significance: float = SIGNIFICANCE) -> float:
    """`smallest_difference` of a study that is there.

    With one seed it is that of Student's t over the sequences, whose power is exactly a noncentral
    t's; it then says nothing of another training.
    """
    if crossed.sequences == 1:
        return inf
    if isinstance(crossed, Unpaired):
        return _unpaired(crossed, significance)
    if crossed.seeds == 1:
        return _over_sequences(crossed.ms_sequences, crossed.sequences, significance)
    size = StudySize(crossed.seeds, crossed.sequences)
    return smallest_difference(components_of(crossed), size, significance)


def size_that_decides(
    crossed: Crossed | Unpaired, margin: float, significance: float = SIGNIFICANCE
) -> StudySize | None:
    """`deciding_size` for a study that is there; with one seed, of more sequences alone.

    Of trainings that are not paired, both methods are to have as many, and the size is that of a
    paired study with as much variation: its fewer degrees of freedom ask for hardly more.
    """
    if isinstance(crossed, Unpaired):
        least = StudySize(max(crossed.trainings), crossed.sequences)
        return deciding_size(_components_unpaired(crossed), margin, least, significance)
    size = StudySize(crossed.seeds, crossed.sequences)
    if crossed.seeds > 1:
        return deciding_size(components_of(crossed), margin, size, significance)
    counts = range(size.sequences, max(size.sequences, _MOST[1]) + 1)
    at = bisect_left(
        counts,
        True,
        key=lambda count: _over_sequences(crossed.ms_sequences, count, significance) <= margin,
    )
    return StudySize(1, counts[at]) if at < len(counts) else None


def _unpaired(analysis: Unpaired, significance: float) -> float:
    """The smallest difference that trainings find which are not paired."""
    a, e = analysis.by_method
    squares = np.maximum(a, e), e
    b = np.maximum(analysis.ms_sequences, (e / analysis.trainings).sum())
    size = analysis.trainings, analysis.sequences
    variance, _ = variance_of_difference(b, *squares, *size)
    if variance == 0:
        return 0.0
    random = np.random.default_rng(0)

    def drawn(mean_squares: Values, df: Values) -> Values:
        shape = (_DRAWS, *df.shape)
        return (mean_squares * random.chisquare(df, shape) / df).T

    q, s = analysis.sequences - 1, np.array(analysis.trainings) - 1.0
    of_sequences = drawn(np.asarray(b), np.asarray(float(q)))
    of_trainings, of_runs = (drawn(*each) for each in zip(squares, (s, s * q), strict=True))
    found = variance_of_difference(of_sequences, of_trainings, of_runs, *size)
    return _found_beyond(*found, float(variance), significance)


def _components_unpaired(analysis: Unpaired) -> Components:
    """The variances of the difference of single trainings of both."""
    a, e = analysis.by_method
    return Components(
        seeds=float(np.maximum(a - e, 0).sum()) / analysis.sequences,
        sequences=max(analysis.ms_sequences - float((e / analysis.trainings).sum()), 0.0),
        runs=float(e.sum()),
    )


def _over_sequences(variance: float, sequences: int, significance: float) -> float:
    """The smallest difference that a single seed finds, from the variance by sequence."""
    return float(_noncentral(np.asarray(variance / sequences), sequences - 1, significance))


def _noncentral(variance: Values, df: Values | int, significance: float) -> Values:
    """The smallest difference by the noncentral t, from the variance of a mean."""
    limit = stdtrit(df, 1 - significance / 2)
    noncentrality = np.asarray(nctdtrinc(df, 1 - POWER, limit), dtype=np.float64)
    return noncentrality * np.sqrt(variance)


def _search(
    components: Components, margin: float, least: StudySize, significance: float
) -> StudySize | None:
    """The same by the quick formula."""
    variances, found = _arrays(components), None
    for seeds in range(max(least.seeds, 2), max(least.seeds, _MOST[0]) + 1):
        fewest, most = max(least.sequences, 2), max(least.sequences, _MOST[1])
        if found:  # more seeds pay only with fewer runs
            most = min(most, (found.seeds * found.sequences - 1) // seeds)
        if most < fewest or _quickly(*variances, StudySize(seeds, most), significance) > margin:
            continue
        while fewest < most:
            middle = (fewest + most) // 2
            if _quickly(*variances, StudySize(seeds, middle), significance) <= margin:
                most = middle
            else:
                fewest = middle + 1
        found = StudySize(seeds, most)
    return found


def _quickly(
    of_seeds: Values, of_sequences: Values, runs: Values, size: StudySize, significance: float
) -> Values:
    """The smallest difference by the noncentral t, from variances of any shape."""
    if min(size.seeds, size.sequences) < 2:
        return np.full(runs.shape, inf)
    expected = _expected(of_seeds, of_sequences, runs, size)
    return _noncentral(*variance_of_mean(*expected, size.seeds, size.sequences), significance)


def _arrays(components: Components) -> Squares:
    a, b, e = (np.float64(v) for v in (components.seeds, components.sequences, components.runs))
    return np.asarray(a), np.asarray(b), np.asarray(e)


def _expected(of_seeds: Values, of_sequences: Values, runs: Values, size: StudySize) -> Squares:
    """The mean squares that a study of a size may expect."""
    return runs + size.sequences * of_seeds, runs + size.seeds * of_sequences, runs


def _scaled(
    squares: Squares,
    degrees: tuple[int, int, int],
    draw: Callable[[int, np.random.Generator], Values],
) -> Squares:
    """Each mean square times draws of its degrees of freedom, the same at each call."""
    random = np.random.default_rng(0)
    a, b, e = (square * draw(df, random) for square, df in zip(squares, degrees, strict=True))
    return a, b, e


def _mean_squares(crossed: Crossed) -> Squares:
    if not crossed.decidable:
        raise ValueError("one seed or one sequence cannot tell the components apart")
    squares = crossed.ms_seeds, crossed.ms_sequences, crossed.ms_runs
    a, b, e = (np.asarray(square, dtype=np.float64) for square in squares)
    return a, b, e


def _components(a: Values, b: Values, e: Values, measured: Crossed) -> Squares:
    """The variances by seed, sequence and run, from the mean squares of a study's size."""
    of_seeds = np.maximum(a - e, 0) / measured.sequences
    return of_seeds, np.maximum(b - e, 0) / measured.seeds, e


def _drawn(crossed: Crossed) -> Squares:
    """Mean squares as they might be in truth, many of each."""
    s, q = crossed.seeds - 1, crossed.sequences - 1
    squares, degrees = _mean_squares(crossed), (s, q, s * q)
    return _scaled(squares, degrees, lambda df, random: df / random.chisquare(df, _DRAWS))


def _measured(value: float, draws: Values) -> MeasuredValue:
    """A value with the quantiles of its draws."""
    low, high = np.quantile(draws, [SIGNIFICANCE / 2, 1 - SIGNIFICANCE / 2])
    return MeasuredValue(value, float(low), float(high))
