"""Frames with masks: where the methods differ most, and where the whole method does worst."""

import textwrap
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rgmp.reporting.figures.shots import (
    Shot,
    cropped,
    hardest,
    mask_of,
    most_divergent,
    paint,
    within_reach,
)
from rgmp.reporting.figures.style import MATH, PAGE_HEIGHT, WIDTH, J, distinct, empty_figure
from rgmp.reporting.typesetting import UNKNOWN
from rgmp.study.results import Results

_AWAY = "No pictures: the frames and masks that the study was scored on are not available here."


def draw_strips(results: Results) -> Figure | str:
    """The frames at which the methods differ most: the truth, then each method that has masks."""
    shots: list[Shot] = []
    for benchmark in results.plan.benchmarks:
        before = {shot.sequence for shot in shots}
        shots += most_divergent(results, benchmark, _count(results), before)
    if not (shots and within_reach(results)):
        return _AWAY
    shots = [cropped(results, shot) for shot in shots]
    shown = [m for m in distinct(results) if any(mask_of(results, shot, m) for shot in shots)]
    names = ["truth", *map(results.label, shown)]
    title_of = results.plan.title_of
    heads = [f"{title_of(s.benchmark)}\n{s.sequence}, frame {int(s.frame)}" for s in shots]
    cells = [[(shot, method) for shot in shots] for method in (None, *shown)]
    return _grid(results, cells, names, heads)


def draw_worst(results: Results) -> Figure | str:
    """The sequences on which full does worst: what it is given, then three frames."""
    if not within_reach(results):
        return _AWAY
    rows = [row for b in results.plan.benchmarks for row in hardest(results, b, _count(results))]
    if not rows:
        return _AWAY
    names = [f"{results.plan.title_of(given.benchmark)} {given.sequence}" for given, *_ in rows]
    heads = ["given", "a third on", "two thirds on", "last scored"]
    cells = [[(given, None), *((shot, "full") for shot in later)] for given, *later in rows]
    return _grid(results, cells, names, heads)


def _picture(results: Results, shot: Shot, method: str | None) -> npt.NDArray[np.uint8] | None:
    """A frame with a method's mask, or with the truth; None where there is no such mask."""
    mask = mask_of(results, shot, method) if method else None
    return None if method and not mask else paint(results, shot, mask)


def _count(results: Results) -> int:
    return 4 // len(results.plan.benchmarks)


def _grid(
    results: Results,
    cells: Sequence[Sequence[tuple[Shot, str | None]]],
    names: list[str],
    heads: list[str],
) -> Figure:
    """Pictures in rows and columns: a shot with a method's mask, or with the truth."""
    pictures = [[_picture(results, shot, method) for shot, method in row] for row in cells]
    shapes = [picture.shape for row in pictures for picture in row if picture is not None]
    tallest = max(height / width for height, width, _ in shapes)
    width = (WIDTH - 1.1) / max(3, len(heads))
    figure = empty_figure(results, min(0.6 + len(cells) * (width * tallest + 0.04), PAGE_HEIGHT))
    engine = figure.get_layout_engine()
    engine.set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(len(cells), len(heads), squeeze=False)
    for y, x in product(range(len(cells)), range(len(heads))):
        shot, method = cells[y][x]
        _fill_cell(axes[y, x], pictures[y][x], shot.regions.get(method) if method else None)
    for ax, name in zip(axes[:, 0], names, strict=True):
        wrapped = textwrap.fill(name, 18, break_on_hyphens=False)
        ax.set_ylabel(wrapped, rotation=0, ha="right", va="center", fontsize=7)
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, weight="normal", fontsize=7)
    return figure


def _fill_cell(ax: Axes, picture: npt.NDArray[np.uint8] | None, region: float | None) -> None:
    """A picture, with J where it is a method's; a dash where there is none."""
    ax.set(xticks=[], yticks=[])
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    if picture is None:
        ax.text(0.5, 0.5, UNKNOWN, transform=ax.transAxes)
        return
    ax.imshow(picture)
    if region is not None:
        box = {"fc": "k", "alpha": 0.6, "pad": 1}
        place: dict[str, Any] = {"transform": ax.transAxes, "bbox": box}
        text = f"{J} {100 * region:.0f}"
        ax.text(0.02, 0.06, text, color="white", fontsize=6.5, **place, **MATH)
