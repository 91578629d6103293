"""A folder of masks -> a table of J and F, a row an object and frame.

The masks may be anyone's: `<sequence>/00000.png`, ... as palette, grey or 1-bit PNGs. For
`davis2016` whatever is not background is the object; for `davis2017` a value is the id of its
object. The first and the last frame are not scored, and their masks may be absent.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from rgmp import davis
from rgmp.errors import UserError
from rgmp.files import write_text
from rgmp.measures import Mask, Measured, measure

Engine = Literal["builtin", "official"]


class Score(NamedTuple):
    """J and F, in [0, 1], of one object in one frame: a row of the table.

    `frame` is its number as the files have it, such as `00001`.
    """

    benchmark: str
    variant: str
    seed: int
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
    seed: int,
    engine: Engine = "builtin",
    resolution: str = davis.RESOLUTION,
) -> list[Score]:
    """Score a folder of masks against a DAVIS tree; one frame is in memory at a time.

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

    Returns:
        The rows: sequences as in the split, their frames in order, each frame's objects by id.

    Raises:
        UserError: the tree has no truth to score against, or the engine is not installed. Or, all
            in one message: a sequence that is missing or unknown; a mask that is missing, surplus,
            unreadable, of another size or no mask; an object that the truth does not have.
    """
    measured_by = _measure_of(engine)
    listed = davis.read_split(root, benchmark, split)
    truths = [
        _open_truth(root, name, benchmark, resolution)
        for name in listed
        if sequences is None or name in sequences
    ]
    rows: list[Score] = []
    problems = list(_unknown(root, listed, sequences, masks, resolution))
    for truth in truths:
        problems += _misplaced(truth.sequence, masks / truth.sequence.name)
    for truth in truths:
        for frame in _frames(truth, masks / truth.sequence.name):
            if isinstance(frame, str):
                problems.append(frame)
            elif not problems:
                rows += [
                    Score(
                        benchmark,
                        variant,
                        seed,
                        truth.sequence.name,
                        i,
                        frame.name,
                        *measured_by(frame.truth == i, frame.prediction == i),
                    )
                    for i in truth.objects
                ]
    if problems:
        raise UserError(f"{masks}: nothing scored, {len(problems)} wrong: {'; '.join(problems)}")
    return rows


class _Truth(NamedTuple):
    """A sequence whose frames are all annotated, and the ids of its objects."""

    sequence: davis.Sequence
    benchmark: davis.Benchmark
    objects: list[int]


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


def _unknown(
    root: Path, listed: list[str], sequences: list[str] | None, masks: Path, resolution: str
) -> Iterator[str]:
    """Name the sequences that the data set does not have: of those asked for, or of the masks."""
    if sequences is not None:
        for name in sequences:
            if name not in listed:
                yield f"{name}: no sequence of the split, which has {', '.join(listed)}"
        return
    known = {*listed, *(folder.name for folder in (root / "Annotations" / resolution).iterdir())}
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


class _Frame(NamedTuple):
    """The labels of a scored frame, both uint8 (H, W)."""

    name: str
    truth: davis.Labels
    prediction: davis.Labels


def _frames(truth: _Truth, folder: Path) -> Iterator[_Frame | str]:
    """Decode every mask that is there: yield the frames to score, or what is wrong with a mask."""
    annotations = truth.sequence.annotations
    for annotation in annotations:
        path = folder / annotation.name
        if not path.exists():
            continue
        try:
            true = davis.read_annotation(annotation, truth.benchmark)
            predicted = davis.read_annotation(path, truth.benchmark)
        except UserError as error:
            yield str(error)
            continue
        if predicted.shape != true.shape:
            yield f"{path}: is {_size(predicted)}, its annotation is {_size(true)}"
        elif predicted.max() > truth.objects[-1]:
            yield f"{path}: has object {predicted.max()}, allowed: 0 to {truth.objects[-1]}"
        elif annotation not in (annotations[0], annotations[-1]):
            yield _Frame(annotation.stem, true, predicted)


def _size(labels: davis.Labels) -> str:
    return "x".join(map(str, labels.shape))


def _measure_of(engine: Engine) -> Callable[[Mask, Mask], Measured]:
    """The function that measures J and F of a truth and a prediction.

    Raises:
        UserError: the official one is not installed.
    """
    if engine == "builtin":
        return measure
    try:
        from davis2017.metrics import db_eval_boundary, db_eval_iou  # noqa: PLC0415 - optional
    except ImportError as error:
        raise UserError(
            f"engine official: {error}; `make evaluator` installs it, or score with builtin"
        ) from error

    def measure_officially(truth: Mask, prediction: Mask) -> Measured:
        with np.errstate(invalid="ignore"):  # it divides 0 by 0 before it says 1
            region = db_eval_iou(truth, prediction)
        return Measured(J=float(region), F=float(db_eval_boundary(truth, prediction)))

    return measure_officially


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
    try:
        text = path.read_text(encoding="utf-8")
        header, *lines = csv.reader(io.StringIO(text), strict=True)
        if tuple(header) != Score._fields or not lines:
            raise ValueError(f"a header of {','.join(Score._fields)} and rows are expected")
        return [_score(line) for line in lines]
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; `rgmp score` makes it") from None
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
    row = Score(
        benchmark, variant, int(seed), sequence, int(number), frame, float(region), float(contour)
    )
    if not (0 <= row.J <= 1 and 0 <= row.F <= 1):
        raise ValueError(f"J {region} or F {contour} of {sequence} {frame} is not in [0, 1]")
    return row
