"""The figures of `rgmp compare`: methods with intervals and letters, and the pairs' differences."""

import textwrap
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgmp.reporting.figures.intervals import (
    ENDS,
    entries_of,
    mark_of,
    put_interval,
    reach_of,
)
from rgmp.reporting.figures.style import (
    COLOURS,
    GREY,
    JF,
    MATH,
    add_legend,
    figure_on,
    in_per_cent,
    legend_entry,
)

_LONGEST = 28
"""Letters of a name in a line."""


def draw_methods(rows: pd.DataFrame, trainings: pd.DataFrame, foot: str) -> Figure:
    """J&F of each method with its interval and, at the right, the letters of its groups.

    Args:
        rows: the table of methods (`rgmp.reporting.methods.tables`).
        trainings: the table of trainings.
        foot: what the figure rests on.
    """
    figure = figure_on(foot, 0.9 + _row_height([*rows["label"]], least=0.26) * len(rows))
    ax = figure.subplots()
    shown = in_per_cent(rows, "J&F", "J&F_low", "J&F_high")
    several = (rows["trainings"] > 1).any()
    for height, ends in enumerate(shown[["J&F_low", "J&F_high"]].itertuples(index=False)):
        ax.plot(tuple(ends), [height] * 2, color=COLOURS[0])
    at: dict[str, Any] = {"x": "J&F", "y": "label", "order": [*rows["label"]], "ax": ax}
    if several:
        singles = in_per_cent(trainings, "J&F")
        sns.stripplot(singles, jitter=False, marker="|", color=GREY, size=9, linewidth=1, **at)
        handles = [legend_entry("mean, interval", marker="o", color=COLOURS[0])]
        add_legend(figure, [*handles, legend_entry("a training", ls="", marker="|", color=GREY)])
    sns.pointplot(shown, color=COLOURS[0], marker="o", ms=5, ls="", **at)
    _name_rows(ax, [*rows["label"]])
    for height, group in enumerate(rows["group"]):
        ax.text(1.01, height, group, transform=ax.get_yaxis_transform(), va="center")
    ax.set_xlabel(f"{JF}, %", **MATH)
    return figure


def draw_pairs(rows: pd.DataFrame, margin: float, foot: str) -> Figure:
    """The difference of each pair with its interval and its verdict; the margin is shaded.

    Args:
        rows: the table of pairs.
        margin: points of J&F.
        foot: what the figure rests on.
    """
    pairs = zip(rows["label"], rows["minus_label"], strict=True)
    names = [f"{first} \N{MINUS SIGN} {second}" for first, second in pairs]
    figure = figure_on(foot, 1.1 + _row_height(names, least=0.2) * len(rows))
    ax = figure.subplots()
    shown = in_per_cent(rows, "difference_mean", *ENDS).assign(pair=range(len(rows)))
    reach = reach_of(shown, room=20)
    ax.axvspan(-margin, margin, color="0.95", lw=0)
    ax.axvline(0, color="k", lw=0.8)
    for height, ends in enumerate(shown[ENDS].itertuples(index=False, name=None)):
        mark = mark_of(rows["difference_verdict"].iloc[height])
        put_interval(ax, height, ends, mark["color"], reach)
        ax.plot(shown["difference_mean"].iloc[height], height, ls="", ms=5.5, mew=1, **mark)
    add_legend(figure, entries_of(rows["difference_verdict"]))
    _name_rows(ax, names)
    room = 0.05 * (reach[1] - reach[0])
    ax.set_xlim(reach[0] - room, reach[1] + room)
    ax.set_xlabel(f"difference of {JF}, points", **MATH)
    return figure


def _row_height(names: list[str], least: float) -> float:
    """Inches from row to row, with room for the lines of the longest name."""
    lines = max(len(textwrap.wrap(name, _LONGEST)) for name in names)
    return max(least, 0.05 + 0.15 * lines)


def _name_rows(ax: Axes, names: list[str]) -> None:
    """Rows from top to bottom, each with its name."""
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [textwrap.fill(name, _LONGEST) for name in names])
    ax.tick_params(left=False)
    ax.grid(axis="y", visible=False)
    ax.set_ylabel("")
