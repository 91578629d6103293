"""What became of the claims of a study, in words: supported, contradicted or left open."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rgmp.config.study import SEVERAL
from rgmp.evaluation.verdicts import Word
from rgmp.reporting.quantities import counted
from rgmp.reporting.typesetting import interval
from rgmp.runtime.tidy import rows_of
from rgmp.study.results import Results

_DATA: dict[Word, str] = {
    "supported": "support it",
    "supported, small effect": "support it as a small effect",
    "contradicted": "contradict it",
    "no effect": "show no effect",
    "undecided": "leave it open",
}
"""What the data do with a claim."""


@dataclass(frozen=True)
class Outcome:
    """What became of a claim on a benchmark.

    Attributes:
        word: as `tables/*.csv` have it.
        where: the benchmark, and on which of its sequences.
        told: the difference with its interval, points.
        mixed: whether it rests on records of mixed provenance.
    """

    word: Word
    where: str
    told: str
    mixed: bool


@dataclass(frozen=True)
class Claim:
    """A claim, and what the data say of it.

    Attributes:
        variant: that tests it.
        label: of the variant.
        text: the claim, as the variant's file has it.
        outcomes: on each benchmark, by what the data do with the claim.
        predictions: what became of the predictions by difficulty; empty: there are none.
    """

    variant: str
    label: str
    text: str
    outcomes: dict[str, list[Outcome]]
    predictions: str


def claims_of(study: Results) -> list[Claim]:
    """Each claim for which something was expected, and what the data say of it.

    Raises:
        UserError: a table is missing or broken.
    """
    found = (_claim(study, variant) for variant in study.others)
    return [claim for claim in found if claim.outcomes or claim.predictions]


def _claim(study: Results, variant: str) -> Claim:
    """The outcomes of a variant: with several objects alone where it changes nothing else."""
    by_difficulty = _asked(rows_of(study.table("difficulty"), variant=variant))
    on_several = by_difficulty[by_difficulty["difficulty"] == SEVERAL]
    overall = _asked(rows_of(study.table("ablation"), variant=variant))
    overall = overall[~overall["benchmark"].isin(on_several["benchmark"])]
    outcomes: dict[str, list[Outcome]] = {}
    for benchmark in study.plan.benchmarks:
        for rows in (overall, on_several):
            for row in rows_of(rows, benchmark=benchmark).to_dict("records"):
                outcome = _outcome(study, row)
                outcomes.setdefault(_DATA[outcome.word], []).append(outcome)
    others = by_difficulty[by_difficulty["difficulty"] != SEVERAL]
    text = study.plan.variant(variant).claim
    return Claim(variant, study.label(variant), text, outcomes, _predictions(others["claim"]))


def _asked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows about which something was expected."""
    return rows[rows["claim"] != ""]


def _outcome(study: Results, row: dict[Hashable, Any]) -> Outcome:
    ends = (row[f"difference_{end}"] for end in ("mean", "low", "high"))
    where = study.plan.title_of(row["benchmark"])
    if row.get("difficulty"):
        where += f", {row['difficulty']}"
    return Outcome(row["claim"], where, interval(*ends), study.mixed(row["variant"]))


def _predictions(words: "pd.Series[str]") -> str:
    """`2 predictions by difficulty: 1 supported, 1 undecided`."""
    if words.empty:
        return ""
    counts = ", ".join(f"{count} {word}" for word, count in words.value_counts().items())
    return f"{counted(len(words), 'prediction')} by difficulty: {counts}"
