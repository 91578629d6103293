"""Whether two studies of the same comparisons come to the same conclusions.

The same study on another type of CPU, or with other seeds, gives other bits. What has to hold is
what it concludes. Two questions, for J&F of `full` and for J&F of each variant minus that of
`full`, on the sequences that both studies scored:

- Do the means differ by more than the seeds explain? Welch's t over the seeds' means, the two
  studies as two samples of unequal variance (Biometrika 34, 1947), with Holm's procedure over all
  comparisons of the pair: where nothing differs, something is rejected in at most 5 % of pairs.
  Simulated with ten comparisons it is 2 to 4 % for equal numbers of seeds from 3 to 8, also for 5
  against 8; 7 % for 3 against 8, and more where the fewer seeds also vary more, since Welch's
  degrees of freedom are approximate. Seeds that both studies have make their means more alike than
  those of two samples, so that less is rejected.
- Is a verdict reversed, better in one and worse in the other? Verdicts that are decided in one
  study alone are no contradiction: another study of this size would differ in those, too.
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from rgmp.evaluation.crossed import Estimate
from rgmp.evaluation.power import SIGNIFICANCE
from rgmp.evaluation.summary import METHOD, by_method, by_seed
from rgmp.evaluation.verdicts import direction_of, holm, is_decided

Values = npt.NDArray[np.float64]
Comparison = tuple[str, str]
"""A benchmark and a method: `full` itself, or one that is compared with it."""
Finding = Literal[
    "reversed",
    "rejected",
    "same verdict",
    "undecided in both",
    "another verdict",
    "decided in A alone",
    "decided in B alone",
    "not rejected",
    "not tested",
]
CONTRADICTIONS: tuple[Finding, ...] = ("reversed", "rejected")
"""The findings with which two studies do not agree."""

_ROUNDING = 1e-9
"""Seeds whose means differ by less than this do not vary: the last bits of a sum."""


def on_common_sequences(
    ours: pd.DataFrame, theirs: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The scores on the sequences that both studies have, with the same objects and frames.

    Args:
        ours: score tables of one study (`rgmp.evaluation.score_table.SCORE_DTYPES`).
        theirs: those of the other.

    Returns:
        The rows of each that are left.
    """
    frames, others = _frames(ours), _frames(theirs)
    common = {key for key, scored in frames.items() if others.get(key) == scored}
    kept = []
    for scores in (ours, theirs):
        keys = pd.MultiIndex.from_frame(scores[["benchmark", "sequence"]])
        kept.append(scores[keys.isin([*common])])
    return kept[0], kept[1]


def _frames(scores: pd.DataFrame) -> dict[tuple[str, str], frozenset[tuple[int, str]]]:
    """The objects and frames of every sequence, by benchmark and sequence."""
    rows = scores[["benchmark", "sequence", "object", "frame"]].drop_duplicates()
    return {
        (str(benchmark), str(sequence)): frozenset(zip(of["object"], of["frame"], strict=True))
        for (benchmark, sequence), of in rows.groupby(["benchmark", "sequence"])
    }


def effects(objects: pd.DataFrame) -> dict[Comparison, Values]:
    """J&F of `full` with each seed, and of each other method minus that of `full`.

    Args:
        objects: as `rgmp.evaluation.summary.per_object` returns them.

    Returns:
        (benchmark, method) -> float64 (S,), fractions, mean over objects, of the seeds that both
        the method and `full` have; of all seeds of `full` for a method that has none.
    """
    reached = {
        key: rows.set_index("seed")["J&F"]
        for key, rows in by_method(by_seed(objects, METHOD)).items()
    }
    found: dict[Comparison, Values] = {}
    for (benchmark, method), values in reached.items():
        effect = values
        if method != "full":
            full = reached.get((benchmark, "full"), values[:0])
            given = values.index.isna().all()
            effect = float(values.iloc[0]) - full if given else values - full
        if not (shared := effect.dropna()).empty:
            found[benchmark, method] = shared.to_numpy(np.float64)
    return found


def welch(ours: Values, theirs: Values) -> Estimate:
    """The difference of two means of unequal variance, ours minus theirs (Welch 1947).

    As `scipy.stats.ttest_ind(equal_var=False)`, which is not called, since it warns wherever the
    seeds of one study are all the same, and takes most of a second to import.

    Args:
        ours: float64 (S,), S at least 2, the mean of each seed.
        theirs: float64 (T,), T at least 2, those of the other study; not both constant.
    """
    samples = (ours, theirs)
    a, b = (float(np.var(sample, ddof=1)) / len(sample) for sample in samples)
    df = (a + b) ** 2 / (a**2 / (len(ours) - 1) + b**2 / (len(theirs) - 1))
    return Estimate(float(ours.mean() - theirs.mean()), float(np.sqrt(a + b)), df)


def compare(ours: Mapping[Comparison, Values], theirs: Mapping[Comparison, Values]) -> pd.DataFrame:
    """Compare what two studies have in common.

    What cannot be tested is no member of Holm's family: with one seed nothing is known of others,
    and where no seed changes anything (the same computation, weights that are given) there is no
    variation to compare with.

    Args:
        ours: as `effects` returns them, of one study, on common sequences.
        theirs: of the other.

    Returns:
        A row for each comparison that both have, in our order: `benchmark`, `variant`; `seeds_A`,
        `seeds_B`, `mean_A`, `mean_B`; `difference` (A minus B) with `low` and `high`, a 95 %
        interval each; `p`, after Holm over all rows that are tested; `untested`, why there is no
        interval and no p, else empty. Fractions.
    """
    rows = []
    for key in [key for key in ours if key in theirs]:
        a, b = ours[key], theirs[key]
        untested, low, high, p = _untested(a, b), np.nan, np.nan, np.nan
        if not untested:
            estimate = welch(a, b)
            (low, high), p = estimate.interval(), estimate.p_zero
        means = float(a.mean()), float(b.mean())
        difference = means[0] - means[1]
        rows.append((*key, len(a), len(b), *means, difference, low, high, p, untested))
    table = pd.DataFrame(rows, columns=_COLUMNS)
    tested = table.loc[table["untested"] == "", "p"]
    table.loc[tested.index, "p"] = pd.Series(holm(tested.to_dict()), dtype="float64")
    return table


_COLUMNS = [*METHOD, "seeds_A", "seeds_B", "mean_A", "mean_B"]
_COLUMNS += ["difference", "low", "high", "p", "untested"]


def _untested(ours: Values, theirs: Values) -> str:
    """Why there is no test, or nothing."""
    if min(len(ours), len(theirs)) < 2:
        return "one seed"
    if max(np.ptp(ours), np.ptp(theirs)) > _ROUNDING:
        return ""
    if max(np.abs(ours).max(), np.abs(theirs).max()) <= _ROUNDING:
        return "same computation as full"
    return "no seed changes it"


def finding_of(p: float, verdicts: tuple[str, str], *, same_sequences: bool) -> Finding:
    """What two studies say of one comparison.

    Args:
        p: of `compare`; NaN where it was not tested.
        verdicts: that of each study, empty for `full` itself.
        same_sequences: whether the two verdicts are about the same sequences. If not, the opposite
            of a verdict is not its reversal.
    """
    ours, theirs = verdicts
    if same_sequences and direction_of(ours) * direction_of(theirs) < 0:
        return "reversed"
    if p <= SIGNIFICANCE:
        return "rejected"
    if not ours or not theirs:
        return "not tested" if np.isnan(p) else "not rejected"
    if ours == theirs:
        return "same verdict"
    return _DECIDED_IN[is_decided(ours), is_decided(theirs)]


_DECIDED_IN: dict[tuple[bool, bool], Finding] = {
    (False, False): "undecided in both",
    (True, True): "another verdict",
    (True, False): "decided in A alone",
    (False, True): "decided in B alone",
}
