"""Score masks: a table of J and F, one row per object and frame.

`score` takes the masks of any method, in a folder or a zip (`rgmp.data.mask_source`) and in any
encoding whose meaning is certain (`rgmp.data.encodings`); `score_sequence` takes our own, which are
as we write them. The frames that give an object and, of DAVIS, the last one are not scored, and
their masks may be absent.
`adopt` reads tables of frames that are already scored.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from rgmp.config.base import Benchmark
from rgmp.config.dataset import Dataset
from rgmp.data.davis import masks_in
from rgmp.data.encodings import Read, read_mask
from rgmp.data.images import Labels, Like
from rgmp.data.mask_source import MaskFile, MaskSource, Match, match, open_masks
from rgmp.data.sequence import Sequence as Video
from rgmp.data.sequence import ids_text, read_annotation, shown
from rgmp.data.videos import Videos
from rgmp.errors import UserError, refuse
from rgmp.evaluation.evidence import Evidence, Truths, evidence_of
from rgmp.evaluation.measures import Measured, Score, measure
from rgmp.runtime.files import no_such, reading
from rgmp.runtime.processes import ordered
from rgmp.runtime.progress import Progress


@dataclass
class Judged:
    """What became of masks.

    Attributes:
        rows: sequences as in the split, their frames in order, each frame's objects by id; not
            complete if there are problems.
        problems: what has to be put right first, a line each.
        notes: what was read otherwise than it lies there, or is absent and need not be there.
        evidence: of every mask that could be read, in the same order.
    """

    rows: list[Score] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)


def score(
    videos: Videos,
    masks: Path,
    *,
    variant: str,
    seed: int | None,
    processes: int = 1,
) -> list[Score]:
    """Score masks against a DAVIS tree, or refuse them; the arguments are those of `judge`.

    Returns:
        The rows: sequences as in the split, their frames in order, each frame's objects by id.

    Raises:
        UserError: as `judge`.
        ProblemsError: all of them: missing sequences; masks that are missing, surplus, unreadable,
            invalid or of another size; objects that the ground truth does not have.
    """
    judged = judge(videos, masks, variant=variant, seed=seed, processes=processes)
    refuse(judged.problems)
    return judged.rows


def judge(
    videos: Videos,
    masks: Path,
    *,
    variant: str,
    seed: int | None,
    processes: int = 1,
) -> Judged:
    """Score masks against a DAVIS tree; each process holds few frames in memory.

    Args:
        videos: those that the masks are of, with their ground truth.
        masks: folder, or zip of one, with one folder of masks per sequence.
        variant: variant name of the rows.
        seed: seed of the rows.
        processes: how many share the frames; the result does not depend on it.

    Raises:
        UserError: sequences are unknown, the tree lacks ground truth, or there are no masks at
            `masks`.
    """
    source = open_masks(masks, videos.names())
    located = locate(videos, source, open_truths(videos), variant=variant, seed=seed)
    judge_all([located], processes)
    return located.judged


@dataclass(frozen=True)
class Located:
    """Masks of which it is known where they lie; none is read before `judge_all`.

    Attributes:
        variant, seed: of their rows.
        judged: what is already known of them, and becomes of them later.
        pairs: of each annotation of the truth, in order; None where there is no mask.
    """

    variant: str
    seed: int | None
    judged: Judged
    pairs: "list[_Pair | None]"


def locate(
    videos: Videos, source: MaskSource, truths: "list[Truth]", *, variant: str, seed: int | None
) -> Located:
    """Find the mask of every annotation; report what is absent, surplus or named otherwise.

    Args:
        videos: those that the masks are of.
        source: the masks.
        truths: the ground truth (`open_truths`).
        variant: variant name of the rows.
        seed: seed of the rows.

    Raises:
        UserError: the tree cannot be read.
    """
    judged = Judged()
    if videos.sequences is None:
        judged.problems += _unknown(videos, truths, source)
    matches = {truth.sequence.name: _matched(truth.sequence, source) for truth in truths}
    judged.notes += _notes(source, truths, matches)
    pairs: list[_Pair | None] = []
    for truth in truths:
        judged.problems += _misplaced(truth.sequence, source, matches[truth.sequence.name])
        pairs += _pairs(truth, matches[truth.sequence.name])
    return Located(variant, seed, judged, pairs)


def judge_all(located: Sequence[Located], processes: int = 1) -> None:
    """Score several sets of masks of the same videos; an annotation is read once for all of them.

    What becomes of each is added to its `judged`; the other arguments are those of `judge`.
    """
    frames = zip(*(one.pairs for one in located), strict=True)
    work = [
        (one, pair) for frame in frames for one, pair in zip(located, frame, strict=True) if pair
    ]
    pairs = [pair for _, pair in work]
    _annotation.cache_clear()  # files may have changed since
    progress = Progress("score", "masks", len(work))
    # with fewer at a time the pipe takes longer than the masks
    chunk = _FRAMES_AT_A_TIME * len(located)
    with closing(ordered(_measured, pairs, processes, chunk)) as measured:
        for done, ((one, pair), found) in enumerate(zip(work, measured, strict=True), start=1):
            judged = one.judged
            if found.evidence:
                judged.evidence.append(found.evidence)
            if found.problem:
                judged.problems.append(found.problem)
            elif not judged.problems:
                progress.at(done)
                judged.rows += _rows(pair, found.measured, one.variant, one.seed)


_FRAMES_AT_A_TIME = 8


def score_sequence(
    sequence: Video,
    benchmark: Benchmark,
    masks: Path,
    *,
    variant: str,
    seed: int | None,
) -> list[Score]:
    """Score the masks of one sequence, in this process.

    Args:
        sequence: with all of its annotations.
        benchmark: what counts as an object.
        masks: the folder of its masks.
        variant: variant name of the rows.
        seed: seed of the rows.

    Returns:
        The rows: frames in order, each frame's objects by id.

    Raises:
        UserError: as `score`.
    """
    truth = _truth_of(sequence, benchmark)
    files = {path.name: MaskFile(path) for path in masks_in(masks)}
    found = match(files, sequence.names)
    problems = (
        [*_misplaced_in(masks, sequence, found)] if masks.is_dir() else [_absent(masks, sequence)]
    )
    rows: list[Score] = []
    for pair in filter(None, _pairs(truth, found, ours=True)):
        judged = _measured(pair)
        if judged.problem:
            problems.append(judged.problem)
        else:
            rows += _rows(pair, judged.measured, variant, seed)
    refuse(problems)
    return rows


class Truth(NamedTuple):
    """A sequence that can be scored, and the ids of its objects."""

    sequence: Video
    benchmark: Benchmark
    objects: list[int]

    def frames_of(self, which: int) -> list[str]:
        """The names of the frames in which an object is scored."""
        named = enumerate(self.sequence.annotated)
        return [frame for number, frame in named if which in self.sequence.scored_at(number)]


def open_truths(videos: Videos) -> list[Truth]:
    """The ground truth of every sequence, in the split's order.

    Raises:
        UserError: sequences are unknown, or their ground truth cannot be scored against.
    """
    return [_truth_of(sequence, videos.benchmark) for sequence in videos.open()]


def _truth_of(sequence: Video, benchmark: Benchmark) -> Truth:
    """The ground truth of a sequence.

    Raises:
        UserError: it is withheld, too short, or without an object.
    """
    sequence.require_truth()
    return Truth(sequence, benchmark, sequence.required_objects(benchmark))


def _matched(sequence: Video, source: MaskSource) -> Match:
    """Which mask is which frame's."""
    return source.masks_of(sequence.name, sequence.names)


def _unknown(videos: Videos, truths: list[Truth], source: MaskSource) -> Iterator[str]:
    """Report folders of masks for which the data set has no sequence in any split.

    Raises:
        UserError: a folder cannot be read.
    """
    root = videos.davis
    with reading(root, "name a readable data set"):
        annotated = [folder.name for folder in videos.tree.annotations_folder.iterdir()]
    known = {*(truth.sequence.name for truth in truths), *annotated}
    for name in sorted(source.folders):
        if name not in known and any(file.endswith(".png") for file in source.folders[name]):
            yield (
                f"{source.where(name)}: not a sequence of {root}; remove it, or name the sequences "
                "to score"
            )


def _notes(source: MaskSource, truths: list[Truth], matches: dict[str, Match]) -> Iterator[str]:
    """Say how masks are read that lie or are named in another way, and which ends are absent."""
    if source.top:
        yield f"{source.path}: the masks are read from {source.top}/"
    if renamed := {name: found.example for name, found in matches.items() if found.example}:
        name, example = next(iter(renamed.items()))
        frame = next(f for f, mask in matches[name].masks.items() if mask.name == example)
        yield (
            f"{source.path}: names are matched to frames by their number in {_some(renamed)}, "
            f"such as {name}/{example} to {frame}"
        )
    sparse = [one.sequence for one in truths if not one.sequence.is_fully_annotated]
    if sparse:
        there = sum(len(sequence.annotations) for sequence in sparse)
        every = sum(len(sequence.frames) for sequence in sparse)
        yield (
            f"{there} of {every} frames are annotated in {_some([s.name for s in sparse])}; these "
            "alone are scored"
        )
    for end, which in ((0, "first"), (-1, "last")):
        lacking = [
            truth.sequence.name
            for truth in truths
            if (found := matches[truth.sequence.name]).masks
            and truth.sequence.annotations[end] not in truth.sequence.scored
            and truth.sequence.annotated[end] not in found.masks
        ]
        if lacking:
            yield f"{source.path}: no mask of the {which} frame, not scored, in {_some(lacking)}"


def _some(names: Collection[str]) -> str:
    """A few of the names of sequences, and how many there are."""
    shown = list(names)[:_SHOWN]
    more = f", ... ({len(names)} sequences)" if len(names) > _SHOWN else ""
    return ", ".join(shown) + more


_SHOWN = 3
"""Sequences that a note names."""


def _misplaced(sequence: Video, source: MaskSource, found: Match) -> Iterator[str]:
    """Report missing masks, and masks that belong to no frame."""
    where = source.where(sequence.name)
    if sequence.name not in source.folders:
        yield _absent(Path(where), sequence)
    elif not found.masks and (jpegs := source.jpegs_of(sequence.name)):
        yield (
            f"{where}: masks stored as JPEG ({jpegs[0]}), whose edges have other values; allowed: "
            "PNG; store them again"
        )
    else:
        yield from _misplaced_in(where, sequence, found)


def _absent(where: Path, sequence: Video) -> str:
    return f"{where}: {no_such('folder', where)}; put the masks of {sequence.name} there"


def _misplaced_in(where: object, sequence: Video, found: Match) -> Iterator[str]:
    """The same of a folder that exists."""
    frames = sequence.names
    if not found.masks and found.surplus:
        yield (
            f"{where}: {found.surplus[0]} to {found.surplus[-1]} ({len(found.surplus)} files) are "
            f"not named after the frames {frames[0]} to {frames[-1]}; name them {frames[0]}.png "
            "and so on"
        )
        return
    if missing := [path.name for path in sequence.scored if path.stem not in found.masks]:
        yield f"{where}: missing {', '.join(missing)}"
    if found.surplus:
        yield f"{where}: no frame for {', '.join(found.surplus)}"


class _Pair(NamedTuple):
    """An annotation and a mask: the objects that are scored in it; where none is, it is checked.

    `objects` are the ids that the sequence has, `before` and `after` the annotations around it. Of
    `ours`, no evidence is taken.
    """

    sequence: str
    annotation: Path
    mask: MaskFile
    benchmark: Benchmark
    dataset: Dataset
    objects: list[int]
    scored: list[int]
    before: Path | None
    after: Path | None
    ours: bool


def _pairs(truth: Truth, found: Match, *, ours: bool = False) -> "Iterator[_Pair | None]":
    """The mask of every annotation of a sequence; None where there is none."""
    paths = truth.sequence.annotations
    around = zip((None, *paths), paths, (*paths[1:], None), strict=False)
    for number, (before, path, after) in enumerate(around):
        mask = found.masks.get(path.stem)
        yield mask and _Pair(
            truth.sequence.name,
            path,
            mask,
            truth.benchmark,
            truth.sequence.dataset,
            truth.objects,
            truth.sequence.scored_at(number),
            before=before,
            after=after,
            ours=ours,
        )


class _Judgement(NamedTuple):
    """The measures of a mask's objects, in order, or its problem; and its evidence."""

    measured: list[Measured]
    problem: str = ""
    evidence: Evidence | None = None


def _measured(pair: _Pair) -> _Judgement:
    """Decode a mask, measure its objects, and take evidence."""
    try:
        read = read_annotation if pair.ours else _annotation
        truth = read(pair.annotation, pair.dataset)
        like = Like("its annotation", truth.shape)
        if pair.ours:
            found = Read(read_annotation(pair.mask.place, pair.dataset, like))
        else:
            found = read_mask(pair.mask, pair.dataset, pair.objects, like)
    except UserError as error:
        return _Judgement([], str(error))
    mask = found.labels
    evidence = None if pair.ours else _evidence(pair, truth, found)
    if problem := _unknown_object(pair, truth, mask):
        return _Judgement([], problem, evidence)
    return _Judgement([measure(truth == i, mask == i) for i in pair.scored], evidence=evidence)


def _unknown_object(pair: _Pair, truth: Labels, mask: Labels) -> str:
    """The problem of a mask, or of an annotation, with an object that the sequence has not."""
    if pair.dataset.objects == "first" and (late := {*shown(truth)}.difference(pair.objects)):
        return (
            f"{pair.annotation}: object {min(late)}, which the first annotation lacks; if it is "
            "given here, describe the data set (objects: appearing); else remove it"
        )
    if unknown := _beyond(mask, pair.objects):
        return f"{pair.mask}: unknown object {unknown}; allowed: {ids_text([0, *pair.objects])}"
    return ""


def _beyond(labels: Labels, objects: list[int]) -> int:
    """The largest label that is no object; 0: there is none."""
    others = (one for one in range(int(labels.max()), 0, -1) if one not in objects)
    return next((one for one in others if (labels == one).any()), 0)


@lru_cache(maxsize=3)
def _annotation(path: Path, dataset: Dataset) -> Labels:
    """An annotation; evidence asks for each three times, with its frame and those around it."""
    return read_annotation(path, dataset)


def _evidence(pair: _Pair, truth: Labels, found: Read) -> Evidence:
    """The evidence of a mask; an annotation that cannot be read is the problem of its own frame."""
    around: list[Labels | None] = []
    for path in (pair.before, pair.after):
        try:
            around.append(_annotation(path, pair.dataset) if path else None)
        except UserError:
            around.append(None)
    return evidence_of(
        pair.sequence,
        pair.annotation.stem,
        Truths(truth, *around),
        found.labels,
        objects=pair.objects,
        scored=bool(pair.scored),
        first=pair.before is None,
        by_colour=found.by_colour,
    )


def _rows(pair: _Pair, measured: list[Measured], variant: str, seed: int | None) -> Iterator[Score]:
    """The rows of a mask's objects."""
    frame = pair.annotation.stem
    for i, figures in zip(pair.scored, measured, strict=True):
        yield Score(pair.benchmark, variant, seed, pair.sequence, i, frame, *figures)
