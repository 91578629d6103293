"""Every method against every other, on one benchmark.

The differences of J&F of a pair are those of `rgmp.evaluation.comparison`: paired by sequence, and
by training where both methods have several, in the order in which they are given. With several
trainings, seeds and sequences are crossed random effects; with one of each method it is Student's t
over the sequences, which says nothing of another training. All pairs are one family of
`rgmp.evaluation.verdicts`, whose two passes of Holm hold for all of them at once. Simulated over
sequences alone (`tests/calibration.py`), a family of 3 or 21 pairs without any difference has a
false one in 4 % with normal or heavy-tailed residuals, and in 6 % where half of the methods lose a
few sequences and the others none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import pandas as pd

from rgmp.evaluation.comparison import MEASURE, Paired, pair
from rgmp.evaluation.crossed import Crossed, Estimate, analyse
from rgmp.evaluation.power import SIGNIFICANCE, smallest_found
from rgmp.evaluation.summary import by_method, summarise
from rgmp.evaluation.verdicts import Judged, direction_of, judge


@dataclass(frozen=True)
class Pair:
    """The first method minus the second, judged.

    Attributes:
        first, second: names; the first has the higher mean.
        paired: what the difference rests on.
        judged: its analysis and its verdict.
        smallest: the smallest difference that would be found with 80 % power, a fraction, at the
            significance that Holm asks of the next undecided pair.
    """

    first: str
    second: str
    paired: Paired
    judged: Judged
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
    means = {name: _mean_of(rows[name]) for name in summary["variant"]}
    paired = {
        names: pair(*(rows[name] for name in names))
        for names in combinations(summary["variant"], 2)
    }
    return Compared(summary, means, _judged(paired, margin))


def _judged(paired: dict[tuple[str, str], Paired], margin: float) -> list[Pair]:
    family = {names: one.analysed({}) for names, one in paired.items()}
    judged = judge(family, margin, sequences_alone=True)
    undecided = sum((one.p_zero or 0) > SIGNIFICANCE for one in judged.values())
    significance = SIGNIFICANCE / max(undecided, 1)
    return [
        Pair(*names, paired[names], one, smallest_found(one.analysis, significance))
        for names, one in judged.items()
    ]


def _mean_of(rows: pd.DataFrame) -> Estimate:
    """The mean J&F of a method over its objects."""
    of_sequences = rows.groupby(["seed", "sequence"], dropna=False)[MEASURE].mean().unstack()
    counts = rows.drop_duplicates(["sequence", "object"])["sequence"].value_counts()
    sizes: Sequence[int] = [int(counts[name]) for name in of_sequences.columns]
    analysis: Crossed = analyse(of_sequences.to_numpy(), sizes)
    return analysis.like_these
