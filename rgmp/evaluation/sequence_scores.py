"""J and F of one sequence's masks, kept beside them: the same masks are scored once."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rgmp.config.base import Benchmark, Closed
from rgmp.config.load import validated
from rgmp.config.study import Engine
from rgmp.data import davis
from rgmp.data.digests import digest_of_labels
from rgmp.evaluation.engines import cross_check
from rgmp.evaluation.measures import Score
from rgmp.evaluation.scoring import score_sequence
from rgmp.runtime.files import digest_of, read_json, write_json


class Engines(NamedTuple):
    """What scores, and what it is cross-checked with, if anything."""

    first: Engine
    second: Engine | None = None


class _Row(NamedTuple):
    """J and F of an object in a frame."""

    object: int
    frame: str
    J: float
    F: float


class _Kept(Closed):
    """The file's content."""

    rows: tuple[_Row, ...]
    difference: float | None


class Scored(NamedTuple):
    """The scores of a sequence.

    Attributes:
        rows: its frames in order, each frame's objects by id.
        difference: the largest difference between two engines, if there were two.
        is_new: whether they had to be computed.
    """

    rows: list[Score]
    difference: float | None
    is_new: bool


def truth_digest_of(annotation: Path, benchmark: Benchmark) -> str:
    """A digest of what a benchmark reads from an annotation.

    Raises:
        UserError: it cannot be read.
    """
    return digest_of_labels(davis.read_annotation(annotation, benchmark))


def scored(
    sequence: davis.Sequence,
    benchmark: Benchmark,
    masks: Path,
    *,
    engines: Engines,
    sources: str,
    variant: str,
    seed: int | None,
    truth_digest: Callable[[Path, Benchmark], str] = truth_digest_of,
) -> Scored:
    """Score the masks of a sequence, or read how they were scored before.

    A benchmark counts by what it reads from the annotations: a sequence with one object, and
    without void, has the same scores in `davis2016` and `davis2017`.

    Args:
        sequence: with all of its annotations.
        benchmark: what counts as an object.
        masks: the folder of its masks, where the scores are kept.
        engines: what measures.
        sources: a digest of the code that scores.
        variant: variant name of the rows.
        seed: seed of the rows.
        truth_digest: `truth_digest_of`; a caller that scores a sequence again and again caches it.

    Raises:
        UserError: as `rgmp.evaluation.scoring.score_sequence`, or the engines disagree.
    """
    truth = [truth_digest(path, benchmark) for path in sequence.annotations]
    path = masks / f"scores-{digest_of([truth, engines, sources])[:12]}.json"
    if path.is_file():
        kept = validated(_Kept, read_json(path), path)
        rows = [Score(benchmark, variant, seed, sequence.name, *row) for row in kept.rows]
        return Scored(rows, kept.difference, is_new=False)
    rows, *others = (
        score_sequence(sequence, benchmark, masks, variant=variant, seed=seed, engine=engine)
        for engine in engines
        if engine
    )
    difference = cross_check(rows, others[0]) if others else None
    kept = _Kept(
        rows=tuple(_Row(row.object, row.frame, row.J, row.F) for row in rows),
        difference=difference,
    )
    write_json(path, kept.model_dump(mode="json"))
    return Scored(rows, difference, is_new=True)
