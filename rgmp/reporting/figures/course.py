"""J over the course of a sequence: where errors add up, a line falls."""

import textwrap
from collections import defaultdict
from itertools import product

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rgmp.evaluation.score_table import Score
from rgmp.reporting.figures.style import (
    GREY,
    MATH,
    PAGE,
    J,
    Values,
    add_legend,
    colour_of,
    empty_figure,
    legend_entry,
    line_of,
)
from rgmp.reporting.labels import BENCHMARK_TITLES
from rgmp.study.results import Results


def draw_course(results: Results) -> Figure | str:
    """How J falls from the first frame to the last: each variant beside full, with bands."""
    if not results.scores:
        return "Nothing has been scored yet."
    shown = results.methods[1:] or ["full"]
    panels = [(b, v) for v, b in product(shown, results.plan.benchmarks)]
    panels = [key for key in panels if key in results.rows]
    columns = min(len(panels), 2 if len(panels) <= 8 else 4)  # ten variants fit a page
    rows = -(-len(panels) // columns)
    figure = empty_figure(results, min(0.7 + 1.5 * rows, PAGE))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    courses = {key: _course_of(rows) for key, rows in results.rows.items()}
    for ax, (benchmark, variant) in zip(axes.flat, panels, strict=False):
        for name in dict.fromkeys(("full", variant)):
            if (benchmark, name) in courses:
                mean, low, high = courses[benchmark, name]
                colour = colour_of(results, name)
                ax.plot(_TIME, mean, color=colour, ls=line_of(results, name))
                ax.fill_between(_TIME, low, high, color=colour, alpha=0.18, lw=0)
        label = textwrap.fill(results.label(variant), 96 // columns)
        ax.set_title(f"{BENCHMARK_TITLES[benchmark]}\n{label}", weight="normal", fontsize=7)
        ax.margins(x=0)
    for ax in axes[:, 0]:
        ax.set_ylabel(f"{J}, %", **MATH)
    for ax in axes.flat[max(0, len(panels) - columns) : len(panels)]:
        ax.set_xlabel("position, %" if columns > 2 else "position in the sequence, %")
        ax.tick_params(labelbottom=True)
    full = legend_entry(results.label("full"), color=colour_of(results, "full"))
    other = legend_entry("the panel's method", color=GREY, ls="--")
    band = Patch(color=GREY, alpha=0.3, lw=0, label="95% interval of the mean")
    add_legend(figure, [full, *([other] if results.methods[1:] else []), band])
    return figure


_TIME = np.linspace(0, 100, 41)


def _course_of(rows: list[Score]) -> tuple[Values, Values, Values]:
    """Mean J over objects, per cent, at 41 positions, and its 95 % bootstrap interval.

    Sequences are resampled, each with its objects, which are alike.
    """
    curves: dict[tuple[int | None, str, int], list[Score]] = defaultdict(list)
    for row in rows:
        curves[row.seed, row.sequence, row.object].append(row)
    objects: dict[tuple[str, int], list[Values]] = defaultdict(list)
    for (_, sequence, number), frames in curves.items():
        values = [100 * row.J for row in sorted(frames, key=lambda row: row.frame)]
        curve = np.interp(_TIME, np.linspace(0, 100, len(values)), values)
        objects[sequence, number].append(curve)
    means = np.array([np.mean(seeds, axis=0) for seeds in objects.values()])
    names = [sequence for sequence, _ in objects]
    sequences = list(dict.fromkeys(names))
    chances = np.full(len(sequences), 1 / len(sequences))
    drawn = np.random.default_rng(0).multinomial(len(sequences), chances, 1000)
    weights = drawn[:, [sequences.index(name) for name in names]]  # (1000, O)
    courses = weights @ means / weights.sum(axis=1, keepdims=True)
    low, high = np.percentile(courses, (2.5, 97.5), axis=0)
    return means.mean(axis=0), low, high
