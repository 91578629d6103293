"""Every table and figure of a study: its name, title, caption, place and evidence. Data only.

To add a figure, add its entry here, and `draw_<name>` in the module of `rgmp.reporting.figures`
that the entry names. To add a table, add its entry here, `build_<name>` in `rgmp.reporting.tables`,
`print_<name>` in `rgmp.reporting.table_layouts`, and the columns of its file, which is read below
this layer, in `rgmp.study.table_files`. Files, the report and Snakemake's report follow.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rgmp.config.base import Benchmark
from rgmp.study.plan import Plan

EACH_BENCHMARK = "benchmarks"
"""In the place of a table: that of each benchmark of the study."""
LEAD = "lead"
"""The section on the first screen of the report, without a heading."""
SECTIONS = {
    "difficulties": "Difficulties",
    "benchmarks": "Benchmarks",
    "speed": "Speed",
    "time": "Over the course of a sequence",
    "pictures": "Pictures",
    "training-runs": "Training",
    "jobs": "Jobs",
    "by-sequence": "Sequences",
}
"""The other sections of the report in order: anchor -> heading. Figures come before tables."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A table or a figure.

    Attributes:
        name: of its files, without suffix; a table and a figure may share one.
        title: what it is, in a few words.
        caption: how to read it; `{seeds}` stands for the seeds of the study.
        evidence: the kinds of records that it is made from; none: from the plan alone.
        section: its place in the report: `LEAD` or one of `SECTIONS`.
        benchmark: of the records, where those of one benchmark count alone.
    """

    name: str
    title: str
    caption: str
    evidence: tuple[str, ...]
    section: str
    benchmark: Benchmark | None = None

    def caption_for(self, seeds: Iterable[int]) -> str:
        """The caption in a study with these seeds."""
        return self.caption.format(seeds=", ".join(map(str, seeds)))


@dataclass(frozen=True, kw_only=True)
class FigureEntry(Entry):
    """A figure.

    Attributes:
        family: the file in `rgmp/reporting/figures/` whose `draw_<name>` draws it.
        alternative: what is to be seen, for who cannot see it.
        shows: the tables that have its numbers; `EACH_BENCHMARK` stands for that of each benchmark.
    """

    family: str
    alternative: str
    shows: tuple[str, ...] = ()

    def shown_by(self, plan: Plan) -> list[str]:
        """The tables of a study that have its numbers."""
        return [
            name
            for table in self.shows
            for name in (plan.benchmarks if table == EACH_BENCHMARK else (table,))
        ]

    @property
    def module(self) -> str:
        """The module of its family, as it is imported."""
        return f"rgmp.reporting.figures.{self.family}"


def tables(plan: Plan) -> tuple[Entry, ...]:
    """The tables of a study: one for each of its benchmarks, and those that have all of them.

    That of published figures is one where frames are DAVIS's, that of checkpoints where several of
    a training run are kept.
    """
    of_benchmarks = (_of_benchmark(benchmark, plan) for benchmark in plan.benchmarks)
    compared = () if plan.embedded else (REPRODUCTION,)
    kept = (CHECKPOINTS,) if plan.checkpoint_scores else ()
    return (
        *(ABLATION, DIFFICULTY, *of_benchmarks, *compared),
        *(PROTOCOLS, SPEED, SEQUENCES, COST, *kept),
    )


def table_names(plan: Plan) -> tuple[str, ...]:
    """The names of `tables`."""
    return tuple(entry.name for entry in tables(plan))


ABLATION = Entry(
    name="ablation",
    title="What each part of the method contributes",
    caption="Each variant compared with the whole method. Intervals are 95% each, over seeds and "
    "sequences; the verdicts of a benchmark are corrected for multiple tests.",
    evidence=("score", "bounds"),
    section=LEAD,
)
DIFFICULTY = Entry(
    name="difficulty",
    title="Where each part of the method contributes",
    caption="Each variant compared with the whole method on the sequences of one difficulty. What "
    "was predicted has a verdict; the rest is exploratory: among so many intervals of 95% some "
    "exclude zero by chance.",
    evidence=("score",),
    section="difficulties",
)
REPRODUCTION = Entry(
    name="reproduction",
    title="Published figures, reproduced",
    caption="J and F of the whole method, and of what was not trained here, beside those "
    "published, of all objects and of each. Reproduced: both within 0.1 points.",
    evidence=("score",),
    section="benchmarks",
)
SPEED = Entry(
    name="speed",
    title="Frames per second",
    caption="Frames per second of network and aggregation without frame 0, as the authors count, "
    "and end to end, of every distinct computation, with its ratio to the whole method, its cost "
    "by objects, its memory, and the share of what the device can reach.",
    evidence=("speed",),
    section="speed",
)
SEQUENCES = Entry(
    name="sequences",
    title="Scores by sequence",
    caption="Every object of every sequence; the CSV file has every variant.",
    evidence=("score",),
    section="by-sequence",
)
PROTOCOLS = Entry(
    name="protocols",
    title="Protocols",
    caption="How the whole method, and what was not trained here, were trained, run and timed, as "
    "far as that is known.",
    evidence=("infer", "speed"),
    section="benchmarks",
)
COST = Entry(
    name="cost",
    title="Cost of training",
    caption="Time and memory of every training run, and the variants that share it.",
    evidence=("train",),
    section="training-runs",
)

CHECKPOINTS = Entry(
    name="checkpoints",
    title="The last checkpoints of each training run",
    caption="The last checkpoint, on which all other tables rest, the mean of those kept and the "
    "best of them; and what is left, on other sequences, of the gain of choosing.",
    evidence=("checkpoints", "score"),
    section="training-runs",
)


def _of_benchmark(benchmark: Benchmark, plan: Plan) -> Entry:
    title = plan.title_of(benchmark)
    return Entry(
        name=benchmark,
        title=f"{title}: accuracy and speed",
        caption="All measures of davis2017-evaluation, and seconds per frame. Published methods "
        "are listed only for the whole of DAVIS val.",
        evidence=("score", "bounds", "speed"),
        section="benchmarks",
        benchmark=benchmark,
    )


FIGURE_ENTRIES: tuple[FigureEntry, ...] = (
    FigureEntry(
        name="differences",
        family="accuracy",
        title="Differences to the whole method",
        caption="J&F of each variant minus that of the whole method, over all sequences: mean, 95% "
        "interval over seeds and sequences, single seeds. Colour and shape tell the verdict; "
        "squares: no difference beyond the margin; hollow: undecided, or no verdict. An arrowhead "
        "marks an interval that continues beyond the axis.",
        alternative="A row for each variant, a panel for each benchmark: the mean difference of "
        "J&F in points as a marker on its interval, with zero as a vertical line.",
        shows=("ablation", "differences"),
        evidence=("score",),
        section=LEAD,
    ),
    FigureEntry(
        name="accuracy_speed",
        family="accuracy",
        title="Accuracy against speed",
        alternative="Points, a panel for each benchmark: J&F in per cent upwards, seconds per "
        "frame to the right on a logarithmic axis, a marker for each method with bars both ways.",
        caption="J&F against seconds per frame, counted as the authors count them: whole clips, "
        "including frame 0, reading, resizing and transfers. Bars: standard deviation over seeds, "
        "and the 95% interval of the time over rounds. What is the same computation as the whole "
        "method is left out.",
        shows=(EACH_BENCHMARK,),
        evidence=("score", "speed"),
        section=LEAD,
    ),
    FigureEntry(
        name="difficulty",
        family="difficulty",
        title="Differences by difficulty",
        caption="J&F of each variant minus that of the whole method, in points, on the sequences "
        "of one difficulty. Framed: predicted by the variant's file, with the verdict; all others "
        "are exploratory, and among so many some are far from zero by chance. Empty: not compared, "
        "as where both compute the same.",
        alternative="A heat map for each benchmark, variants downwards, difficulties to the right: "
        "the mean difference of J&F in points as a number on a colour from red, worse, to blue, "
        "better. Predicted cells are framed and have the mark of their verdict.",
        shows=("difficulty",),
        evidence=("score",),
        section="difficulties",
    ),
    FigureEntry(
        name="course",
        family="course",
        title="J over the course of a sequence",
        caption="J over the course of a sequence: where errors accumulate, the line falls. Each "
        "variant next to the whole method; bands: 95% bootstrap intervals of the mean, sequences "
        "resampled. What is the same computation as the whole method is left out.",
        alternative="Lines in small panels, one for each variant and benchmark: J in per cent over "
        "the position in the sequence, the variant's line beside that of the whole method.",
        shows=("course",),
        evidence=("score",),
        section="time",
    ),
    FigureEntry(
        name="sequences",
        family="sequences",
        title="J of every sequence",
        caption="J of every sequence, the hardest at the bottom; the line is the range over seeds "
        "{seeds}.",
        alternative="A row for each sequence, a panel for each benchmark: J in per cent of the "
        "whole method as a dot on the range of its seeds, of other variants as ticks.",
        shows=("sequence_means",),
        evidence=("score",),
        section="by-sequence",
    ),
    FigureEntry(
        name="training",
        family="training",
        title="Training curves",
        caption="Loss and J during training: the mean over seeds, and thin lines for each seed. A "
        "training run that variants share is drawn once, under the first of them.",
        alternative="Lines over training steps, a row of two panels for each stage: loss at the "
        "left, J in per cent at the right, a line for each training run.",
        evidence=("train",),
        section="training-runs",
    ),
    FigureEntry(
        name="strips",
        family="qualitative",
        title="Where the variants differ most",
        caption="The sequences with the frames at which the variants differ most, cropped to the "
        "objects and masks: the given frame and the truth, then masks in the palette of DAVIS on "
        "paled frames, first seed. Below: J in every frame. What is the same computation as the "
        "whole method is left out.",
        alternative="Pictures in rows and columns: frames of a sequence from left to right, the "
        "given one first; the truth in the first row, a method's masks in each of the others, "
        "false positives and false negatives in stripes. Below them, lines of J over frames.",
        shows=("frames",),
        evidence=("infer", "score"),
        section="pictures",
    ),
    FigureEntry(
        name="worst",
        family="qualitative",
        title="Where the whole method does worst",
        caption="The sequences on which the whole method does worst, those with several objects "
        "first: the given frame and the truth, then masks in the palette of DAVIS on paled frames, "
        "first seed. Below: J in every frame.",
        alternative="Pictures in pairs of rows: frames of a sequence from left to right, the given "
        "one first, with the truth above and the masks of the whole method below, false positives "
        "and false negatives in stripes. Below them, a line of J over frames.",
        shows=("frames",),
        evidence=("infer", "score"),
        section="pictures",
    ),
    FigureEntry(
        name="dag",
        family="job_graph",
        title="Jobs and shared training runs",
        caption="Which command waits for which, and how often each runs; below, the training runs "
        "of one seed and the variants that depend on them.",
        alternative="Boxes and arrows: the commands of the study in the order in which they wait "
        "for one another; below, a tree from training runs to the variants that use them.",
        evidence=(),
        section="jobs",
    ),
)
FIGURE_NAMES = tuple(entry.name for entry in FIGURE_ENTRIES)
