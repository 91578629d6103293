"""The floor and the ceiling of a study's benchmarks: the job of each."""

from pathlib import Path

from rgmp.evaluation.job import BoundsJob
from rgmp.study import layout
from rgmp.study.plan import Plan, named


def bounds_job(plan: Plan, benchmark: str, folder: Path) -> BoundsJob:
    """The job that scores the floor and the ceiling of a benchmark, with files below `folder`.

    Raises:
        UserError: it is none of the study's benchmarks.
    """
    found = named("benchmark", benchmark, {b: b for b in plan.benchmarks}, folder)
    return BoundsJob(
        videos=plan.videos(found, folder),
        out=folder / layout.bounds(found),
        record=folder / layout.record(layout.bounds(found)),
        reads={"data": plan.digest_of_videos(found)},
    )
