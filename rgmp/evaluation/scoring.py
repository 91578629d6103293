"""Score a folder of masks: a table of J and F, one row per object and frame.

The masks may come from any method: `<sequence>/00000.png`, ... as palette, grey or 1-bit PNGs. For
`davis2016` any nonzero value is the object; for `davis2017` a value is an object's id. The first
and the last frame are not scored, and their masks may be absent. `adopt` reads tables of frames
that are already scored.
"""

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rgmp.config.base import Benchmark
from rgmp.config.study import Engine
from rgmp.data import davis
from rgmp.data.images import Like
from rgmp.data.videos import Videos
from rgmp.errors import UserError, refuse
from rgmp.evaluation.engines import measure_of, require
from rgmp.evaluation.measures import Measured, Score
from rgmp.runtime.files import reading
from rgmp.runtime.processes import ordered
from rgmp.runtime.progress import Progress


def score(
    videos: Videos,
    masks: Path,
    *,
    variant: str,
    seed: int | None,
    engine: Engine = "builtin",
    processes: int = 1,
) -> list[Score]:
    """Score a folder of masks against a DAVIS tree; each process holds one frame in memory.

    Args:
        videos: those that the masks are of, with their ground truth.
        masks: folder with one folder of masks per sequence.
        variant: variant name of the rows.
        seed: seed of the rows.
        engine: `builtin`, or `official` for the measures of davis2017-evaluation.
        processes: how many share the frames; the rows do not depend on it.

    Returns:
        The rows: sequences as in the split, their frames in order, each frame's objects by id.

    Raises:
        UserError: sequences are unknown, the tree lacks ground truth, there is no folder `masks`,
            or the engine is not installed.
        ProblemsError: all of them: missing sequences; masks that are missing, surplus, unreadable,
            invalid or of another size; objects that the ground truth does not have.
    """
    require(engine)
    if not masks.is_dir():
        raise UserError(
            f"{masks}: no such folder; name one of masks, <sequence>/00000.png and so on"
        )
    truths = open_truths(videos)
    problems = [*_unknown(videos, truths, masks)] if videos.sequences is None else []
    pairs: list[_Pair] = []
    for truth in truths:
        folder = masks / truth.sequence.name
        problems += _misplaced(truth.sequence, folder)
        pairs += _pairs(truth, folder)
    progress = Progress(f"score {videos.benchmark}", "masks", len(pairs))
    rows: list[Score] = []
    # with fewer at a time the pipe takes longer than the masks
    with closing(ordered(partial(_measured, engine), pairs, processes, chunk=8)) as measured:
        for done, (pair, found) in enumerate(zip(pairs, measured, strict=True), start=1):
            if isinstance(found, str):
                problems.append(found)
            elif not problems:
                progress.at(done)
                rows += _rows(pair, found, variant, seed)
    refuse(problems)
    return rows


def score_sequence(
    sequence: davis.Sequence,
    benchmark: Benchmark,
    masks: Path,
    *,
    variant: str,
    seed: int | None,
    engine: Engine = "builtin",
) -> list[Score]:
    """Score the masks of one sequence, in this process.

    Args:
        sequence: with all of its annotations.
        benchmark: what counts as an object.
        masks: the folder of its masks.
        variant: variant name of the rows.
        seed: seed of the rows.
        engine: as of `score`.

    Returns:
        The rows: frames in order, each frame's objects by id.

    Raises:
        UserError: as `score`.
    """
    truth = _truth_of(sequence, benchmark)
    problems = [*_misplaced(sequence, masks)]
    rows: list[Score] = []
    for pair in _pairs(truth, masks):
        found = _measured(engine, pair)
        if isinstance(found, str):
            problems.append(found)
        else:
            rows += _rows(pair, found, variant, seed)
    refuse(problems)
    return rows


class _Truth(NamedTuple):
    """A fully annotated sequence and the ids of its objects, 1, 2, ..."""

    sequence: davis.Sequence
    benchmark: Benchmark
    objects: list[int]

    @property
    def scored(self) -> list[str]:
        """The numbers of the frames that are scored."""
        return [annotation.stem for annotation in self.sequence.scored]


def open_truths(videos: Videos) -> list[_Truth]:
    """The ground truth of every sequence, in the split's order.

    Raises:
        UserError: sequences are unknown, or their ground truth cannot be scored against.
    """
    return [_truth_of(sequence, videos.benchmark) for sequence in videos.open()]


def _truth_of(sequence: davis.Sequence, benchmark: Benchmark) -> _Truth:
    """The ground truth of a sequence.

    Raises:
        UserError: it is withheld, too short, or without an object.
    """
    first = sequence.annotations[0]
    sequence.require_annotated(davis.LEAST_TO_SCORE, "scoring")
    if benchmark == "davis2016":
        return _Truth(sequence, benchmark, objects=[1])
    objects = davis.object_ids(davis.read_annotation(first, benchmark))
    if not objects:
        raise UserError(f"{first}: no object; frame 0 of {benchmark} must show every object")
    return _Truth(sequence, benchmark, objects)


def _unknown(videos: Videos, truths: list[_Truth], masks: Path) -> Iterator[str]:
    """Report folders of masks for which the data set has no sequence in any split.

    Raises:
        UserError: a folder cannot be read.
    """
    root = videos.davis
    with reading(root, "name a readable DAVIS tree"):
        annotated = [
            folder.name for folder in davis.annotations_folder(root, videos.resolution).iterdir()
        ]
    with reading(masks, "name a readable folder of masks"):
        found = sorted(masks.iterdir())
    known = {*(truth.sequence.name for truth in truths), *annotated}
    for folder in found:
        if folder.name not in known and folder.is_dir() and _pngs(folder):
            yield f"{folder}: not a sequence of {root}; remove it, or name the sequences to score"


def _misplaced(sequence: davis.Sequence, folder: Path) -> Iterator[str]:
    """Report missing masks, and masks that belong to no frame."""
    if not folder.is_dir():
        yield f"{folder}: no such folder; put the masks of {sequence.name} there"
        return
    there = _pngs(folder)
    if missing := [path.name for path in sequence.scored if path.name not in there]:
        yield f"{folder}: missing {', '.join(missing)}"
    if surplus := sorted(there.difference(path.name for path in sequence.annotations)):
        yield f"{folder}: no frame for {', '.join(surplus)}"


def _pngs(folder: Path) -> set[str]:
    """The names of a folder's masks."""
    return {path.name for path in davis.masks_in(folder)}


class _Pair(NamedTuple):
    """An annotation and the mask to score; those of the first and last frame are only checked."""

    annotation: Path
    mask: Path
    benchmark: Benchmark
    objects: int
    scored: bool


def _pairs(truth: _Truth, folder: Path) -> list[_Pair]:
    """Every existing mask of a sequence."""
    scored = {*truth.sequence.scored}
    there = _pngs(folder)
    return [
        _Pair(path, folder / path.name, truth.benchmark, len(truth.objects), path in scored)
        for path in truth.sequence.annotations
        if path.name in there
    ]


def _measured(engine: Engine, pair: _Pair) -> list[Measured] | str:
    """Decode a mask and measure its objects, in order, or return its problem."""
    try:
        truth = davis.read_annotation(pair.annotation, pair.benchmark)
        like = Like("its annotation", truth.shape)
        found = davis.read_annotation(pair.mask, pair.benchmark, like)
    except UserError as error:
        return str(error)
    if found.max() > pair.objects:
        return f"{pair.mask}: unknown object {found.max()}; allowed: 0 to {pair.objects}"
    if not pair.scored:
        return []
    measured_by = measure_of(engine)
    return [measured_by(truth == i, found == i) for i in range(1, pair.objects + 1)]


def _rows(pair: _Pair, measured: list[Measured], variant: str, seed: int | None) -> Iterator[Score]:
    """The rows of a mask's objects."""
    name, frame = pair.annotation.parent.name, pair.annotation.stem
    for i, figures in enumerate(measured, start=1):
        yield Score(pair.benchmark, variant, seed, name, i, frame, *figures)
