"""The figures of a study, as PNG and PDF: legible in print, in grey and to the colour-blind.

A variant keeps its colour, marker and line in every figure. The same rows give the same bytes.
"""

import textwrap
from collections import defaultdict
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import Bbox, offset_copy
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from rgmp import davis
from rgmp.davis import Benchmark, Labels
from rgmp.files import appearing
from rgmp.results import TITLES, Results, load, read_facts, read_metrics
from rgmp.scoring import Score
from rgmp.statistics import ObjectScores, summarise
from rgmp.tables import STAGES, published_methods

NAMES = ("accuracy_speed", "differences", "course", "sequences", "training", "strips", "worst")

WIDTH = 7.0  # inches: two columns of a journal
COLOURS = sns.color_palette("colorblind", 10)
MARKERS = "osDv^P<X>p"
LINES: list[Any] = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1))]
GREY = "0.55"
STYLE: dict[str, Any] = {
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
    "pdf.fonttype": 42,  # text stays text; journals refuse type 3
    "savefig.dpi": 200,
}
J, JF = r"$\mathcal{J}$", r"$\mathcal{J}$&$\mathcal{F}$"
Values = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]
Point = tuple[float, float]


def write(results: Path) -> None:
    """Write every figure of `NAMES` into `results/figures/` as .png and .pdf.

    A figure for which the study has no data says so in words.

    Raises:
        UserError: the folder is none of a study, or one of its files is broken.
    """
    study = load(results)
    with mpl.rc_context(STYLE):
        for name, draw in zip(NAMES, _DRAWINGS, strict=True):
            drawn = draw(study)
            figure = _in_words(study, drawn) if isinstance(drawn, str) else drawn
            path = results / "figures" / name
            # without the date and the version, the same rows give the same bytes
            for suffix, metadata in (
                (".png", {"Software": None}),
                (".pdf", {"CreationDate": None}),
            ):
                with appearing(path.with_suffix(suffix)) as temporary:
                    figure.savefig(temporary, metadata=metadata)


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


def _panels(results: Results, height: float) -> tuple[Figure, list[tuple[Benchmark, Axes]]]:
    """A panel for each benchmark, side by side."""
    benchmarks = results.plan.benchmarks
    figure = _figure(results, height)
    axes = figure.subplots(1, len(benchmarks), squeeze=False)[0]
    for ax, benchmark in zip(axes, benchmarks, strict=True):
        ax.set_title(TITLES[benchmark])
    return figure, list(zip(benchmarks, axes, strict=True))


def _colour(results: Results, variant: str) -> Any:
    return COLOURS[results.variants.index(variant) % len(COLOURS)]


def _mark(results: Results, variant: str) -> dict[str, Any]:
    marker = MARKERS[results.variants.index(variant) % len(MARKERS)]
    return {"marker": marker, "color": _colour(results, variant)}


def _line(results: Results, variant: str) -> Any:
    return LINES[results.variants.index(variant) % len(LINES)]


def _legend(figure: Figure, handles: list[Line2D], columns: int = 4) -> None:
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=min(columns, len(handles)),
        handlelength=3,
    )


# Accuracy against speed


def _accuracy_speed(results: Results) -> Figure | str:
    """J&F over seconds a frame, log axis, with the published methods (the paper's figure 1)."""
    timed = [key for key in results.scores if key in results.speed]
    if not timed:
        return "Nothing has been both scored and timed yet."
    figure, panels = _panels(results, 3.4)
    handles = [
        Line2D([], [], ls="", label=results.label(variant), **_mark(results, variant))
        for variant in results.variants
    ]
    if results.comparable:
        handles.append(Line2D([], [], ls="", marker=".", color=GREY, label="published"))
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
        published: dict[str, Point] = {
            row["label"]: (row["seconds_per_frame"], 100 * row["J&F"])
            for row in (published_methods(benchmark) if results.comparable else [])
            if row["seconds_per_frame"] and row["J&F"]
        }
        for point in published.values():
            ax.plot(*point, ".", color=GREY)
        for variant, point in reversed(ours.items()):  # full on top
            ax.plot(*point, ms=6.5, mec="white", mew=0.6, **_mark(results, variant))
        ax.margins(y=0.12)
        ax.set_xlabel("seconds per frame")
        _log_seconds(ax, [seconds for seconds, _ in (*published.values(), *ours.values())])
        labels.append((ax, published, list(ours.values())))
    panels[0][1].set_ylabel(f"{JF}, %")
    figure.draw_without_rendering()  # the layout decides where a point is
    for ax, published, others in labels:
        _name_points(ax, published, others)
    return figure


def _log_seconds(ax: Axes, seconds: Sequence[float]) -> None:
    """A log axis with ticks at 1, 2 and 5, and room at both ends."""
    low, high = min(seconds) / 2, max(seconds) * 2
    ticks = [digit * 10.0**exponent for exponent, digit in product(range(-6, 5), (1, 2, 5))]
    ax.set_xscale("log")
    ax.set_xlim(low, high)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


# offsets in points from a marker to its name: right, left, above, below, then further away
_PLACES = [
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


def _name_points(ax: Axes, points: dict[str, Point], others: list[Point]) -> None:
    """Write each name at the first place beside its point that covers no point and no name."""
    centres = [ax.transData.transform(point) for point in (*points.values(), *others)]
    taken = [Bbox.from_bounds(x - 4, y - 4, 8, 8) for x, y in centres]
    for name, point in sorted(points.items()):
        label = ax.text(*point, name, fontsize=6.5, color="0.25", va="center_baseline")
        boxes: list[tuple[int, int]] = []
        for index in [*range(len(_PLACES)), None]:
            best = min(boxes)[1] if index is None else index
            right, up, side = _PLACES[best]
            label.set_ha(side)
            label.set_transform(offset_copy(ax.transData, ax.figure, right, up, units="points"))
            box = label.get_window_extent()
            boxes.append((sum(map(box.overlaps, taken)), best))
        taken.append(box)


# Differences to full


def _differences(results: Results) -> Figure | str:
    """Each variant minus full, in points of J&F, with intervals and single seeds."""
    if not results.differences:
        return "There is no variant to compare with full yet."
    figure, panels = _panels(results, 1.1 + 0.28 * len(results.others))
    words = {"better": "^", "worse": "v", "inconclusive": "o"}
    _legend(
        figure,
        [
            *(
                Line2D([], [], ls="", marker=marker, color="k", label=word, **_hollow(word))
                for word, marker in words.items()
            ),
            Line2D([], [], ls="", marker="|", color=GREY, label="a single seed"),
        ],
    )
    largest = max(abs(d.mean) for d in results.differences.values())
    widest = max(max(-d.low, d.high) for d in results.differences.values())
    limit = 100 * min(1.1 * widest, 3 * largest + 0.02)  # two seeds give intervals of any width
    for benchmark, ax in panels:
        ax.axvline(0, color="k", lw=0.8)
        for height, variant in enumerate(results.others):
            if (benchmark, variant) not in results.differences:
                continue
            difference = results.differences[benchmark, variant]
            colour = _colour(results, variant)
            low, high = 100 * difference.low, 100 * difference.high
            ax.plot([max(low, -limit), min(high, limit)], [height] * 2, color=colour)
            for end, arrow in ((low, "<"), (high, ">")):
                if abs(end) > limit:
                    ax.plot(np.clip(end, -limit, limit), height, arrow, color=colour, ms=4)
            seeds = _seed_differences(
                results.scores[benchmark, variant], results.scores[benchmark, "full"]
            )
            ax.plot(seeds, np.full(len(seeds), height), "|", color=GREY, ms=9)
            marker, word = words[difference.verdict], difference.verdict
            ax.plot(100 * difference.mean, height, marker, color=colour, ms=6, **_hollow(word))
        ax.set_xlim(-1.05 * limit, 1.05 * limit)
        ax.set_ylim(len(results.others) - 0.5, -0.5)
        ax.set_yticks(range(len(results.others)), [""] * len(results.others))
        ax.tick_params(left=False)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel(f"{JF} minus that of {results.label('full')}, points")
    names = [textwrap.fill(results.label(variant), 24) for variant in results.others]
    panels[0][1].set_yticklabels(names)
    return figure


def _hollow(verdict: str) -> dict[str, Any]:
    return {"mfc": "white"} if verdict == "inconclusive" else {}


def _seed_differences(variant: ObjectScores, full: ObjectScores) -> Values:
    """For each seed the mean over objects, in points."""
    differences = variant.values["J&F"] - full.values["J&F"]
    return np.asarray(100 * differences.mean(axis=1))


# J over the course of a sequence


def _course(results: Results) -> Figure | str:
    """How J falls from the first frame to the last: each variant beside full, with bands."""
    if not results.scores:
        return "Nothing has been scored yet."
    shown = results.others or ["full"]
    panels = [(b, v) for v, b in product(shown, results.plan.benchmarks)]
    panels = [key for key in panels if key in results.rows]
    rows = -(-len(panels) // 2)
    figure = _figure(results, 0.6 + 1.35 * rows)
    axes = figure.subplots(rows, min(2, len(panels)), sharex=True, sharey=True, squeeze=False)
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
        ax.set_title(f"{TITLES[benchmark]}: {results.label(variant)}", weight="normal")
        ax.margins(x=0)
    for ax in axes[:, 0]:
        ax.set_ylabel(f"{J}, %")
    for ax in axes.flat[max(0, len(panels) - 2) : len(panels)]:
        ax.set_xlabel("position in the sequence, %")
        ax.tick_params(labelbottom=True)
    _legend(
        figure,
        [
            Line2D([], [], label=results.label(v), color=_colour(results, v), ls=_line(results, v))
            for v in dict.fromkeys(("full", *shown))
        ],
    )
    return figure


_TIME = np.linspace(0, 100, 41)


def _course_of(rows: list[Score]) -> tuple[Values, Values, Values]:
    """Mean J over objects, per cent, at 41 positions, and the 95 % bootstrap interval of it."""
    curves: dict[tuple[int, str, int], list[Score]] = defaultdict(list)
    for row in rows:
        curves[row.seed, row.sequence, row.object].append(row)
    objects: dict[tuple[str, int], list[Values]] = defaultdict(list)
    for (_, sequence, number), frames in curves.items():
        values = [100 * row.J for row in sorted(frames, key=lambda row: row.frame)]
        curve = np.interp(_TIME, np.linspace(0, 100, len(values)), values)
        objects[sequence, number].append(curve)
    means = np.array([np.mean(seeds, axis=0) for seeds in objects.values()])
    random = np.random.default_rng(0)
    drawn = means[random.integers(len(means), size=(1000, len(means)))].mean(axis=1)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    return means.mean(axis=0), low, high


# J per sequence


def _sequences(results: Results) -> Figure | str:
    """J of each sequence: full, the other variants, and the authors' where comparable."""
    scored = [b for b in results.plan.benchmarks if (b, "full") in results.scores]
    if not scored:
        return "full has not been scored yet."
    longest = max(len({s for s, _ in results.scores[b, "full"].objects}) for b in scored)
    figure, panels = _panels(results, 1.2 + 0.15 * longest)
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
        if results.comparable:
            authors = _authors(benchmark)
            ax.plot([authors[s] for s in order], heights, "D", color=COLOURS[3], ms=4, mfc="none")
        ax.set_yticks(heights, order, fontsize=7)
        ax.set_ylim(-0.7, len(order) - 0.3)
        ax.set_xlabel(f"{J}, %")
    handles = [
        Line2D([], [], marker="o", color=COLOURS[0], label=f"{results.label('full')}, seeds")
    ]
    if results.others:
        handles.append(Line2D([], [], ls="", marker="|", color="0.7", label="other variants"))
    if results.comparable:
        hollow = Line2D(
            [], [], ls="", marker="D", color=COLOURS[3], mfc="none", label="the authors'"
        )
        handles.append(hollow)
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
    for fact in read_facts("official_rgmp_scores.csv"):
        if fact["benchmark"] == benchmark:
            found[fact["sequence"]].append(100 * float(fact["J_mean"]))
    return {sequence: sum(values) / len(values) for sequence, values in found.items()}


# Training curves


def _training(results: Results) -> Figure | str:
    """Loss and J of every training, a row for each stage; a line for each seed."""
    curves = {
        training: metrics
        for training in results.plan.trainings
        if (metrics := read_metrics(results.folder / training.folder / "metrics.jsonl"))
    }
    if not curves:
        return "The curves of the trainings (metrics.jsonl) are not in this folder."
    stages = [s for s in STAGES if s in {training.stage for training in curves}]
    figure = _figure(results, 0.7 + 1.9 * len(stages))
    axes = figure.subplots(len(stages), 2, squeeze=False)
    owners = dict.fromkeys(v for v in results.variants for t in curves if t.variants[0] == v)
    for training, metrics in curves.items():
        owner = training.variants[0]
        for ax, key, factor in zip(
            axes[stages.index(training.stage)], ("loss", "J"), (1, 100), strict=True
        ):
            steps, values = _smooth(metrics, key)
            ax.plot(
                steps,
                factor * values,
                color=_colour(results, owner),
                ls=_line(results, owner),
                lw=1,
            )
    for row, stage in zip(axes, stages, strict=True):
        for ax, quantity in zip(row, ("loss", f"training {J}, %"), strict=True):
            ax.set_title(STAGES[stage])
            ax.set_ylabel(quantity)
            ax.margins(x=0)
            ax.set_ylim(bottom=0)
    for ax in axes[-1]:
        ax.set_xlabel("step")
    _legend(
        figure,
        [
            Line2D([], [], label=results.label(v), color=_colour(results, v), ls=_line(results, v))
            for v in owners
        ],
    )
    return figure


def _smooth(metrics: list[dict[str, float]], key: str) -> tuple[Values, Values]:
    """Steps and values, averaged over blocks so that at most 60 points are left."""
    blocks = min(60, len(metrics))
    both = np.array([(line["step"], line[key]) for line in metrics], dtype=np.float64)
    means = np.array([block.mean(axis=0) for block in np.array_split(both, blocks)])
    return means[:, 0], means[:, 1]


# Frames with masks

_AWAY = "The frames and masks that the study was scored on are not within reach: no pictures."


def _strips(results: Results) -> Figure | str:
    """The frames at which the variants part most: the truth, then each variant."""
    shots = [shot for b in results.plan.benchmarks for shot in _parting(results, b)]
    if not _within_reach(results, shots):
        return _AWAY
    cells = [[_Cell(shot, None) for shot in shots]]
    cells += [[_Cell(shot, variant) for shot in shots] for variant in results.variants]
    heads = [f"{TITLES[s.benchmark]}\n{s.sequence}, frame {int(s.frame)}" for s in shots]
    return _grid(results, cells, ["truth", *map(results.label, results.variants)], heads)


def _worst(results: Results) -> Figure | str:
    """The sequences on which full does worst: what it is given, then three frames."""
    rows = [row for b in results.plan.benchmarks for row in _hardest(results, b)]
    if not _within_reach(results, [shot for row in rows for shot in row]):
        return _AWAY
    cells = [[_Cell(row[0], None), *(_Cell(shot, "full") for shot in row[1:])] for row in rows]
    names = [f"{TITLES[row[0].benchmark]} {row[0].sequence}" for row in rows]
    heads = ["given", "a third on", "two thirds on", "last scored"]
    return _grid(results, cells, names, heads)


class _Shot(NamedTuple):
    """A frame of a benchmark, and J of each variant there, mean over objects, first seed."""

    benchmark: Benchmark
    sequence: str
    frame: str
    region: dict[str, float]


class _Cell(NamedTuple):
    """A picture of a grid: a variant's mask, or the truth."""

    shot: _Shot
    variant: str | None


def _shots(results: Results, benchmark: Benchmark) -> dict[str, list[_Shot]]:
    """Every scored frame of a benchmark, by sequence, in order."""
    found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for variant in results.variants:
        for row in results.rows.get((benchmark, variant), []):
            if row.seed == results.plan.seeds[0]:
                found[row.sequence, row.frame][variant].append(row.J)
    shots: dict[str, list[_Shot]] = defaultdict(list)
    for (sequence, frame), regions in sorted(found.items()):
        means = {variant: sum(js) / len(js) for variant, js in regions.items()}
        shots[sequence].append(_Shot(benchmark, sequence, frame, means))
    return shots


def _parting(results: Results, benchmark: Benchmark) -> list[_Shot]:
    """The frames with the widest range of J, one a sequence, two or four in all."""
    best = [max(shots, key=_range) for shots in _shots(results, benchmark).values()]
    return sorted(best, key=_range, reverse=True)[: 4 // len(results.plan.benchmarks)]


def _range(shot: _Shot) -> float:
    return max(shot.region.values()) - min(shot.region.values())


def _hardest(results: Results, benchmark: Benchmark) -> list[list[_Shot]]:
    """Of the sequences with the lowest J of full: frame 0, and three scored frames."""
    scored = [s for s in _shots(results, benchmark).values() if "full" in s[0].region]
    scored.sort(key=lambda shots: sum(shot.region["full"] for shot in shots) / len(shots))
    return [
        [
            _Shot(benchmark, shots[0].sequence, f"{0:0{len(shots[0].frame)}d}", {}),
            *(shots[round(part * (len(shots) - 1))] for part in (1 / 3, 2 / 3, 1)),
        ]
        for shots in scored[: 4 // len(results.plan.benchmarks)]
    ]


def _within_reach(results: Results, shots: list[_Shot]) -> bool:
    """Whether there are pictures to show, here: tables may travel without masks and frames."""
    return bool(shots) and all(
        path.is_dir() for path in (results.davis / "JPEGImages", results.folder / "masks")
    )


def _grid(results: Results, cells: list[list[_Cell]], names: list[str], heads: list[str]) -> Figure:
    """Pictures in rows with a name each and columns with a head each."""
    pictures = [[_picture(results, cell) for cell in row] for row in cells]
    tallest = max(picture.shape[0] / picture.shape[1] for row in pictures for picture in row)
    width = (WIDTH - 1) / max(3, len(heads))
    figure = _figure(results, 0.7 + len(cells) * (width * tallest + 0.04))
    axes = figure.subplots(len(cells), len(heads), squeeze=False, gridspec_kw={"hspace": 0.02})
    for y, x in product(range(len(cells)), range(len(heads))):
        ax, cell = axes[y, x], cells[y][x]
        ax.imshow(pictures[y][x])
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set_visible(False)
        if cell.variant:
            text = f"{J} {100 * cell.shot.region[cell.variant]:.0f}"
            box = {"facecolor": "black", "alpha": 0.6, "pad": 1, "lw": 0}
            ax.text(0.02, 0.05, text, color="white", fontsize=6.5, transform=ax.transAxes, bbox=box)
    for ax, name in zip(axes[:, 0], names, strict=True):
        ax.set_ylabel(textwrap.fill(name, 14), rotation=0, ha="right", va="center")
    for ax, head in zip(axes[0], heads, strict=True):
        ax.set_title(head, weight="normal", fontsize=7)
    return figure


def _picture(results: Results, cell: _Cell) -> Picture:
    """A frame under its mask in colour, the truth's outline in white: uint8 (h, w, 3)."""
    benchmark, sequence, frame, _ = cell.shot
    resolution = results.plan.data.resolution
    name = f"{sequence}/{frame}"
    picture = davis.read_frame(results.davis / "JPEGImages" / resolution / f"{name}.jpg")
    annotation = results.davis / "Annotations" / resolution / f"{name}.png"
    truth = davis.read_annotation(annotation, benchmark)
    mask = truth
    if cell.variant:
        folder = results.folder / "masks" / benchmark / cell.variant
        mask = davis.read_labels(folder / f"seed{results.plan.seeds[0]}" / f"{name}.png")
    height, width = picture.shape[:2]
    size = (_PIXELS, round(_PIXELS * height / width))
    shown = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)) * 1.0
    mask, truth = (_resized(labels, size) for labels in (mask, truth))
    for number in set(np.unique(mask).tolist()) - {0, davis.VOID}:
        colour = 255 * np.array(COLOURS[(number - 1) % len(COLOURS)])
        shown[mask == number] = 0.45 * shown[mask == number] + 0.55 * colour
    shown[_outline(truth)] = 255
    return shown.astype(np.uint8)


_PIXELS = 400  # width of a picture: 1.5 inches at 266 dots an inch


def _resized(labels: Labels, size: tuple[int, int]) -> Labels:
    return np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))


def _outline(labels: Labels) -> npt.NDArray[np.bool_]:
    """The pixels of objects that have another label within two pixels."""
    window = (5, 5)
    edge = maximum_filter(labels, window) != minimum_filter(labels, window)
    return edge & (labels > 0) & (labels != davis.VOID)


_DRAWINGS = (
    _accuracy_speed,
    _differences,
    _course,
    _sequences,
    _training,
    _strips,
    _worst,
)
