"""What became of the claims of a study, in words: supported, contradicted or undecided.

What rests on the same scores as on an earlier benchmark is told and counted once, as it is there.
"""

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rgmp.config.study import SEVERAL, Effect
from rgmp.evaluation.verdicts import Word
from rgmp.runtime.quantities import interval
from rgmp.runtime.tidy import rows_of
from rgmp.study.compared_data import each_once, is_over_all, repeated
from rgmp.study.results import Results

_DATA: dict[Word, str] = {
    "supported": "support it",
    "supported, small effect": "support it as a small effect",
    "contradicted": "contradict it",
    "no effect": "show no effect",
    "undecided": "leave it undecided",
}
"""What the data do with a claim."""
_EXPECTED: dict[Effect, str] = {
    "worse": "worse than {}",
    "better": "better than {}",
    "none": "no difference to {}",
}


@dataclass(frozen=True)
class Outcome:
    """What became of a claim on a benchmark.

    Attributes:
        word: as `tables/*.csv` have it.
        where: the benchmark, and on which of its sequences.
        told: the difference with its interval, in points.
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
        expected: what it expects of J&F, in words; empty: nothing overall.
        outcomes: on each benchmark, by what the data do with the claim.
        predictions: what became of the predictions by difficulty; empty: there are none.
    """

    variant: str
    label: str
    text: str
    expected: str
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
    overall = _asked(each_once(rows_of(study.table("ablation"), variant=variant)))
    overall = overall[~overall["benchmark"].isin(on_several["benchmark"])]
    outcomes: dict[str, list[Outcome]] = {}
    expected = dict.fromkeys([*overall["expected"], *on_several["expected"]])
    for benchmark in study.plan.benchmarks:
        for rows in (overall, each_once(on_several)):
            for row in rows_of(rows, benchmark=benchmark).to_dict("records"):
                outcome = _outcome(study, row)
                outcomes.setdefault(_DATA[outcome.word], []).append(outcome)
    others = by_difficulty[by_difficulty["difficulty"] != SEVERAL]
    return Claim(
        variant,
        study.label(variant),
        study.plan.variant(variant).claim,
        ", ".join(_EXPECTED[effect].format(study.label("full")) for effect in expected),
        outcomes,
        _predictions(others),
    )


def _asked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows about which something was expected."""
    return rows[rows["claim"] != ""]


def _outcome(study: Results, row: dict[Hashable, Any]) -> Outcome:
    ends = (row[f"difference_{end}"] for end in ("mean", "low", "high"))
    told = f"{interval(*ends)} points"
    return Outcome(row["claim"], where(study, row), told, study.mixed(row["variant"]))


def where(study: Results, row: Mapping[Hashable, Any]) -> str:
    """The benchmark of a comparison, and on which of its sequences it was made.

    That it was made on all is said where others decide the claim; that an earlier benchmark has the
    same, in brackets.
    """
    parts = [study.plan.title_of(row["benchmark"])]
    difficulty = row.get("difficulty", "")
    if is_over_all(study.plan, row):
        parts.append("over all sequences")
    elif not pd.isna(difficulty) and difficulty:
        parts.append("sequences with several objects" if difficulty == SEVERAL else difficulty)
    again = repeated(study.plan, row)
    return ", ".join(parts) + (f" ({again})" if again else "")


def tally(table: pd.DataFrame) -> tuple[Counter[str], str]:
    """How many of the claims about the rows of a table have which outcome, each result once.

    Returns:
        The counts, by word; and in words how many rows repeat another, or nothing.
    """
    asked = _asked(table)
    once = each_once(asked)
    more = len(asked) - len(once)
    told = f"{more} more on the same sequences and masks as one of these" if more else ""
    return Counter(once["claim"]), told


def _predictions(table: pd.DataFrame) -> str:
    """`Predictions by difficulty: 1 supported, 1 undecided`; nothing where there is none."""
    words, repeats = tally(table)
    counts = ", ".join(f"{count} {word}" for word, count in words.most_common())
    return "; ".join(filter(None, (counts and f"Predictions by difficulty: {counts}", repeats)))
