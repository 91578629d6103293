"""The implementations of J and F: ours, and davis2017-evaluation where it is installed."""

from collections.abc import Callable
from typing import Literal

import numpy as np

from rgmp.errors import UserError
from rgmp.evaluation.measures import Mask, Measured, Score, measure

Engine = Literal["builtin", "official"]


AGREEMENT = 1e-6
"""How far apart two engines' figures of the same frame may be."""


def require(engine: Engine) -> None:
    """Prove that an engine can be used.

    Raises:
        UserError: it is the official one, and it or what it needs is not installed.
    """
    measure_of(engine)


def measure_of(engine: Engine) -> Callable[[Mask, Mask], Measured]:
    """The function that measures J and F of a truth and a prediction."""
    if engine == "builtin":
        return measure
    try:
        import skimage.morphology  # noqa: F401, PLC0415 - it asks for that when it measures
        from davis2017.metrics import db_eval_boundary, db_eval_iou  # noqa: PLC0415 - optional
    except ImportError as error:
        raise UserError(
            f"engine official: davis2017-evaluation is not installed, or not whole ({error}); "
            "`make evaluator` installs it; or score with builtin, not cross-checked"
        ) from error

    def measure_officially(truth: Mask, prediction: Mask) -> Measured:
        with np.errstate(invalid="ignore"):  # it divides 0 by 0 before it says 1
            region = db_eval_iou(truth, prediction)
        return Measured(J=float(region), F=float(db_eval_boundary(truth, prediction)))

    return measure_officially


def second_engine(engine: Engine, cross_check: Literal["auto", "require", "off"]) -> Engine | None:
    """The engine to cross-check `engine` with; None where there is to be none.

    Args:
        engine: by which is scored.
        cross_check: as in `rgmp.config.study.Evaluation`; with `auto`, an engine that is not
            installed is none.

    Raises:
        UserError: it is required, and not installed.
    """
    if cross_check == "off":
        return None
    other: Engine = "official" if engine == "builtin" else "builtin"
    try:
        require(other)
    except UserError:
        if cross_check == "require":
            raise
        return None
    return other


def cross_check(rows: list[Score], others: list[Score]) -> float:
    """The largest difference between the figures of two engines on the same masks.

    Raises:
        UserError: it is above `AGREEMENT`.
    """
    largest = 0.0
    for row, other in zip(rows, others, strict=True):
        differences = (abs(row.J - other.J), abs(row.F - other.F))
        if not all(difference <= AGREEMENT for difference in differences):
            raise UserError(
                f"{row.benchmark}, {row.variant}: {row.sequence}, object {row.object}, frame "
                f"{row.frame}: J {row.J}, F {row.F} by one engine and J {other.J}, F {other.F} by "
                f"the other, more than {AGREEMENT:g} apart; nothing is written"
            )
        largest = max(largest, *differences)
    return largest
