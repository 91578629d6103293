"""Accuracy: against speed, with the published methods, and as differences to the whole method."""

import textwrap
from collections.abc import Hashable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox, offset_copy

from rgmp.evaluation.verdicts import SAME
from rgmp.reporting.figures.intervals import (
    ENDS,
    entries_of,
    mark_of,
    put_interval,
    reach_of,
)
from rgmp.reporting.figures.style import (
    GREY,
    GREY_MARKER,
    JF,
    MATH,
    add_legend,
    colour_of,
    distinct,
    in_per_cent,
    legend_entry,
    legend_of_others,
    marker_of,
    panel_per_benchmark,
)
from rgmp.runtime.tidy import rows_of
from rgmp.study.results import Results

_MANY = 30  # rows, beyond which they are narrow
_LEAST_SPAN = 2.0
"""From the left of an axis of time to its right, a ratio."""
_DIGITS: dict[float, tuple[float, ...]] = {
    3: (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8),
    10: (1, 2, 3, 5, 7),
    200: (1, 2, 5),
    np.inf: (1,),
}
"""Digits of ticks, by the largest span that has them."""

Point = tuple[float, float]  # seconds per frame; J&F, per cent
Extent = tuple[tuple[float, float], tuple[float, float]]  # from where to where, likewise


def draw_accuracy_speed(results: Results) -> Figure | str:
    """J&F over seconds per frame, log axis, with the published methods (the paper's figure 1).

    A method that is not trained here is a horizontal line where its speed is unknown.
    """
    methods = in_per_cent(
        pd.concat([results.table(benchmark) for benchmark in results.plan.benchmarks]),
        *("J&F", "J&F_spread"),
    )
    known = methods.dropna(subset=["J&F", "seconds_per_frame"])
    timed = known[known["variant"].isin(results.variants)]
    if timed.empty:
        return "Nothing has been both scored and timed yet."
    coloured = distinct(results)
    height = 3.1 + 0.08 * len(coloured)
    figure, panels = panel_per_benchmark(results, height, timed["benchmark"])
    add_legend(figure, _entries_of_methods(results))
    labels: list[tuple[Axes, dict[str, Point], list[Extent]]] = []
    for benchmark, ax in panels:
        lines = _draw_untimed(ax, results, rows_of(methods, benchmark=benchmark))
        rows = rows_of(known, benchmark=benchmark)
        published, ours = rows[rows["variant"] == ""], rows[rows["variant"] != ""]
        at: dict[str, Any] = {"x": "seconds_per_frame", "y": "J&F", "ax": ax, "ls": ""}
        if not published.empty:
            sns.lineplot(published, estimator=None, marker=".", color=GREY, mec=GREY, **at)
        ours = ours[ours["variant"].isin(results.computing(benchmark))]
        crosses = [
            _draw_method(ax, row, **marker_of(results, row["variant"]))
            for row in sorted(ours.to_dict("records"), key=lambda row: row["variant"] in coloured)
        ]
        ax.margins(y=0.12)
        ax.set(xlabel="seconds per frame", ylabel="")
        bars = [bar for cross in crosses for bar in cross]
        seconds = [*rows["seconds_per_frame"], *(end for (ends, _) in bars for end in ends)]
        _log_seconds(ax, seconds)
        across = [(ax.get_xlim(), (reached, reached)) for reached in lines]
        labels.append((ax, _points(published), [*bars, *across]))
    panels[0][1].set_ylabel(f"{JF}, %", **MATH)
    figure.draw_without_rendering()  # the layout decides where a point is
    for ax, named, others in labels:
        _name_points(figure, ax, named, others)
    return figure


def _draw_method(ax: Axes, row: dict[Hashable, Any], **style: Any) -> list[Extent]:
    """The marker of a method, with bars: the interval of its time, the spread of its seeds.

    Returns:
        From where to where each bar goes; one that is not known is the marker's point.
    """
    seconds, reached = row["seconds_per_frame"], row["J&F"]
    bars = {
        "xerr": [
            [seconds - row["seconds_per_frame_low"]],
            [row["seconds_per_frame_high"] - seconds],
        ],
        "yerr": row["J&F_spread"],
    }
    known = {side: length for side, length in bars.items() if not np.isnan(length).any()}
    ax.errorbar(seconds, reached, **known, ls="", elinewidth=0.9, capsize=2, ms=6, **style)
    left, right = np.ravel(known.get("xerr", (0, 0)))
    spread = known.get("yerr", 0)
    return [
        ((seconds - left, seconds + right), (reached, reached)),
        ((seconds, seconds), (reached - spread, reached + spread)),
    ]


def _points(rows: pd.DataFrame) -> dict[str, Point]:
    """Where the methods of a benchmark are, by label."""
    columns = (rows[key] for key in ("label", "seconds_per_frame", "J&F"))
    return {label: (seconds, reached) for label, seconds, reached in zip(*columns, strict=True)}


def _entries_of_methods(results: Results) -> list[Line2D]:
    handles = [
        legend_entry(results.label(variant), ls="", **marker_of(results, variant))
        for variant in results.variants
        if variant in distinct(results)
    ]
    handles += legend_of_others(results, ls="", ms=3, **GREY_MARKER)
    for name, external in results.external.items():
        line = "" if external.seconds_per_frame.keys() >= set(external.benchmarks) else ":"
        handles.append(legend_entry(external.label, ls=line, **marker_of(results, name)))
    if results.comparable:
        handles.append(legend_entry("published", ls="", marker=".", color=GREY))
    return handles


def _draw_untimed(ax: Axes, results: Results, methods: pd.DataFrame) -> list[float]:
    """A horizontal line for each method that is not trained here and whose speed is unknown.

    Returns:
        Where they are.
    """
    untimed = methods[
        methods["variant"].isin(results.external) & methods["seconds_per_frame"].isna()
    ]
    for method, reached in zip(untimed["variant"], untimed["J&F"], strict=True):
        ax.axhline(reached, color=colour_of(results, method), ls=":", lw=1)
    return untimed["J&F"].to_list()


def _log_seconds(ax: Axes, seconds: Sequence[float]) -> None:
    """A log axis over these times with room at both ends, and ticks that can be told apart."""
    ratio = max(seconds) / min(seconds)
    room = max(ratio**0.12, (_LEAST_SPAN / ratio) ** 0.5, 1.1)
    low, high = min(seconds) / room, max(seconds) * room
    digits = next(digits for span, digits in _DIGITS.items() if high / low <= span)
    ticks = [digit * 10.0**exponent for exponent, digit in product(range(-6, 5), digits)]
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# offsets in points from a marker to its name: right, left, above, below, then further away
_Place = tuple[float, float, str]
_PLACES_OF_NAMES: list[_Place] = [
    (radius * right, radius * up, side)
    for radius in (5, 9, 14)
    for right, up, side in (
        (1, 0, "left"),
        (-1, 0, "right"),
        (0, 1.5, "center"),
        (0, -1.5, "center"),
        (0.8, 1, "left"),
        (-0.8, 1, "right"),
        (0.8, -1, "left"),
        (-0.8, -1, "right"),
    )
]


def _name_points(figure: Figure, ax: Axes, points: dict[str, Point], others: list[Extent]) -> None:
    """Write each name at the first place beside its point that covers least: points, bars, names.

    Args:
        figure: it is in, laid out.
        ax: the panel.
        points: to be named, by name.
        others: bars and lines beside them.
    """
    drawn = [*others, *(((x, x), (y, y)) for x, y in points.values())]
    corners = [ax.transData.transform([*zip(*extent, strict=True)]) for extent in drawn]
    taken = [Bbox(ends).padded(4 if (ends[0] == ends[1]).all() else 1) for ends in corners]
    frame = ax.get_window_extent()
    for name, point in sorted(points.items(), key=lambda item: -item[1][1]):
        label = ax.text(*point, name, fontsize=6.5, color="0.25", va="center_baseline")

        def put(place: _Place, label: Text = label) -> Bbox:
            right, up, side = place
            label.set(ha=side)
            label.set_transform(offset_copy(ax.transData, figure, right, up, units="points"))
            return label.get_window_extent()

        def cost(place: _Place) -> int:
            box = put(place)
            covered = sum(1 for other in taken if box.overlaps(other))
            outside = box.x0 < frame.x0 or box.x1 > frame.x1
            return covered + int(outside or box.y0 < frame.y0 or box.y1 > frame.y1)

        taken.append(put(min(_PLACES_OF_NAMES, key=cost)))


def draw_differences(results: Results) -> Figure | str:
    """Each method minus full, in points of J&F, with intervals and single seeds."""
    table = results.table("ablation").dropna(subset="difference_mean")
    if table.empty:
        return f"There is no variant to compare with {results.label('full')} yet."
    compared = in_per_cent(table, "difference_mean", *ENDS)
    seeds = in_per_cent(results.table("differences"), "difference")
    others = results.methods[1:]
    row, size = (0.28, 8) if len(others) <= _MANY else (0.16, 6)  # inches; points
    figure, panels = panel_per_benchmark(results, 1.1 + row * len(others), compared["benchmark"])
    verdicts = compared.loc[compared["difference_verdict"] != SAME, "difference_verdict"]
    handles = entries_of(verdicts)
    add_legend(figure, [*handles, legend_entry("a single seed", ls="", marker="|", color=GREY)])
    reach = reach_of(compared)
    room = 0.05 * (reach[1] - reach[0])
    full = results.label("full").replace("$", r"\$")
    for benchmark, ax in panels:
        single = rows_of(seeds, benchmark=benchmark)
        _draw_differences(ax, others, rows_of(compared, benchmark=benchmark), single, reach)
        ax.set_xlim(reach[0] - room, reach[1] + room)
        ax.set_xlabel(f"{JF} minus that of {full}, points", **MATH)
    names = [textwrap.fill(results.label(method), 24) for method in others]
    panels[0][1].set_yticklabels(names, fontsize=size)
    return figure


def _draw_differences(
    ax: Axes,
    others: list[str],
    compared: pd.DataFrame,
    seeds: pd.DataFrame,
    reach: tuple[float, float],
) -> None:
    """A row for each method: its interval, its single seeds and its mean, or why it has none."""
    ax.axvline(0, color="k", lw=0.8)
    same = rows_of(compared, difference_verdict=SAME)["variant"]
    distinct = compared[~compared["variant"].isin(same)]
    marks: dict[str, Any] = {"marker": "|", "color": GREY, "size": 9, "linewidth": 1, "zorder": 2}
    seeds = seeds[~seeds["variant"].isin(same)]
    sns.stripplot(seeds, x="difference", y="variant", order=others, ax=ax, jitter=False, **marks)
    for row in distinct.to_dict("records"):
        height, mark = others.index(row["variant"]), mark_of(row["difference_verdict"])
        put_interval(ax, height, (row[ENDS[0]], row[ENDS[1]]), mark["color"], reach)
        ax.plot(row["difference_mean"], height, ls="", ms=6, mew=1, zorder=3, **mark)
    for variant in same:
        ground = {"fc": "white", "ec": "none", "pad": 1}
        place: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "bbox": ground}
        at: dict[str, Any] = {"va": "center", "ha": "left", "fontsize": 7, "color": "0.35"}
        ax.text(0.02, others.index(variant), SAME, **at, **place)
    ax.set_ylim(len(others) - 0.5, -0.5)
    ax.set_yticks(range(len(others)), [""] * len(others))
    ax.tick_params(left=False)
    ax.grid(axis="y", visible=False)
    ax.set_ylabel("")
