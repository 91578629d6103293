"""Every table and figure of a study: its name, title, caption and what it rests on. Data only.

Who adds a figure adds its entry here, and `draw_<name>` in the module of `rgmp.reporting.figures`
that the entry names; who adds a table adds its entry, and what builds it in
`rgmp.reporting.tables`. Files, the report and Snakemake's report follow.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rgmp.config.base import Benchmark
from rgmp.reporting.labels import BENCHMARK_TITLES


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A table or a figure.

    Attributes:
        name: of its files, without suffix; a table and a figure may share one.
        title: what it is, in a few words.
        caption: how to read it; `{seeds}` stands for the seeds of the study.
        evidence: the kinds of records that it is made from; none: from the plan alone.
        benchmark: of the records, where those of one benchmark count alone.
    """

    name: str
    title: str
    caption: str
    evidence: tuple[str, ...]
    benchmark: Benchmark | None = None

    def caption_for(self, seeds: Iterable[int]) -> str:
        """The caption in a study with these seeds."""
        return self.caption.format(seeds=", ".join(map(str, seeds)))


@dataclass(frozen=True, kw_only=True)
class FigureEntry(Entry):
    """A figure.

    Attributes:
        family: the file in `rgmp/reporting/figures/` whose `draw_<name>` draws it.
    """

    family: str

    @property
    def module(self) -> str:
        """The module of its family, as it is imported."""
        return f"rgmp.reporting.figures.{self.family}"


def tables(benchmarks: Iterable[Benchmark]) -> tuple[Entry, ...]:
    """The tables of a study: one for each of its benchmarks, and those that have all of them."""
    return (ABLATION, *map(_of_benchmark, benchmarks), SPEED, SEQUENCES, COST)


def table_names(benchmarks: Iterable[Benchmark]) -> tuple[str, ...]:
    """The names of `tables`."""
    return tuple(entry.name for entry in tables(benchmarks))


ABLATION = Entry(
    name="ablation",
    title="What each part of the method is worth",
    caption="Each variant against the whole method. The intervals of a benchmark hold together "
    "with 95%; a verdict is inconclusive where the interval includes zero.",
    evidence=("score",),
)
SPEED = Entry(
    name="speed",
    title="Frames a second",
    caption="Frames per second of network and aggregation with frame 0 apart, as the authors "
    "count, and end to end; by scales and number of objects, with the share of what the device "
    "can do.",
    evidence=("speed",),
)
SEQUENCES = Entry(
    name="sequences",
    title="Sequence by sequence",
    caption="Every object of every sequence; the CSV has every variant.",
    evidence=("score",),
)
COST = Entry(
    name="cost",
    title="What the trainings took",
    caption="What every training took, and the variants that share it.",
    evidence=("train",),
)


def _of_benchmark(benchmark: Benchmark) -> Entry:
    return Entry(
        name=benchmark,
        title=f"{BENCHMARK_TITLES[benchmark]}: accuracy and speed",
        caption=f"All measures of davis2017-evaluation on {BENCHMARK_TITLES[benchmark]}, and "
        "seconds per frame. Published methods stand beside ours only on the whole of DAVIS val.",
        evidence=("score", "speed"),
        benchmark=benchmark,
    )


FIGURES: tuple[FigureEntry, ...] = (
    FigureEntry(
        name="accuracy_speed",
        family="accuracy",
        title="Accuracy against speed",
        caption="J&F over seconds per frame, counted as the authors count them: whole clips, with "
        "frame 0, reading, resizing and transfers.",
        evidence=("score", "speed"),
    ),
    FigureEntry(
        name="differences",
        family="accuracy",
        title="Differences to the whole method",
        caption="J&F of each variant minus that of the whole method: mean, interval over seeds "
        "and sequences, single seeds. A hollow mark: inconclusive. Where an arrow ends a line, "
        "the interval goes on.",
        evidence=("score",),
    ),
    FigureEntry(
        name="course",
        family="course",
        title="J over the course of a sequence",
        caption="J over the course of a sequence: where errors add up, a line falls. Each variant "
        "beside the whole method; bands: 95% bootstrap intervals of the mean, sequences "
        "resampled.",
        evidence=("score",),
    ),
    FigureEntry(
        name="sequences",
        family="sequences",
        title="J of every sequence",
        caption="J of every sequence, the hardest at the bottom; the line is the range over seeds "
        "{seeds}.",
        evidence=("score",),
    ),
    FigureEntry(
        name="training",
        family="training",
        title="Training curves",
        caption="Loss and training J: the mean of the seeds, and thin lines for each. A training "
        "that variants share is drawn once, under the first of them.",
        evidence=("train",),
    ),
    FigureEntry(
        name="strips",
        family="qualitative",
        title="Where the variants part most",
        caption="The frames at which the variants part most, cropped to what is marked there: "
        "masks in colour, the truth outlined in white, first seed.",
        evidence=("infer", "score"),
    ),
    FigureEntry(
        name="worst",
        family="qualitative",
        title="Where the whole method does worst",
        caption="The sequences on which the whole method does worst: what it is given, then three "
        "frames. Masks in colour, the truth outlined in white.",
        evidence=("infer", "score"),
    ),
    FigureEntry(
        name="dag",
        family="job_graph",
        title="Jobs and shared trainings",
        caption="Which command waits for which, and how often each runs; below, the trainings of "
        "one seed and the variants that rest on them.",
        evidence=(),
    ),
)
FIGURE_NAMES = tuple(entry.name for entry in FIGURES)
