"""On what a comparison of a study rests, where that is not plain from its row.

A row is of a table of differences, overall or by difficulty (`rgmp.study.table_files`).
"""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from rgmp.config.study import SEVERAL
from rgmp.study.plan import Plan


def repeated(plan: Plan, row: Mapping[Hashable, Any]) -> str:
    """`same sequences and masks as embedded, foreground`; nothing of what has scores of its own."""
    first = row["same_data_as"]
    return f"same sequences and masks as {plan.title_of(first)}" if first else ""


def each_once(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table without those that repeat one: what counts results counts these."""
    return table[table["same_data_as"] == ""]


def is_over_all(plan: Plan, row: Mapping[Hashable, Any]) -> bool:
    """Whether a row is over all sequences, though a part of them decides the variant's claim.

    A variant that combines several objects in another way differs from `full` where there are
    several, and its claim is asked there; overall, the others are in its mean as zeros.
    """
    difficulty = row.get("difficulty", "")
    if row["variant"] not in {variant.name for variant in plan.variants}:
        return False
    overall = pd.isna(difficulty) or difficulty == ""
    return overall and plan.changed_by(row["variant"], row["benchmark"]) == SEVERAL
