"""Differences with their intervals and verdicts, as several figures draw them."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rgmp.evaluation.verdicts import Kind, kind_of
from rgmp.reporting.figures.style import COLOURBLIND, legend_entry

ENDS = ["difference_low", "difference_high"]
VERDICTS: dict[Kind, dict[str, Any]] = {
    "better": {"marker": "^", "color": COLOURBLIND[0]},
    "worse": {"marker": "v", "color": COLOURBLIND[3]},
    "no difference beyond the margin": {"marker": "s", "color": "0.3"},
    "undecided": {"marker": "o", "color": "0.35", "mec": "0.35", "mfc": "white"},
    "no verdict": {"marker": "D", "color": "0.55", "mec": "0.55", "mfc": "white"},
}
"""How a verdict is marked: a shape for each colour, hollow where nothing is decided."""


def mark_of(verdict: str) -> dict[str, Any]:
    """Marker and colour of a verdict; less than the margin is still worse."""
    return VERDICTS[kind_of(verdict)]


def entries_of(verdicts: Iterable[str]) -> list[Line2D]:
    """Entries of a legend for the kinds of verdicts that occur, in the words of the tables."""
    there = {*map(kind_of, verdicts)}
    return [legend_entry(kind, ls="", **mark) for kind, mark in VERDICTS.items() if kind in there]


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
