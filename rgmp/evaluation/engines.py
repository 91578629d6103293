"""Which implementation of J and F scores: ours, or davis2017-evaluation; and whether both agree."""

from collections.abc import Iterable
from typing import Literal

from rgmp.config.study import CrossCheck, Engine
from rgmp.errors import UserError
from rgmp.evaluation import official
from rgmp.evaluation.measures import Score

TOLERANCE = 1e-6
"""Largest difference allowed between two engines on the same frame."""

Evaluator = Literal["present", "absent", "failed", "not asked"]
"""What became of the official evaluator in a cross-check."""
PRESENT: Evaluator = "present"


def is_required(engine: Engine, cross_check: CrossCheck) -> bool:
    """Whether nothing can be scored without the official evaluator."""
    return engine == "official" or cross_check == "require"


def is_asked(engine: Engine, cross_check: CrossCheck) -> bool:
    """Whether the official evaluator scores, too; with `auto`, it does if it is installed."""
    return is_required(engine, cross_check) or (cross_check == "auto" and official.is_installed())


def require(engine: Engine, cross_check: CrossCheck) -> None:
    """Check that the official evaluator can be used where it is required.

    Raises:
        EvaluatorError: it, or a dependency of it, is not installed.
    """
    if is_required(engine, cross_check):
        with official.Official() as evaluator:
            evaluator.require()


def cross_check(rows: Iterable[Score], others: Iterable[Score]) -> float:
    """The largest difference between the values of two engines on the same masks.

    Raises:
        UserError: it is above `TOLERANCE`.
    """
    largest = 0.0
    for row, other in zip(rows, others, strict=True):
        differences = (abs(row.J - other.J), abs(row.F - other.F))
        if not all(difference <= TOLERANCE for difference in differences):
            raise UserError(
                f"{row.benchmark}, {row.variant}: {row.sequence}, object {row.object}, frame "
                f"{row.frame}: J {row.J}, F {row.F} by one engine and J {other.J}, F {other.F} by "
                f"the other, more than {TOLERANCE:g} apart; nothing is written"
            )
        largest = max(largest, *differences)
    return largest
