"""Accuracy: against speed, with the published methods, and as differences to the whole method."""

import textwrap
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox, offset_copy

from rgmp.config.base import Benchmark
from rgmp.evaluation.comparison import Difference
from rgmp.evaluation.summary import summarise
from rgmp.reporting.figures.style import (
    GREY,
    JF,
    MATH,
    add_legend,
    colour_of,
    legend_entry,
    marker_of,
    panel_per_benchmark,
)
from rgmp.reporting.tables import published_methods
from rgmp.study.results import Results

Point = tuple[float, float]  # seconds a frame; J&F, per cent


def draw_accuracy_speed(results: Results) -> Figure | str:
    """J&F over seconds a frame, log axis, with the published methods (the paper's figure 1).

    What is not trained here is a line where nobody says how long it takes.
    """
    timed = [key for key in results.scores if key in results.speed]
    if not timed:
        return "Nothing has been both scored and timed yet."
    height = 3.1 + 0.08 * len(results.methods)
    figure, panels = panel_per_benchmark(results, height, timed)
    add_legend(figure, _entries_of_methods(results))
    labels: list[tuple[Axes, dict[str, Point], list[Point]]] = []
    for benchmark, ax in panels:
        _draw_untimed(ax, results, benchmark)
        published, ours = _published(results, benchmark), _reached(results, benchmark)
        for point in published.values():
            ax.plot(*point, ".", color=GREY)
        for method, point in ours.items():  # full is larger, to be seen under its equal
            size = 9 if method == "full" else 6
            ax.plot(*point, ms=size, **marker_of(results, method))
        ax.margins(y=0.12)
        ax.set_xlabel("seconds per frame")
        _log_seconds(ax, [seconds for seconds, _ in (*published.values(), *ours.values())])
        labels.append((ax, published, list(ours.values())))
    panels[0][1].set_ylabel(f"{JF}, %", **MATH)
    figure.draw_without_rendering()  # the layout decides where a point is
    for ax, published, others in labels:
        _name_points(figure, ax, published, others)
    return figure


def _entries_of_methods(results: Results) -> list[Line2D]:
    handles = [
        legend_entry(results.label(variant), ls="", **marker_of(results, variant))
        for variant in results.variants
    ]
    for name, external in results.external.items():
        line = "" if external.seconds_per_frame.keys() >= set(external.benchmarks) else ":"
        handles.append(legend_entry(external.label, ls=line, **marker_of(results, name)))
    if results.comparable:
        handles.append(legend_entry("published", ls="", marker=".", color=GREY))
    return handles


def _draw_untimed(ax: Axes, results: Results, benchmark: Benchmark) -> None:
    """A line for each method that is not trained here and of which nobody says how fast it is."""
    for name, external in results.external.items():
        if (benchmark, name) in results.scores and not external.seconds_per_frame.get(benchmark):
            reached = _accuracy(results, benchmark, name)
            ax.axhline(reached, color=colour_of(results, name), ls=":", lw=1)


def _reached(results: Results, benchmark: Benchmark) -> dict[str, Point]:
    """The methods of the study that are scored, and timed here or by their authors."""
    found: dict[str, Point] = {}
    for b, method in results.scores:
        if b == benchmark and (b, method) in results.speed:
            seconds = results.speed[b, method]["summary"]["authors_seconds_per_frame"]
            found[method] = (seconds, _accuracy(results, b, method))
    for name, external in results.external.items():
        reported = external.seconds_per_frame.get(benchmark)
        if reported and (benchmark, name) in results.scores:
            found[name] = (reported, _accuracy(results, benchmark, name))
    return found


def _accuracy(results: Results, benchmark: Benchmark, method: str) -> float:
    return 100 * summarise(results.scores[benchmark, method])["J&F"].mean


def _published(results: Results, benchmark: Benchmark) -> dict[str, Point]:
    """The published methods, where they may stand beside ours."""
    return {
        row["label"]: (row["seconds_per_frame"], 100 * row["J&F"])
        for row in (published_methods(benchmark) if results.comparable else [])
        if row["seconds_per_frame"] and row["J&F"]
    }


def _log_seconds(ax: Axes, seconds: Sequence[float]) -> None:
    """A log axis with room at both ends, and as many ticks as can be told apart."""
    low, high = min(seconds) / 2, max(seconds) * 2
    span = high / low
    digits = (1,) if span > 200 else (1, 2, 5) if span > 5 else (1, 2, 3, 4, 5, 7)
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


def _name_points(figure: Figure, ax: Axes, points: dict[str, Point], others: list[Point]) -> None:
    """Write each name at the first place beside its point that covers no point and no name."""
    centres = [ax.transData.transform(point) for point in (*points.values(), *others)]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in centres]
    frame = ax.get_window_extent()
    for name, point in sorted(points.items()):
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
    if not results.differences:
        return "There is no variant to compare with full yet."
    others = results.methods[1:]
    figure, panels = panel_per_benchmark(results, 1.1 + 0.28 * len(others), results.differences)
    handles = [
        legend_entry(word, ls="", marker=marker, color="k", **_hollow(word))
        for word, marker in _MARKERS_OF_VERDICTS.items()
    ]
    add_legend(figure, [*handles, legend_entry("a single seed", ls="", marker="|", color=GREY)])
    left, right = _reach(list(results.differences.values()))
    room = 0.05 * (right - left)
    for benchmark, ax in panels:
        ax.axvline(0, color="k", lw=0.8)
        for height, method in enumerate(others):
            if difference := results.differences.get((benchmark, method)):
                _draw_difference(ax, height, difference, colour_of(results, method), (left, right))
        ax.set_xlim(left - room, right + room)
        ax.set_ylim(len(others) - 0.5, -0.5)
        ax.set_yticks(range(len(others)), [""] * len(others))
        ax.tick_params(left=False)
        ax.grid(axis="y", visible=False)
        full = results.label("full").replace("$", r"\$")
        ax.set_xlabel(f"{JF} minus that of {full}, points", **MATH)
    names = [textwrap.fill(results.label(method), 24) for method in others]
    panels[0][1].set_yticklabels(names)
    return figure


_MARKERS_OF_VERDICTS = {"better": "^", "worse": "v", "inconclusive": "o"}


def _hollow(verdict: str) -> dict[str, Any]:
    return {"mfc": "white"} if verdict == "inconclusive" else {}


def _reach(found: Sequence[Difference]) -> tuple[float, float]:
    """From where to where an axis goes, in points: two seeds give intervals of any width."""
    reach = 3 * max(abs(d.mean) for d in found) + 0.02
    left = 100 * max(-reach, min(0, *(d.low for d in found)))
    right = 100 * min(reach, max(0, *(d.high for d in found)))
    return left, right


def _draw_difference(
    ax: Axes, height: int, difference: Difference, colour: Any, reach: tuple[float, float]
) -> None:
    """A mean, its interval with arrows where it leaves the axis, and the single seeds."""
    left, right = reach
    low, high = 100 * difference.low, 100 * difference.high
    ax.plot(np.clip([low, high], left, right), [height] * 2, color=colour)
    for end, arrow in ((low, "<"), (high, ">")):
        if not left <= end <= right:
            ax.plot(np.clip(end, left, right), height, arrow, color=colour, ms=4)
    for seed in difference.by_seed:
        ax.plot(100 * seed, height, "|", color=GREY, ms=9)
    word = difference.verdict
    marker = _MARKERS_OF_VERDICTS[word]
    ax.plot(100 * difference.mean, height, marker, color=colour, ms=6, **_hollow(word))
