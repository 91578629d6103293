"""J over the course of a sequence: where errors add up, a line falls."""

import textwrap
from collections.abc import Collection, Iterable

import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

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


def draw_course(results: Results) -> Figure | str:
    """How J falls from the first frame to the last: each variant beside full, with bands."""
    courses = results.table("course")
    scored = {*zip(courses["variant"], courses["benchmark"], strict=True)}
    beside = _panels(results, distinct(results)[1:], scored)
    panels = beside or _panels(results, ["full"], scored)
    if not panels:
        return "Nothing has been scored yet."
    columns = min(len(panels), 2 if len(panels) <= 8 else 4)  # ten variants fit a page
    rows = -(-len(panels) // columns)
    figure = empty_figure(results, min(0.7 + 1.5 * rows, PAGE_HEIGHT))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (variant, benchmark) in zip(axes.flat, panels, strict=False):
        for method in dict.fromkeys(("full", variant)):
            _draw_course(ax, results, benchmark, method)
        label = textwrap.fill(results.label(variant), 96 // columns)
        ax.set_title(f"{results.plan.title_of(benchmark)}\n{label}", weight="normal", fontsize=7)
        ax.margins(x=0)
    for ax in axes[:, 0]:
        ax.set_ylabel(f"{J}, %", **MATH)
    for ax in axes.flat[max(0, len(panels) - columns) : len(panels)]:
        label = "position, %" if columns > 2 else "position in the sequence, %"
        ax.set_xlabel(label, visible=True)  # seaborn hides it where a panel below has ticks
        ax.tick_params(labelbottom=True)
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
