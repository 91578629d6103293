"""Differences with their intervals and verdicts, as several figures draw them."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

ENDS = ["difference_low", "difference_high"]
MARKERS_OF_VERDICTS = {"better": "^", "worse": "v", "no difference": "s", "no verdict": "o"}


def marker_of_verdict(verdict: str) -> dict[str, Any]:
    """The marker of a verdict, hollow where there is none; less than the margin is still worse."""
    for word, marker in MARKERS_OF_VERDICTS.items():
        if verdict.startswith(word) and word != "no verdict":
            return {"marker": marker}
    return {"marker": MARKERS_OF_VERDICTS["no verdict"], "mfc": "white"}


def reach_of(compared: pd.DataFrame, room: float = 2) -> tuple[float, float]:
    """From where to where an axis goes, in points: two seeds give intervals of any width.

    Args:
        compared: differences and the ends of their intervals, in points.
        room: beyond three times the largest difference; all there is where nothing differs.
    """
    reach = 3 * compared["difference_mean"].abs().max() + room
    left = max(-reach, min(0, compared["difference_low"].min()))
    right = min(reach, max(0, compared["difference_high"].max()))
    return (left, right) if left < right else (-reach, reach)


def put_interval(
    ax: Axes, height: int, ends: tuple[float, float], colour: Any, reach: tuple[float, float]
) -> None:
    """An interval as the table has it, with arrows where it leaves the axis."""
    ax.plot(np.clip(ends, *reach), [height] * 2, color=colour)
    for end, arrow in zip(ends, "<>", strict=True):
        if not reach[0] <= end <= reach[1]:
            ax.plot(np.clip(end, *reach), height, arrow, color=colour, ms=4)
