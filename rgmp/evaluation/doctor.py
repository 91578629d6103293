"""A doctor for masks: likely mistakes that J and F alone do not show, each with its evidence.

`CAUSES` has what is looked for in the evidence of the masks (`Evidence`, taken while they are
scored): each cause looks at one sequence at a time, and gives at most one finding, which names the
sequences and the figures it rests on.
The limits leave the masks alone that methods publish: of three sets on DAVIS-2016 every sequence
has a J at least 0.015 lower when shifted by a frame, and own predictions of frame 0 with J from
0.63. They are wide enough for a poor method too, which has no other label or frame that fits well.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rgmp.evaluation.evidence import Counts, Evidence, foreground, region, regions
from rgmp.evaluation.measures import Score
from rgmp.runtime.quantities import points

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


class Cause(NamedTuple):
    """A mistake that shows in masks.

    Attributes:
        name: in a few words.
        evidence: what of a sequence's masks shows it, in words; None: nothing does.
        what_to_do: about it.
    """

    name: str
    evidence: Callable[[Frames], str | None]
    what_to_do: str


def findings(evidence: Iterable[Evidence], rows: Sequence[Score]) -> list[Finding]:
    """Every likely mistake in a set of masks.

    Args:
        evidence: of its masks, by sequence.
        rows: its scores.
    """
    sequences = {name: [*each] for name, each in groupby(evidence, lambda e: e.sequence)}
    found = []
    for cause in CAUSES:
        each = {name: cause.evidence(frames) for name, frames in sequences.items()}
        if shown := {name: text for name, text in each.items() if text}:
            few = "; ".join(f"{name}: {text}" for name, text in [*shown.items()][:_SHOWN])
            seen = f"in {len(shown)} of {len(sequences)} sequences ({few}); {cause.what_to_do}"
            found.append(Finding(cause.name, tuple(shown), seen))
    same = same_figures(rows)
    return [*found, same] if same else found


def warnings_of(found: Iterable[Finding]) -> Iterator[str]:
    """The findings, a line each."""
    for finding in found:
        names = ", ".join(finding.sequences[:_SHOWN])
        more = len(finding.sequences) - _SHOWN
        yield f"{finding.cause}: {names}{f' and {more} more' if more > 0 else ''}: {finding.text}"


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


def _first(frames: Frames) -> Evidence | None:
    """The mask of frame 0, which may be absent."""
    return next((each for each in frames if each.first), None)


def identical(frames: Frames) -> str | None:
    """Every scored mask equals the annotation: the wrong folder, most likely."""
    scored = _scored(frames)
    if scored and all(e.exact for e in scored) and any(_has_object(e.now) for e in scored):
        return f"{len(scored)} of {len(scored)} frames equal"
    return None


def empty(frames: Frames) -> str | None:
    """No mask after frame 0 has an object, though the truth does in most frames."""
    later = [e for e in frames if not e.first]
    there = sum(_has_object(e.now) for e in later)
    if later and not any(e.labels for e in later) and 2 * there >= len(later):
        return f"{len(later)} empty masks, objects in {there} of their annotations"
    return None


def _is_copy(frames: Frames) -> bool:
    """Whether all masks are one, that shows an object."""
    return len(frames) > 2 and len({e.digest for e in frames}) == 1 and frames[0].labels > 0


def _of_several(frames: Frames) -> list[Evidence]:
    """The scored frames of a sequence with several objects; of another none."""
    scored = _scored(frames)
    return scored if scored and _objects(scored[0].now) > 1 else []


def copy(frames: Frames) -> str | None:
    """The mask of frame 0 in every frame, though the truth moves."""
    scored = _scored(frames)
    if _is_copy(frames) and not all(e.exact for e in scored):
        return f"{len(frames)} equal masks, J {points(_mean(region(e.now) for e in scored))}"
    return None


def permuted(frames: Frames) -> str | None:
    """Other ids for the same objects: another assignment has a much higher J."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - half a second; rarely used

    scored = _of_several(frames)
    if not scored:
        return None
    by_label = np.mean([regions(e.now) for e in scored], axis=0)
    truth, mask = linear_sum_assignment(by_label, maximize=True)
    now, best = np.diag(by_label).mean(), by_label[truth, mask].mean()
    if best - now <= GAIN:
        return None
    ids = scored[0].objects
    moved = [f"{ids[m]} is {ids[t]}" for t, m in zip(truth, mask, strict=True) if t != m]
    return f"J {points(now)}, but {points(best)} if {', '.join(moved)}"


def shifted(frames: Frames) -> str | None:
    """The masks fit the frame before or after better than their own."""
    around = [(e.now, e.before, e.after) for e in _scored(frames)]
    whole = [(a, b, c) for a, b, c in around if b is not None and c is not None]
    if _is_copy(frames) or not whole:
        return None
    now, before, after = (_mean(map(region, each)) for each in zip(*whole, strict=True))
    best, which = max((before, "before"), (after, "after"))
    if best >= FITS and best - now > SHIFT_GAIN:
        return f"J {points(now)}, but {points(best)} with the frame {which}"
    return None


def first_not_given(frames: Frames) -> str | None:
    """The mask of frame 0 is far from the one given, which a method may copy or segment itself."""
    first = _first(frames)
    if first and (given := foreground(first.now)) < FITS:
        return f"J {points(given)}"
    return None


def palette_order(frames: Frames) -> str | None:
    """The colours of the palette say other labels than its indices, and fit much better."""
    scored = _scored(frames)
    by_index = _mean(region(e.now) for e in scored)
    by_colour = _mean(region(e.now if e.by_colour is None else e.by_colour) for e in scored)
    if by_colour - by_index > GAIN:
        return f"J {points(by_index)} by index, {points(by_colour)} by colour"
    return None


def other_annotations(frames: Frames) -> str | None:
    """Frame 0 has objects in the mask that the truth lacks, or lacks some and equals the others."""
    first = _first(frames)
    if first is None:
        return None
    objects = _objects(first.now)
    each: npt.NDArray[np.float64] = regions(first.now).max(axis=1)
    given = int((each > 0.99).sum())
    has_more = first.has_others and first.labels > 1 and objects > 1
    has_fewer = 1 < first.labels < objects and given == first.labels
    if has_more or has_fewer:
        return f"{first.labels} objects in the mask of frame 0, {objects} in the truth"
    return None


def one_mask(frames: Frames) -> str | None:
    """All objects under one id."""
    scored = _of_several(frames)
    if not scored:
        return None
    columns = np.sum([e.now for e in scored], axis=0).any(axis=0)
    apart, together = (_mean(f(e.now) for e in scored) for f in (region, foreground))
    if columns[1:].sum() == 1 and together - apart > GAIN:
        objects = _objects(scored[0].now)
        return f"one id for {objects} objects, J {points(apart)}, of the union {points(together)}"
    return None


CAUSES = (
    Cause(
        "identical to the truth",
        identical,
        "these seem to be the annotations; name the folder of predictions",
    ),
    Cause("empty after frame 0", empty, "look whether the method ran, and how it writes labels"),
    Cause(
        "one mask for all frames",
        copy,
        "frame 0 seems to be copied; look whether the method propagates it",
    ),
    Cause("ids permuted", permuted, "number objects as the annotation of frame 0 does"),
    Cause("shifted by one frame", shifted, "frames count from 00000; rename the masks"),
    Cause(
        "frame 0 is not the given mask",
        first_not_given,
        "it is not scored, but what the method was given may be of another frame or video",
    ),
    Cause(
        "palette in another order",
        palette_order,
        "indices count; store them in DAVIS's order, or as RGB",
    ),
    Cause(
        "another annotation of the same videos",
        other_annotations,
        "such as DAVIS-2017's unsupervised one; use Annotations, not Annotations_unsupervised",
    ),
    Cause("every object in one mask", one_mask, "store an id per object, or score as davis2016"),
)
"""Everything that is looked for in masks; `same_figures` looks at scores."""


def same_figures(rows: Sequence[Score]) -> Finding | None:
    """J equals F wherever they lie between 0 and 1: one column was written twice."""
    between = [row for row in rows if 0 < row.J < 1]
    if len(between) < 3 or any(row.J != row.F for row in between):
        return None
    names = tuple(dict.fromkeys(row.sequence for row in between))
    text = f"in all {len(between)} rows between 0 and 1; look how the table was written"
    return Finding("J equal to F", names, text)
