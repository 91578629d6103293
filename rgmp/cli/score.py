"""`rgmp score`: J and F of every frame, for masks from any method."""

import argparse
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from rgmp.cli.command import Command
from rgmp.cli.complaints import note, warn
from rgmp.cli.conventions import add_conventions, asked_of
from rgmp.cli.options import (
    COMMAND_LINE,
    add_job,
    add_names,
    add_processes,
    add_truth,
    add_videos,
    default_of,
    given_of,
    names_a_job,
    videos_of,
)
from rgmp.config.load import validated
from rgmp.config.study import CrossCheck, Engine
from rgmp.data.annotations import IN_WORDS, annotation_of
from rgmp.data.mask_source import files_of, open_masks
from rgmp.errors import UserError, refuse, visible
from rgmp.evaluation.job import ScoringJob
from rgmp.provenance.command import record_command
from rgmp.provenance.record import Draft
from rgmp.runtime import files
from rgmp.runtime.progress import Progress
from rgmp.study.plan import load_plan

if TYPE_CHECKING:
    from rgmp.evaluation.doctor import Finding
    from rgmp.evaluation.measures import Score
    from rgmp.evaluation.official import Official

_NEEDED = (
    "--davis or --truth",
    "--benchmark or --dataset or --truth",
    "--masks or --scores",
)


def _score_options(command: argparse.ArgumentParser) -> None:
    flags = add_job(command, "davis2017/osvos/external", _NEEDED)
    add_videos(flags)
    add_truth(flags)
    given = flags.add_mutually_exclusive_group()
    given.add_argument("--masks", type=Path, help="folder, or zip, of <sequence>/00000.png ...")
    given.add_argument(
        "--scores",
        type=Path,
        metavar="FILE.csv",
        help="or J and F of every frame, used unchanged",
    )
    flags.add_argument(
        "--out", type=Path, metavar="SCORES.csv", help="table of every frame (default: none)"
    )
    flags.add_argument("--engine", choices=get_args(Engine), help=default_of(ScoringJob, "engine"))
    flags.add_argument(
        "--cross-check",
        choices=get_args(CrossCheck),
        help="also score with the other engine; auto: if it is installed "
        f"({default_of(ScoringJob, 'cross_check')})",
    )
    add_conventions(flags)
    add_names(flags, seed="none")
    flags.add_argument(
        "--strict", action="store_true", help="refuse masks that seem to be a mistake"
    )
    add_processes(command)


def _job(options: argparse.Namespace) -> ScoringJob:
    """The requested scoring job."""
    if names_a_job(options, beside=["processes"]):
        planned = load_plan(options.results).adoption(options.job, options.results)
        return planned.model_copy(update={"processes": options.processes})
    adopts = hasattr(options, "scores")
    measuring = given_of(options, ("engine", "cross_check"))
    if adopts and measuring:
        flags_of_masks = ", ".join(sorted(f"--{key.replace('_', '-')}" for key in measuring))
        raise UserError(
            f"--scores {options.scores}: they are used unchanged; leave out {flags_of_masks}"
        )
    flags = {
        **given_of(options, ScoringJob.model_fields),
        "source": options.scores if adopts else options.masks,
        "adopts": adopts,
        "videos": videos_of(options),
    }
    return validated(ScoringJob, flags, COMMAND_LINE)


def _score(options: argparse.Namespace) -> None:
    job = _job(options)
    conventions = asked_of(options, job)
    from rgmp.evaluation import score_table
    from rgmp.evaluation.recorded_scores import write_measured

    if job.out:
        given = [job.source] if job.adopts else files_of(job.source)
        table = files.Kind("score table", score_table.require_scores)
        files.require_target(job.out, table, chain(given, job.videos.files()))
    made = [path for path in (job.out, conventions and conventions.out) if path]
    config = {"scores": str(job.source)} if job.adopts else {"engine": job.engine}
    with record_command(
        job.record,
        "score",
        made if job.adopts else [*made, job.source],
        variant=job.variant,
        seed=job.seed,
        benchmark=job.videos.benchmark,
        config=config,
    ) as record:
        rows = _adopted(job, record) if job.adopts else _measured(job, record)
        sequences = job.videos.open()
        read = [path for s in sequences for path in s.annotations]
        record.inputs["data"] = files.digest_of_all(read)
        if "data" in job.reads:
            record.inputs["manifest"] = job.reads["data"]
        annotation = None if job.adopts else annotation_of(sequences)
        record.results["annotation"] = annotation
        others = conventions.make(_name(job), record) if conventions else ""
        summary = write_measured(job.out, rows, record)
    for name, value in summary.items():
        print(f"{name:9} {100 * value:5.1f}")
    if annotation:
        print(f"scored on {IN_WORDS[annotation]}")
    print(others, end="")


def _measured(job: ScoringJob, record: Draft) -> "list[Score]":
    """Score masks, also with the other engine if requested and available."""
    from rgmp.evaluation import scoring
    from rgmp.evaluation.doctor import findings
    from rgmp.evaluation.engines import is_asked, is_required
    from rgmp.evaluation.official import Official, require_known

    with Official(job.processes) as official:
        if is_required(job.engine, job.cross_check):
            require_known(job.videos)
            official.require()
        judged = scoring.judge(
            job.videos, job.source, variant=_name(job), seed=job.seed, processes=job.processes
        )
        refuse(judged.problems)
        for line in judged.notes:
            note(line)
        _warn(findings(judged.evidence, judged.rows), strict=job.strict)
        names = job.videos.names()
        record.inputs["masks"] = open_masks(job.source, names).digest_of(names)
        if not (job.videos.is_official and is_asked(job.engine, job.cross_check)):
            return judged.rows
        return _officially(job, judged.rows, official, record)


def _officially(
    job: ScoringJob, rows: "list[Score]", official: "Official", record: Draft
) -> "list[Score]":
    """Measure masks with the official evaluator, too; the rows are those of the job's engine."""
    from rgmp.evaluation.engines import cross_check, is_required
    from rgmp.evaluation.official import EvaluatorError, masked_in, stale_tables

    for path in stale_tables(job.source):
        note(f"{path}: left by the official evaluator's script, which would print it; not read")
    masked = masked_in(job.videos, job.source, rows)
    progress = Progress("score, official evaluator", "sequences", len(masked))
    theirs: list[Score] = []
    try:
        for done, measured in enumerate(official.measure(masked), start=1):
            theirs += measured
            progress.at(done)
    except EvaluatorError as error:
        if is_required(job.engine, job.cross_check):
            raise
        warn(f"{error}; not cross-checked")
        return rows
    if job.cross_check != "off":
        largest = cross_check(rows, theirs)
        record.results["cross_check_difference"] = largest
        print(f"cross-checked with davis2017-evaluation, largest difference {largest:.2g}")
    return theirs if job.engine == "official" else rows


def _name(job: ScoringJob) -> str:
    """The name of the method in rows."""
    if job.variant:
        return job.variant
    return visible(job.source.stem if job.adopts else job.source.name.removesuffix(".zip"))


def _warn(found: "list[Finding]", *, strict: bool) -> None:
    """Warn of likely mistakes.

    Raises:
        ProblemsError: there are some, and `strict` makes them errors.
    """
    from rgmp.evaluation.doctor import warnings_of

    lines = [*warnings_of(found)]
    if strict:
        refuse(lines)
    for line in lines:
        warn(line)


def _adopted(job: ScoringJob, record: Draft) -> "list[Score]":
    """Adopt someone else's scores unchanged."""
    from rgmp.evaluation import external_scores
    from rgmp.evaluation.doctor import same_figures

    rows = external_scores.adopt(job.videos, job.source, variant=_name(job))
    found = same_figures(rows)
    _warn([found] if found else [], strict=job.strict)
    record.inputs["scores"] = files.digest_of_file(job.source)
    return rows


COMMANDS = (
    Command(
        "score",
        _score,
        _score_options,
        "Score masks from any method: J and F of every frame.",
        "--davis data/DAVIS --benchmark davis2016 --masks masks/rgmp --out scores.csv",
        "run",
    ),
)
