"""The implementations of J and F: ours, and davis2017-evaluation if it is installed."""

from collections.abc import Callable

import numpy as np

from rgmp.config.study import CrossCheck, Engine
from rgmp.errors import UserError
from rgmp.evaluation.measures import Mask, Measured, Score, measure

TOLERANCE = 1e-6
"""Largest difference allowed between two engines on the same frame."""


def require(engine: Engine) -> None:
    """Check that an engine can be used.

    Raises:
        UserError: it is the official one, and it or a dependency of it is not installed.
    """
    measure_of(engine)


def measure_of(engine: Engine) -> Callable[[Mask, Mask], Measured]:
    """The function that measures J and F of a prediction against the ground truth."""
    if engine == "builtin":
        return measure
    try:
        import skimage.morphology  # noqa: F401, PLC0415 - it imports that only when it measures
        from davis2017.metrics import db_eval_boundary, db_eval_iou  # noqa: PLC0415 - optional
    except ImportError as error:
        raise UserError(
            f"engine official: davis2017-evaluation is not installed, or incomplete ({error}); "
            "run `make evaluator`, or score with builtin and without cross-check"
        ) from error

    def measure_officially(truth: Mask, prediction: Mask) -> Measured:
        with np.errstate(invalid="ignore"):  # it divides 0 by 0 before it says 1
            region = db_eval_iou(truth, prediction)
        return Measured(J=float(region), F=float(db_eval_boundary(truth, prediction)))

    return measure_officially


def second_engine(engine: Engine, cross_check: CrossCheck) -> Engine | None:
    """The engine to cross-check `engine` with, or None.

    Args:
        engine: the engine that scores.
        cross_check: as in `rgmp.config.study.Evaluation`; with `auto`, None if the other engine is
            not installed.

    Raises:
        UserError: it is required but not installed.
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
