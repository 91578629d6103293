"""How figures look: sizes, colours, markers, lines, legends, and the empty figures to fill.

A method keeps its colour, marker and line in every figure. Of more variants than there are colours,
those furthest from `full` have one, and the others are grey.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rgmp.config.base import Benchmark
from rgmp.study.results import Results

WIDTH = 7.0  # inches: two columns of a journal
PAGE_HEIGHT = 9.2  # inches: the height of its page
COLOURBLIND = sns.color_palette("colorblind", 10)
COLOURS: list[Any] = [
    *(COLOURBLIND[index] for index in (0, 1, 2, 3, 4, 5, 9)),
    "0.1",  # not the palette's grey, which stands for what is not ours
    # darker, to be seen as lines
    *([0.7 * part for part in COLOURBLIND[index]] for index in (6, 8)),
]
MARKERS = "osDv^P<X>p"
LINES: list[Any] = [  # full's, then those of the others
    "-",
    "--",
    "-.",
    ":",
    (0, (5, 1, 1, 1, 1, 1)),
    (0, (1, 1)),
    (0, (8, 2)),
    (0, (2, 1)),
    (0, (6, 1, 2, 1)),
    (0, (8, 1, 1, 3)),
]
GREY = "0.55"
GREY_MARKER: dict[str, Any] = {"marker": "o", "color": GREY, "mfc": "none", "mec": GREY, "mew": 0.6}
_SETTINGS: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "lines.linewidth": 1.4,
    "text.parse_math": False,  # a dollar of a label's is a dollar; MATH where ours is not
    "pdf.fonttype": 42,  # text stays text; journals refuse type 3
    "savefig.dpi": 200,
}


def in_style() -> AbstractContextManager[None]:
    """Matplotlib as every figure is drawn and saved, whatever its user has set elsewhere."""
    return style.context(["default", _SETTINGS])


J, JF = r"$\mathcal{J}$", r"$\mathcal{J}$&$\mathcal{F}$"
MATH: Any = {"parse_math": True}  # of a text that has one of them


def empty_figure(results: Results, height: float) -> Figure:
    """An empty figure of `WIDTH` by `height` inches whose foot says which study it shows."""
    unfinished = " · incomplete" if results.unfinished else ""
    on = f"{results.plan.title}: {results.nature} · commit {results.commit}{unfinished}"
    return figure_on(on, height)


def figure_on(foot: str, height: float) -> Figure:
    """An empty figure of `WIDTH` by `height` inches with a line at its foot."""
    figure = Figure((WIDTH, height), layout="constrained")
    figure.supxlabel(foot, x=0.01, ha="left", fontsize=5.5, color="0.35")
    return figure


def panel_per_benchmark(
    results: Results, height: float, shown: Iterable[str]
) -> tuple[Figure, list[tuple[Benchmark, Axes]]]:
    """A figure with a panel for each of the `shown` benchmarks, side by side."""
    benchmarks = [benchmark for benchmark in results.plan.benchmarks if benchmark in {*shown}]
    figure = empty_figure(results, height)
    axes = figure.subplots(1, len(benchmarks), squeeze=False)[0]
    for ax, benchmark in zip(axes, benchmarks, strict=True):
        ax.set_title(results.plan.title_of(benchmark))
    return figure, list(zip(benchmarks, axes, strict=True))


def in_per_cent(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """A table with some of its columns, which are fractions, in per cent."""
    return table.assign(**{column: 100 * table[column] for column in columns})


def distinct(results: Results) -> list[str]:
    """The methods with a colour of their own, in their order; those not trained here have one."""
    if len(results.variants) <= len(COLOURS):
        return results.methods
    coloured = {"full", *results.furthest[: len(COLOURS) - 1], *results.external}
    return [method for method in results.methods if method in coloured]


def legend_of_others(results: Results, words: str = "", **style: Any) -> list[Line2D]:
    """An entry of a legend for the variants that have no colour of their own, if there are any."""
    count = len(results.methods) - len(distinct(results))
    label = f"{words}{count} variants closer to {results.label('full')}"
    return [legend_entry(label, **style)] if count else []


def colour_of(results: Results, method: str) -> Any:
    """The colour of a method, in matplotlib's terms."""
    return _own(results, method, COLOURS, GREY)


def marker_of(results: Results, method: str) -> dict[str, Any]:
    """The marker of a method, as keywords: filled where it is trained here, hollow where not."""
    if method not in distinct(results):
        return GREY_MARKER
    colour = colour_of(results, method)
    hollow = {"mfc": "none", "mec": colour, "mew": 1}
    filled = {"mec": "white", "mew": 0.6}
    style = hollow if method in results.external else filled
    return {"marker": _own(results, method, MARKERS, "o"), "color": colour, **style}


def line_of(results: Results, method: str) -> Any:
    """The line style of a method, in matplotlib's terms."""
    return _own(results, method, LINES, "-")


def _own(results: Results, method: str, choices: Sequence[Any], others: Any) -> Any:
    """A method's own: the first is full's alone; what all have that are not `distinct`."""
    coloured = distinct(results)
    if method not in coloured:
        return others
    index = coloured.index(method)
    return choices[1 + (index - 1) % (len(choices) - 1)] if index else choices[0]


def add_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """A legend above the panels, in as many columns as its longest label leaves room for."""
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = max(1, int(WIDTH / (0.06 * longest + 0.6)))  # inches: a letter; a handle
    rows = -(-len(handles) // columns)
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=-(-len(handles) // rows),
        handlelength=3,
    )


def legend_entry(label: str, **style: Any) -> Line2D:
    """An entry of a legend: a line or a marker in some style, and its label."""
    return Line2D([], [], label=label, **style)
