"""The figures of a study, as PNG and PDF: legible in print, in grey and to the colour-blind.

A variant keeps its colour, marker and line in every figure. The same rows give the same bytes.
"""

import io
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox, offset_copy
from PIL import Image

from rgmp import facts
from rgmp.config.base import Benchmark, Stage
from rgmp.evaluation.score_table import Score
from rgmp.evaluation.summary import ObjectScores, summarise
from rgmp.reporting import job_graph
from rgmp.reporting.pictures import Shot, closer, hardest, mask_of, paint, parting, within_reach
from rgmp.reporting.tables import STAGES, published_methods
from rgmp.reporting.typesetting import UNKNOWN
from rgmp.runtime.files import appearing
from rgmp.study.results import FIGURES, TITLES, Results, load, read_metrics

NAMES = FIGURES

WIDTH = 7.0  # inches: two columns of a journal
PAGE = 9.2  # inches: the height of its page
PALETTE = sns.color_palette("colorblind", 10)
COLOURS: list[Any] = [
    *(PALETTE[index] for index in (0, 1, 2, 3, 4, 5, 9)),
    "0.1",  # not the palette's grey, which stands for what is not ours
    *([0.7 * part for part in PALETTE[index]] for index in (6, 8)),  # darker, to be seen as lines
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
STYLE: Any = {
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
J, JF = r"$\mathcal{J}$", r"$\mathcal{J}$&$\mathcal{F}$"
MATH: Any = {"parse_math": True}  # of a text that has one of them
Values = npt.NDArray[np.float64]
Point = tuple[float, float]


def write(results: Path) -> None:
    """Write every figure of `NAMES` into `results/figures/` as .png and .pdf.

    A figure for which the study has no data says so in words.

    Raises:
        UserError: the folder is none of a study, or one of its files is broken.
    """
    study = load(results)
    with mpl.rc_context(STYLE):
        for name, draw in zip(NAMES, DRAWINGS, strict=True):
            drawn = draw(study)
            figure = _in_words(study, drawn) if isinstance(drawn, str) else drawn
            path = results / "figures" / name
            with appearing(path.with_suffix(".png")) as temporary:
                _save_png(figure, temporary)
            with appearing(path.with_suffix(".pdf")) as temporary:
                # without the date, the same rows give the same bytes
                figure.savefig(temporary, metadata={"CreationDate": None})


def _save_png(figure: Figure, path: Path) -> None:
    """Save with 32 levels a channel: frames look the same and take half the bytes."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    with Image.open(drawn) as image:
        coarse = image.convert("RGB").point(
            [round(v * 31 / 255) * 255 // 31 for v in range(256)] * 3
        )
        coarse.save(path, "PNG", dpi=image.info["dpi"])


def _figure(results: Results, height: float) -> Figure:
    """An empty figure whose foot says what it shows."""
    figure = Figure((WIDTH, height), layout="constrained")
    footer = f"{results.plan.title}: {results.nature} · commit {results.commit}"
    figure.supxlabel(footer, x=0.01, ha="left", fontsize=5.5, color="0.35")
    return figure


def _in_words(results: Results, sentence: str) -> Figure:
    figure = _figure(results, 1)
    figure.text(0.5, 0.6, sentence, ha="center", va="center")
    return figure


def _panels(
    results: Results, height: float, keys: Iterable[tuple[Benchmark, str]]
) -> tuple[Figure, list[tuple[Benchmark, Axes]]]:
    """A panel for each benchmark that has data, side by side."""
    benchmarks = list(dict.fromkeys(benchmark for benchmark, _ in keys))
    figure = _figure(results, height)
    axes = figure.subplots(1, len(benchmarks), squeeze=False)[0]
    for ax, benchmark in zip(axes, benchmarks, strict=True):
        ax.set_title(TITLES[benchmark])
    return figure, list(zip(benchmarks, axes, strict=True))


def _style(results: Results, method: str, styles: Sequence[Any]) -> Any:
    """The style of a method: the first is full's alone, however many there are."""
    index = results.methods.index(method)
    return styles[1 + (index - 1) % (len(styles) - 1)] if index else styles[0]


def _colour(results: Results, method: str) -> Any:
    return _style(results, method, COLOURS)


def _mark(results: Results, method: str) -> dict[str, Any]:
    """Filled where the method is trained here, hollow where not."""
    hollow = {"mfc": "none"} if method in results.external else {"mec": "white", "mew": 0.6}
    marker = _style(results, method, MARKERS)
    return {"marker": marker, "color": _colour(results, method), **hollow}


def _line(results: Results, method: str) -> Any:
    return _style(results, method, LINES)


def _legend(figure: Figure, handles: Sequence[Artist]) -> None:
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


def _handle(label: str, **style: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=label, **style)


# Accuracy against speed


def _accuracy_speed(results: Results) -> Figure | str:
    """J&F over seconds a frame, log axis, with the published methods (the paper's figure 1).

    What is not trained here is a line where nobody says how long it takes.
    """
    timed = [key for key in results.scores if key in results.speed]
    if not timed:
        return "Nothing has been both scored and timed yet."
    figure, panels = _panels(results, 3.1 + 0.08 * len(results.methods), timed)
    handles = [
        _handle(results.label(variant), ls="", **_mark(results, variant))
        for variant in results.variants
    ]
    for name, external in results.external.items():
        line = "" if external.seconds_per_frame.keys() >= set(external.benchmarks) else ":"
        handles.append(_handle(external.label, ls=line, **_mark(results, name)))
    if results.comparable:
        handles.append(_handle("published", ls="", marker=".", color=GREY))
    _legend(figure, handles)
    labels: list[tuple[Axes, dict[str, Point], list[Point]]] = []
    for benchmark, ax in panels:
        ours: dict[str, Point] = {
            variant: (
                results.speed[b, variant]["summary"]["authors_seconds_per_frame"],
                100 * summarise(results.scores[b, variant])["J&F"].mean,
            )
            for b, variant in timed
            if b == benchmark
        }
        for name, external in results.external.items():
            if (benchmark, name) in results.scores:
                reached = 100 * summarise(results.scores[benchmark, name])["J&F"].mean
                if seconds := external.seconds_per_frame.get(benchmark):
                    ours[name] = (seconds, reached)
                else:
                    ax.axhline(reached, color=_colour(results, name), ls=":", lw=1)
        published: dict[str, Point] = {
            row["label"]: (row["seconds_per_frame"], 100 * row["J&F"])
            for row in (published_methods(benchmark) if results.comparable else [])
            if row["seconds_per_frame"] and row["J&F"]
        }
        for point in published.values():
            ax.plot(*point, ".", color=GREY)
        for variant, point in ours.items():  # full is larger, to be seen under its equal
            size = 9 if variant == "full" else 6
            ax.plot(*point, ms=size, **_mark(results, variant))
        ax.margins(y=0.12)
        ax.set_xlabel("seconds per frame")
        _log_seconds(ax, [seconds for seconds, _ in (*published.values(), *ours.values())])
        labels.append((ax, published, list(ours.values())))
    panels[0][1].set_ylabel(f"{JF}, %", **MATH)
    figure.draw_without_rendering()  # the layout decides where a point is
    for ax, published, others in labels:
        _name_points(figure, ax, published, others)
    return figure


def _log_seconds(ax: Axes, seconds: Sequence[float]) -> None:
    """A log axis with room at both ends, and as many ticks as can be told apart."""
    low, high = min(seconds) / 2, max(seconds) * 2
    span = high / low
    digits = (1,) if span > 200 else (1, 2, 5) if span > 5 else (1, 2, 3, 4, 5, 7)
    ticks = [digit * 10.0**exponent for exponent, digit in product(range(-6, 5), digits)]
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# offsets in points from a marker to its name: right, left, above, below, then further away
_Place = tuple[float, float, str]
_PLACES: list[_Place] = [
    (radius * right, radius * up, side)
    for radius in (5, 9, 14)
    for right, up, side in (
        (1, 0, "left"),
        (-1, 0, "right"),
        (0, 1.5, "center"),
        (0, -1.5, "center"),
        (0.8, 1, "left"),
        (-0.8, 1, "right"),
        (0.8, -1, "left"),
        (-0.8, -1, "right"),
    )
]


def _name_points(figure: Figure, ax: Axes, points: dict[str, Point], others: list[Point]) -> None:
    """Write each name at the first place beside its point that covers no point and no name."""
    centres = [ax.transData.transform(point) for point in (*points.values(), *others)]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in centres]
    frame = ax.get_window_extent()
    for name, point in sorted(points.items()):
        label = ax.text(*point, name, fontsize=6.5, color="0.25", va="center_baseline")

        def put(place: _Place, label: Text = label) -> Bbox:
            right, up, side = place
            label.set(ha=side)
            label.set_transform(offset_copy(ax.transData, figure, right, up, units="points"))
            return label.get_window_extent()

        def cost(place: _Place) -> int:
            box = put(place)
            covered = sum(1 for other in taken if box.overlaps(other))
            outside = box.x0 < frame.x0 or box.x1 > frame.x1
            return covered + int(outside or box.y0 < frame.y0 or box.y1 > frame.y1)

        taken.append(put(min(_PLACES, key=cost)))


# Differences to full


def _differences(results: Results) -> Figure | str:
    """Each method minus full, in points of J&F, with intervals and single seeds."""
    if not results.differences:
        return "There is no variant to compare with full yet."
    others = results.methods[1:]
    figure, panels = _panels(results, 1.1 + 0.28 * len(others), results.differences)
    words = {"better": "^", "worse": "v", "inconclusive": "o"}
    handles = [
        _handle(word, ls="", marker=marker, color="k", **_hollow(word))
        for word, marker in words.items()
    ]
    _legend(figure, [*handles, _handle("a single seed", ls="", marker="|", color=GREY)])
    found = results.differences.values()
    reach = 3 * max(abs(d.mean) for d in found) + 0.02  # two seeds give intervals of any width
    left = 100 * max(-reach, min(0, *(d.low for d in found)))
    right = 100 * min(reach, max(0, *(d.high for d in found)))
    room = 0.05 * (right - left)
    for benchmark, ax in panels:
        ax.axvline(0, color="k", lw=0.8)
        for height, variant in enumerate(others):
            if (benchmark, variant) not in results.differences:
                continue
            difference = results.differences[benchmark, variant]
            colour = _colour(results, variant)
            low, high = 100 * difference.low, 100 * difference.high
            ax.plot(np.clip([low, high], left, right), [height] * 2, color=colour)
            for end, arrow in ((low, "<"), (high, ">")):
                if not left <= end <= right:
                    ax.plot(np.clip(end, left, right), height, arrow, color=colour, ms=4)
            for seed in difference.by_seed:
                ax.plot(100 * seed, height, "|", color=GREY, ms=9)
            marker, word = words[difference.verdict], difference.verdict
            ax.plot(100 * difference.mean, height, marker, color=colour, ms=6, **_hollow(word))
        ax.set_xlim(left - room, right + room)
        ax.set_ylim(len(others) - 0.5, -0.5)
        ax.set_yticks(range(len(others)), [""] * len(others))
        ax.tick_params(left=False)
        ax.grid(axis="y", visible=False)
        full = results.label("full").replace("$", r"\$")
        ax.set_xlabel(f"{JF} minus that of {full}, points", **MATH)
    names = [textwrap.fill(results.label(variant), 24) for variant in others]
    panels[0][1].set_yticklabels(names)
    return figure


def _hollow(verdict: str) -> dict[str, Any]:
    return {"mfc": "white"} if verdict == "inconclusive" else {}


# J over the course of a sequence


def _course(results: Results) -> Figure | str:
    """How J falls from the first frame to the last: each variant beside full, with bands."""
    if not results.scores:
        return "Nothing has been scored yet."
    shown = results.methods[1:] or ["full"]
    panels = [(b, v) for v, b in product(shown, results.plan.benchmarks)]
    panels = [key for key in panels if key in results.rows]
    columns = min(len(panels), 2 if len(panels) <= 8 else 4)  # ten variants fit a page
    rows = -(-len(panels) // columns)
    figure = _figure(results, min(0.7 + 1.5 * rows, PAGE))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    courses = {key: _course_of(rows) for key, rows in results.rows.items()}
    for ax, (benchmark, variant) in zip(axes.flat, panels, strict=False):
        for name in dict.fromkeys(("full", variant)):
            if (benchmark, name) in courses:
                mean, low, high = courses[benchmark, name]
                colour = _colour(results, name)
                ax.plot(_TIME, mean, color=colour, ls=_line(results, name))
                ax.fill_between(_TIME, low, high, color=colour, alpha=0.18, lw=0)
        label = textwrap.fill(results.label(variant), 96 // columns)
        ax.set_title(f"{TITLES[benchmark]}\n{label}", weight="normal", fontsize=7)
        ax.margins(x=0)
    for ax in axes[:, 0]:
        ax.set_ylabel(f"{J}, %", **MATH)
    for ax in axes.flat[max(0, len(panels) - columns) : len(panels)]:
        ax.set_xlabel("position, %" if columns > 2 else "position in the sequence, %")
        ax.tick_params(labelbottom=True)
    full = _handle(results.label("full"), color=_colour(results, "full"))
    other = _handle("the panel's method", color=GREY, ls="--")
    band = Patch(color=GREY, alpha=0.3, lw=0, label="95% interval of the mean")
    _legend(figure, [full, *([other] if results.methods[1:] else []), band])
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


# J per sequence


def _sequences(results: Results) -> Figure | str:
    """J of each sequence: full, the other methods, and the authors' where comparable."""
    scored = [key for key in results.scores if key[1] == "full"]
    if not scored:
        return "full has not been scored yet."
    longest = max(len({s for s, _ in results.scores[key].objects}) for key in scored)
    figure, panels = _panels(results, 1.2 + 0.15 * longest, scored)
    for benchmark, ax in panels:
        full = _by_sequence(results.scores[benchmark, "full"])
        order = sorted(full, key=lambda sequence: full[sequence].mean())
        heights = np.arange(len(order))
        for variant in results.others:
            if (benchmark, variant) in results.scores:
                other = _by_sequence(results.scores[benchmark, variant])
                ax.plot([other[s].mean() for s in order], heights, "|", color="0.7", ms=5)
        ax.hlines(
            heights,
            [full[s].min() for s in order],
            [full[s].max() for s in order],
            color=COLOURS[0],
        )
        ax.plot([full[s].mean() for s in order], heights, "o", color=COLOURS[0], ms=4)
        for name in results.external:
            if (benchmark, name) in results.scores:
                other = _by_sequence(results.scores[benchmark, name])
                style = _mark(results, name)
                ax.plot([other[s].mean() for s in order], heights, ls="", ms=4, **style)
        if results.comparable:
            authors = _authors(benchmark)
            ax.plot([authors[s] for s in order], heights, "D", color=COLOURS[3], ms=4, mfc="none")
        ax.set_yticks(heights, order, fontsize=7)
        ax.set_ylim(-0.7, len(order) - 0.3)
        ax.set_xlabel(f"{J}, %", **MATH)
    handles = [
        _handle(f"{results.label('full')}: mean, range of seeds", marker="o", color=COLOURS[0])
    ]
    if results.others:
        handles.append(_handle("other variants", ls="", marker="|", color="0.7"))
    handles += [_handle(e.label, ls="", **_mark(results, n)) for n, e in results.external.items()]
    if results.comparable:
        handles.append(_handle("the authors'", ls="", marker="D", color=COLOURS[3], mfc="none"))
    _legend(figure, handles)
    return figure


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


# Training curves


def _training(results: Results) -> Figure | str:
    """Loss and J of every training, a row for each stage: the mean of the seeds, and each."""
    curves = [
        (training, metrics)
        for training in results.plan.trainings
        if (metrics := read_metrics(results.folder / training.folder / "metrics.jsonl"))
    ]
    if not curves:
        return "The curves of the trainings (metrics.jsonl) are not in this folder."
    stages = [s for s in STAGES if s in {training.stage for training, _ in curves}]
    figure = _figure(results, 0.7 + 1.9 * len(stages))
    axes = figure.subplots(len(stages), 2, squeeze=False)
    groups: dict[tuple[Stage, str], list[list[dict[str, float]]]] = defaultdict(list)
    for training, metrics in curves:
        groups[training.stage, training.variants[0]].append(metrics)
    owners = [v for v in results.variants if any(owner == v for _, owner in groups)]
    for (stage, owner), seeds in groups.items():
        style = {"color": _colour(results, owner), "ls": _line(results, owner)}
        for ax, key, factor in zip(axes[stages.index(stage)], ("loss", "J"), (1, 100), strict=True):
            lines = [_smooth(metrics, key) for metrics in seeds]
            for steps, values in lines:
                ax.plot(steps, factor * values, lw=0.5, alpha=0.35, **style)
            if len({len(steps) for steps, _ in lines}) == 1:  # else one of them is still growing
                steps, values = np.mean(lines, axis=0)
                ax.plot(steps, factor * values, lw=1.3, **style)
    for row, stage in zip(axes, stages, strict=True):
        for ax, quantity in zip(row, ("loss", f"training {J}, %"), strict=True):
            ax.set_title(STAGES[stage])
            ax.set_ylabel(quantity, **MATH)
            ax.margins(x=0)
            ax.set_ylim(bottom=0)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    _legend(
        figure,
        [
            _handle(results.label(v), color=_colour(results, v), ls=_line(results, v))
            for v in owners
        ],
    )
    return figure


def _smooth(metrics: list[dict[str, float]], key: str) -> tuple[Values, Values]:
    """Steps and values, averaged over blocks so that at most 30 points are left."""
    blocks = min(30, len(metrics))
    both = np.array([(line["step"], line[key]) for line in metrics], dtype=np.float64)
    means = np.array([block.mean(axis=0) for block in np.array_split(both, blocks)])
    return means[:, 0], means[:, 1]


# Frames with masks

_AWAY = "The frames and masks that the study was scored on are not within reach: no pictures."


def _strips(results: Results) -> Figure | str:
    """The frames at which the methods part most: the truth, then each method that has masks."""
    shots: list[Shot] = []
    for benchmark in results.plan.benchmarks:
        before = {shot.sequence for shot in shots}
        shots += parting(results, benchmark, _count(results), before)
    if not (shots and within_reach(results)):
        return _AWAY
    shots = [closer(results, shot) for shot in shots]
    shown = [m for m in results.methods if any(mask_of(results, shot, m) for shot in shots)]
    names = ["truth", *map(results.label, shown)]
    heads = [f"{TITLES[s.benchmark]}\n{s.sequence}, frame {int(s.frame)}" for s in shots]
    cells = [[(shot, method) for shot in shots] for method in (None, *shown)]
    return _grid(results, cells, names, heads)


def _worst(results: Results) -> Figure | str:
    """The sequences on which full does worst: what it is given, then three frames."""
    rows = [row for b in results.plan.benchmarks for row in hardest(results, b, _count(results))]
    if not (rows and within_reach(results)):
        return _AWAY
    names = [f"{TITLES[given.benchmark]} {given.sequence}" for given, *_ in rows]
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
    figure = _figure(results, min(0.6 + len(cells) * (width * tallest + 0.04), PAGE))
    engine = figure.get_layout_engine()
    engine.set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)  # type: ignore[union-attr, call-arg]
    axes = figure.subplots(len(cells), len(heads), squeeze=False)
    for y, x in product(range(len(cells)), range(len(heads))):
        ax, (shot, method), picture = axes[y, x], cells[y][x], pictures[y][x]
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        if picture is None:
            ax.text(0.5, 0.5, UNKNOWN, transform=ax.transAxes)
            continue
        ax.imshow(picture)
        if method:
            text, box = (
                f"{J} {100 * shot.regions[method]:.0f}",
                {"fc": "k", "alpha": 0.6, "pad": 1},
            )
            place = {"transform": ax.transAxes, "bbox": box}
            ax.text(0.02, 0.06, text, color="white", fontsize=6.5, **place, **MATH)
    for ax, name in zip(axes[:, 0], names, strict=True):
        wrapped = textwrap.fill(name, 18, break_on_hyphens=False)
        ax.set_ylabel(wrapped, rotation=0, ha="right", va="center", fontsize=7)
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, weight="normal", fontsize=7)
    return figure


# The DAG


def _dag(results: Results) -> Figure:
    """Which command waits for which, how often each runs, and which variants share a training."""
    plan = results.plan
    height = 0.36 * (len(plan.variants) + 1)
    figure = _figure(results, 1.4 + height)
    above, below = figure.subplots(2, 1, height_ratios=[1, height])
    job_graph.draw_jobs(above, plan)
    above.set_title("The jobs of the study", loc="left")
    job_graph.draw_sharing(below, plan, STAGES)
    below.set_title("Who shares what, with each seed", loc="left")
    return figure


DRAWINGS = (
    _accuracy_speed,
    _differences,
    _course,
    _sequences,
    _training,
    _strips,
    _worst,
    _dag,
)
