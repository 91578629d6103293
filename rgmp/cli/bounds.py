"""`rgmp bounds`: J and F of the floor and of the ceiling, which give those of masks a scale."""

import argparse
from pathlib import Path

from rgmp.cli.command import Command
from rgmp.cli.options import (
    COMMAND_LINE,
    add_job,
    add_processes,
    add_record,
    add_videos,
    given_of,
    names_a_job,
    videos_of,
)
from rgmp.config.load import validated
from rgmp.data.annotations import IN_WORDS, annotation_of
from rgmp.evaluation.job import BoundsJob
from rgmp.provenance.command import record_command
from rgmp.runtime import files
from rgmp.study.bounds import bounds_job
from rgmp.study.plan import load_plan


def _bounds_options(command: argparse.ArgumentParser) -> None:
    flags = add_job(command, "davis2017", ("--davis", "--benchmark or --dataset", "--out"))
    add_videos(flags)
    flags.add_argument("--out", type=Path, metavar="SCORES.csv", help="output table")
    add_record(flags)
    add_processes(command)


def _job(options: argparse.Namespace) -> BoundsJob:
    """The requested job."""
    if names_a_job(options, beside=["processes"]):
        planned = bounds_job(load_plan(options.results), options.job, options.results)
        return planned.model_copy(update={"processes": options.processes})
    flags = {**given_of(options, BoundsJob.model_fields), "videos": videos_of(options)}
    return validated(BoundsJob, flags, COMMAND_LINE)


def _bounds(options: argparse.Namespace) -> None:
    job = _job(options)
    from rgmp.evaluation import score_table
    from rgmp.evaluation.bounds import score_bounds
    from rgmp.evaluation.measures import MEASURES
    from rgmp.evaluation.summary import per_object, summarise

    videos = job.videos
    table = files.Kind("score table", score_table.require_scores)
    files.require_target(job.out, table, videos.files())
    with record_command(job.record, "bounds", [job.out], benchmark=videos.benchmark) as record:
        rows = score_bounds(videos, processes=job.processes)
        scores = score_table.table_of(rows)
        score_table.write_scores(job.out, scores)
        summary = summarise(per_object(scores)).set_index("variant")[[*MEASURES]]
        for bound, means in summary.iterrows():
            record.results.update({f"{bound} {name}": float(means[name]) for name in MEASURES})
        sequences = videos.open()
        annotation = annotation_of(sequences)
        record.results["annotation"] = annotation
        read = [path for s in sequences for path in s.annotations]
        record.inputs["data"] = files.digest_of_all(read)
        if "data" in job.reads:
            record.inputs["manifest"] = job.reads["data"]
        record.outputs["scores"] = files.digest_of_file(job.out)
    print((100 * summary.T).to_string(float_format="{:.1f}".format))
    print(f"scored on {IN_WORDS[annotation]}")


COMMANDS = (
    Command(
        "bounds",
        _bounds,
        _bounds_options,
        "Score two baselines: the mask of frame 0 kept throughout (floor), and the truth reduced "
        "to a quarter of its resolution (ceiling).",
        "--davis data/DAVIS --benchmark davis2016 --out bounds.csv",
        "run",
    ),
)
