"""The options of `rgmp score` for the figures that masks have by other conventions."""

import argparse
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

from rgmp.cli.options import COMMAND_LINE, given_of, per_cent
from rgmp.config.load import validated
from rgmp.data.listing import read_names
from rgmp.data.mask_source import files_of
from rgmp.data.videos import Videos
from rgmp.errors import UserError, refuse
from rgmp.evaluation.job import ConventionsJob, ScoringJob
from rgmp.provenance.record import Draft
from rgmp.runtime import files


def add_conventions(flags: argparse._ArgumentGroup) -> None:
    """Options for a table of conventions."""
    flags.add_argument(
        "--conventions",
        type=Path,
        metavar="TABLE.csv",
        help="also write and print the figures of the same masks by other conventions",
    )
    flags.add_argument(
        "--other-davis",
        type=Path,
        metavar="ROOT",
        help="for --conventions, of davis2016: a tree with the other annotations, DAVIS-2016's "
        "own or DAVIS-2017's",
    )
    flags.add_argument(
        "--subsets",
        type=Path,
        nargs="+",
        metavar="LIST.txt",
        help="for --conventions: lists of sequences, one per line, that have rows of their own",
    )
    flags.add_argument(
        "--match",
        type=per_cent,
        metavar="FIGURE",
        help="for --conventions: say which give this figure, such as 70.4, within 0.05",
    )


def asked_of(options: argparse.Namespace, job: ScoringJob) -> "Conventions | None":
    """The conventions that are asked for, if any; checked as far as it goes without the masks.

    Raises:
        UserError: flags that do not go together; a target that may not be written; an unknown tree,
            or a list of other sequences.
    """
    given = given_of(options, ConventionsJob.model_fields)
    if not given:
        return None
    flags = ", ".join(sorted(f"--{key.replace('_', '-')}" for key in given))
    if "conventions" not in given:
        raise UserError(f"{flags}: missing --conventions TABLE.csv; give it, or leave them out")
    if job.adopts:
        raise UserError(f"--scores {job.source}: has no masks to measure; leave out {flags}")
    if not job.videos.is_official:
        raise UserError(f"{flags}: conventions are of DAVIS alone; leave them out")
    if "other_davis" in given and job.videos.benchmark != "davis2016":
        raise UserError("--other-davis: allowed for davis2016 alone; leave it out")
    return _checked(validated(ConventionsJob, given, COMMAND_LINE), job)


class Conventions:
    """A table of conventions to be made.

    Args:
        job: what is asked for.
        scoring: the job that scores the same masks.
        trees: the videos with each kind of annotations.
        sequences: the names of those to average over, by what they are called.
    """

    def __init__(
        self,
        job: ConventionsJob,
        scoring: ScoringJob,
        trees: tuple[Videos, ...],
        sequences: Mapping[str, list[str]],
    ) -> None:
        self.out = job.conventions
        self._figure, self._scoring, self._trees = job.match, scoring, trees
        self._sequences = sequences

    def make(self, variant: str, record: Draft) -> str:
        """Measure masks in which `rgmp.evaluation.scoring.judge` finds no problem; write the table.

        Returns:
            The table in print, and what it says of a figure.

        Raises:
            UserError: as `rgmp.evaluation.convention_frames.measure_frames`.
        """
        from rgmp.evaluation.convention_frames import measure_frames
        from rgmp.evaluation.conventions import conventions_of, frames_table
        from rgmp.reporting.conventions import matches, printed
        from rgmp.runtime.tidy import write_table

        frames = measure_frames(
            self._trees,
            self._scoring.source,
            variant=variant,
            seed=self._scoring.seed,
            processes=self._scoring.processes,
        )
        table = conventions_of(frames_table(frames), self._sequences)
        write_table(self.out, table)
        record.outputs["conventions"] = files.digest_of_file(self.out)
        asked = "" if self._figure is None else f"\n{matches(table, self._figure)}\n"
        return printed(table) + asked


def _checked(job: ConventionsJob, scoring: ScoringJob) -> Conventions:
    """The conventions of a job; nothing is decoded but frame 0 of the annotations."""
    from rgmp.evaluation.convention_frames import open_trees

    _require_target(job, scoring)
    videos = scoring.videos
    scored = videos.names()
    split = videos.model_copy(update={"sequences": None}).names()
    whole = videos.split if scored == split else f"{len(scored)} of {videos.split}"
    sequences = {whole: scored}
    for path in job.subsets:
        listed = read_names(path)
        refuse(
            f"{path}: {name} is not scored; {whole} has {', '.join(scored)}"
            for name in listed
            if name not in scored
        )
        title = f"{path.resolve().parent.name}/{path.stem}"
        if title in sequences:
            raise UserError(f"{path}: there are two lists of the name {title}; rename one")
        sequences[title] = listed
    return Conventions(job, scoring, open_trees(videos, job.other_davis), sequences)


def _require_target(job: ConventionsJob, scoring: ScoringJob) -> None:
    """Require that the table may be written: it replaces no input and no other output."""
    from rgmp.evaluation.conventions import require_conventions

    videos = [scoring.videos]
    if job.other_davis:
        videos.append(scoring.videos.model_copy(update={"davis": job.other_davis}))
    read = chain(job.subsets, files_of(scoring.source), *(each.files() for each in videos))
    kind = files.Kind("table of conventions", require_conventions)
    files.require_target(job.conventions, kind, read)
    others = {path.resolve() for path in (scoring.out, scoring.record) if path}
    if job.conventions.resolve() in others:
        raise UserError(f"{job.conventions}: is another output of this command; name another file")
