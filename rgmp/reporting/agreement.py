"""Two finished studies side by side, in words: the same bits, the same conclusions, or why not."""

from collections.abc import Collection, Hashable, Iterator, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from rgmp.evaluation.agreement import (
    CONTRADICTIONS,
    Comparison,
    Finding,
    compare,
    effects,
    finding_of,
    on_common_sequences,
)
from rgmp.evaluation.summary import keys_of, per_object
from rgmp.runtime.quantities import UNKNOWN, counted, interval, points
from rgmp.study import agreement as studies
from rgmp.study.longer import Compared
from rgmp.study.results import Results, scores_of

_SAID: dict[Finding, str] = {
    "reversed": "The verdict is reversed",
    "rejected": "The means differ by more than the seeds explain",
    "another verdict": "Decided in both, with different verdicts",
    "decided in A alone": "Decided in A, open in B",
    "decided in B alone": "Decided in B, open in A",
}
"""The findings that are listed under the table, contradictions first."""


@dataclass(frozen=True)
class Agreement:
    """What two studies say of each other.

    Attributes:
        text: for people, in lines.
        contradictions: how many comparisons have a reversed verdict or a rejected difference, and
            how many predictions a reversed verdict.
    """

    text: str
    contradictions: int


def agreement(a: Path, b: Path) -> Agreement:
    """Compare two finished studies (`rgmp.evaluation.agreement`).

    Args:
        a: the folder of one study, such as `results/mini`.
        b: the folder of the other.

    Raises:
        UserError: one of them is not the folder of a finished study, or has a broken file.
    """
    ours, theirs = studies.finished(a), studies.finished(b)
    verdicts = studies.verdicts_of(ours), studies.verdicts_of(theirs)
    scores = scores_of(ours), scores_of(theirs)
    common = on_common_sequences(*scores)
    reasons = studies.incomparable(ours, theirs)
    reasons |= _without_sequences(scores, common, reasons)
    sequences = _sequences(scores, common, reasons)
    values = [
        {key: of for key, of in effects(per_object(rows)).items() if key not in reasons}
        for rows in common
    ]
    table = compare(values[0], values[1])
    keys = keys_of(table)
    table["difficulty"] = ""
    table["verdict_A"], table["verdict_B"] = ([of[*key, ""] for key in keys] for of in verdicts)
    table["finding"] = [
        finding_of(p, (x, y), same_sequences=sequences[benchmark].whole)
        for (benchmark, _), p, x, y in zip(
            keys, table["p"], table["verdict_A"], table["verdict_B"], strict=True
        )
    ]
    predictions = _predictions(ours, theirs, verdicts, keys, sequences)
    lines = [
        *_heads(ours, theirs),
        *_bits(ours, theirs),
        *_comparisons(table, sequences, (ours.plan.margin, theirs.plan.margin)),
        *_remarkable(table, predictions),
        *_not_comparable(reasons),
        _conclusion(f"{ours.folder} and {theirs.folder}", table, predictions),
    ]
    return Agreement("\n".join(lines), _contradictions(table) + _contradictions(predictions))


def _predictions(
    ours: Results,
    theirs: Results,
    verdicts: tuple[dict[Compared, str], dict[Compared, str]],
    compared: Collection[Comparison],
    sequences: Mapping[str, "_Sequences"],
) -> pd.DataFrame:
    """The verdicts of what both studies predicted by difficulty, of methods that are compared.

    They are not tested by Welch's t: the overall comparisons are its family.
    """
    rows = []
    for key, verdict in verdicts[0].items():
        benchmark, method, difficulty = key
        if difficulty and key in verdicts[1] and (benchmark, method) in compared:
            both = verdict, verdicts[1][key]
            same = studies.same_difficulty(ours, theirs, difficulty)
            whole = same and sequences[benchmark].whole
            rows.append((*key, *both, finding_of(nan, both, same_sequences=whole)))
    return pd.DataFrame(rows, columns=[*_COMPARED, "verdict_A", "verdict_B", "finding"])


_COMPARED = ["benchmark", "variant", "difficulty"]


def _contradictions(table: pd.DataFrame) -> int:
    return int(table["finding"].isin(CONTRADICTIONS).sum())


@dataclass(frozen=True)
class _Sequences:
    """How many sequences of a benchmark two studies have in common, and how many each has."""

    common: int
    ours: int
    theirs: int

    @property
    def whole(self) -> bool:
        return self.common == self.ours == self.theirs


Pair = tuple[pd.DataFrame, pd.DataFrame]


def _sequences(
    scores: Pair, common: Pair, reasons: Mapping[Comparison, str]
) -> dict[str, _Sequences]:
    """The sequences of each benchmark of which something is compared."""
    keys = [key for key in _scored(scores) if key not in reasons]
    counts = [_count(rows) for rows in (common[0], *scores)]
    return {b: _Sequences(*(int(count.get(b, 0)) for count in counts)) for b, _ in keys}


def _count(scores: pd.DataFrame) -> pd.Series:
    return scores.groupby("benchmark")["sequence"].nunique()


def _without_sequences(
    scores: Pair, common: Pair, reasons: Mapping[Comparison, str]
) -> dict[Comparison, str]:
    """The other comparisons of benchmarks that have no sequence in common."""
    left = {*common[0]["benchmark"]}
    return {
        key: "no sequence in common with the same objects and frames"
        for key in _scored(scores)
        if key not in reasons and key[0] not in left
    }


def _scored(scores: Pair) -> list[Comparison]:
    """What either study has scores of."""
    rows = pd.concat(scores)[["benchmark", "variant"]].drop_duplicates()
    return keys_of(rows)


def _heads(ours: Results, theirs: Results) -> Iterator[str]:
    """What A and B are."""
    for name, study in (("A", ours), ("B", theirs)):
        kinds = " and ".join(studies.processors(study)) or "an unknown processor"
        yield f"{name}: {study.folder}, seeds {study.seeds}, commit {study.commit}, on {kinds}"


def _bits(ours: Results, theirs: Results) -> Iterator[str]:
    """How much of it is the same, byte by byte."""
    yield "\nSame bits?"
    shares = {
        "score tables": studies.same_scores(ours, theirs),
        "training runs' weights": studies.same_weights(ours, theirs),
    }
    for what, share in shares.items():
        told = f"{share.same} of {share.common} are the same" if share.common else "none in common"
        yield f"  {what}: {told}"
    for difference in studies.computed_otherwise(ours, theirs):
        yield f"  computed differently: {difference}"


def _comparisons(
    table: pd.DataFrame, sequences: Mapping[str, _Sequences], margins: tuple[float, float]
) -> Iterator[str]:
    """The comparisons as a table."""
    yield "\nSame conclusions?"
    if table.empty:
        yield "  Nothing can be compared."
        return
    tested = int((table["untested"] == "").sum())
    yield (
        "  J&F of full, and of each other method minus full, in points. A - B: Welch's t over the\n"
        f"  seeds' means, with 95% intervals each; p: corrected by Holm over the {tested} tests."
    )
    if margins[0] != margins[1]:
        yield f"  The verdicts use a margin of {margins[0]:g} points in A, {margins[1]:g} in B."
    for benchmark, of in sequences.items():
        among = "" if of.whole else f", of {of.ours} in A and {of.theirs} in B; verdicts on all"
        yield f"  {benchmark}: {counted(of.common, 'common sequence')}{among}."
    cells = pd.DataFrame([_cells(row) for row in table.to_dict("records")])
    align = ("left", "left", "right", "right", "right", "right", "left")
    text = cells.to_markdown(index=False, disable_numparse=True, colalign=align, tablefmt="simple")
    yield f"\n{text}\n"


def _remarkable(table: pd.DataFrame, predictions: pd.DataFrame) -> Iterator[str]:
    """What is remarkable about comparisons, and about the predictions, which no table shows."""
    if table.empty:
        return
    if not predictions.empty:
        yield (
            f"By difficulty, {counted(len(predictions), 'verdict')} on what both predicted "
            "(difficulty.csv) are compared, too."
        )
    tables = [of for of in (table, predictions) if not of.empty]
    both = pd.concat([of[[*_COMPARED, "finding"]] for of in tables])
    for finding, said in _SAID.items():
        found = both[both["finding"] == finding]
        if finding in CONTRADICTIONS or not found.empty:
            yield f"{said}: {_listed(found)}."


def _cells(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """A row in print."""
    sign = "-" if row["variant"] == "full" else "+"
    difference, untested = row["difference"], row["untested"]
    verdict = _verdict([row["verdict_A"], row["verdict_B"]])
    return {
        "benchmark": row["benchmark"],
        "method": row["variant"],
        "A": points(row["mean_A"], sign),
        "B": points(row["mean_B"], sign),
        "A - B": points(difference, "+")
        if untested
        else interval(difference, row["low"], row["high"]),
        "p": UNKNOWN if untested else f"{row['p']:.2g}",
        "verdict (A / B)": f"{verdict} (not tested: {untested})" if untested else verdict,
    }


def _verdict(verdicts: list[str]) -> str:
    """Both verdicts, once where they are the same."""
    return " / ".join(dict.fromkeys(verdict or UNKNOWN for verdict in verdicts))


def _listed(table: pd.DataFrame) -> str:
    """The comparisons of some rows."""
    named = [
        f"{method} on {benchmark}" + (f" ({difficulty})" if difficulty else "")
        for benchmark, method, difficulty in table[_COMPARED].itertuples(index=False, name=None)
    ]
    return ", ".join(named) or "none"


def _not_comparable(reasons: Mapping[Comparison, str]) -> Iterator[str]:
    """What was not compared, by reason."""
    by_reason: dict[str, list[str]] = {}
    for (benchmark, method), reason in reasons.items():
        by_reason.setdefault(reason, []).append(f"{method} on {benchmark}")
    if by_reason:
        yield "\nNot comparable"
    for reason, named in by_reason.items():
        yield f"  {', '.join(named)}: {reason}"


def _conclusion(both: str, table: pd.DataFrame, predictions: pd.DataFrame) -> str:
    """The last line, which names both studies: the workflow shows it alone."""
    if table.empty:
        return "\nNothing was compared."
    kinds = [(table, "comparison")]
    if not predictions.empty:
        kinds.append((predictions, "prediction"))
    if _contradictions(table) or _contradictions(predictions):
        shares = [f"{_contradictions(of)} of {counted(len(of), kind)}" for of, kind in kinds]
        return f"\n{both} disagree in {' and '.join(shares)}."
    counts = [counted(len(of), kind) for of, kind in kinds]
    return f"\n{both} agree: no contradiction in {' and '.join(counts)}."
