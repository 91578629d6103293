"""The mean difference of two methods, when seeds and sequences are both samples of more.

Every training meets every sequence, so that seeds and sequences are crossed. The difference of a
variant to `full` with seed s on sequence q, mean over the sequence's n_q objects, is

    d[s, q] = mu + a_s + b_q + e_sq,

with random effects a of the seed, b of the sequence and e of the single run (its interaction and
what is left). It is the design of medical imaging's studies of many readers and many cases, and
analysed like them: an analysis of variance with two random factors and the degrees of freedom of
Satterthwaite (Obuchowski and Rockette, Communications in Statistics - Simulation 24, 1995; Hillis,
Statistics in Medicine 26, 2007; Satterthwaite, Biometrics Bulletin 2, 1946).

mu is the mean over *objects*, as DAVIS has it, so sequences count by n_q. With the deviations
z[s, q] = (d[s, q] - mu) n_q / mean(n), and S seeds and Q sequences,

    MS_a = Q sum_s z[s, .]^2 / (S - 1)               A = max(MS_a, MS_e)
    MS_b = S sum_q z[., q]^2 / (Q - 1)               B = max(MS_b, MS_e)
    MS_e = sum_sq (z[s, q] - z[s, .] - z[., q])^2 / ((S - 1) (Q - 1)) = E

    variance of mu = (A + B - E) / (S Q)
    df = (A + B - E)^2 / (A^2 / (S - 1) + B^2 / (Q - 1) + E^2 / ((S - 1) (Q - 1)))

where a dot stands for a mean, and z[., .] is 0. A component that vanishes leaves A or B at E, which
makes the interval wider than it would have to be.

Two questions have two answers. On sequences like these: the one above. On these very sequences,
what papers mean by a score on DAVIS val, only the seeds vary: Student's t of their S means with
S - 1 degrees of freedom.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from rgmp.errors import UserError

CONFIDENCE = 0.95
"""Of every interval, each by itself."""
LARGEST = 1.0
"""No two scores differ by more; intervals end there."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error, of which Student's t gives intervals and tests.

    Attributes:
        mean: the estimate.
        error: its standard error; infinite where a single seed or sequence tells nothing of
            others, zero where nothing varies.
        df: degrees of freedom.
    """

    mean: float
    error: float
    df: float

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Low and high end, inside [-1, 1]."""
        half = self.error
        if 0 < half < inf:
            half *= float(stdtrit(self.df, (1 + confidence) / 2))
        return max(self.mean - half, -LARGEST), min(self.mean + half, LARGEST)

    @property
    def p_zero(self) -> float:
        """The two-sided p-value of no difference."""
        if self.error == 0:
            return float(self.mean == 0)
        return 2 * float(stdtr(self.df, -abs(self.mean) / self.error))

    def p_beyond(self, margin: float) -> float:
        """The p-value of a difference of at least `margin` in either direction.

        It is the larger of two one-sided ones; where it is small, the difference is within the
        margin (two one-sided tests: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics
        15, 1987).
        """
        room = margin - abs(self.mean)
        if self.error == 0:
            return float(room <= 0)
        return float(stdtr(self.df, -room / self.error))


@dataclass(frozen=True)
class Crossed:
    """The analysis of differences by seed and sequence.

    Attributes:
        by_seed: the mean over objects with each seed, S of them.
        sequences: Q, how many sequences, or clusters of them, were analysed.
        ms_seeds: MS_a of the module's docstring, 0 where S is 1.
        ms_sequences: MS_b, 0 where Q is 1.
        ms_runs: MS_e, 0 where either is 1.
    """

    by_seed: tuple[float, ...]
    sequences: int
    ms_seeds: float
    ms_sequences: float
    ms_runs: float

    @property
    def seeds(self) -> int:
        """S, how many seeds were analysed."""
        return len(self.by_seed)

    @cached_property
    def mean(self) -> float:
        """The mean over seeds and objects."""
        return float(np.mean(self.by_seed))

    @property
    def decidable(self) -> bool:
        """Whether both seeds and sequences were repeated: without, there is no verdict."""
        return self.seeds > 1 and self.sequences > 1

    @cached_property
    def like_these(self) -> Estimate:
        """The mean on sequences like these.

        With one seed its error is that of the sequences alone, and tells nothing of another
        training run; with one sequence it is infinite.
        """
        if self.sequences == 1:
            return Estimate(self.mean, inf, 1)
        if self.seeds == 1:
            return Estimate(self.mean, sqrt(self.ms_sequences / self.sequences), self.sequences - 1)
        variance, df = variance_of_mean(
            max(self.ms_seeds, self.ms_runs),
            max(self.ms_sequences, self.ms_runs),
            self.ms_runs,
            self.seeds,
            self.sequences,
        )
        return Estimate(self.mean, sqrt(variance), float(df))

    @cached_property
    def on_these(self) -> Estimate:
        """The mean on these very sequences: seeds alone vary; with one, its error is infinite."""
        if self.seeds == 1:
            return Estimate(self.mean, inf, 1)
        error = float(np.std(self.by_seed, ddof=1)) / sqrt(self.seeds)
        return Estimate(self.mean, error, self.seeds - 1)


def variance_of_mean(
    a: float | Values, b: float | Values, e: float | Values, seeds: int, sequences: int
) -> tuple[Values, Values]:
    """The variance of mu, and its degrees of freedom, from A, B and E of the module's docstring.

    Where nothing varies the degrees of freedom are the least that any of the three has.
    """
    a, b, e = (np.asarray(value, dtype=np.float64) for value in (a, b, e))
    total = a + b - e
    parts = a**2 / (seeds - 1) + b**2 / (sequences - 1) + e**2 / ((seeds - 1) * (sequences - 1))
    least = np.full(parts.shape, min(seeds, sequences) - 1.0)
    df = np.divide(total**2, parts, out=least, where=parts > 0)
    return total / (seeds * sequences), df


def analyse(
    differences: Values, objects: Sequence[int], clusters: Sequence[Hashable] | None = None
) -> Crossed:
    """Analyse the differences of two methods by seed and sequence.

    Args:
        differences: float64 (S, Q), of each seed on each sequence, mean over the sequence's
            objects; fractions.
        objects: how many objects each of the Q sequences has.
        clusters: what each sequence shows, where the same figure recurs in several: sequences of
            one cluster are pooled, weighted by their objects, and the cluster is analysed in place
            of the sequence. None: every sequence is its own.

    Raises:
        UserError: there is no seed or no sequence, or a difference is not a finite number.
    """
    counts = np.asarray(objects, dtype=np.float64)
    if not differences.size or not np.isfinite(differences).all():
        raise UserError(
            f"differences of {differences.shape[0]} seeds and {differences.shape[1]} sequences: "
            "empty or not finite; score every seed on every sequence"
        )
    if clusters is not None:
        differences, counts = _pooled(differences, counts, clusters)
    seeds, sequences = differences.shape
    weights = counts / counts.mean()
    by_seed = (differences * weights).mean(axis=1)
    z = (differences - by_seed.mean()) * weights
    of_seeds, of_sequences = z.mean(axis=1), z.mean(axis=0)
    left = z - of_seeds[:, None] - of_sequences + z.mean()
    many_seeds, many_sequences = seeds > 1, sequences > 1
    return Crossed(
        by_seed=tuple(by_seed.tolist()),
        sequences=sequences,
        ms_seeds=sequences * float(np.var(of_seeds, ddof=1)) if many_seeds else 0.0,
        ms_sequences=seeds * float(np.var(of_sequences, ddof=1)) if many_sequences else 0.0,
        ms_runs=float((left**2).sum()) / ((seeds - 1) * (sequences - 1))
        if many_seeds and many_sequences
        else 0.0,
    )


def _pooled(
    differences: Values, counts: Values, clusters: Sequence[Hashable]
) -> tuple[Values, Values]:
    """The differences by cluster, mean over objects, and the clusters' numbers of objects."""
    names = list(dict.fromkeys(clusters))
    belongs = np.array([[cluster == name for name in names] for cluster in clusters], np.float64)
    sizes = counts @ belongs
    return (differences * counts) @ belongs / sizes, sizes
