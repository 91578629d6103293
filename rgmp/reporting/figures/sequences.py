"""J of every sequence."""

from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rgmp.config.base import Benchmark
from rgmp.reporting.figures.style import (
    COLOURS,
    MATH,
    PAGE_HEIGHT,
    J,
    add_legend,
    in_per_cent,
    legend_entry,
    marker_of,
    panel_per_benchmark,
)
from rgmp.reporting.published import AUTHORS
from rgmp.runtime.tidy import rows_of
from rgmp.study.results import Results

_LEGIBLE = 50
"""Names of sequences that stand below one another on a page in the usual size."""


def draw_sequences(results: Results) -> Figure | str:
    """J of each sequence: full, the other methods, and the authors' where comparable."""
    full = rows_of(results.table("sequence_means"), variant="full")
    if full.empty:
        return f"{results.label('full')} has not been scored yet."
    longest = full.groupby("benchmark")["sequence"].nunique().max()
    height = min(1.2 + 0.15 * longest, PAGE_HEIGHT)
    figure, panels = panel_per_benchmark(results, height, full["benchmark"])
    for benchmark, ax in panels:
        _draw_panel(ax, results, benchmark)
    add_legend(figure, _entries(results))
    return figure


def _draw_panel(ax: Axes, results: Results, benchmark: Benchmark) -> None:
    """A row for each sequence, the hardest at the bottom."""
    means = rows_of(results.table("sequence_means"), benchmark=benchmark)
    runs = in_per_cent(means, "J_mean")
    full = runs[runs["variant"] == "full"].groupby("sequence")["J_mean"]
    order = full.mean().sort_values(ascending=False, kind="stable").index.to_list()

    def put(rows: pd.DataFrame, **style: Any) -> None:
        """A mark at the mean over seeds of each sequence."""
        marks = rows.groupby("sequence", as_index=False)["J_mean"].mean()
        at: dict[str, Any] = {
            "x": "J_mean",
            "y": "sequence",
            "order": order,
            "errorbar": None,
            "ls": "",
        }
        sns.pointplot(marks, ax=ax, **at, **{"mew": 1, **style})

    for variant in results.others:
        put(runs[runs["variant"] == variant], marker="|", color="0.7", ms=5)
    span = full.agg(["min", "max"]).loc[order]
    ax.hlines(range(len(order)), span["min"], span["max"], color=COLOURS[0])
    put(runs[runs["variant"] == "full"], marker="o", color=COLOURS[0], ms=4)
    for name in results.external:
        put(runs[runs["variant"] == name], ms=4, **marker_of(results, name))
    if results.comparable:
        put(_authors(results, benchmark), marker="D", color=COLOURS[3], ms=4, mfc="none")
    ax.set_yticks(range(len(order)), order, fontsize=7 if len(order) <= _LEGIBLE else 6)
    ax.set_ylim(len(order) - 0.3, -0.7)
    ax.grid(axis="y", visible=True)  # seaborn leaves it out
    ax.set_ylabel("")
    ax.set_xlabel(f"{J}, %", **MATH)


def _entries(results: Results) -> list[Line2D]:
    full = f"{results.label('full')}: mean, range of seeds"
    handles = [legend_entry(full, marker="o", color=COLOURS[0])]
    if results.others:
        handles.append(legend_entry("other variants", ls="", marker="|", color="0.7"))
    for name, external in results.external.items():
        handles.append(legend_entry(external.label, ls="", **marker_of(results, name)))
    if results.comparable:
        authors = legend_entry("the authors'", ls="", marker="D", color=COLOURS[3], mfc="none")
        handles.append(authors)
    return handles


def _authors(results: Results, benchmark: Benchmark) -> pd.DataFrame:
    """J of the authors' own results by object, per cent."""
    table = rows_of(results.table("sequences"), benchmark=benchmark, variant="full")
    authors = table[["sequence"]].assign(J_mean=table[f"{AUTHORS}J_mean"])
    return in_per_cent(authors, "J_mean")
