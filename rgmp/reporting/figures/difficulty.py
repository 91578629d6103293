"""Differences to the whole method on the sequences of each difficulty, as a heat map."""

import textwrap
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from rgmp.reporting.figures.intervals import entries_of, mark_of
from rgmp.reporting.figures.style import (
    JF,
    MATH,
    PAGE_HEIGHT,
    add_legend,
    distinct,
    empty_figure,
    legend_of_others,
)
from rgmp.reporting.heat_map import Cell, HeatMap, heat_maps
from rgmp.reporting.labels import REPEATED
from rgmp.runtime.quantities import points
from rgmp.study.results import Results

_COLOURS = mpl.colormaps["RdBu"]
_ASKED: dict[str, Any] = {"fc": "none", "ec": "k", "lw": 1.6}
_UPRIGHT = 8
"""Difficulties whose names stand side by side; more of them are turned."""


def draw_difficulty(results: Results) -> Figure | str:
    """A cell for each variant and difficulty; those that were predicted are framed and marked."""
    maps = heat_maps(results, distinct(results))
    if not maps:
        return "No variant has been compared by difficulty: nothing says what makes sequences hard."
    heights = [len(one.rows) for one in maps]
    around = 0.7 + 0.5 * len(maps)  # inches: the legend, headings and names of columns
    cell = min(0.27, (PAGE_HEIGHT - around) / sum(heights))
    figure = empty_figure(results, around + cell * sum(heights))
    axes = figure.subplots(len(maps), 1, squeeze=False, height_ratios=heights)[:, 0]
    cells = [cell for one in maps for cell in one.cells]
    limit = (
        120 * max(abs(cell.mean) for cell in cells) or 1
    )  # with room, to see a frame on every colour
    scale = Normalize(-limit, limit)
    for ax, one in zip(axes, maps, strict=True):
        _draw_map(ax, results, one, scale)
    scale_of = mpl.cm.ScalarMappable(scale, _COLOURS)
    bar = figure.colorbar(scale_of, ax=[*axes], aspect=30, pad=0.01, fraction=0.03)
    full = results.label("full").replace("$", r"\$")
    bar.set_label(f"{JF} minus that\nof {full}, points", **MATH)
    bar.outline.set_visible(False)
    legend = [Patch(label="predicted", **_ASKED), Patch(fc="0.9", label="exploratory")]
    marks = entries_of(cell.verdict for cell in cells if cell.predicted)
    add_legend(figure, [*marks, *legend, *legend_of_others(results, "not shown: ", ls="")])
    return figure


def _draw_map(ax: Axes, results: Results, shown: HeatMap, scale: Normalize) -> None:
    """The grid of a benchmark."""
    cells = [*shown.rows.values()]
    values = [[np.nan if one is None else 100 * one.mean for one in row] for row in cells]
    ax.pcolormesh(np.array(values), cmap=_COLOURS, norm=scale, edgecolors="white", lw=1)
    for y, row in enumerate(cells):
        for x, one in enumerate(row):
            if one is not None:
                _draw_cell(ax, x, y, one, scale)
    ax.set_title(shown.title, loc="left")
    ax.set_xlim(0, len(shown.difficulties))
    ax.set_ylim(len(cells), 0)
    _name(ax, shown.headings, [results.label(variant) for variant in shown.rows])


def _draw_cell(ax: Axes, x: int, y: int, cell: Cell, scale: Normalize) -> None:
    """The difference in a cell; a frame and the verdict's mark where it was predicted."""
    dark = abs(scale(100 * cell.mean) - 0.5) > 0.3
    style: dict[str, Any] = {"fontsize": 6.5, "ha": "center", "va": "center_baseline"}
    told = points(cell.mean, "+") + "†" * cell.mixed + REPEATED * bool(cell.repeated)
    ax.text(x + 0.5, y + 0.5, told, color="white" if dark else "black", **style)
    if cell.predicted:
        ax.add_patch(Rectangle((x + 0.03, y + 0.07), 0.94, 0.86, **_ASKED, zorder=3))
        mark = {"mec": "white", "mew": 0.7, **mark_of(cell.verdict)}
        ax.plot(x + 0.9, y + 0.24, ls="", ms=5, zorder=4, **mark)


def _name(ax: Axes, headings: Sequence[str], variants: Sequence[str]) -> None:
    """The names of columns, above them, and of rows."""
    turned = len(headings) > _UPRIGHT
    names = headings if turned else [textwrap.fill(name, 13) for name in headings]
    turn: dict[str, Any] = {"rotation": 35, "ha": "left"} if turned else {}
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(headings)) + 0.5, names, fontsize=7, **turn)
    ax.set_yticks(np.arange(len(variants)) + 0.5, [textwrap.fill(v, 26) for v in variants])
    ax.tick_params(length=0, labelsize=7)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
