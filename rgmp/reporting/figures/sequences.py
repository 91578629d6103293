"""J of every sequence."""

from collections import defaultdict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from rgmp import facts
from rgmp.config.base import Benchmark
from rgmp.evaluation.summary import ObjectScores
from rgmp.reporting.figures.style import (
    COLOURS,
    MATH,
    J,
    Values,
    add_legend,
    legend_entry,
    marker_of,
    panel_per_benchmark,
)
from rgmp.study.results import Results


def draw_sequences(results: Results) -> Figure | str:
    """J of each sequence: full, the other methods, and the authors' where comparable."""
    scored = [key for key in results.scores if key[1] == "full"]
    if not scored:
        return "full has not been scored yet."
    longest = max(len({s for s, _ in results.scores[key].objects}) for key in scored)
    figure, panels = panel_per_benchmark(results, 1.2 + 0.15 * longest, scored)
    for benchmark, ax in panels:
        _draw_panel(ax, results, benchmark)
    add_legend(figure, _entries(results))
    return figure


def _draw_panel(ax: Axes, results: Results, benchmark: Benchmark) -> None:
    full = _by_sequence(results.scores[benchmark, "full"])
    order = sorted(full, key=lambda sequence: full[sequence].mean())
    heights = np.arange(len(order))
    for variant in results.others:
        if (benchmark, variant) in results.scores:
            other = _by_sequence(results.scores[benchmark, variant])
            ax.plot([other[s].mean() for s in order], heights, "|", color="0.7", ms=5)
    lowest, highest = ([of(full[s]) for s in order] for of in (np.min, np.max))
    ax.hlines(heights, lowest, highest, color=COLOURS[0])
    ax.plot([full[s].mean() for s in order], heights, "o", color=COLOURS[0], ms=4)
    for name in results.external:
        if (benchmark, name) in results.scores:
            other = _by_sequence(results.scores[benchmark, name])
            style = marker_of(results, name)
            ax.plot([other[s].mean() for s in order], heights, ls="", ms=4, **style)
    if results.comparable:
        authors = _authors(benchmark)
        ax.plot([authors[s] for s in order], heights, "D", color=COLOURS[3], ms=4, mfc="none")
    ax.set_yticks(heights, order, fontsize=7)
    ax.set_ylim(-0.7, len(order) - 0.3)
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


def _by_sequence(scores: ObjectScores) -> dict[str, Values]:
    """J mean of each sequence, over its objects, per cent, by seed."""
    sequences = np.array([sequence for sequence, _ in scores.objects])
    return {
        str(sequence): 100 * scores.values["J_mean"][:, sequences == sequence].mean(axis=1)
        for sequence in dict.fromkeys(sequences)
    }


def _authors(benchmark: Benchmark) -> dict[str, float]:
    """J of the authors' own results by sequence, per cent."""
    found: dict[str, list[float]] = defaultdict(list)
    for fact in facts.read("official_rgmp_scores.csv"):
        if fact["benchmark"] == benchmark:
            found[fact["sequence"]].append(100 * float(fact["J_mean"]))
    return {sequence: sum(values) / len(values) for sequence, values in found.items()}
