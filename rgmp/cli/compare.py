"""`rgmp compare`: methods against each other, from their masks or their scores of every frame."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rgmp.cli.command import Command
from rgmp.cli.complaints import note, warn
from rgmp.cli.options import (
    COMMAND_LINE,
    add_flags,
    add_processes,
    add_truth,
    add_videos,
    default_of,
    flags_given,
    given_of,
    refuse_flags,
    require_flags,
    videos_of,
)
from rgmp.config.load import validated
from rgmp.config.protocol import Protocol
from rgmp.data.annotations import Annotation, annotation_of
from rgmp.errors import UserError, refuse, visible
from rgmp.evaluation.methods import (
    ComparisonJob,
    Entry,
    digest_of_entry,
    methods_of,
    score_methods,
    with_protocols,
)
from rgmp.provenance import record as records
from rgmp.provenance.command import record_command
from rgmp.runtime import files
from rgmp.study.comparison import load_comparison_plan
from rgmp.study.plan import is_comparison

if TYPE_CHECKING:
    from rgmp.reporting.methods.comparison import Comparison

_RECORD = "record.json"


def _compare_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "methods",
        nargs="+",
        metavar="NAME=PATH",
        help="a method, and its masks (a folder or zip of <sequence>/00000.png ...) or a CSV of J "
        "and F of every frame; NAME=PATH,PATH,... are trainings of one method; or RESULTS "
        "BENCHMARK, a comparison of a study that has external methods alone",
    )
    flags = add_flags(
        command, ("--davis or --truth", "--benchmark or --dataset or --truth", "--out")
    )
    add_videos(flags)
    add_truth(flags)
    flags.add_argument("--out", type=Path, help="folder for scores, tables, figures and a report")
    flags.add_argument(
        "--margin",
        type=float,
        metavar="POINTS",
        help="a difference of J&F that is surely smaller is none in practice; fix it before you "
        f"look ({default_of(ComparisonJob, 'margin')})",
    )
    flags.add_argument(
        "--protocols",
        type=Path,
        metavar="CARDS.yaml",
        help="what is known of how each method was trained, run and timed: NAME: {FIELD: ...}, "
        f"with the fields {', '.join(Protocol.model_fields)}",
    )
    flags.add_argument("--strict", action="store_true", help="refuse what seems to be a mistake")
    add_processes(command)


def _compare(options: argparse.Namespace) -> None:
    job = _planned(options) or _job(options)
    older = _made_before(job)
    with (
        files.renewed_folder(job.out, older) as folder,
        record_command(
            folder / _RECORD,
            "compare",
            benchmark=job.videos.benchmark,
            config=job.model_dump(mode="json", include={"videos", "methods", "margin", "title"}),
        ) as record,
    ):
        entries = score_methods(job.videos, job.methods, processes=job.processes)
        for entry in entries:
            for line in entry.judged.notes:
                note(f"{entry.name}: {line}")
        warnings = _warned(entries, strict=job.strict)
        from rgmp.provenance.code import running_code
        from rgmp.reporting.methods.comparison import Comparison
        from rgmp.reporting.methods.write import write

        names = job.videos.names()
        truth = [path for one in job.videos.open() for path in one.annotations]
        record.inputs["data"] = files.digest_of_all(truth)
        record.inputs.update({f"method {e.name}": digest_of_entry(e, names) for e in entries})
        comparison = Comparison(job, entries, warnings, running_code(), _annotation(job, entries))
        record.outputs.update(write(folder, comparison, record.inputs))
        summary = comparison.compared.summary
        record.results.update(zip(summary["variant"], summary["J&F"], strict=True))
        record.results["annotation"] = comparison.annotation
    for line in _told(comparison):
        print(visible(line))
    print(visible(str(job.out / "report.html")))


def _planned(options: argparse.Namespace) -> ComparisonJob | None:
    """The comparison of a study that is named, if one is.

    Raises:
        UserError: the study has no such comparison, or flags are given that it decides.
    """
    folder, *benchmarks = options.methods
    if "=" in folder or not is_comparison(Path(folder)):
        return None
    refuse_flags(flags_given(options, {"needed", "methods", "processes", "strict"}), Path(folder))
    plan = load_comparison_plan(Path(folder))
    if len(benchmarks) != 1:
        raise UserError(
            f"{folder}: {' '.join(benchmarks) or 'no benchmark'}; name one of "
            f"{', '.join(plan.benchmarks)}"
        )
    how = given_of(options, ("processes", "strict"))
    return plan.job(benchmarks[0], Path(folder)).model_copy(update=how)


def _job(options: argparse.Namespace) -> ComparisonJob:
    """The comparison that the flags describe."""
    require_flags(options)
    methods = methods_of(options.methods)
    if hasattr(options, "protocols"):
        methods = with_protocols(methods, options.protocols)
    flags = given_of(options, ComparisonJob.model_fields)
    given = {**flags, "methods": methods, "videos": videos_of(options)}
    return validated(ComparisonJob, given, COMMAND_LINE)


def _made_before(job: ComparisonJob) -> list[str]:
    """The files that an older comparison has left in the folder, which are replaced.

    Raises:
        UserError: the folder is there and something else, or holds what is compared, or lies in
            it.
    """
    out, ours = job.out, _real(job.out)
    for method in job.methods:
        for path in method.trainings:
            theirs = _real(path)
            if theirs.is_relative_to(ours) or ours.is_relative_to(theirs):
                raise UserError(
                    f"{out}: is, contains or lies in what is compared, {path}; name another folder"
                )
    with files.reading(out, "name a new folder"):
        if not out.is_dir() or not any(out.iterdir()):
            return []
    try:
        older = records.read(out / _RECORD)
    except UserError:
        older = None
    if older is None or older["kind"] != "compare":
        raise UserError(
            f"{out}: already exists and was not made by `rgmp compare`; name a new folder"
        )
    here = {path.relative_to(out).as_posix() for path in files.files_below(out)}
    return sorted(here & older["outputs"].keys())


def _real(path: Path) -> Path:
    """A path without links; unlike `Path.resolve`, of one that loops, too."""
    return Path(os.path.realpath(path))


def _annotation(job: ComparisonJob, entries: list[Entry]) -> Annotation | None:
    """What masks were scored on; None where all scores were given."""
    if all(entry.is_table for entry in entries):
        return None
    return annotation_of(job.videos.open())


def _warned(entries: list[Entry], *, strict: bool) -> list[str]:
    """Warn of likely mistakes.

    Raises:
        ProblemsError: there are some, and `strict` makes them errors.
    """
    from rgmp.evaluation.doctor import findings, warnings_of

    lines = [
        f"{entry.name}: {line}"
        for entry in entries
        for line in warnings_of(findings(entry.judged.evidence, entry.judged.rows))
    ]
    if strict:
        refuse(lines)
    for line in lines:
        warn(line)
    return lines


def _told(comparison: "Comparison") -> Iterator[str]:
    """The table of methods in short, and what it comes to."""
    from rgmp.reporting.methods.tables import print_methods, rows_of_methods

    cells = print_methods(comparison, rows_of_methods(comparison)).cells
    shown = cells[["Method", "group", "rank", "J&F [interval]", "J", "F"]]
    yield from shown.to_markdown(index=False, disable_numparse=True, tablefmt="simple").splitlines()
    yield ""
    yield from comparison.conclusions


COMMANDS = (
    Command(
        "compare",
        _compare,
        _compare_options,
        "Compare methods by their masks, or by their scores of every frame: which are better, and "
        "which cannot be told apart.",
        "--davis data/DAVIS --benchmark davis2016 rgmp=masks/rgmp osvos=masks/osvos.zip "
        "mine=masks/seed0,masks/seed1,masks/seed2 --out comparison",
        "compare",
    ),
)
