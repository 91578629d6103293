"""A folder of masks -> a table of J and F, a row an object and frame.

The masks may be anyone's: `<sequence>/00000.png`, ... as palette, grey or 1-bit PNGs. For
`davis2016` whatever is not background is the object; for `davis2017` a value is the id of its
object. The first and the last frame are not scored, and their masks may be absent. Where someone
else has scored every frame already, `adopt` takes their table.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from rgmp.data import davis
from rgmp.errors import UserError
from rgmp.evaluation.measures import Mask, Measured, measure
from rgmp.runtime.files import read_text, write_text
from rgmp.runtime.progress import Progress

Engine = Literal["builtin", "official"]

AGREEMENT = 1e-6
"""How far apart two engines' figures of the same frame may be."""


class Score(NamedTuple):
    """J and F, in [0, 1], of one object in one frame: a row of the table.

    `frame` is its number as the files have it, such as `00001`. `seed` is that of the training
    behind the masks, None where no training here made them.
    """

    benchmark: str
    variant: str
    seed: int | None
    sequence: str
    object: int
    frame: str
    J: float
    F: float


def score(
    root: Path,
    benchmark: davis.Benchmark,
    split: str,
    masks: Path,
    *,
    sequences: list[str] | None = None,
    variant: str,
    seed: int | None,
    engine: Engine = "builtin",
    resolution: str = davis.RESOLUTION,
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
    truths, problems = _open_truths(root, benchmark, split, sequences, resolution)
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
    _refuse(masks, problems)
    return rows


def adopt(
    root: Path,
    benchmark: davis.Benchmark,
    split: str,
    table: Path,
    *,
    sequences: list[str] | None = None,
    variant: str,
    resolution: str = davis.RESOLUTION,
) -> list[Score]:
    """Take the J and F of every frame that someone else computed, in the order of `score`.

    Args:
        root: the DAVIS tree, which says what is to be there.
        benchmark: what counts as an object.
        split: such as `val`.
        table: CSV with the columns sequence, object, frame (as the files have it, such as 00001),
            J and F, in [0, 1]. Left out are sequences that are not asked for, the first and the
            last frame and, where there is a column benchmark, the others'; no other column is read.
        sequences: some of the split's, or None for all of them.
        variant: what the rows are to name.
        resolution: the folder of the tree.

    Raises:
        UserError: as `score`, or, all in one message: frames that are missing, surplus or there
            twice, figures that are none.
    """
    truths, problems = _open_truths(root, benchmark, split, sequences, resolution)
    given, wrong = _read_given(table, benchmark)
    problems += wrong
    for truth in truths:
        name = truth.sequence.name
        known = {annotation.stem for annotation in truth.sequence.annotations}
        for i in sorted({*truth.objects, *(number for s, number in given if s == name)}):
            there = given.get((name, i), {}).keys()
            if i not in truth.objects:
                problems.append(f"{name}: has object {i}, allowed: 1 to {truth.objects[-1]}")
            elif missing := [frame for frame in truth.scored if frame not in there]:
                problems.append(f"{name}, object {i}: missing frame {', '.join(missing)}")
            if surplus := sorted(there - known):
                problems.append(f"{name}, object {i}: has no frame {', '.join(surplus)}")
    _refuse(table, problems)
    return [
        Score(benchmark, variant, None, name, i, frame, *given[name, i][frame])
        for name, truth in ((truth.sequence.name, truth) for truth in truths)
        for frame in truth.scored
        for i in truth.objects
    ]


def _refuse(source: Path, problems: list[str]) -> None:
    """Stop where something is wrong.

    Raises:
        UserError: with everything that is.
    """
    if problems:
        raise UserError(f"{source}: nothing scored, {len(problems)} wrong: {'; '.join(problems)}")


class _Truth(NamedTuple):
    """A sequence whose frames are all annotated, and the ids of its objects, 1, 2, ..."""

    sequence: davis.Sequence
    benchmark: davis.Benchmark
    objects: list[int]

    @property
    def scored(self) -> list[str]:
        """The numbers of the frames that are scored: all but the first and the last."""
        return [annotation.stem for annotation in self.sequence.annotations[1:-1]]


def _open_truths(
    root: Path,
    benchmark: davis.Benchmark,
    split: str,
    sequences: list[str] | None,
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


def _open_truth(root: Path, name: str, benchmark: davis.Benchmark, resolution: str) -> _Truth:
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
    benchmark: davis.Benchmark
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
    measured_by = _measure_of(engine)
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


def require(engine: Engine) -> None:
    """Prove that an engine can be used.

    Raises:
        UserError: it is the official one, and it or what it needs is not installed.
    """
    _measure_of(engine)


def _measure_of(engine: Engine) -> Callable[[Mask, Mask], Measured]:
    """The function that measures J and F of a truth and a prediction."""
    if engine == "builtin":
        return measure
    try:
        import skimage.morphology  # noqa: F401, PLC0415 - it asks for that when it measures
        from davis2017.metrics import db_eval_boundary, db_eval_iou  # noqa: PLC0415 - optional
    except ImportError as error:
        raise UserError(
            f"engine official: davis2017-evaluation is not installed, or not whole ({error}); "
            "`make evaluator` installs it; or score with builtin, not cross-checked"
        ) from error

    def measure_officially(truth: Mask, prediction: Mask) -> Measured:
        with np.errstate(invalid="ignore"):  # it divides 0 by 0 before it says 1
            region = db_eval_iou(truth, prediction)
        return Measured(J=float(region), F=float(db_eval_boundary(truth, prediction)))

    return measure_officially


def cross_check(rows: list[Score], others: list[Score]) -> float:
    """The largest difference between the figures of two engines on the same masks.

    Raises:
        UserError: it is above `AGREEMENT`.
    """
    largest = 0.0
    for row, other in zip(rows, others, strict=True):
        differences = (abs(row.J - other.J), abs(row.F - other.F))
        if not all(difference <= AGREEMENT for difference in differences):
            raise UserError(
                f"{row.benchmark}, {row.variant}: {row.sequence}, object {row.object}, frame "
                f"{row.frame}: J {row.J}, F {row.F} by one engine and J {other.J}, F {other.F} by "
                f"the other, more than {AGREEMENT:g} apart; nothing is written"
            )
        largest = max(largest, *differences)
    return largest


def _read_given(
    path: Path, benchmark: davis.Benchmark
) -> tuple[dict[tuple[str, int], dict[str, Measured]], list[str]]:
    """The figures of a table of someone else's, by sequence and object, then frame.

    Returns:
        The figures, and what is wrong with single lines.

    Raises:
        UserError: it is missing or no such table.
    """
    needed = "sequence, object, frame, J and F are needed"
    text = read_text(path, f"name a CSV file; {needed}", "utf-8-sig")
    try:
        if "\0" in text:
            raise ValueError("it has bytes of zero")
        lines = csv.DictReader(io.StringIO(text), strict=True)
        columns = Counter(lines.fieldnames or ())
        lacking = {"sequence", "object", "frame", "J", "F"} - {*columns}
        if lacking:
            raise ValueError(f"it lacks the columns {', '.join(sorted(lacking))}")
        column, times = columns.most_common(1)[0]
        if times > 1:
            raise ValueError(f"it has the column {column} {times} times")
        rows = [(lines.line_num, row) for row in lines]
    except (ValueError, csv.Error) as error:
        raise UserError(f"{path}: is no table of scores ({error}); {needed}") from error
    given: dict[tuple[str, int], dict[str, Measured]] = {}
    problems: list[str] = []
    for number, row in rows:
        if None in row or None in row.values():  # csv's way to say so
            problems.append(f"line {number}: has more or fewer columns than the first")
            continue
        if row.get("benchmark", benchmark) != benchmark:
            continue
        where = f"{row['sequence']}, object {row['object']}, frame {row['frame']}"
        try:
            figures = Measured(*(_share(row[name]) for name in Measured._fields))
            frames = given.setdefault((row["sequence"], int(row["object"])), {})
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        if row["frame"] in frames:
            problems.append(f"{where}: stands twice")
        frames[row["frame"]] = figures
    return given, problems


def _share(text: str) -> float:
    """A figure in [0, 1] from its text.

    Raises:
        ValueError: it is none.
    """
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is not in [0, 1]")
    return value


def write_scores(path: Path, rows: Iterable[Score]) -> None:
    """Write a table of scores as CSV, every digit kept, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Score._fields)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_scores(path: Path) -> list[Score]:
    """Read a table of scores.

    Raises:
        UserError: it is missing, is no such table or has no row.
    """
    text = read_text(path, "`rgmp score` makes it")
    try:
        header, *lines = csv.reader(io.StringIO(text), strict=True)
        if tuple(header) != Score._fields or not lines:
            raise ValueError(f"a header of {','.join(Score._fields)} and rows are expected")
        return [_score(line) for line in lines]
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"{path}: is no table of scores ({error}); remove it and score again"
        ) from error


def _score(line: list[str]) -> Score:
    """One row from its text.

    Raises:
        ValueError: other columns, or a figure that is none or out of range.
    """
    benchmark, variant, seed, sequence, number, frame, region, contour = line
    return Score(
        benchmark,
        variant,
        int(seed) if seed else None,
        sequence,
        int(number),
        frame,
        _share(region),
        _share(contour),
    )
