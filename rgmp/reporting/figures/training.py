"""Training curves."""

from collections import defaultdict

import numpy as np
from matplotlib.figure import Figure

from rgmp.config.base import Stage
from rgmp.reporting.figures.style import (
    MATH,
    J,
    Values,
    add_legend,
    colour_of,
    empty_figure,
    legend_entry,
    line_of,
)
from rgmp.reporting.labels import STAGE_TITLES
from rgmp.study import layout
from rgmp.study.results import Results, read_metrics

Metrics = list[dict[str, float]]


def draw_training(results: Results) -> Figure | str:
    """Loss and J of every training, a row for each stage: the mean of the seeds, and each."""
    groups = _curves(results)
    if not groups:
        return "The curves of the trainings (metrics.jsonl) are not in this folder."
    stages = [s for s in STAGE_TITLES if s in {stage for stage, _ in groups}]
    figure = empty_figure(results, 0.7 + 1.9 * len(stages))
    axes = figure.subplots(len(stages), 2, squeeze=False)
    for (stage, owner), seeds in groups.items():
        style = {"color": colour_of(results, owner), "ls": line_of(results, owner)}
        for ax, key, factor in zip(axes[stages.index(stage)], ("loss", "J"), (1, 100), strict=True):
            lines = [_smooth(metrics, key) for metrics in seeds]
            for steps, values in lines:
                ax.plot(steps, factor * values, lw=0.5, alpha=0.35, **style)
            if len({len(steps) for steps, _ in lines}) == 1:  # else one of them is still growing
                steps, values = np.mean(lines, axis=0)
                ax.plot(steps, factor * values, lw=1.3, **style)
    for row, stage in zip(axes, stages, strict=True):
        for ax, quantity in zip(row, ("loss", f"training {J}, %"), strict=True):
            ax.set_title(STAGE_TITLES[stage])
            ax.set_ylabel(quantity, **MATH)
            ax.margins(x=0)
            ax.set_ylim(bottom=0)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    owners = [v for v in results.variants if any(owner == v for _, owner in groups)]
    styles = {v: {"color": colour_of(results, v), "ls": line_of(results, v)} for v in owners}
    add_legend(figure, [legend_entry(results.label(v), **style) for v, style in styles.items()])
    return figure


def _curves(results: Results) -> dict[tuple[Stage, str], list[Metrics]]:
    """The curves that are there, one a seed, by stage and the first variant that they serve."""
    groups: dict[tuple[Stage, str], list[Metrics]] = defaultdict(list)
    for training in results.plan.trainings:
        if metrics := read_metrics(results.folder / layout.curve(training.folder)):
            groups[training.stage, training.variants[0]].append(metrics)
    return dict(groups)


def _smooth(metrics: Metrics, key: str) -> tuple[Values, Values]:
    """Steps and values, averaged over blocks so that at most 30 points are left."""
    blocks = min(30, len(metrics))
    both = np.array([(line["step"], line[key]) for line in metrics], dtype=np.float64)
    means = np.array([block.mean(axis=0) for block in np.array_split(both, blocks)])
    return means[:, 0], means[:, 1]
