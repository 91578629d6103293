"""A folder of masks -> a table of J and F, a row an object and frame.

The masks may be anyone's: `<sequence>/00000.png`, ... as palette, grey or 1-bit PNGs. For
`davis2016` whatever is not background is the object; for `davis2017` a value is the id of its
object. The first and the last frame are not scored, and their masks may be absent. Where someone
else has scored every frame already, `adopt` takes their table.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.data import davis
from rgmp.errors import UserError
from rgmp.evaluation.engines import Engine, measure_of, require
from rgmp.evaluation.measures import Measured, Score
from rgmp.runtime.progress import Progress


def score(
    root: Path,
    benchmark: Benchmark,
    split: str,
    masks: Path,
    *,
    sequences: Sequence[str] | None = None,
    variant: str,
    seed: int | None,
    engine: Engine = "builtin",
    resolution: str = RESOLUTION,
    processes: int = 1,
) -> list[Score]:
    """Score a folder of masks against a DAVIS tree; each process has one frame in memory.

    Args:
        root: the DAVIS tree.
        benchmark: what counts as an object.
        split: such as `val`.
        masks: the folder with a folder of masks for each sequence.
        sequences: some of the split's, or None for all of them.
        variant: what the rows are to name.
        seed: likewise.
        engine: `builtin`, or `official` for the measures of davis2017-evaluation.
        resolution: the folder of the tree to score against.
        processes: how many share the frames; the rows are the same.

    Returns:
        The rows: sequences as in the split, their frames in order, each frame's objects by id.

    Raises:
        UserError: the tree has no truth to score against, or the engine is not installed. Or, all
            in one message: a sequence that is missing or unknown; a mask that is missing, surplus,
            unreadable, of another size or no mask; an object that the truth does not have.
    """
    require(engine)
    truths, problems = open_truths(root, benchmark, split, sequences, resolution)
    if sequences is None:
        problems += _unknown(root, truths, masks, resolution)
    pairs: list[_Pair] = []
    for truth in truths:
        folder = masks / truth.sequence.name
        problems += _misplaced(truth.sequence, folder)
        pairs += _pairs(truth, folder)
    progress = Progress(f"score {benchmark}", "masks", len(pairs))
    rows: list[Score] = []
    with _mapping(processes) as over:
        measured = over(partial(_measured, engine), pairs)
        for done, (pair, found) in enumerate(zip(pairs, measured, strict=True), start=1):
            name, frame = pair.annotation.parent.name, pair.annotation.stem
            if isinstance(found, str):
                problems.append(found)
            elif not problems:
                progress.at(done)
                rows += [
                    Score(benchmark, variant, seed, name, i, frame, *figures)
                    for i, figures in enumerate(found, start=1)
                ]
    refuse(masks, problems)
    return rows


def refuse(source: Path, problems: list[str]) -> None:
    """Stop where something is wrong.

    Raises:
        UserError: with everything that is.
    """
    if problems:
        raise UserError(f"{source}: nothing scored, {len(problems)} wrong: {'; '.join(problems)}")


class _Truth(NamedTuple):
    """A sequence whose frames are all annotated, and the ids of its objects, 1, 2, ..."""

    sequence: davis.Sequence
    benchmark: Benchmark
    objects: list[int]

    @property
    def scored(self) -> list[str]:
        """The numbers of the frames that are scored: all but the first and the last."""
        return [annotation.stem for annotation in self.sequence.annotations[1:-1]]


def open_truths(
    root: Path,
    benchmark: Benchmark,
    split: str,
    sequences: Sequence[str] | None,
    resolution: str,
) -> tuple[list[_Truth], list[str]]:
    """Find what is scored against, in the split's order; and name what is asked for in vain."""
    listed = davis.read_split(root, benchmark, split)
    wanted = listed if sequences is None else sequences
    problems = [
        f"{name}: no sequence of the split, which has {', '.join(listed)}"
        for name in wanted
        if name not in listed
    ]
    truths = [_open_truth(root, name, benchmark, resolution) for name in listed if name in wanted]
    return truths, problems


def _open_truth(root: Path, name: str, benchmark: Benchmark, resolution: str) -> _Truth:
    """Find what a sequence is scored against.

    Raises:
        UserError: it is not there, is withheld, or shows no object.
    """
    sequence = davis.open_sequence(root, name, resolution)
    first = sequence.annotations[0]
    if len(sequence.annotations) < len(sequence.frames):
        raise UserError(f"{first.parent}: has the truth of frame 0 alone; it cannot be scored here")
    if len(sequence.frames) < 3:
        raise UserError(f"{first.parent}: has no frame between the first and the last to score")
    if benchmark == "davis2016":
        return _Truth(sequence, benchmark, objects=[1])
    objects = davis.object_ids(davis.read_annotation(first, benchmark))
    if not objects:
        raise UserError(f"{first}: has no object; frame 0 of {benchmark} shows every object")
    return _Truth(sequence, benchmark, objects)


def _unknown(root: Path, truths: list[_Truth], masks: Path, resolution: str) -> Iterator[str]:
    """Name the folders of masks for which the data set has no sequence, in whatever split."""
    folders = (root / "Annotations" / resolution).iterdir()
    known = {*(truth.sequence.name for truth in truths), *(folder.name for folder in folders)}
    for folder in sorted(masks.iterdir()) if masks.is_dir() else []:
        if folder.name not in known and folder.is_dir() and _pngs(folder):
            yield f"{folder}: no sequence of {root}; remove it, or name the sequences to score"


def _misplaced(sequence: davis.Sequence, folder: Path) -> Iterator[str]:
    """Name the masks that are missing, and those that belong to no frame."""
    if not folder.is_dir():
        yield f"{folder}: no such folder; the masks of {sequence.name} go there"
        return
    there = _pngs(folder)
    expected = [annotation.name for annotation in sequence.annotations]
    if missing := [name for name in expected[1:-1] if name not in there]:
        yield f"{folder}: missing {', '.join(missing)}"
    if surplus := sorted(there.difference(expected)):
        yield f"{folder}: has no frame for {', '.join(surplus)}"


def _pngs(folder: Path) -> set[str]:
    """The names of a folder's PNGs, without the hidden ones that an archiver may leave."""
    return {path.name for path in folder.glob("*.png") if not path.name.startswith(".")}


class _Pair(NamedTuple):
    """An annotation and the mask to be measured against it; a first or last one is only checked."""

    annotation: Path
    mask: Path
    benchmark: Benchmark
    objects: int
    scored: bool


def _pairs(truth: _Truth, folder: Path) -> list[_Pair]:
    """Every mask of a sequence that is there."""
    annotations = truth.sequence.annotations
    ends = (annotations[0], annotations[-1])
    there = _pngs(folder)
    return [
        _Pair(path, folder / path.name, truth.benchmark, len(truth.objects), path not in ends)
        for path in annotations
        if path.name in there
    ]


def _measured(engine: Engine, pair: _Pair) -> list[Measured] | str:
    """Decode a mask and measure its objects, in order; or say what is wrong with it."""
    try:
        truth = davis.read_annotation(pair.annotation, pair.benchmark)
        like = davis.Like("its annotation", truth.shape)
        found = davis.read_annotation(pair.mask, pair.benchmark, like)
    except UserError as error:
        return str(error)
    if found.max() > pair.objects:
        return f"{pair.mask}: has object {found.max()}, allowed: 0 to {pair.objects}"
    if not pair.scored:
        return []
    measured_by = measure_of(engine)
    return [measured_by(truth == i, found == i) for i in range(1, pair.objects + 1)]


_Map = Callable[
    [Callable[[_Pair], list[Measured] | str], list[_Pair]], Iterable[list[Measured] | str]
]


@contextmanager
def _mapping(processes: int) -> Iterator[_Map]:
    """`map`, in order, here or in so many processes; a killed one is an error, not a wait."""
    if processes == 1:
        yield map
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        yield partial(pool.map, chunksize=8)  # fewer: the pipe takes longer than the masks
