"""`rgmp archive`: masks of a split without public ground truth, as DAVIS's server takes them."""

import argparse
from itertools import chain
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import (
    COMMAND_LINE,
    add_job,
    add_record,
    add_resolution,
    default_of,
    given_of,
    names_a_job,
    videos_of,
)
from rgmp.config.load import validated
from rgmp.config.study import Submission
from rgmp.data.mask_source import MaskSource, files_of
from rgmp.errors import visible
from rgmp.evaluation.job import SubmissionJob
from rgmp.provenance import record as records
from rgmp.provenance.command import record_command
from rgmp.runtime import files
from rgmp.study.plan import load_plan


def _archive_options(command: argparse.ArgumentParser) -> None:
    flags = add_job(command, "full/seed0", ("--davis", "--masks", "--out"))
    flags.add_argument("--davis", type=Path, help="root of the DAVIS tree that has the split")
    flags.add_argument("--split", help=default_of(Submission, "split"))
    add_resolution(flags)
    flags.add_argument("--masks", type=Path, help="folder, or zip, of <sequence>/00000.png ...")
    flags.add_argument("--out", type=Path, metavar="FILE.zip", help="output archive")
    add_record(flags)


def _job(options: argparse.Namespace) -> tuple[SubmissionJob, MaskSource]:
    """The requested archive, and the masks that go into it."""
    from rgmp.evaluation.submission import masks_at, masks_in

    if names_a_job(options):
        planned = load_plan(options.results).submission_of(options.job, options.results)
        places = records.read(planned.masks).get("masks", {})
        return planned, masks_at(options.results, places)
    split = Submission.model_fields["split"].default
    given = given_of(options, ("masks", "out", "record"))
    videos = {"split": split, **videos_of(options), "benchmark": "davis2017"}
    job = validated(SubmissionJob, {**given, "videos": videos}, COMMAND_LINE)
    return job, masks_in(job.masks, job.videos)


def _archive(options: argparse.Namespace) -> None:
    job, source = _job(options)
    from rgmp.evaluation.submission import contents_of, require_archive
    from rgmp.runtime.archives import write_zip

    given = files_of(job.masks) if options.results is None else [job.masks]
    read = chain(given, job.videos.files())
    files.require_target(job.out, files.Kind("zip of masks", require_archive), read)
    with record_command(job.record, "archive", [job.out], benchmark=job.videos.benchmark) as record:
        contents = contents_of(job.videos, source)
        write_zip(job.out, contents)
        names = job.videos.names()
        record.inputs["masks"] = source.digest_of(names)
        record.results.update(sequences=len(names), frames=len(contents))
        record.outputs["archive"] = files.digest_of_file(job.out)
    print(visible(f"{job.out}: {len(names)} sequences, {len(contents)} masks"))


COMMANDS = (
    Command(
        "archive",
        _archive,
        _archive_options,
        "Check masks of a split without public ground truth, and pack them as DAVIS's server takes "
        "them.",
        "--davis data/davis2017-test-dev --masks masks/mine --out test-dev.zip",
        "share",
    ),
)
