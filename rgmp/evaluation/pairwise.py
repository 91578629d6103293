"""Every method against every other, on one benchmark.

The differences of J&F of a pair are paired by sequence. Trainings are not paired: nobody knows
which of two methods have a seed in common, the order in which they are given means nothing, and
their numbers may differ. How many there are decides the analysis of a pair:

- three or more of both methods: `rgmp.evaluation.unpaired`; the verdict is about other trainings of
  both;
- three or more of one: `rgmp.evaluation.crossed`, of each of them minus the mean of the other's; it
  is about other trainings of that method, against these very masks of the other;
- fewer of both: Student's t over the sequences, of the means of these very masks.

Two trainings do not measure how a third would differ: intervals from them cover 88 to 92 % where
trainings vary most, whichever formula of these is used.

All pairs are one family of `rgmp.evaluation.verdicts`, whose two passes of Holm hold for all of
them at once. Simulated over sequences alone (`tests/calibration.py`), a family of 3 or 21 pairs
without any difference has a false one in 4 % with normal or heavy-tailed residuals, and in 6 %
where half of the methods lose a few sequences and the others none. A family of five methods with 1,
1, 2, 3 and 5 trainings has one in at most 7 %.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from rgmp.evaluation.comparison import MEASURE, require_same_objects
from rgmp.evaluation.crossed import Crossed, Estimate, Values, analyse
from rgmp.evaluation.power import SIGNIFICANCE, smallest_found
from rgmp.evaluation.summary import by_method, summarise
from rgmp.evaluation.unpaired import Unpaired, analyse_unpaired
from rgmp.evaluation.verdicts import Judged, direction_of, judge

LEAST_TRAININGS = 3
"""Fewer do not measure how another training would differ."""


@dataclass(frozen=True)
class Pair:
    """The first method minus the second, judged.

    Attributes:
        first, second: names; the first has the higher mean.
        trainings: how many each of them has.
        judged: its analysis and its verdict.
        smallest: the smallest difference that would be found with 80 % power, a fraction, at the
            significance that Holm asks of the next undecided pair.
    """

    first: str
    second: str
    trainings: tuple[int, int]
    judged: Judged[Crossed | Unpaired]
    smallest: float


@dataclass(frozen=True)
class Compared:
    """All methods and all pairs of them; nothing depends on the order in which they are given.

    Attributes:
        summary: a row for each method (`rgmp.evaluation.summary.summarise`), the best J&F first.
        means: of each method the mean J&F, on sequences like these.
        pairs: of each two methods, the better first.
    """

    summary: pd.DataFrame
    means: dict[str, Estimate]
    pairs: list[Pair]

    @property
    def methods(self) -> list[str]:
        """Their names, the best J&F first."""
        return [*self.summary["variant"]]

    @property
    def decided(self) -> set[tuple[str, str]]:
        """The pairs in which one is decided better, however little: the better, then the worse."""
        found = set()
        for one in self.pairs:
            direction = direction_of(one.judged.verdict)
            if direction:
                names = one.first, one.second
                found.add(names if direction > 0 else names[::-1])
        return found


def compare_methods(objects: pd.DataFrame, margin: float) -> Compared:
    """Compare every method with every other.

    Args:
        objects: the statistics of objects on one benchmark, of two methods or more
            (`rgmp.evaluation.summary.per_object`).
        margin: the largest difference that is none in practice, a fraction.

    Raises:
        UserError: two methods were scored on different objects.
    """
    summary = summarise(objects).sort_values(
        [MEASURE, "variant"], ascending=[False, True], ignore_index=True
    )
    rows = {name: table for (_, name), table in by_method(objects).items()}
    names = [*summary["variant"]]
    for name in names[1:]:
        require_same_objects(rows[name], rows[names[0]])
    reached = {name: _reached(rows[name]) for name in names}
    means = {name: analyse(one.known, one.objects).like_these for name, one in reached.items()}
    return Compared(summary, means, _judged(reached, margin))


class _Reached(NamedTuple):
    """J&F of a method.

    Attributes:
        values: (S, Q), of each training on each sequence, mean over the sequence's objects.
        objects: how many each of the Q sequences has.
    """

    values: Values
    objects: list[int]

    @property
    def known(self) -> Values:
        """The values; (1, Q), the mean, of trainings that are too few to be analysed."""
        enough = len(self.values) >= LEAST_TRAININGS
        return self.values if enough else self.values.mean(axis=0, keepdims=True)


def _reached(rows: pd.DataFrame) -> _Reached:
    of_sequences = rows.groupby(["seed", "sequence"], dropna=False)[MEASURE].mean().unstack()
    counts = rows.drop_duplicates(["sequence", "object"])["sequence"].value_counts()
    return _Reached(of_sequences.to_numpy(), [int(counts[name]) for name in of_sequences.columns])


def _judged(reached: Mapping[str, _Reached], margin: float) -> list[Pair]:
    pairs = [*combinations(reached, 2)]
    family = {
        (first, second): _analysed(reached[first], reached[second]) for first, second in pairs
    }
    judged = judge(family, margin, sequences_alone=True)
    undecided = sum((one.p_zero or 0) > SIGNIFICANCE for one in judged.values())
    significance = SIGNIFICANCE / max(undecided, 1)
    return [
        Pair(
            *(first, second),
            (len(reached[first].values), len(reached[second].values)),
            one,
            smallest_found(one.analysis, significance),
        )
        for (first, second), one in judged.items()
    ]


def _analysed(first: _Reached, second: _Reached) -> Crossed | Unpaired:
    """The analysis of a pair, which its numbers of trainings decide."""
    if min(len(first.known), len(second.known)) > 1:
        return analyse_unpaired(first.known, second.known, first.objects)
    return analyse(first.known - second.known, first.objects)
