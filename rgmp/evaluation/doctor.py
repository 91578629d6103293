"""A doctor for masks: likely mistakes that J and F alone do not show, each with its evidence.

Every function below looks for one cause in the evidence of all masks (`Evidence`, taken while they
are scored) and gives at most one finding, which names the sequences and the figures it rests on.
The limits leave the masks alone that methods publish: of three sets on DAVIS-2016 every sequence
has a J at least 0.015 lower when shifted by a frame, and own predictions of frame 0 with J from
0.63. They are wide enough for a poor method too, which has no other label or frame that fits well.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rgmp.evaluation.evidence import Counts, Evidence, foreground, region, regions
from rgmp.evaluation.measures import Score

GAIN = 0.1
"""Mean J by which another reading of the labels has to be better."""

SHIFT_GAIN = 0.01
"""Mean J by which the frame before or after has to fit better."""

FITS = 0.5
"""J from which a mask shows the objects of the truth at all."""

_SHOWN = 3
"""Sequences whose figures a finding quotes."""


class Finding(NamedTuple):
    """A likely mistake.

    Attributes:
        cause: in a few words; the same for every set of masks.
        sequences: where it shows.
        text: a sentence with the evidence, and what to do.
    """

    cause: str
    sequences: tuple[str, ...]
    text: str


Frames = Sequence[Evidence]
"""The evidence of a sequence's masks, in order."""


def findings(evidence: Iterable[Evidence], rows: Sequence[Score]) -> list[Finding]:
    """Every likely mistake in a set of masks.

    Args:
        evidence: of its masks, by sequence.
        rows: its scores.
    """
    sequences = {name: [*each] for name, each in groupby(evidence, lambda e: e.sequence)}
    found = [cause(sequences) for cause in CAUSES]
    return [finding for finding in (*found, same_figures(rows)) if finding]


def warnings_of(found: Iterable[Finding]) -> Iterator[str]:
    """The findings, a line each."""
    for finding in found:
        names = ", ".join(finding.sequences[:_SHOWN])
        more = len(finding.sequences) - _SHOWN
        yield f"{finding.cause}: {names}{f' and {more} more' if more > 0 else ''}: {finding.text}"


def _finding(
    cause: str, shown: Mapping[str, str], looked_at: int, what_to_do: str
) -> Finding | None:
    """A finding with the figures of a few sequences; None without any."""
    if not shown:
        return None
    few = "; ".join(f"{name}: {text}" for name, text in [*shown.items()][:_SHOWN])
    text = f"in {len(shown)} of {looked_at} sequences ({few}); {what_to_do}"
    return Finding(cause, tuple(shown), text)


def _scored(frames: Frames) -> list[Evidence]:
    return [each for each in frames if each.scored]


def _objects(counts: Counts) -> int:
    return len(counts) - 2


def _has_object(counts: Counts) -> bool:
    """Whether the truth shows any object."""
    return bool(counts[1:].any())


def _mean(values: Iterable[float]) -> float:
    each = [*values]
    return float(np.mean(each)) if each else 0.0


def identical(sequences: Mapping[str, Frames]) -> Finding | None:
    """Every scored mask equals the annotation: the wrong folder, most likely."""
    shown = {}
    for name, frames in sequences.items():
        scored = _scored(frames)
        if scored and all(e.exact for e in scored) and any(_has_object(e.now) for e in scored):
            shown[name] = f"{len(scored)} of {len(scored)} frames equal"
    return _finding(
        "identical to the truth",
        shown,
        len(sequences),
        "these seem to be the annotations; name the folder of predictions",
    )


def empty(sequences: Mapping[str, Frames]) -> Finding | None:
    """No mask after frame 0 has an object, though the truth does in most frames."""
    shown = {}
    for name, frames in sequences.items():
        later = [e for e in frames if not e.first]
        there = sum(_has_object(e.now) for e in later)
        if later and not any(e.labels for e in later) and 2 * there >= len(later):
            shown[name] = f"{len(later)} empty masks, objects in {there} of their annotations"
    return _finding(
        "empty after frame 0",
        shown,
        len(sequences),
        "look whether the method ran, and how it writes labels",
    )


def _is_copy(frames: Frames) -> bool:
    """Whether all masks are one, that shows an object."""
    return len(frames) > 2 and len({e.digest for e in frames}) == 1 and frames[0].labels > 0


def copy(sequences: Mapping[str, Frames]) -> Finding | None:
    """The mask of frame 0 in every frame, though the truth moves."""
    shown = {}
    for name, frames in sequences.items():
        if _is_copy(frames) and not all(e.exact for e in _scored(frames)):
            mean = _mean(region(e.now) for e in _scored(frames))
            shown[name] = f"{len(frames)} equal masks, J {mean:.3f}"
    return _finding(
        "one mask for all frames",
        shown,
        len(sequences),
        "frame 0 seems to be copied; look whether the method propagates it",
    )


def permuted(sequences: Mapping[str, Frames]) -> Finding | None:
    """Other ids for the same objects: another assignment has a much higher J."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - half a second; rarely used

    shown = {}
    for name, frames in sequences.items():
        scored = _scored(frames)
        if not scored or _objects(scored[0].now) < 2:
            continue
        by_label = np.mean([regions(e.now) for e in scored], axis=0)
        truth, mask = linear_sum_assignment(by_label, maximize=True)
        now, best = np.diag(by_label).mean(), by_label[truth, mask].mean()
        if best - now > GAIN:
            moved = [f"{m + 1} is {t + 1}" for t, m in zip(truth, mask, strict=True) if t != m]
            shown[name] = f"J {now:.3f}, but {best:.3f} if {', '.join(moved)}"
    return _finding(
        "ids permuted", shown, len(sequences), "number objects as the annotation of frame 0 does"
    )


def shifted(sequences: Mapping[str, Frames]) -> Finding | None:
    """The masks fit the frame before or after better than their own."""
    shown = {}
    for name, frames in sequences.items():
        if _is_copy(frames):
            continue
        inner = [(e.now, e.before, e.after) for e in _scored(frames)]
        whole = [(a, b, c) for a, b, c in inner if b is not None and c is not None]
        if not whole:
            continue
        now, before, after = (_mean(map(region, each)) for each in zip(*whole, strict=True))
        best, which = max((before, "before"), (after, "after"))
        if best >= FITS and best - now > SHIFT_GAIN:
            shown[name] = f"J {now:.3f}, but {best:.3f} with the frame {which}"
    return _finding(
        "shifted by one frame", shown, len(sequences), "frames count from 00000; rename the masks"
    )


def first_not_given(sequences: Mapping[str, Frames]) -> Finding | None:
    """The mask of frame 0 is far from the one given, which a method may copy or segment itself."""
    shown = {}
    for name, frames in sequences.items():
        first = next((e for e in frames if e.first), None)
        if first and (given := foreground(first.now)) < FITS:
            shown[name] = f"J {given:.3f}"
    return _finding(
        "frame 0 is not the given mask",
        shown,
        len(sequences),
        "it is not scored, but what the method was given may be of another frame or video",
    )


def palette_order(sequences: Mapping[str, Frames]) -> Finding | None:
    """The colours of the palette say other labels than its indices, and fit much better."""
    shown = {}
    for name, frames in sequences.items():
        scored = _scored(frames)
        if not any(e.by_colour is not None for e in scored):
            continue
        by_index = _mean(region(e.now) for e in scored)
        by_colour = _mean(region(e.now if e.by_colour is None else e.by_colour) for e in scored)
        if by_colour - by_index > GAIN:
            shown[name] = f"J {by_index:.3f} by index, {by_colour:.3f} by colour"
    return _finding(
        "palette in another order",
        shown,
        len(sequences),
        "indices count; store them in DAVIS's order, or as RGB",
    )


def other_annotations(sequences: Mapping[str, Frames]) -> Finding | None:
    """Frame 0 has objects in the mask that the truth lacks, or lacks some and equals the others."""
    shown = {}
    for name, frames in sequences.items():
        first = next((e for e in frames if e.first), None)
        if first is None:
            continue
        objects = _objects(first.now)
        each: npt.NDArray[np.float64] = regions(first.now).max(axis=1)
        given = int((each > 0.99).sum())
        has_more = first.highest > objects and first.labels > 1 and objects > 1
        has_fewer = 1 < first.labels < objects and given == first.labels
        if has_more or has_fewer:
            shown[name] = f"{first.labels} objects in the mask of frame 0, {objects} in the truth"
    return _finding(
        "another annotation of the same videos",
        shown,
        len(sequences),
        "such as DAVIS-2017's unsupervised one; use Annotations, not Annotations_unsupervised",
    )


def one_mask(sequences: Mapping[str, Frames]) -> Finding | None:
    """All objects under one id."""
    shown = {}
    for name, frames in sequences.items():
        scored = _scored(frames)
        if not scored or _objects(scored[0].now) < 2:
            continue
        columns = np.sum([e.now for e in scored], axis=0).any(axis=0)
        apart, together = (_mean(f(e.now) for e in scored) for f in (region, foreground))
        if columns[1:].sum() == 1 and together - apart > GAIN:
            shown[name] = f"one id for {_objects(scored[0].now)} objects, J {apart:.3f}, of the "
            shown[name] += f"union {together:.3f}"
    return _finding(
        "every object in one mask",
        shown,
        len(sequences),
        "store an id per object, or score as davis2016",
    )


def same_figures(rows: Sequence[Score]) -> Finding | None:
    """J equals F wherever they lie between 0 and 1: one column was written twice."""
    between = [row for row in rows if 0 < row.J < 1]
    if len(between) < 3 or any(row.J != row.F for row in between):
        return None
    names = tuple(dict.fromkeys(row.sequence for row in between))
    text = f"in all {len(between)} rows between 0 and 1; look how the table was written"
    return Finding("J equal to F", names, text)


CAUSES: tuple[Callable[[Mapping[str, Frames]], Finding | None], ...] = (
    identical,
    empty,
    copy,
    permuted,
    shifted,
    first_not_given,
    palette_order,
    other_annotations,
    one_mask,
)
"""Everything that is looked for in masks; `same_figures` looks at scores."""
