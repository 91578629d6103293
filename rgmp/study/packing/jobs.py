"""The jobs of a study whose results travel: their files, and whether they are as recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rgmp.data.digests import digest_of_masks
from rgmp.inference.job import MARK
from rgmp.provenance.record import Record
from rgmp.runtime.files import digest_of, digest_of_file
from rgmp.study import layout
from rgmp.study.bounds import bounds_job
from rgmp.study.plan import Plan
from rgmp.study.timing import timing

FOR_READERS = (layout.TABLES, layout.FIGURES, layout.REPORT)
"""What is made from the rest in seconds: packed for people, and made again where it is unpacked."""


class Job(NamedTuple):
    """A job of a study, and what it leaves; paths are below the study's folder.

    Attributes:
        record: its record.
        made: its results that are always there, each with the name that the record has for it.
        beside: what else it leaves, of which the record has no digest.
        weights: the weights that it trains; empty: it does not.
        masks: whether its record says where masks lie.
        digest: of everything that can change its results; empty: the path of the record has it.
    """

    record: str
    made: tuple[tuple[str, str], ...] = ()
    beside: tuple[str, ...] = ()
    weights: str = ""
    masks: bool = False
    digest: str = ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """All that it leaves but masks, its record last."""
        weights = (self.weights,) if self.weights else ()
        return (*(path for _, path in self.made), *self.beside, *weights, self.record)

    @property
    def is_timing(self) -> bool:
        """Whether its results are others each time."""
        return any(name == "speed" for name, _ in self.made)

    def is_finished(self, folder: Path) -> bool:
        """Whether a study's folder has its record and its results."""
        needed = (self.record, *(path for _, path in self.made))
        return all((folder / path).is_file() for path in needed)


def jobs_of(plan: Plan) -> Iterator[Job]:
    """The jobs of a plan, but for those that take seconds: tables, figures, report, MLflow.

    Those before others come first.
    """
    nowhere = Path()
    if plan.embedded:
        yield Job(layout.record("mini"), beside=(layout.DATA,))  # a folder, rendered anew
    yield from (Job(layout.check(name)) for name in plan.checks)
    for training in plan.trainings:
        yield Job(
            layout.record(training.folder),
            beside=(layout.curve(training.folder),),
            weights=layout.weights(training.folder),
        )
        if training.settings.earlier_checkpoints:
            yield Job(layout.record(layout.checkpoints(training.folder)))
    for name in plan.evaluations:
        evaluation = plan.evaluation_of(name, nowhere)
        for inference, scoring in evaluation.runs:
            yield Job(str(inference.record), masks=True, digest=inference.digest)
            scored = digest_of([inference.digest, scoring.digest])
            made = (("scores", str(scoring.out)),)
            yield Job(str(scoring.record), made, digest=scored)
        for inference in evaluation.unscored:
            yield Job(str(inference.record), masks=True, digest=inference.digest)
            of_variant = layout.evaluation(str(inference.variant), inference.seed)
            submitted = plan.submission_of(of_variant, nowhere)
            made = (("archive", str(submitted.out)),)
            yield Job(str(submitted.record), made, digest=inference.digest)
    yield from _of_benchmarks(plan, nowhere)


def _of_benchmarks(plan: Plan, nowhere: Path) -> Iterator[Job]:
    """What is scored and timed beside the variants' runs."""
    for name in plan.adoptions:
        adoption = plan.adoption(name, nowhere)
        made = (("scores", str(adoption.out)),)
        yield Job(str(adoption.record), made, digest=adoption.digest)
    # it needs masks, which need not be where the results go
    yield Job(layout.record(layout.CROSS_CHECK), (("evaluator", layout.EVALUATOR),))
    for benchmark in plan.benchmarks:
        bounds, timed = bounds_job(plan, benchmark, nowhere), timing(plan, benchmark, nowhere)
        made = (("scores", str(bounds.out)),)
        yield Job(str(bounds.record), made, digest=bounds.digest)
        yield Job(str(timed.record), (("speed", str(timed.out)),), digest=timed.digest)


def is_for_readers(path: str) -> bool:
    """Whether a file, below the study's folder, is one that is made from the rest in seconds."""
    return path.partition("/")[0] in FOR_READERS


def places_of(record: Record) -> list[str]:
    """The folders of masks that a record names, below the study's, each once."""
    return sorted({*record.get("masks", {}).values()})


def masks_at(folder: Path, place: str) -> list[str]:
    """The files of a sequence's masks and of what says who made them, below the study's folder.

    Those are the masks, their scores of single frames, and the mark of the folder above, without
    which they would be made again.
    """
    files = [*(folder / place).glob("*.png"), *(folder / place).glob("scores-*.json")]
    mark = (folder / place).parent / MARK
    return [str(path.relative_to(folder)) for path in [*files, mark] if path.is_file()]


def faults_of(job: Job, record: Record, folder: Path) -> Iterator[str]:
    """Where the files of a job that are in a folder are not those of its record, a line each."""
    weights = ((job.weights, job.weights),) if job.weights else ()
    for name, path in (*job.made, *weights):
        if (folder / path).is_file():
            digest = digest_of_file(folder / path)
            if digest != record["outputs"].get(name):
                yield f"{path}: is not what its record {job.record} has the digest of"
    places = {name: folder / place for name, place in record.get("masks", {}).items()}
    there = job.masks and any(place.is_dir() for place in places.values())
    if there and digest_of_masks(places) != record["outputs"].get("masks"):
        yield f"{layout.MASKS}: the masks of {job.record} are not those it has the digest of"
