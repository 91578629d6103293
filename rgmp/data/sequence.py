"""One video: its files, and what of them is given and scored.

Of a sequence the frames are known, those that are annotated, and from these its task: which objects
there are, at which annotation each is given, and in which it is scored. Whoever segments, scores or
trains reads that, not the description of the data set (`rgmp.config.dataset.Dataset`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from rgmp.config.dataset import Dataset
from rgmp.data.davis import VOID, object_ids
from rgmp.data.images import Labels, Like, read_labels
from rgmp.errors import UserError


def read_annotation(path: Path, dataset: Dataset, like: Like | None = None) -> Labels:
    """Read an annotation as its data set defines it: uint8 (H, W).

    0 is background, `VOID` where the truth is unknown, anything else an object's id; of a set whose
    object is the foreground, 1 is any value but background and void.

    Raises:
        UserError: as `read_labels`, or 255 is the id of an object.
    """
    return meant(path, read_labels(path, like), dataset)


def meant(path: Path, labels: Labels, dataset: Dataset) -> Labels:
    """What the values of an annotation, uint8 (H, W), mean; `path` is for the message.

    Raises:
        UserError: 255 is the id of an object.
    """
    void = dataset.void
    if dataset.objects == "foreground":
        found = (labels > 0).astype(np.uint8)
        return found if void is None else np.where(labels == void, np.uint8(VOID), found)
    if void == VOID:
        return labels
    if (labels == VOID).any():
        raise UserError(
            f"{path}: has {VOID}, which is neither void in this data set nor allowed as an id; "
            f"describe it (void: {VOID}, or objects: foreground)"
        )
    return labels if void is None else np.where(labels == void, np.uint8(VOID), labels)


def no_object(annotation: Path, labels: Labels, dataset: Dataset, name: str) -> str:
    """The problem of a first annotation, with its labels, that shows no object."""
    own = " but 255, as in DAVIS-2016's archive; unpack DAVIS-2017's over it, or apart"
    return (
        f"{annotation}: no object{own if dataset.has_several and (labels == VOID).any() else ''}; "
        f"frame 0 must show every object of {name}"
    )


@dataclass(frozen=True)
class Sequence:
    """The files of one video, in order, and its task.

    Attributes:
        name: as in the split, such as `blackswan`.
        frames: the images, at least one.
        annotations: the annotated frames' PNGs, named as their frames. Unless objects may appear
            later, `annotations[0]` belongs to `frames[0]`.
        dataset: what they mean.
    """

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]
    dataset: Dataset

    @property
    def is_fully_annotated(self) -> bool:
        """Whether every frame has an annotation."""
        return len(self.annotations) == len(self.frames)

    @property
    def names(self) -> list[str]:
        """The names of the frames, such as `00000`."""
        return [frame.stem for frame in self.frames]

    @property
    def annotated(self) -> list[str]:
        """The names of the frames that are annotated."""
        return [annotation.stem for annotation in self.annotations]

    @cached_property
    def annotated_frames(self) -> tuple[Path, ...]:
        """The frames that are annotated."""
        annotated = {*self.annotated}
        return tuple(frame for frame in self.frames if frame.stem in annotated)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file: the frames, then the annotations."""
        return (*self.frames, *self.annotations)

    def read(self, number: int, like: Like | None = None) -> Labels:
        """Read an annotation, counted from 0, as `read_annotation`."""
        return read_annotation(self.annotations[number], self.dataset, like)

    # ---- its task ----

    @cached_property
    def objects(self) -> dict[int, int]:
        """The ids of its objects, in order, and the number of the annotation that gives each.

        An annotation is read where the ids depend on it: the first, or all if objects appear.

        Raises:
            UserError: an annotation cannot be read.
        """
        match self.dataset.objects:
            case "foreground":
                return {1: 0}
            case "counted":
                return dict.fromkeys(object_ids(self.read(0)), 0)
            case "first":
                return dict.fromkeys(shown(self.read(0)), 0)
        given: dict[int, int] = {}
        for number in range(len(self.annotations)):
            given = {**dict.fromkeys(shown(self.read(number)), number), **given}
        return dict(sorted(given.items()))

    def required_objects(self, name: str) -> list[int]:
        """The ids of its objects.

        Args:
            name: of its data set, for the message.

        Raises:
            UserError: it has none, or an annotation cannot be read.
        """
        if not self.objects:
            first = self.annotations[0]
            if self.dataset.objects == "appearing":
                raise UserError(f"{first.parent}: no object in any annotation; remove the sequence")
            raise UserError(no_object(first, self.read(0), self.dataset, name))
        return [*self.objects]

    def given_at(self, number: int) -> list[int]:
        """The ids of the objects that an annotation gives."""
        return [one for one, first in self.objects.items() if first == number]

    def read_given(self, number: int) -> Labels:
        """The labels of the objects that an annotation gives, uint8 (H, W); else 0."""
        labels = self.read(number)
        return np.where(np.isin(labels, self.given_at(number)), labels, np.uint8(0))

    @property
    def giving(self) -> list[int]:
        """The numbers of the annotations that give objects, in order; the first if there are none.

        Raises:
            UserError: an annotation cannot be read, if objects appear.
        """
        if self.dataset.objects != "appearing":
            return [0]
        return sorted({*self.objects.values()}) or [0]

    @property
    def as_given(self) -> "Sequence":
        """The same sequence with those annotations alone that give objects."""
        return replace(self, annotations=tuple(self.annotations[number] for number in self.giving))

    @cached_property
    def from_first_object(self) -> "Sequence":
        """The same sequence without the annotations before the first that gives an object."""
        start = self.giving[0]
        return replace(self, annotations=self.annotations[start:]) if start else self

    def scored_at(self, number: int) -> list[int]:
        """The ids of the objects that are scored in an annotated frame.

        Those that an earlier one gives; in the last frame none, unless the data set scores it.
        """
        if number == len(self.annotations) - 1 and not self.dataset.score_last:
            return []
        return [one for one, first in self.objects.items() if first < number]

    @property
    def scored(self) -> tuple[Path, ...]:
        """The annotations that masks are scored against: of DAVIS all but the first and the last.

        Raises:
            UserError: an annotation cannot be read, if objects appear.
        """
        if self.dataset.objects != "appearing":
            return self.annotations[1:] if self.dataset.score_last else self.annotations[1:-1]
        numbers = range(len(self.annotations))
        return tuple(self.annotations[n] for n in numbers if self.scored_at(n))

    def require_annotated(self, purpose: str, *, scored: bool) -> None:
        """Require the annotations that training or scoring needs.

        Args:
            purpose: for the message, such as `davis2017/val`.
            scored: whether it is scored: of some sets the last annotation is not.

        Raises:
            UserError: frames lack one in a set whose truth is not sparse, or there are too few.
        """
        least = LEAST_TO_SCORE if scored and not self.dataset.score_last else LEAST_TO_TRAIN
        self._require(least, purpose)

    def require_unless_withheld(self, purpose: str) -> None:
        """Require one annotation, and in a set whose truth is not sparse all of them."""
        self._require(1, purpose)

    def _require(self, least: int, purpose: str) -> None:
        where = self.annotations[0].parent
        count, frames = len(self.annotations), len(self.frames)
        if self.dataset.sparse:
            if count < least:
                raise UserError(
                    f"{where}: {count} of {frames} frames annotated; {purpose} needs at least "
                    f"{least}; annotate more, or name a split without the sequence"
                )
        elif count < frames or frames < least:
            length = f" and at least {least} frames" if least > 1 else ""
            raise UserError(
                f"{where}: {count} of {frames} frames annotated; {purpose} needs every frame "
                f"annotated{length}; complete the sequence, or name a split without it"
            )

    def require_truth(self) -> None:
        """Require that masks can be scored: that later annotations do more than give objects.

        Raises:
            UserError: they do not, or as `require_annotated`; or an annotation cannot be read.
        """
        self.require_annotated("scoring", scored=True)
        if self.dataset.objects != "appearing":
            return
        if self.giving == [*range(self.giving[0], len(self.annotations))]:
            raise UserError(
                f"{self.annotations[0].parent}: each of the {len(self.annotations)} annotations "
                "gives an object, so that their truth seems to be withheld; name a split whose "
                "later frames are annotated, too"
            )


def shown(labels: Labels) -> list[int]:
    """The ids that labels have, in order."""
    counts = np.bincount(labels.ravel(), minlength=VOID + 1)
    return [int(one) for one in np.flatnonzero(counts[1:VOID]) + 1]


def ids_text(ids: Collection[int]) -> str:
    """Ids in words: `1 to 3`, or `1, 2, 4`."""
    listed = sorted(ids)
    if listed == [*range(listed[0], listed[-1] + 1)]:
        return f"{listed[0]} to {listed[-1]}"
    return ", ".join(map(str, listed))


LEAST_TO_TRAIN = 2
"""Annotated frames of a video for stage 2: the reference and a target."""

LEAST_TO_SCORE = 3
"""Annotated frames of a video that can be scored where the first and the last are left out."""
