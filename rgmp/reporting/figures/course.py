"""J over the course of a sequence: where errors add up, a line falls."""

import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy.typing as npt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy import ndindex

from rgmp.config.base import Benchmark
from rgmp.reporting.figures.style import (
    GREY,
    MATH,
    PAGE_HEIGHT,
    J,
    add_legend,
    colour_of,
    distinct,
    empty_figure,
    in_per_cent,
    legend_entry,
    legend_of_others,
    line_of,
)
from rgmp.runtime.tidy import rows_of
from rgmp.study.results import Results

_ROWS = 5
"""Of panels, on a page."""
_TICKS = (0, 50, 100)


def draw_course(results: Results) -> Figure | str:
    """How J falls from the first frame to the last: each variant beside full, with bands.

    A variant has a row, a benchmark a column; many variants stand in blocks side by side, each of
    which has a column for every benchmark.
    """
    courses = results.table("course")
    scored = {*zip(courses["variant"], courses["benchmark"], strict=True)}
    panels = _panels(results, distinct(results)[1:], scored) or _panels(results, ["full"], scored)
    if not panels:
        return "Nothing has been scored yet."
    variants = [*dict.fromkeys(variant for variant, _ in panels)]
    benchmarks = [b for b in results.plan.benchmarks if any(b == shown for _, shown in panels)]
    rows, blocks = _shape(len(variants), len(benchmarks))
    columns = blocks * len(benchmarks)
    figure = empty_figure(results, min(0.9 + 1.45 * rows, PAGE_HEIGHT))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    grid: dict[tuple[int, int], Axes] = {}
    for variant, benchmark in panels:
        block, row = divmod(variants.index(variant), rows)
        place = row, block * len(benchmarks) + benchmarks.index(benchmark)
        grid[place] = axes[place]
        for method in dict.fromkeys(("full", variant)):
            _draw_course(axes[place], results, benchmark, method)
        label = textwrap.fill(results.label(variant), 96 // columns)
        axes[place].set_title(label, weight="normal", fontsize=7)
        axes[place].margins(x=0)
    for place in {*ndindex(axes.shape)} - grid.keys():
        axes[place].set_axis_off()
    _name_columns(axes, [results.plan.title_of(b) for b in benchmarks] * blocks)
    _name_axes(grid, len(benchmarks))
    full = legend_entry(results.label("full"), color=colour_of(results, "full"))
    other = legend_entry("the panel's method", color=GREY, ls="--")
    band = Patch(color=GREY, alpha=0.3, lw=0, label="95% interval of the mean")
    rest = legend_of_others(results, "not shown: ", ls="")
    add_legend(figure, [full, *([other] if results.methods[1:] else []), band, *rest])
    return figure


def _panels(
    results: Results, methods: Iterable[str], scored: Collection[tuple[str, Benchmark]]
) -> list[tuple[str, Benchmark]]:
    """A method and a benchmark each, where it is scored and no other method's computation."""
    return [
        (method, benchmark)
        for method in methods
        for benchmark in results.plan.benchmarks
        if (method, benchmark) in scored and method in results.computing(benchmark)
    ]


def _shape(variants: int, benchmarks: int) -> tuple[int, int]:
    """How many rows of panels, and how many blocks of columns, of which a page has room for four.

    One benchmark alone has two columns from the second variant on.
    """
    wanted = max(-(-variants // _ROWS), 2 // benchmarks)
    blocks = max(1, min(wanted, 4 // benchmarks, variants))
    rows = -(-variants // blocks)
    return rows, -(-variants // rows)


def _name_columns(axes: npt.NDArray[Any], titles: Sequence[str]) -> None:
    """The benchmark of each column, above its first panel.

    Args:
        axes: `Axes`, rows and columns, with their titles.
        titles: of the benchmarks, by column.
    """
    lines = max(1 + ax.get_title().count("\n") for ax in axes[0])
    above: dict[str, Any] = {"xytext": (0, 7 + 9 * lines), "textcoords": "offset points"}
    middle: dict[str, Any] = {"xycoords": "axes fraction", "ha": "center"}
    for ax, title in zip(axes[0], titles, strict=True):
        ax.annotate(title, (0.5, 1), weight="bold", **middle, **above)


def _name_axes(grid: Mapping[tuple[int, int], Axes], width: int) -> None:
    """Name the axes of the first panel of each row of a block, and of the last of each column.

    Args:
        grid: the panels by row and column.
        width: columns of a block.
    """
    for (row, column), ax in grid.items():
        block = column // width
        if column == min(c for r, c in grid if r == row and c // width == block):
            ax.tick_params(labelleft=True)
            if column == 0:
                ax.set_ylabel(f"{J}, %", **MATH)
        if row == max(r for r, c in grid if c == column):
            ends_above = row < max(r for r, _ in grid)
            # below it is room: rows need not move apart for its names
            axis = ax.secondary_xaxis("bottom") if ends_above else ax
            axis.set_in_layout(not ends_above)
            axis.set_xlabel("position, %", visible=True)  # seaborn hides it above other panels
            axis.tick_params(labelbottom=True)
            axis.set_xticks(_TICKS)
            for label, side in zip(
                axis.get_xticklabels(), ("left", "center", "right"), strict=True
            ):
                label.set(ha=side)  # none leaves the page


def _draw_course(ax: Axes, results: Results, benchmark: str, method: str) -> None:
    """A method's line and its band, as the table has them; nothing where it is not scored."""
    table = rows_of(results.table("course"), benchmark=benchmark, variant=method)
    course = in_per_cent(table, "J", "J_low", "J_high")
    colour = colour_of(results, method)
    style = {"color": colour, "ls": line_of(results, method)}
    sns.lineplot(course, x="position", y="J", estimator=None, ax=ax, **style)
    band = {"color": colour, "alpha": 0.18, "lw": 0}
    ax.fill_between(course["position"], course["J_low"], course["J_high"], **band)
    ax.set(xlabel="", ylabel="")
