"""Training curves."""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgmp.config.base import STAGES
from rgmp.reporting.figures.style import (
    GREY,
    MATH,
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
from rgmp.reporting.labels import STAGE_TITLES
from rgmp.runtime.tidy import rows_of
from rgmp.study import layout
from rgmp.study.job_files import read_metrics
from rgmp.study.results import Results

_POINTS = 30  # of a line, at most


def draw_training(results: Results) -> Figure | str:
    """Loss and J of every training run, a row per stage: the mean of the seeds, and each seed."""
    curves = _curves(results)
    if curves.empty:
        return "The training curves (metrics.jsonl) are not in this folder."
    trained, curved = ({*curves[column].unique()} for column in ("stage", "variant"))
    stages = [stage for stage in STAGES if stage in trained]
    figure = empty_figure(results, 0.7 + 1.9 * len(stages))
    axes = figure.subplots(len(stages), 2, squeeze=False)
    there = [variant for variant in results.variants if variant in curved]
    owners = [variant for variant in there if variant in distinct(results)]
    for row, stage in zip(axes, stages, strict=True):
        _draw_others(row, rows_of(curves, stage=stage), {*there} - {*owners})
        for owner in owners:
            runs = rows_of(curves, stage=stage, variant=owner)
            if runs.empty:  # of a stage that the variant shares with another
                continue
            _draw_runs(row, runs, color=colour_of(results, owner), ls=line_of(results, owner))
    for row, stage in zip(axes, stages, strict=True):
        for ax, label in zip(row, ("loss", f"training {J}, %"), strict=True):
            ax.set_title(STAGE_TITLES[stage])
            ax.set_xlabel("")
            ax.set_ylabel(label, **MATH)
            ax.margins(x=0)
            ax.set_ylim(bottom=0)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    styles = {v: {"color": colour_of(results, v), "ls": line_of(results, v)} for v in owners}
    entries = [legend_entry(results.label(v), **style) for v, style in styles.items()]
    add_legend(figure, [*entries, *legend_of_others(results, color=GREY, lw=0.5)])
    return figure


def _draw_others(axes: Sequence[Axes], curves: pd.DataFrame, variants: Collection[str]) -> None:
    """Loss and J of the variants that have no colour of their own: the mean over the seeds."""
    runs = curves[curves["variant"].isin(variants)]
    for ax, quantity in zip(axes, ("loss", "J"), strict=True):
        means = runs.groupby(["variant", "block"])[["step", quantity]].mean()
        for _, mean in means.groupby("variant"):
            ax.plot(mean["step"], mean[quantity], color=GREY, lw=0.5, alpha=0.5)


def _draw_runs(axes: Sequence[Axes], runs: pd.DataFrame, **style: Any) -> None:
    """Loss and J of a variant's training run with each seed, and the mean over the seeds."""
    lengths = runs.groupby("seed").size()
    for ax, quantity in zip(axes, ("loss", "J"), strict=True):
        at = style | {"x": "step", "y": quantity, "ax": ax, "errorbar": None}
        sns.lineplot(runs, units="seed", estimator=None, lw=0.5, alpha=0.35, **at)
        if lengths.nunique() == 1:  # else one of them is still growing
            sns.lineplot(runs, lw=1.3, **at)


def _curves(results: Results) -> pd.DataFrame:
    """The training curves that are there, averaged over blocks of steps; J in per cent.

    Returns:
        A row for each stage, variant (the first that a training run serves), seed and block, with
        the mean `step`, `loss` and `J`.
    """
    curves = [pd.DataFrame(columns=["stage", "variant", "seed", "block", "step", "loss", "J"])]
    for training in results.plan.trainings:
        if metrics := read_metrics(results.folder / layout.curve(training.folder)):
            curve = _smooth(pd.DataFrame(metrics))
            owner, seed = training.variants[0], training.seed
            curves.append(curve.assign(stage=training.stage, variant=owner, seed=seed))
    return in_per_cent(pd.concat(curves[1:] or curves, ignore_index=True), "J")


def _smooth(metrics: pd.DataFrame) -> pd.DataFrame:
    """Steps and values, averaged over blocks so that at most `_POINTS` are left."""
    sizes = [len(part) for part in np.array_split(metrics.index, min(_POINTS, len(metrics)))]
    blocks = np.repeat(np.arange(len(sizes)), sizes)
    means = metrics[["step", "loss", "J"]].groupby(blocks).mean()
    return means.rename_axis("block").reset_index()
