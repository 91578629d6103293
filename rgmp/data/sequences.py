"""The sequences of a data set: listed, checked, and what of them is given and scored.

How a set lies on disk and what its annotations mean, its description says
(`rgmp.config.dataset.Dataset`). Of a sequence the frames are known, those that are annotated, and
from these its task: which objects there are, at which annotation each is given, and in which it is
scored. Whoever segments, scores or trains reads that, not the description.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.config.dataset import DAVIS, Dataset
from rgmp.data.davis import VOID, masks_in, object_ids
from rgmp.data.images import Labels, Like, read_labels
from rgmp.errors import UserError
from rgmp.runtime.files import (
    exists,
    files_below,
    reading,
    require_regular,
    visible_files,
    write_text,
)

_READABLE_ROOT = "name the root of a readable data set"


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


class Listing(NamedTuple):
    """A list of a split's sequences.

    Attributes:
        path: the file, or the folder that has a folder for each.
        names: those that can be read, each once, in the file's order.
        problems: what is wrong with the others, a line each; none in a list that can be used.
    """

    path: Path
    names: list[str]
    problems: list[str]

    def required(self) -> list[str]:
        """The names.

        Raises:
            UserError: something is wrong with the list: the first of it.
        """
        if self.problems:
            raise UserError(self.problems[0])
        return self.names


@dataclass(frozen=True)
class Tree:
    """A split of a data set, on disk.

    Attributes:
        root: the folder of the set.
        name: of the set, for messages.
        dataset: how it lies there.
        split: such as `val`.
        resolution: the folder of that name, of sets that have several.
    """

    root: Path
    name: str
    dataset: Dataset
    split: str
    resolution: str = RESOLUTION

    @property
    def split_file(self) -> Path | None:
        """The list of the split's sequences; None: they are those that have a folder."""
        listed = self.dataset.sequences
        return None if listed is None else self.root / self._formatted(listed)

    @property
    def frames_folder(self) -> Path:
        """The folder that has a folder of frames for each sequence."""
        return self._folder_of_all(self.dataset.frames)

    @property
    def annotations_folder(self) -> Path:
        """The folder that has a folder of annotations for each sequence."""
        return self._folder_of_all(self.dataset.annotations)

    def frames_of(self, name: str) -> Path:
        """The folder of a sequence's frames, 00000.jpg and so on."""
        return self._folder(self.dataset.frames, name)

    def annotations_of(self, name: str) -> Path:
        """The folder of a sequence's annotations, 00000.png and so on."""
        return self._folder(self.dataset.annotations, name)

    @property
    def is_withheld(self) -> bool:
        """Whether the truth of the split is withheld but for the masks that give the objects."""
        return self.split.startswith(self.dataset.withheld)

    def files(self) -> Iterator[Path]:
        """Every file of the set, or more: what lies below the folders that its patterns name."""
        given = self.dataset.sequences, self.dataset.pairs
        for pattern in (self.dataset.frames, self.dataset.annotations, *filter(None, given)):
            yield from files_below(self.root / pattern.partition("{")[0].rpartition("/")[0])

    def write_split(self, names: Iterable[str]) -> None:
        """Write the list of the split's sequences.

        Raises:
            ValueError: the set has none.
            UserError: it cannot be written.
        """
        if self.split_file is None:
            raise ValueError(f"{self.name}: its sequences are folders, not a list")
        write_text(self.split_file, "".join(f"{name}\n" for name in names))

    def list_split(self) -> Listing:
        """The list of the split's sequences.

        Raises:
            UserError: no such tree or split, or a split that is not a readable file.
        """
        path = self.split_file
        if path is None:
            return self._folders()
        with reading(path, _READABLE_ROOT):
            if self.dataset.pairs and not exists(path):
                pairs = self.root / self._formatted(self.dataset.pairs)
                if exists(pairs):
                    return _list_pairs(pairs)
            if not exists(path):
                raise UserError(self._no_split(path))
        return _list_names(path)

    def list_sequence(self, name: str) -> Sequence:
        """The files of one sequence as they are there, whether or not they match.

        Raises:
            UserError: a folder is not readable.
        """
        suffix = PurePosixPath(self.dataset.frames).suffix
        frames = visible_files(self.frames_of(name), suffix, _READABLE_ROOT)
        return Sequence(name, frames, masks_in(self.annotations_of(name)), self.dataset)

    def open_sequence(self, name: str) -> Sequence:
        """List the files of one sequence and check that they match; none is opened.

        Raises:
            UserError: a folder, a frame or an annotation is missing, or a folder is not readable.
        """
        sequence = self.list_sequence(name)
        for problem in self.problems_of(sequence):
            raise UserError(problem)
        return sequence

    def problems_of(self, sequence: Sequence) -> Iterator[str]:
        """Which files of a sequence (`list_sequence`) are missing or belong to no frame."""
        folder, suffix = self.frames_of(sequence.name), PurePosixPath(self.dataset.frames).suffix
        if not sequence.frames:
            yield f"{folder}: no frames (00000{suffix}, ...) for sequence {sequence.name}"
            return
        if self.dataset.gaps:
            yield from _misnamed(folder, sequence.frames)
            numbered = {frame.stem for frame in sequence.frames}
            absent: list[str] = []
        else:
            absent = _absent(sequence)
            yield from _gap(folder, sequence.frames, absent)
            numbered = {frame.stem for frame in sequence.frames if is_numbered(frame)}
        folder, annotated = self.annotations_of(sequence.name), {*sequence.annotated}
        if surplus := [f"{name}.png" for name in sorted(annotated.difference(numbered, absent))]:
            yield f"{folder}: {surplus[0]} has no frame{_more(surplus[1:])}; remove it"
        unlike = [f"{name}.png" for name in sorted(numbered - annotated)]
        there = annotated & numbered
        first = min(numbered, default="")
        if self.dataset.sparse:
            if not there:
                yield f"{folder}: no annotation of any frame; annotate one, or remove the sequence"
            elif first not in there and self.dataset.objects != "appearing":
                yield (
                    f"{folder}: {first}.png is missing, whose objects are given; annotate it, or "
                    "say that objects appear (objects: appearing)"
                )
        # the truth of later frames may be withheld
        elif unlike and there != {first}:
            yield (
                f"{folder}: {unlike[0]} is missing{_more(unlike[1:])}; annotate every frame, or "
                f"only the first, {first}"
            )

    def _formatted(self, pattern: str) -> str:
        return pattern.replace("{split}", self.split).replace("{resolution}", self.resolution)

    def _folder_of_all(self, pattern: str) -> Path:
        return self.root / self._formatted(pattern.partition("{sequence}")[0])

    def _folder(self, pattern: str, name: str) -> Path:
        folder = PurePosixPath(self._formatted(pattern)).parent
        return self.root / str(folder).replace("{sequence}", name)

    def _folders(self) -> Listing:
        """The sequences of a set without lists: every folder of frames.

        Raises:
            UserError: there is no such folder, or it is not readable.
        """
        folder = self.frames_folder
        with reading(folder, _READABLE_ROOT):
            if not folder.is_dir():
                raise UserError(
                    f"{folder}: no such folder of {self.name}/{self.split}; {_READABLE_ROOT}, or "
                    "another split"
                )
            names = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
        problems = [f"{folder}: has no folder of a sequence; {_READABLE_ROOT}"] if not names else []
        return Listing(folder, names, problems)

    def _no_split(self, path: Path) -> str:
        """The problem of a list that is not there."""
        patterns = [*filter(None, (self.dataset.sequences, self.dataset.pairs))]
        folders = [(self.root / self._formatted(pattern)).parent for pattern in patterns]
        found = {file.stem for folder in folders for file in folder.glob("*.txt")}
        every = (*patterns, self.dataset.frames, self.dataset.annotations)
        *tops, last = dict.fromkeys(PurePosixPath(self._formatted(p)).parts[0] for p in every)
        return (
            f"{path}: no such split; splits of {self.name} in {self.root}: "
            f"{', '.join(sorted(found)) or 'none'}; "
            f"name the folder that has {', '.join(tops)} and {last}"
        )


def read_names(path: Path) -> list[str]:
    """The names in a list of sequences, one per line, in the file's order.

    Raises:
        UserError: it is not a readable file, or an entry is not a plain name or is a duplicate.
    """
    return _list_names(path).required()


def _list_names(path: Path) -> Listing:
    """A list of sequences, one per line.

    Raises:
        UserError: it is not a readable file.
    """
    entries = Counter(_text_of(path).split())
    problems = [
        f"{path}: {name!r} is not a sequence name; allowed: one name per line"
        for name in entries
        if not _is_plain(name)
    ]
    problems += [
        f"{path}: lists {name} {times} times; list each sequence once"
        for name, times in entries.items()
        if times > 1
    ]
    if not entries:
        problems.append(f"{path}: lists no sequence; allowed: one name per line")
    return Listing(path, [*filter(_is_plain, entries)], problems)


def _text_of(path: Path) -> str:
    """The text of a list.

    Raises:
        UserError: it is not a readable file.
    """
    with reading(path, _READABLE_ROOT):
        require_regular(path, _READABLE_ROOT)
        return path.read_text(encoding="utf-8-sig", errors="replace")


def _is_plain(name: str) -> bool:
    """Whether a name leads to no other folder."""
    return Path(name).name == name and name not in {".", ".."} and "\0" not in name


def _list_pairs(path: Path) -> Listing:
    """A list of frames and annotations: its sequences in the order in which they first appear.

    Each line has the paths of a frame and of its annotation, with a slash for the root:
    `/JPEGImages/480p/camel/00000.jpg /Annotations/480p/camel/00000.png`. Which frames a sequence
    has, its folders say.

    Raises:
        UserError: it is not a readable file.
    """
    names: dict[str, None] = {}
    problems = []
    for number, line in enumerate(_text_of(path).splitlines(), start=1):
        match [PurePosixPath(given).parts for given in line.split()]:
            case []:
                continue
            case [("/", "JPEGImages", _, name, frame), ("/", "Annotations", _, same, mask)]:
                if name == same and _is_plain(name) and Path(frame).stem == Path(mask).stem:
                    names[name] = None
                    continue
        problems.append(
            f"{path}: line {number} is no frame and its annotation; allowed: lines such as "
            "/JPEGImages/480p/camel/00000.jpg /Annotations/480p/camel/00000.png"
        )
    if not names and not problems:
        problems.append(f"{path}: lists no frame; download DAVIS-2016 again")
    return Listing(path, [*names], problems)


def _gap(folder: Path, frames: tuple[Path, ...], absent: list[str]) -> Iterator[str]:
    """The first frame that is not the next number, in a set without gaps."""
    for number, frame in enumerate(frames):
        if frame.stem != f"{number:05d}":
            suffix = frame.suffix
            others = [f"{name}{suffix}" for name in absent if int(name) > number]
            yield (
                f"{folder}: {number:05d}{suffix} is missing, found {frame.name} instead"
                f"{_more(others)}; number frames from 00000 without gaps"
            )
            break


def _misnamed(folder: Path, frames: tuple[Path, ...]) -> Iterator[str]:
    """Names that are not ordered as the numbers in them, in a set with gaps."""
    matched = [ENDS_WITH_NUMBER.fullmatch(frame.stem) for frame in frames]
    for frame, match in zip(frames, matched, strict=True):
        if match is None:
            yield f"{folder}: {frame.name} has no number; name frames by numbers, such as 00005.jpg"
            return
    prefix, digits = zip(*(match.groups() for match in matched if match), strict=True)
    if len({*prefix}) > 1 or len({*map(len, digits)}) > 1:
        yield (
            f"{folder}: {frames[0].name} and {frames[-1].name} differ in more than a number of "
            "equally many digits; rename the frames, such as 00005.jpg"
        )


def _absent(sequence: Sequence) -> list[str]:
    """The numbers of the frames that are missing before the last one."""
    there = {frame.stem for frame in sequence.frames if is_numbered(frame)}
    last = max(there, default="0")
    return [f"{n:05d}" for n in range(int(last)) if f"{n:05d}" not in there]


def is_numbered(path: Path) -> bool:
    """Whether a file is named by a frame's number, as 00000.jpg."""
    return _NUMBER.fullmatch(path.stem) is not None


_NUMBER = re.compile("[0-9]{5}")
ENDS_WITH_NUMBER = re.compile("(.*?)([0-9]+)")
"""The name of a frame in a set with gaps: what all names begin with, which may be empty, and its
number."""


def _more(names: list[str]) -> str:
    """Further names, if there are any: ` (and 00005.jpg)`; of many, how many."""
    if not names:
        return ""
    rest = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f" (and {', '.join(names[:_FEW])}{rest})"


_FEW = 5
"""Names that a line about many of them lists."""


def davis_tree(root: Path, benchmark: Benchmark, split: str) -> Tree:
    """A split of DAVIS, at 480p."""
    return Tree(root, benchmark, DAVIS[benchmark], split)
