"""Measure masks in every way that a convention asks for, one frame at a time."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rgmp.config.base import Benchmark
from rgmp.config.dataset import Dataset
from rgmp.data.annotations import IN_WORDS, Annotation, annotation_of
from rgmp.data.encodings import read_mask
from rgmp.data.images import Like
from rgmp.data.mask_source import MaskFile, open_masks
from rgmp.data.sequence import read_annotation
from rgmp.data.videos import Videos
from rgmp.errors import UserError, refuse
from rgmp.evaluation.conventions import End, Frame
from rgmp.evaluation.measures import Score, measure
from rgmp.evaluation.scoring import open_truths
from rgmp.evaluation.vot_boundary import vot_contour_accuracy
from rgmp.runtime.processes import ordered
from rgmp.runtime.progress import Progress


class _Item(NamedTuple):
    """A mask, and what it is measured against: annotations of the same frame, by their kind."""

    mask: MaskFile
    truths: tuple[tuple[Annotation, Path], ...]
    objects: list[int]
    end: End


class _Found(NamedTuple):
    """The measures of a mask's objects against each annotation, or its problem."""

    frames: list[Frame]
    problem: str = ""


def open_trees(videos: Videos, other: Path | None) -> tuple[Videos, ...]:
    """The videos with the annotations of their own tree, and with those of another.

    Args:
        videos: that are scored.
        other: root of a tree that has the same videos, among others, with annotations of another
            kind; None: there is none.

    Raises:
        UserError: the annotations are of the same kind, or as `Videos.open`.
        ProblemsError: as `Videos.names`; or the other tree annotates other frames of a sequence.
    """
    if other is None:
        return (videos,)
    names = tuple(videos.names())
    beside = videos.model_copy(update={"davis": other, "sequences": names})
    first, second = ({s.name: s for s in tree.open()} for tree in (videos, beside))
    kind, another = (annotation_of(s.values()) for s in (first, second))
    if kind == another:
        raise UserError(
            f"{other}: has {IN_WORDS[kind]}, as {videos.davis} does; name a tree with the other "
            "annotations of DAVIS-2016, or none"
        )
    refuse(
        f"{second[name].annotations[0].parent}: annotates other frames than "
        f"{first[name].annotations[0].parent}; name a tree of the same videos"
        for name in names
        if first[name].annotated != second[name].annotated
    )
    return videos, beside


def measure_frames(
    trees: Sequence[Videos],
    masks: Path,
    *,
    variant: str,
    seed: int | None,
    processes: int = 1,
) -> list[Frame]:
    """Measure masks that can be scored, those of the first and the last frame too, if there.

    Args:
        trees: as `open_trees` returns them.
        masks: folder or zip of masks, in which `rgmp.evaluation.scoring.judge` finds no problem.
        variant: variant name of the rows.
        seed: seed of the rows.
        processes: how many share the masks; the result does not depend on it.

    Returns:
        The frames of each mask, with the annotations in the order of `trees`.

    Raises:
        UserError: as `judge`.
        ProblemsError: files are unreadable, or annotations are of another size.
    """
    items = [*_items(trees, masks)]
    benchmark = trees[0].benchmark
    measured = partial(_measured, benchmark, trees[0].dataset, variant, seed)
    progress = Progress(f"conventions {benchmark}", "masks", len(items))
    frames: list[Frame] = []
    problems: list[str] = []
    with closing(ordered(measured, items, processes, chunk=8)) as results:
        for done, found in enumerate(results, start=1):
            progress.at(done)
            frames += found.frames
            problems += [found.problem] if found.problem else []
    refuse(problems)
    return frames


def _items(trees: Sequence[Videos], masks: Path) -> Iterator[_Item]:
    """Every mask that is there."""
    first, *others = trees
    kinds = [annotation_of(videos.open()) for videos in trees]
    source = open_masks(masks, first.names())
    beside = [{sequence.name: sequence for sequence in videos.open()} for videos in others]
    for sequence, _, objects in open_truths(first):
        each = [sequence, *(tree[sequence.name] for tree in beside)]
        frames = sequence.annotated
        found = source.masks_of(sequence.name, sequence.names).masks
        for number, annotations in enumerate(zip(*(s.annotations for s in each), strict=True)):
            if (mask := found.get(frames[number])) is not None:
                truths = tuple(zip(kinds, annotations, strict=True))
                yield _Item(mask, truths, objects, _end(number, len(frames)))


def _end(number: int, frames: int) -> End:
    """Whether a frame of that number, from 0, is an end of its sequence."""
    if number == 0:
        return "first"
    return "last" if number == frames - 1 else "neither"


def _measured(
    benchmark: Benchmark, dataset: Dataset, variant: str, seed: int | None, item: _Item
) -> _Found:
    """Decode a mask and its annotations, and measure every object."""
    frames = []
    try:
        mask = read_mask(item.mask, dataset, item.objects).labels
        for kind, path in item.truths:
            truth = read_annotation(path, dataset, Like("its mask", mask.shape))
            for i in item.objects:
                true, predicted = truth == i, mask == i
                figures = measure(true, predicted)
                score = Score(benchmark, variant, seed, path.parent.name, i, path.stem, *figures)
                vot = vot_contour_accuracy(true, predicted)
                frames.append(Frame(kind, score, item.end, not true.any(), vot))
    except UserError as error:
        return _Found([], str(error))
    return _Found(frames)
