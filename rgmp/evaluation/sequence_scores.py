"""J and F of one sequence's masks, kept beside them: the same masks are scored once."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from rgmp.config.base import Benchmark, Closed
from rgmp.config.dataset import Dataset
from rgmp.config.load import validated
from rgmp.config.study import Engine
from rgmp.data.davis import masks_in
from rgmp.data.digests import digest_of_labels
from rgmp.data.mask_source import MaskFile
from rgmp.data.sequence import Sequence, read_annotation
from rgmp.evaluation.measures import Score
from rgmp.evaluation.official import Masked, Official
from rgmp.evaluation.scoring import score_sequence
from rgmp.provenance.code import sources_of
from rgmp.runtime.files import digest_of, read_json, write_json


class _Row(NamedTuple):
    """J and F of an object in a frame."""

    object: int
    frame: str
    J: float
    F: float


class _Kept(Closed):
    """The file's content."""

    rows: tuple[_Row, ...]


class Scored(NamedTuple):
    """The scores of a sequence.

    Attributes:
        rows: its frames in order, each frame's objects by id.
        is_new: whether they had to be computed.
    """

    rows: list[Score]
    is_new: bool


def truth_digest_of(annotation: Path, dataset: Dataset) -> str:
    """A digest of what is read from an annotation.

    Raises:
        UserError: it cannot be read.
    """
    return digest_of_labels(read_annotation(annotation, dataset))


def scored(
    sequence: Sequence,
    benchmark: Benchmark,
    masks: Path,
    *,
    sources: str,
    variant: str,
    seed: int | None,
    official: Official | None = None,
    truth_digest: Callable[[Path, Dataset], str] = truth_digest_of,
) -> Scored:
    """Score the masks of a sequence, or read how they were scored before.

    A data set counts by what it reads from the annotations, and scores in them: a sequence with one
    object, and without void, has the same scores in `davis2016` and `davis2017`.

    Args:
        sequence: with all of its annotations.
        benchmark: what counts as an object.
        masks: the folder of its masks, where the scores are kept.
        sources: a digest of the code that scores.
        variant: variant name of the rows.
        seed: seed of the rows.
        official: the official evaluator, if that is the engine that scores.
        truth_digest: `truth_digest_of`; a caller that scores a sequence again and again caches it.

    Raises:
        UserError: as `rgmp.evaluation.scoring.score_sequence` and `Official.measure`.
    """
    truth = [
        [truth_digest(path, sequence.dataset), sequence.scored_at(number)]
        for number, path in enumerate(sequence.annotations)
    ]
    engine: Engine = "official" if official else "builtin"
    path = masks / f"scores-{digest_of([truth, engine, sources])[:12]}.json"
    if path.is_file():
        kept = validated(_Kept, read_json(path), path)
        rows = [Score(benchmark, variant, seed, sequence.name, *row) for row in kept.rows]
        return Scored(rows, is_new=False)
    rows = score_sequence(sequence, benchmark, masks, variant=variant, seed=seed)
    if official:
        files = {path.stem: MaskFile(path) for path in masks_in(masks)}
        (rows,) = official.measure([Masked(sequence, benchmark, files, rows)])
    kept = _Kept(rows=tuple(_Row(row.object, row.frame, row.J, row.F) for row in rows))
    write_json(path, kept.model_dump(mode="json"))
    return Scored(rows, is_new=True)


def scoring_sources(engine: Engine) -> str:
    """A digest of the code that scores."""
    modules = {"builtin": (), "official": ("rgmp.evaluation.official",)}
    return sources_of("rgmp.evaluation.scoring", *modules[engine])
