"""The mean difference of two methods whose trainings are not paired, over the same sequences.

The third training of one method has nothing in common with the third of another unless both were
made from one seed, and the two may have different numbers of them. With training s of method m on
sequence q, mean over the sequence's n_q objects,

    y[m, s, q] = mu_m + b_mq + a_ms + e_msq,

trainings are nested in methods and crossed with sequences: readers nested in tests, with the same
cases, in the designs of medical imaging that `rgmp.evaluation.crossed` follows (Hillis, Statistics
in Medicine 33, 2014). With its deviations z[m, s, q] = (y[m, s, q] - mu_m) n_q / mean(n), S_m
trainings and Q sequences,

    A_m = max(Q sum_s z[m, s, .]^2 / (S_m - 1), E_m)
    E_m = sum_sq (z[m, s, q] - z[m, s, .] - z[m, ., q])^2 / ((S_m - 1) (Q - 1))
    B = max(sum_q (z[1, ., q] - z[2, ., q])^2 / (Q - 1), E_1 / S_1 + E_2 / S_2)

    variance of mu_1 - mu_2 = (B + sum_m (A_m - E_m) / S_m) / Q

and the degrees of freedom are Satterthwaite's: the square of what is in brackets over the sum of
the squares of its terms, each over its own, Q - 1, S_m - 1 and (S_m - 1) (Q - 1). Where the
trainings of both methods are as many and independent, it is the variance of the paired analysis,
with about twice its degrees of freedom by training. Trainings that are paired by seed make it too
wide, if anything. Of a method whose trainings are taken as they are, A_m and E_m are 0: what is
left is the analysis of `rgmp.evaluation.crossed`.

Simulated (`tests/calibration.py`), intervals of 95 % from three trainings or more cover 92 to
100 %, least where trainings vary most and those of the fewer twice as much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt

import numpy as np

from rgmp.evaluation.crossed import Crossed, Estimate, Values, analyse


@dataclass(frozen=True)
class Unpaired:
    """The analysis of two methods by training and sequence.

    Attributes:
        first, second: each method by itself, of two trainings or more.
        ms_sequences: the variance by sequence of the difference of their means over trainings.
    """

    first: Crossed
    second: Crossed
    ms_sequences: float

    @property
    def mean(self) -> float:
        """The first minus the second, over trainings and objects."""
        return self.first.mean - self.second.mean

    @property
    def sequences(self) -> int:
        """Q, how many sequences were analysed."""
        return self.first.sequences

    @property
    def seeds(self) -> int:
        """The trainings that each of them has at least."""
        return min(self.first.seeds, self.second.seeds)

    @property
    def decidable(self) -> bool:
        """Whether sequences were repeated: without, there is no verdict; trainings were."""
        return self.sequences > 1

    @cached_property
    def like_these(self) -> Estimate:
        """The difference on sequences like these, of any trainings of both methods."""
        if self.sequences == 1:
            return Estimate(self.mean, inf, 1)
        variance, df = variance_of_difference(
            np.asarray(self.ms_sequences), *self.by_method, self.trainings, self.sequences
        )
        return Estimate(self.mean, sqrt(variance), float(df))

    @property
    def trainings(self) -> tuple[int, int]:
        """S_1 and S_2."""
        return self.first.seeds, self.second.seeds

    @property
    def by_method(self) -> tuple[Values, Values]:
        """The mean squares by training and by run: (2,) each."""
        both = self.first, self.second
        return np.array([one.ms_seeds for one in both]), np.array([one.ms_runs for one in both])


def variance_of_difference(
    b: Values, a: Values, e: Values, trainings: tuple[int, int], sequences: int
) -> tuple[Values, Values]:
    """The variance of mu_1 - mu_2, and its degrees of freedom: (...) each.

    Args:
        b: the mean square by sequence, (...).
        a: those by training of both methods, (2, ...).
        e: those of their runs, (2, ...).
        trainings: S_1 and S_2.
        sequences: Q.
    """
    s = np.array(trainings, dtype=np.float64).reshape(2, *[1] * b.ndim)
    b, a = np.maximum(b, (e / s).sum(axis=0)), np.maximum(a, e)
    total = b + ((a - e) / s).sum(axis=0)
    of_trainings = ((a / s) ** 2 / (s - 1) + (e / s) ** 2 / ((s - 1) * (sequences - 1))).sum(axis=0)
    parts = b**2 / (sequences - 1) + of_trainings
    least = np.full(parts.shape, min(*trainings, sequences) - 1.0)
    return total / sequences, np.divide(total**2, parts, out=least, where=parts > 0)


def analyse_unpaired(first: Values, second: Values, objects: Sequence[int]) -> Unpaired:
    """Analyse two methods by training and sequence.

    Args:
        first: float64 (S_1, Q), of each training on each sequence, mean over the sequence's
            objects; fractions.
        second: (S_2, Q), the same; both have two trainings or more.
        objects: how many objects each of the Q sequences has.

    Raises:
        UserError: as `rgmp.evaluation.crossed.analyse`.
    """
    means = (first.mean(axis=0) - second.mean(axis=0))[None]
    return Unpaired(
        analyse(first, objects), analyse(second, objects), analyse(means, objects).ms_sequences
    )
