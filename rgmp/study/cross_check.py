"""Whether the official evaluator and the built-in engine agree on a study's masks.

A sample of them that a study always has: every sequence of every benchmark once, each with another
of its methods and seeds in turn; with `cross_check: require`, all masks. It needs the masks, and is
no input of a score: whether the evaluator is installed changes none.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from rgmp.config.base import Benchmark
from rgmp.data.mask_source import MaskSource
from rgmp.data.videos import Videos
from rgmp.errors import refuse
from rgmp.evaluation.engines import PRESENT, Evaluator, cross_check, is_required
from rgmp.evaluation.measures import Score
from rgmp.evaluation.official import EvaluatorError, Masked, Official, is_installed
from rgmp.evaluation.score_table import read_scores
from rgmp.evaluation.scoring import judge_all, locate, open_truths
from rgmp.runtime.progress import Progress
from rgmp.runtime.tidy import rows_of, write_table
from rgmp.study import layout
from rgmp.study.results import Results

ENGINES = ("builtin", "official")
_KEYS = ["benchmark", "variant", "seed", "sequence", "object"]
EVALUATOR_DTYPES = {
    **dict(zip(_KEYS, ("str", "str", "Int64", "str", "int64"), strict=True)),
    "frames": "int64",
    **{f"{measure}_{engine}": "float64" for measure in "JF" for engine in ENGINES},
    "largest_difference": "float64",
    "evaluator": "str",
}
"""The columns of the table: an object's J and F by both engines, means over its frames, and the
largest difference between them in a frame; and what became of the evaluator."""


class Part(NamedTuple):
    """A sequence of the masks of a run or an external method.

    Attributes:
        run: the name, such as `davis2017/full/seed0`.
        benchmark: its benchmark.
        sequence: the name.
        rows: its scores.
    """

    run: str
    benchmark: Benchmark
    sequence: str
    rows: list[Score]


class Checked(NamedTuple):
    """A cross-check.

    Attributes:
        table: J and F by both engines (`EVALUATOR_DTYPES`).
        evaluator: what became of the evaluator.
        sequences: how many sequences of masks were taken, of all runs together.
        of_sequences: out of how many.
        largest: the largest difference between the engines, if both have scored.
        why: what the evaluator failed of.
    """

    table: pd.DataFrame
    evaluator: Evaluator
    sequences: int
    of_sequences: int
    largest: float | None = None
    why: str = ""


def check(results: Results, processes: int = 1) -> Checked:
    """Score masks of a study with the other engine, too.

    Args:
        results: of the study; all of its masks are scored.
        processes: how many share the sequences; the result does not depend on it.

    Raises:
        UserError: the engines differ; scores or masks are not there; the evaluator is required, but
            not installed or at fault.
    """
    asked = results.plan.evaluation
    parts, every = _parts(results, all_of_them=asked.cross_check == "require")
    required = is_required(asked.engine, asked.cross_check)
    if asked.cross_check == "off" or not (required or is_installed()):
        evaluator: Evaluator = "not asked" if asked.cross_check == "off" else "absent"
        return Checked(_table(results, parts, None, evaluator), evaluator, len(parts), every)
    try:
        others = [*_by_other_engine(results, parts, processes)]
    except EvaluatorError as error:
        if required:
            raise
        table = _table(results, parts, None, "failed")
        return Checked(table, "failed", len(parts), every, why=str(error))
    pairs = zip(parts, others, strict=True)
    largest = max((cross_check(part.rows, other) for part, other in pairs), default=0.0)
    table = _table(results, parts, others, PRESENT)
    return Checked(table, PRESENT, len(parts), every, largest)


def write(folder: Path, checked: Checked) -> None:
    """Write the table of a cross-check into a study's folder."""
    write_table(folder / layout.EVALUATOR, checked.table)


def _parts(results: Results, *, all_of_them: bool) -> tuple[list[Part], int]:
    """What is checked, and the number of what there is."""
    parts: list[Part] = []
    every = 0
    for benchmark in results.plan.benchmarks:
        if not results.videos(benchmark).is_official:
            continue  # of other data sets the evaluator knows nothing
        runs = [*_runs_with_masks(results, benchmark)]
        sequences: list[str] = []
        for number, run in enumerate(runs):
            scores = read_scores(results.folder / layout.scores(run), "snakemake")
            sequences = [*scores["sequence"].unique()]
            own = sequences if all_of_them else sequences[number :: len(runs)]
            parts += (Part(run, benchmark, name, _scores(scores, name)) for name in own)
        every += len(runs) * len(sequences)
    return parts, every


def _runs_with_masks(results: Results, benchmark: Benchmark) -> Iterator[str]:
    """The runs of a benchmark, then the external methods that are given by masks."""
    inferences = results.plan.inferences.items()
    yield from (n for n, one in inferences if one.benchmark == benchmark and not one.step)
    for name, (of, method) in results.plan.adoptions.items():
        if of == benchmark and benchmark in method.masks:
            yield name


def _scores(table: pd.DataFrame, sequence: str) -> list[Score]:
    """The rows of a score table that are of a sequence."""
    rows = rows_of(table, sequence=sequence).itertuples(index=False, name=None)
    return [Score(b, v, None if pd.isna(seed) else seed, *rest) for b, v, seed, *rest in rows]


def _by_other_engine(results: Results, parts: list[Part], processes: int) -> Iterator[list[Score]]:
    """The rows of each part by the engine that has not scored the study.

    Raises:
        UserError: as `Official.measure`, or masks are not there any more.
    """
    progress = Progress("cross-check", "sequences", len(parts))
    if results.plan.evaluation.engine == "official":
        for done, part in enumerate(parts, start=1):
            yield _built_in(results, part)
            progress.at(done)
        return
    sources = {run: results.masks_of(run) for run in dict.fromkeys(part.run for part in parts)}
    with Official(processes) as official:
        masked = (_masked(results, part, sources[part.run]) for part in parts)
        for done, rows in enumerate(official.measure(masked), start=1):
            yield rows
            progress.at(done)


def _videos(results: Results, part: Part) -> Videos:
    """The sequence of a part, as the study reads it."""
    videos = results.plan.videos(part.benchmark, results.folder)
    return videos.model_copy(update={"sequences": (part.sequence,)})


def _masked(results: Results, part: Part, source: MaskSource) -> Masked:
    """A part, with its masks."""
    (sequence,) = _videos(results, part).open()
    masks = source.masks_of(part.sequence, sequence.names).masks
    return Masked(sequence, part.benchmark, masks, part.rows)


def _built_in(results: Results, part: Part) -> list[Score]:
    """The rows of a part by the built-in engine."""
    videos, first = _videos(results, part), part.rows[0]
    located = locate(
        videos,
        results.masks_of(part.run),
        open_truths(videos),
        variant=first.variant,
        seed=first.seed,
    )
    judge_all([located])
    refuse(located.judged.problems)
    return located.judged.rows


def _table(
    results: Results, parts: list[Part], others: list[list[Score]] | None, evaluator: Evaluator
) -> pd.DataFrame:
    """J and F of each object by both engines, or by the study's own alone."""
    own = results.plan.evaluation.engine
    (other,) = {*ENGINES} - {own}
    rows = pd.DataFrame([row for part in parts for row in part.rows], columns=[*Score._fields])
    second = [row for part in others for row in part] if others else [None] * len(rows)
    for measure in "JF":
        rows[f"{measure}_{own}"] = rows[measure]
        rows[f"{measure}_{other}"] = [row and getattr(row, measure) for row in second]
    rows = rows.astype({f"{m}_{engine}": "float64" for m in "JF" for engine in ENGINES})
    apart = [(rows[f"{m}_{own}"] - rows[f"{m}_{other}"]).abs() for m in "JF"]
    rows["largest_difference"] = pd.concat(apart, axis=1).max(axis=1)
    objects = rows.groupby(_KEYS, sort=False, dropna=False)
    means = {f"{m}_{engine}": (f"{m}_{engine}", "mean") for m in "JF" for engine in ENGINES}
    table = objects.agg(
        frames=("frame", "size"), **means, largest_difference=("largest_difference", "max")
    ).reset_index()
    return table.assign(evaluator=evaluator)[[*EVALUATOR_DTYPES]].astype(EVALUATOR_DTYPES)
