"""From the comparisons of a family to verdicts, and from verdicts to what became of claims.

A family are the comparisons of one table on one benchmark: all its verdicts hold at once. Two
passes of Holm's procedure (Scandinavian Journal of Statistics 6, 1979) go over it, each at 5 %:

- the two-sided tests of no difference: rejected, a variant is better or worse;
- the tests of equivalence, of a difference of `margin` or more (`Estimate.p_beyond`): rejected, the
  difference is no larger than the margin.

Each pass keeps the probability of a single false rejection in it below 5 %, whatever else is true
of the family. One pass over the smaller of the two p-values would not. Both rejected: the variant
is worse (or better), by less than the margin. Neither: undecided.

The p-values are as good as Satterthwaite's degrees of freedom are far out in the tail. Simulated
(`tests/calibration.py`), a family of nine without any difference has a false one in at most 5 %,
except where few seeds vary much: 7 % with 3 or 5 seeds on 60 sequences and standard deviations of
4, 7 and 12 points by seed, sequence and run; 5 % with 8 seeds.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rgmp.config.study import Effect
from rgmp.evaluation.crossed import Crossed
from rgmp.evaluation.power import SIGNIFICANCE, StudySize, size_that_decides, smallest_found
from rgmp.evaluation.unpaired import Unpaired

Verdict = Literal[
    "better",
    "worse",
    "better, by less than the margin",
    "worse, by less than the margin",
    "no difference beyond the margin",
    "undecided",
    "one seed: no verdict",
    "one sequence: no verdict",
    "same computation",
    "exploratory",
]
NO_DIFFERENCE: Verdict = "no difference beyond the margin"
UNDECIDED: Verdict = "undecided"
SAME: Verdict = "same computation"
Kind = Literal["better", "worse", "no difference beyond the margin", "undecided", "no verdict"]
"""What a verdict says in the end, however large the difference is."""
Word = Literal["supported", "supported, small effect", "contradicted", "no effect", "undecided"]
"""What becomes of a claim."""


A = TypeVar("A", Crossed, Crossed | Unpaired)
"""Of differences that are all paired by seed, or some by sequence alone."""


@dataclass(frozen=True)
class Judged(Generic[A]):
    """A comparison with its verdict.

    Attributes:
        analysis: what it rests on.
        verdict: in words; the last two are none: there is no question, or nobody asked it before.
        p_zero: of no difference, adjusted by Holm over the family; None without a verdict.
        p_beyond: of a difference beyond the margin, adjusted likewise.
        smallest: where undecided, the smallest difference that a study of this size finds with
            80 % power, at the significance that Holm demands of the next of the family.
        deciding: where undecided, the seeds and sequences at which a difference as large as the
            margin would be found with 80 % power; None also where no size suffices.
    """

    analysis: A
    verdict: Verdict
    p_zero: float | None = None
    p_beyond: float | None = None
    smallest: float | None = None
    deciding: StudySize | None = None


K = TypeVar("K", bound=Hashable)


def judge(
    family: Mapping[K, A], margin: float, *, sequences_alone: bool = False
) -> dict[K, Judged[A]]:
    """The verdicts of a family.

    What has one seed or one sequence gets no verdict, and does not count as a member: there is no
    test of it.

    Args:
        family: the comparisons by any key. What is the same computation does not belong into it.
        margin: the largest difference that is none in practice, a fraction.
        sequences_alone: whether what has one seed is tested over its sequences nevertheless: its
            verdict then says nothing of another training.

    Returns:
        In the same order.
    """
    tested = {
        key: one.like_these
        for key, one in family.items()
        if one.decidable or (sequences_alone and one.sequences > 1)
    }
    zero = holm({key: estimate.p_zero for key, estimate in tested.items()})
    beyond = holm({key: estimate.p_beyond(margin) for key, estimate in tested.items()})
    open_ones = sum(p > SIGNIFICANCE for p in zero.values())
    judged: dict[K, Judged[A]] = {}
    for key, one in family.items():
        if key not in tested:
            no_seeds = one.seeds == 1 and not sequences_alone
            alone: Verdict = "one seed: no verdict" if no_seeds else "one sequence: no verdict"
            judged[key] = Judged(one, alone)
            continue
        verdict = _verdict(one.mean, zero[key] <= SIGNIFICANCE, beyond[key] <= SIGNIFICANCE)
        smallest, deciding = None, None
        if verdict == UNDECIDED:
            smallest = smallest_found(one, SIGNIFICANCE / open_ones)
            deciding = size_that_decides(one, margin, SIGNIFICANCE / open_ones)
        judged[key] = Judged(one, verdict, zero[key], beyond[key], smallest, deciding)
    return judged


def _verdict(mean: float, differs: bool, within: bool) -> Verdict:
    if differs and within:
        return "better, by less than the margin" if mean > 0 else "worse, by less than the margin"
    if differs:
        return "better" if mean > 0 else "worse"
    return NO_DIFFERENCE if within else UNDECIDED


def holm(p_values: Mapping[K, float]) -> dict[K, float]:
    """Adjusted p-values: those at most 5 % are rejected, with at most 5 % of a false rejection.

    The i-th smallest of m is multiplied by m - i + 1, and is at least the one before it.
    """
    adjusted: dict[K, float] = {}
    largest = 0.0
    for rank, key in enumerate(sorted(p_values, key=lambda key: p_values[key])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[key]))
        adjusted[key] = largest
    return {key: adjusted[key] for key in p_values}


def word_of(expected: Effect, verdict: Verdict) -> Word:
    """What becomes of a claim that expects `worse`, `better` or `none`.

    A difference in the expected direction supports it, as a small effect if it is smaller than the
    margin; no difference beyond the margin is no effect, or, where none is expected, what was
    expected, as is one that is smaller than the margin.
    """
    direction = direction_of(verdict)
    if expected == "none":
        if verdict in {"better", "worse"}:
            return "contradicted"
        return "supported" if is_decided(verdict) else "undecided"
    if direction and direction != _DIRECTIONS[expected]:
        return "contradicted"
    if direction:
        return "supported" if verdict in {"better", "worse"} else "supported, small effect"
    return "no effect" if is_decided(verdict) else "undecided"


_DIRECTIONS = {"better": 1, "worse": -1}


def direction_of(verdict: str) -> int:
    """1 for a verdict that says better, however little, -1 for worse, 0 for any other."""
    return _DIRECTIONS.get(verdict.partition(", ")[0], 0)


def is_decided(verdict: str) -> bool:
    """Whether a verdict says that there is a difference, or none beyond the margin."""
    return direction_of(verdict) != 0 or verdict == NO_DIFFERENCE


def kind_of(verdict: str) -> Kind:
    """What a verdict says in the end; of what has none, or of the same computation: no verdict."""
    found: dict[str, Kind] = {NO_DIFFERENCE: "no difference beyond the margin"}
    found |= {UNDECIDED: "undecided", "better": "better", "worse": "worse"}
    return found.get(verdict.partition(", ")[0], "no verdict")
