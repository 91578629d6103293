"""What choosing the best of the last checkpoints on what is scored adds, and what is left of it.

Each of S training runs has k checkpoints, the last of them at its last step. x[c, q] is J&F of
checkpoint c on sequence q, mean over its n_q objects; on a set H of sequences a checkpoint reaches

    M_c(H) = sum_{q in H} n_q x[c, q] / sum_{q in H} n_q.

The best on all sequences, max_c M_c, is never below the last nor below the mean over c, whatever
the truth: part of what it gains is luck on these sequences. Cross-fitting takes that apart. The
sequences are halved at random into A and B, the best on A is chosen, c = argmax M_c(A), and

    gain_A = M_c(A) - mean_i M_i(A)          where it was chosen,
    gain_B = M_c(B) - mean_i M_i(B)          elsewhere,
    optimism = gain_A - gain_B.

Then A and B change places. The mean over both and over 1,000 halvings belongs to one training run;
over the runs there is Student's interval, with S - 1 degrees of freedom. Where the same figure
recurs in several sequences the figures are halved: else one half would know the other.

Where the checkpoints differ in nothing but independent normal noise of standard deviation sigma on
each of Q sequences with equal n_q, the expectations are 0 of gain_B and e_k sigma sqrt(2 / Q) of
optimism, e_k being the expected largest of k standard normals (1.16 of 5). Of the best on all Q
sequences it is e_k sigma / sqrt(Q): half of the sequences are chosen on with more luck, and the
figure is too large for all of them by up to a factor of sqrt(2).

Sources: optimism is Efron's term (Journal of the American Statistical Association 81, 1986), here
of a choice, as in Cawley and Talbot (Journal of Machine Learning Research 11, 2010); cross-fitting
as in Chernozhukov et al. (Econometrics Journal 21, 2018).
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np
import numpy.typing as npt
import pandas as pd

from rgmp.errors import UserError
from rgmp.evaluation.comparison import MEASURE
from rgmp.evaluation.crossed import Estimate, Values

HALVINGS = 1000
_SEED = 0
"""Of the halvings, which are the same for every training run and in every study."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The k checkpoints of S training runs of one method on one benchmark; fractions, (S,) each.

    Attributes:
        last: J&F of the last checkpoint on all sequences.
        mean: mean over the checkpoints.
        best: of the best on all sequences.
        gain: what the best on a half gains over the mean there; NaN with a single sequence.
        elsewhere: what the same checkpoint gains on the other half.
    """

    last: Values
    mean: Values
    best: Values
    gain: Values
    elsewhere: Values

    @property
    def optimism(self) -> Estimate:
        """The mean over runs of `gain` - `elsewhere`; of a single one its error is infinite."""
        values = self.gain - self.elsewhere
        if len(values) == 1:
            return Estimate(float(values[0]), inf, 1)
        error = float(np.std(values, ddof=1)) / sqrt(len(values))
        return Estimate(float(np.mean(values)), error, len(values) - 1)


def choice_among(checkpoints: Sequence[pd.DataFrame], figures: Mapping[str, str]) -> Choice | None:
    """What choosing among the checkpoints of a method adds, with the seeds that have all of them.

    Args:
        checkpoints: the statistics of objects (`rgmp.evaluation.summary.per_object`) of one method
            on one benchmark with each of its checkpoints, in order of their steps.
        figures: what each sequence shows, where that is known.

    Returns:
        None where no seed has all of them.

    Raises:
        UserError: they were not scored on the same objects.
    """
    tables = [
        rows.groupby(["seed", "sequence"])[MEASURE].agg(["mean", "size"]).unstack("sequence")
        for rows in checkpoints
    ]
    seeds = sorted(set[int].intersection(*({*table.index} for table in tables)))
    if not seeds:
        return None
    whole = [table.loc[seeds] for table in tables]
    last = whole[-1]
    if not all(table["size"].equals(last["size"]) for table in whole):
        raise UserError(
            f"{checkpoints[-1]['variant'].iloc[0]}: its checkpoints are scored on different "
            "objects; score each on the same sequences"
        )
    names = [str(name) for name in last["size"].columns]
    return choose(
        np.stack([table["mean"].to_numpy() for table in whole], axis=1),
        last["size"].iloc[0].astype(int).tolist(),
        [figures.get(name, name) for name in names],
    )


def choose(
    scores: Values, objects: Sequence[int], clusters: Sequence[Hashable] | None = None
) -> Choice:
    """What choosing among the checkpoints of each training run adds.

    Args:
        scores: float64 (S, k, Q), J&F of each run, checkpoint and sequence, mean over its objects,
            fractions; the last checkpoint is the last.
        objects: how many objects each of the Q sequences has.
        clusters: the figure that each sequence shows, where figures recur; None: each its own.

    Raises:
        UserError: a score is not a finite number, or there is none.
    """
    if not scores.size or not np.isfinite(scores).all():
        raise UserError(
            f"scores of checkpoints {scores.shape}: empty or not finite; score every checkpoint "
            "with every seed on every sequence"
        )
    counts = np.asarray(objects, dtype=np.float64)
    whole = scores @ counts / counts.sum()
    first = _halvings([*range(len(counts))] if clusters is None else clusters)
    gains = [_gains(scores, counts, half, ~half) for half in (first, ~first)]
    gain, elsewhere = np.mean(gains, axis=0)
    return Choice(whole[:, -1], whole.mean(axis=1), whole.max(axis=1), gain, elsewhere)


def _halvings(clusters: Sequence[Hashable]) -> npt.NDArray[np.bool_]:
    """Whether a sequence is in the first half, the smaller by one of an odd number: (H, Q)."""
    names = list(dict.fromkeys(clusters))
    half = np.arange(len(names)) < len(names) // 2
    drawn = np.random.default_rng(_SEED).permuted(np.tile(half, (HALVINGS, 1)), axis=1)
    return drawn[:, [names.index(cluster) for cluster in clusters]]


def _gains(
    scores: Values,
    counts: Values,
    chosen: npt.NDArray[np.bool_],
    other: npt.NDArray[np.bool_],
) -> tuple[Values, Values]:
    """The gain over the mean of the checkpoints of what is best on `chosen`, there and on `other`.

    Returns:
        Means over the halvings, (S,) each; NaN where a half has no sequence.
    """
    there, elsewhere = (_above_mean(scores, counts * half) for half in (chosen, other))
    best = there.argmax(axis=2)[..., None]
    gain, kept = (np.take_along_axis(above, best, axis=2) for above in (there, elsewhere))
    return gain.mean(axis=(1, 2)), kept.mean(axis=(1, 2))


def _above_mean(scores: Values, weights: Values) -> Values:
    """M_c of each halving minus its mean over the checkpoints: (S, H, k), of weights (H, Q)."""
    sums = weights.sum(axis=1)
    reached = weights @ scores.swapaxes(1, 2) / np.where(sums > 0, sums, np.nan)[:, None]
    above: Values = reached - reached.mean(axis=2, keepdims=True)
    return above
