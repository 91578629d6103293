"""Frames with masks: where the methods differ most, and where the whole method does worst."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from rgmp.reporting.figures.shots import (
    FALSE_NEGATIVE,
    FALSE_POSITIVE,
    Colour,
    Picture,
    Strip,
    colour_of_object,
    divergent_strips,
    hardest_strips,
    mask_of,
    paint,
    within_reach,
)
from rgmp.reporting.figures.style import (
    MATH,
    PAGE_HEIGHT,
    WIDTH,
    J,
    colour_of,
    distinct,
    empty_figure,
    line_of,
)
from rgmp.runtime.quantities import UNKNOWN
from rgmp.study.results import Results

_AWAY = "No pictures: the frames and masks that the study was scored on are not available here."
_MARGIN, _GAP, _HEAD, _AXIS, _FOOT, _LEGEND = 0.16, 0.04, 0.32, 0.72, 0.2, 0.3  # inches
_RESOLUTION = 300  # pixels an inch, of a picture in print
_LONGEST = 15  # letters of a name in a line of the narrowest column


def draw_strips(results: Results) -> Figure | str:
    """Sequences at a frame of which the methods differ most: what is given, truth and masks."""
    strips: list[Strip] = []
    if not within_reach(results):
        return _AWAY
    count = 2 if len(distinct(results)) <= 4 else 1  # as many as a page has room for
    for benchmark in results.plan.benchmarks:
        before = {strip.shots[0].sequence for strip in strips}
        shown = [method for method in distinct(results) if method in results.computing(benchmark)]
        columns = _columns(results)
        strips += divergent_strips(results, benchmark, count, columns, shown, before)
    return _draw(results, strips) if strips else _AWAY


def draw_worst(results: Results) -> Figure | str:
    """The sequences on which full does worst: what is given, truth and masks."""
    strips: list[Strip] = []
    if not within_reach(results):
        return _AWAY
    for benchmark in results.plan.benchmarks:
        shown = {strip.shots[0].sequence for strip in strips}
        strips += hardest_strips(results, benchmark, 2, _columns(results), shown)
    return _draw(results, strips) if strips else _AWAY


def _columns(results: Results) -> int:
    """How many pictures stand side by side in a strip."""
    return 6 if len(results.plan.benchmarks) == 1 else 4


@dataclass(frozen=True)
class _Sheet:
    """A figure whose parts are placed in inches from its top left corner.

    Attributes:
        figure: without a layout engine.
        picture: width and height of a picture.
    """

    figure: Figure
    picture: tuple[float, float]

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes of that size."""
        wide, tall = self.figure.get_size_inches()
        place = (left / wide, 1 - (top + height) / tall, width / wide, height / tall)
        return self.figure.add_axes(place)

    def cell(self, left: float, top: float, column: int, row: int) -> Axes:
        """Axes for a picture in a column and row of a strip, without ticks."""
        width, height = self.picture
        ax = self.axes(left + column * (width + _GAP), top + row * (height + _GAP), width, height)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        return ax


def _draw(results: Results, strips: Sequence[Strip]) -> Figure:
    """The strips, those of a benchmark below one another, of two benchmarks side by side."""
    side_by_side = min(2, len(results.plan.benchmarks))
    stacks: list[list[Strip]] = [[] for _ in range(side_by_side)]
    for strip in strips:
        benchmark = strip.shots[0].benchmark
        stacks[results.plan.benchmarks.index(benchmark) % side_by_side].append(strip)
    columns = _columns(results)
    aspect = max(_aspect(results, strip) for strip in strips)
    width = (WIDTH / side_by_side - _MARGIN) / columns - _GAP
    rows = max(sum(1 + len(strip.methods) for strip in stack) for stack in stacks)
    around = _FOOT + _LEGEND + max(map(len, stacks)) * (_HEAD + _AXIS)
    height = min(width * aspect, (PAGE_HEIGHT - around) / rows - _GAP)
    figure = empty_figure(results, around + rows * (height + _GAP))
    figure.set_layout_engine("none")
    sheet = _Sheet(figure, (height / aspect, height))
    for index, stack in enumerate(stacks):
        left, top = index * WIDTH / side_by_side + _MARGIN / 2, _LEGEND
        for strip in stack:
            top = _draw_strip(sheet, results, strip, left, top)
    _add_legend(figure, max(_objects(results, strip) for strip in strips))
    return figure


def _aspect(results: Results, strip: Strip) -> float:
    """The height of a strip's pictures, by their width."""
    height, width, _ = paint(results, strip.shots[0], None, 100).shape
    return float(height / width)


def _objects(results: Results, strip: Strip) -> int:
    """How many objects a strip's sequence has."""
    objects = results.table("objects")
    shot = strip.shots[0]
    of_sequence = (objects["benchmark"] == shot.benchmark) & (objects["sequence"] == shot.sequence)
    return int(objects.loc[of_sequence, "object"].max())


def _draw_strip(sheet: _Sheet, results: Results, strip: Strip, left: float, top: float) -> float:
    """A strip whose corner is there: truth, a row for each method, J over time.

    The first column has what is given and, below it, the names of methods.

    Returns:
        Where the next one may begin.
    """
    width, height = sheet.picture
    given, *scored = strip.shots
    head = f"{results.plan.title_of(given.benchmark)}: {given.sequence}"
    tall = sheet.figure.get_size_inches()[1]
    at = (left / WIDTH, 1 - (top + 0.02) / tall)
    sheet.figure.text(*at, head, weight="bold", va="top", fontsize=7.5)
    top += _HEAD
    pixels = round(width * _RESOLUTION)
    for column, shot in enumerate(strip.shots):
        ax = sheet.cell(left, top, column, 0)
        _fill_cell(ax, paint(results, shot, None, pixels), "" if shot is given else "truth")
        number = f"frame {shot.number}" + ", given" * (shot is given)
        ax.set_title(number, weight="normal", fontsize=6.5, pad=2)
    for row, method in enumerate(strip.methods, 1):
        _name_method(sheet.cell(left, top, 0, row), results, method)
        for column, shot in enumerate(scored, 1):
            mask = mask_of(results, shot, method)
            picture = paint(results, shot, mask, pixels) if mask else None
            region = shot.regions.get(method)
            told = "" if region is None else f"{J} {100 * region:.0f}"
            _fill_cell(sheet.cell(left, top, column, row), picture, told)
    top += (1 + len(strip.methods)) * (height + _GAP) + 0.06
    wide = len(strip.shots) * (width + _GAP) - _GAP
    _draw_time(sheet.axes(left + 0.38, top, wide - 0.44, _AXIS - 0.42), results, strip)
    return top + _AXIS - 0.06


def _name_method(ax: Axes, results: Results, method: str) -> None:
    """A method's name over a sample of its line."""
    name = textwrap.fill(results.label(method), _LONGEST)
    colour = colour_of(results, method)
    ax.text(0.5, 0.56, name, transform=ax.transAxes, fontsize=6.2, ha="center", va="center")
    ax.plot((0.25, 0.75), (0.08, 0.08), color=colour, ls=line_of(results, method))
    ax.set(xlim=(0, 1), ylim=(0, 1))


def _fill_cell(ax: Axes, picture: Picture | None, told: str) -> None:
    """A picture and what is told of it; a dash where there is none."""
    if picture is None:
        ax.text(0.5, 0.5, UNKNOWN, transform=ax.transAxes)
        return
    ax.imshow(picture, aspect="auto")
    if told:
        box = {"fc": "k", "alpha": 0.7, "pad": 0.8, "lw": 0}
        place: dict[str, Any] = {"transform": ax.transAxes, "bbox": box}
        ax.text(0.03, 0.07, told, color="white", fontsize=5.5, **place, **MATH)


def _draw_time(ax: Axes, results: Results, strip: Strip) -> None:
    """J of the strip's methods over time; ticks at the frames that are shown."""
    for method in reversed(strip.methods):  # full above the others
        style = {"color": colour_of(results, method), "ls": line_of(results, method)}
        ax.plot(strip.numbers, strip.courses[method], lw=1, **style)
    shown = [shot.number for shot in strip.shots]
    for number in shown:
        ax.axvline(number, color="0.6", lw=0.5, zorder=0)
    ax.set_xticks(shown, [str(number) for number in shown], fontsize=6)
    ax.set_yticks([0, 50, 100], ["0", "", "100"], fontsize=6)
    ax.tick_params(length=2, pad=1.5)
    ax.set(xlim=(0, strip.numbers[-1]), ylim=(-4, 104))
    ax.set_xlabel("frame", fontsize=6.5, labelpad=1)
    ax.set_ylabel(f"{J}, %", fontsize=6.5, labelpad=0, **MATH)


def _add_legend(figure: Figure, objects: int) -> None:
    """What colours, outline and stripes stand for."""
    colours = [_of(colour_of_object(number)) for number in range(1, objects + 1)]
    named = ["object"] if objects == 1 else [f"object {n}" for n in range(1, objects + 1)]
    handles = [Patch(fc=colour, label=name) for colour, name in zip(colours, named, strict=True)]
    handles.append(Patch(fc="white", ec="k", lw=1.2, label="outline of the truth"))
    for (light, dark), hatch, label in (
        (FALSE_POSITIVE, "//////", "false positive"),
        (FALSE_NEGATIVE, "\\\\\\\\\\\\", "false negative"),
    ):
        handles.append(Patch(fc=_of(light), ec=_of(dark), hatch=hatch, lw=0, label=label))
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), columnspacing=1.2)


def _of(colour: Colour) -> tuple[float, float, float]:
    """A colour in matplotlib's terms."""
    red, green, blue = colour
    return red / 255, green / 255, blue / 255
