"""What stands beside a verdict: the longer study's, seeds that were added, claims that changed."""

from dataclasses import dataclass

import pandas as pd

from rgmp.config.study import OVERALL, SEVERAL
from rgmp.evaluation.summary import by_method
from rgmp.study import preregistration
from rgmp.study.longer import LongerStudy, read_if_there
from rgmp.study.results import Results


@dataclass(frozen=True)
class Marks:
    """What tables of differences mark in a study.

    Attributes:
        longer: the longer study, where one is named and there.
        seeds_added: the seeds that were added after the first tables.
        changed_claims: what became of claims since the run, by variant and difficulty.
    """

    longer: LongerStudy | None
    seeds_added: frozenset[int]
    changed_claims: dict[tuple[str, str], preregistration.Change]


def marks_of(results: Results) -> Marks:
    """Read what a study marks.

    Raises:
        UserError: a file that says it is broken.
    """
    plan, folder = results.plan, results.folder
    return Marks(
        longer=read_if_there(plan),
        seeds_added=preregistration.seeds_added(plan, folder),
        changed_claims=preregistration.changed_claims(plan, folder),
    )


def marked(table: pd.DataFrame, marks: Marks, objects: pd.DataFrame) -> pd.DataFrame:
    """A table of differences with its marks.

    Args:
        table: with a row for each benchmark and variant, and difficulty if it has that column.
        marks: of the study.
        objects: what was scored (`rgmp.evaluation.summary.per_object`).
    """
    if table.empty:
        return table
    names = ["benchmark", "variant", "difficulty"]
    keys = [*table.reindex(columns=names, fill_value="").itertuples(index=False, name=None)]
    verdicts = marks.longer.verdicts if marks.longer else {}
    added = _added(marks, objects)
    since = [
        marks.changed_claims.get((variant, difficulty.replace(SEVERAL, "") or OVERALL), "")
        for _, variant, difficulty in keys
    ]
    return table.assign(
        longer_study_verdict=[verdicts.get(key, "") for key in keys],
        seeds_added=[added.get((benchmark, variant), "") for benchmark, variant, _ in keys],
        claim_since_run=pd.Series(since, table.index).where(_asked(table), ""),
    )


def _added(marks: Marks, objects: pd.DataFrame) -> dict[tuple[str, str], str]:
    """The seeds of each method that were added; of what has none, those of `full`."""
    methods = by_method(objects) if marks.seeds_added else {}
    scored = {key: {*rows["seed"].dropna()} for key, rows in methods.items()}
    found = {key: seeds or scored.get((key[0], "full"), set()) for key, seeds in scored.items()}
    return {
        key: " ".join(map(str, sorted(seeds & marks.seeds_added))) for key, seeds in found.items()
    }


def _asked(table: pd.DataFrame) -> "pd.Series[bool]":
    """The rows that are about a difference: not `full`, nor what computes the same."""
    verdicts = table.get("difference_verdict", pd.Series("", table.index))
    return ~verdicts.fillna("").isin(["", "same computation"])
