"""Everything that is wrong with videos: of their lists, files, sizes, values and objects.

What is known of DAVIS is required of its sequences alone, by their names; other videos may have any
length and size. A tree may have a part of DAVIS: that is no problem, but said (`Checked.notes`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rgmp.config.base import BENCHMARKS, Benchmark
from rgmp.data.davis import VOID
from rgmp.data.images import Labels, Like, read_frame, read_labels, size_text
from rgmp.data.known import Known, known_sequences, official
from rgmp.data.listing import Listing
from rgmp.data.sequence import Sequence, ids_text, meant, no_object
from rgmp.data.tree import is_numbered
from rgmp.data.videos import Videos
from rgmp.errors import UserError
from rgmp.runtime.files import no_such


@dataclass
class Checked:
    """What became of a check.

    Attributes:
        sequences: those of the split that have files, in its order.
        shapes: what each of them is, for records: frames, annotations, objects, size.
        problems: what has to be put right, a line each.
        notes: what is right of a part of DAVIS, and has to be known of its figures.
    """

    sequences: list[Sequence] = field(default_factory=list)
    shapes: dict[str, dict[str, int | str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def check_videos(videos: Videos) -> Checked:
    """Decode every file of a split's sequences and collect all that is wrong with any of them."""
    found = Checked()
    tree = videos.tree
    try:
        listing = tree.list_split()
    except UserError as error:
        found.problems.append(str(error))
        return found
    found.problems += listing.problems
    found.problems += _wrong_list(listing, videos.benchmark, videos.split)
    found.notes += _notes_on_list(listing.names, videos)
    if absent := list(_absent_folders(videos)):
        found.problems += absent
        return found
    for name in listing.names:
        try:
            sequence = tree.list_sequence(name)
        except UserError as error:
            found.problems.append(str(error))
            continue
        known = known_sequences(videos.benchmark).get(name)
        found.problems += tree.problems_of(sequence)
        if sequence.frames:
            found.problems += _wrong_length(sequence, videos, known)
            content = _Content(sequence, videos.benchmark, videos.resolution, known, gapless=True)
            found.problems += content.problems()
            found.sequences.append(sequence)
            found.shapes[name] = content.shape
    found.notes += _notes_on_withheld(found.sequences, videos)
    found.notes += _notes_on_sparse(found.sequences, videos)
    return found


def problems_of(sequence: Sequence, benchmark: Benchmark) -> Iterator[str]:
    """Decode every file of a sequence and yield what makes it unusable, one line each.

    An id that frame 0 skips does not: it counts as an object without pixels.
    """
    yield from _Content(sequence, benchmark).problems()


# ---- lists ----


def _title(benchmark: Benchmark) -> str:
    return f"DAVIS-{benchmark.removeprefix('davis')}"


def _wrong_list(listing: Listing, benchmark: Benchmark, split: str) -> Iterator[str]:
    """The list of another split, or of the other year, in place of this one."""
    names = {*listing.names}
    wanted = official(benchmark, split)
    others = [(year, other) for year in BENCHMARKS for other in ("train", "val")]
    for year, other in others:
        if wanted and names == official(year, other) != wanted:
            yield (
                f"{listing.path}: is the list of {other} of {_title(year)}; put the "
                f"{len(wanted)} sequences of {split} of {_title(benchmark)} there"
            )


def _notes_on_list(names: list[str], videos: Videos) -> Iterator[str]:
    """What a list lacks of DAVIS's, and has beyond it; nothing of a tree of other videos."""
    benchmark, split = videos.benchmark, videos.split
    known, wanted = known_sequences(benchmark), official(benchmark, split)
    where, title = f"{benchmark}/{split}", _title(benchmark)
    if known.keys().isdisjoint(names):
        return
    if lacking := wanted.difference(names):
        yield (
            f"{where}: partial: {len(wanted.intersection(names))} of the {len(wanted)} sequences "
            f"of {title}, without {_some(sorted(lacking))}; figures are not those of {title}"
        )
    if moved := [name for name in names if name in known and name not in wanted and wanted]:
        yield f"{where}: {_some(moved)}: of another split of {title}"
    if others := [name for name in names if name not in known and wanted]:
        yield (
            f"{where}: {_some(others)}: not in {title}, so that nothing is known of frames and "
            "objects"
        )


def _some(names: list[str]) -> str:
    """A few of the names, and how many there are."""
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown}, ... ({len(names)} sequences)"


_SHOWN = 5


def _notes_on_withheld(sequences: list[Sequence], videos: Videos) -> Iterator[str]:
    """The sequences of a test split that cannot be scored."""
    withheld = [s.name for s in sequences if not s.is_fully_annotated]
    if withheld and videos.tree.is_withheld:
        given = "frame 0 alone is" if not videos.dataset.sparse else "what gives objects alone is"
        yield (
            f"{videos.benchmark}/{videos.split}: {given} annotated in {_some(withheld)}; "
            "masks can be made of them, but not scored here"
        )


def _notes_on_sparse(sequences: list[Sequence], videos: Videos) -> Iterator[str]:
    """The sequences of a set with sparse truth that are trained and scored on a part of frames."""
    sparse = [s for s in sequences if s.dataset.sparse and not s.is_fully_annotated]
    if sparse and not videos.tree.is_withheld:
        annotations = sum(len(sequence.annotations) for sequence in sparse)
        frames = sum(len(sequence.frames) for sequence in sparse)
        yield (
            f"{videos.benchmark}/{videos.split}: {annotations} of {frames} frames are annotated in "
            f"{_some([s.name for s in sparse])}; these alone are trained on and scored"
        )


# ---- folders ----


def _absent_folders(videos: Videos) -> Iterator[str]:
    """The folder of all frames or of all annotations, if it is not there, and what is instead."""
    frames = videos.tree.frames_folder
    if not frames.is_dir():
        yield f"{frames}: {no_such('folder', frames)}{_beside(frames)}"
    annotations = videos.tree.annotations_folder
    other = [p.name for p in _folders(videos.davis) if _UNSUPERVISED.search(p.name)]
    if not annotations.is_dir():
        instead = f"; {other[0]} is of another task: {_WANTED}" if other else _beside(annotations)
        yield f"{annotations}: {no_such('folder', annotations)}{instead}"
    elif _UNSUPERVISED.search(annotations.resolve().parent.name):
        yield f"{annotations}: is a link to {annotations.resolve()}, of another task: {_WANTED}"


_UNSUPERVISED = re.compile("unsupervised", re.IGNORECASE)
_WANTED = "put the Annotations of the semi-supervised task there"


def _beside(folder: Path) -> str:
    """The folders that are there instead."""
    names = [path.name for path in _folders(folder.parent)]
    if not names:
        return "; download it again"
    return f"; there is {', '.join(names)}: put that of {folder.name} there, or name the other"


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError:
        return []


# ---- files ----


def _wrong_length(sequence: Sequence, videos: Videos, known: Known | None) -> Iterator[str]:
    """A sequence of DAVIS that is shorter or longer than there, or is not annotated throughout.

    Only splits such as DAVIS's for tests may withhold the ground truth of later frames: any other
    is trained on or scored.
    """
    last = sequence.frames[-1].stem
    length = int(last) + 1 if last.isdecimal() else len(sequence.frames)
    if known and length != known.frames:
        yield (
            f"{sequence.frames[0].parent}: ends with frame {last}, and {sequence.name} of "
            f"{_title(videos.benchmark)} with {known.frames - 1:05d} ({known.frames} frames); "
            "copy it again, or give what is cut on purpose another name"
        )
    if len(sequence.annotations) == 1 and not videos.tree.is_withheld:
        try:
            sequence.require_unless_withheld(f"{videos.benchmark}/{videos.split}")
        except UserError as error:
            yield str(error)


class _Content:
    """The decoded files of a sequence, and all that is wrong with them.

    Args:
        sequence: its files.
        benchmark: what counts as an object.
        resolution: the folder of its frames, such as 480p.
        known: what is known of the sequence.
        gapless: whether frame 0 must not skip an id.

    Attributes:
        shape: what the sequence is, once `problems` has been through.
    """

    def __init__(
        self,
        sequence: Sequence,
        benchmark: Benchmark,
        resolution: str = "",
        known: Known | None = None,
        *,
        gapless: bool = False,
    ) -> None:
        self._sequence, self._benchmark, self._known = sequence, benchmark, known
        self._dataset = sequence.dataset
        self._gapless = gapless
        self._height = int(resolution[:-1]) if re.fullmatch("[0-9]+p", resolution) else None
        self._first: Like | None = None
        self._values: dict[Path, set[int]] = {}
        self.shape: dict[str, int | str] = {}

    def problems(self) -> Iterator[str]:
        """Decode every file, and yield the problems: of single files in order, then of values."""
        masks = {path.stem: path for path in self._sequence.annotations}
        wrong: list[str] = []
        for frame in self._sequence.frames:
            if not (self._dataset.gaps or is_numbered(frame)):
                continue
            like = None
            try:
                size = read_frame(frame, self._first).shape[:2]
            except UserError as error:
                yield str(error)
            else:
                if self._first is None:
                    self._first = Like(f"frame {_number(frame.stem)}", size)
                    wrong = [*self._wrong_size(frame, size)]
                    yield from wrong
                # of frames in a wrong resolution every mask would have another size
                like = None if wrong else Like("its frame", size)
            if frame.stem in masks:
                yield from self._decode(masks[frame.stem], like)
        yield from self._wrong_values()
        self._describe()

    def _decode(self, mask: Path, like: Like | None) -> Iterator[str]:
        """Decode the annotation of a frame."""
        try:
            labels = read_labels(mask, like)
            meant(mask, labels, self._dataset)
        except UserError as error:
            yield str(error)
            return
        self._values[mask] = _values_of(labels)
        gives = mask == self._sequence.annotations[0] and self._dataset.objects != "appearing"
        if gives and not self._objects(mask):
            yield no_object(mask, labels, self._dataset, self._benchmark)

    def _wrong_size(self, frame: Path, size: tuple[int, ...]) -> Iterator[str]:
        """A first frame (H, W) of DAVIS in another resolution than that of its folder."""
        if self._known is None or self._height in {None, size[0]}:
            return
        kind = "full resolution" if size[0] > (self._height or 0) else "reduced"
        yield (
            f"{frame}: is {size_text(size)}, {kind}; frames in {frame.parent.parent.name} are "
            f"{self._height} high; put those there, or name another folder (resolution)"
        )

    def _objects(self, mask: Path) -> set[int]:
        """The ids that an annotation shows; of the foreground, 1."""
        values = self._values[mask] - {self._dataset.void}
        return values if self._dataset.has_several else ({1} if values else set())

    def _wrong_values(self) -> Iterator[str]:
        """Shades, and ids that skip one, come late, or are others than those of DAVIS."""
        numbered = self._dataset.objects in {"foreground", "counted"}
        shaded = [m for m, values in self._values.items() if _are_shades(values, numbered=numbered)]
        if shaded:
            yield _of_each(
                shaded,
                f"has shades ({_listed(self._values[shaded[0]])}), as of a mask that was resized; "
                "allowed: labels; download it again",
            )
        first = next(iter(self._sequence.annotations), None)
        if first not in self._values or not self._dataset.has_several:
            return
        yield from self._wrong_objects(first, [m for m in self._values if m not in shaded])

    def _wrong_objects(self, first: Path, masks: list[Path]) -> Iterator[str]:
        if self._dataset.objects == "appearing":
            there = {one for mask in masks for one in self._objects(mask)}
        else:
            there = self._objects(first)
        if not there or first not in masks:
            return
        counted = self._dataset.objects == "counted"
        ids = set(range(1, max(there) + 1)) if counted else there
        if not self._gapless:
            there = ids
        if skipped := sorted(ids - there):
            yield (
                f"{first}: object {skipped[0]} is missing, it has {_listed(there)}; frame 0 must "
                "show objects 1, 2, ... without a gap"
            )
        elif self._known and self._known.objects not in {None, len(there)}:
            yield (
                f"{first}: {len(there)} objects, {self._known.objects} in "
                f"{_title(self._benchmark)}, as in the annotations of another task or year; "
                f"{_WANTED}"
            )
        late = {m: ids for m in masks if (ids := self._objects(m) - there)}
        if late:
            beyond = {number for ids in late.values() for number in ids}
            hint = ""
            if self._known:
                hint = f"; the unsupervised task of {_title(self._benchmark)} has such: {_WANTED}"
            yield _of_each(
                [*late], f"unknown object {_listed(beyond)}; frame 0 has {ids_text(there)}{hint}"
            )
        if void := [m for m in masks if self._values[m] == {self._dataset.void}]:
            yield _of_each(
                void,
                f"has {self._dataset.void} alone, which is void, and no object; store its labels",
            )

    def _describe(self) -> None:
        shown = [self._objects(mask) for mask in self._values]
        given = set().union(*(shown if self._dataset.objects == "appearing" else shown[:1]))
        counted = self._dataset.objects == "counted"
        self.shape = {
            "frames": len(self._sequence.frames),
            "annotations": len(self._sequence.annotations),
            "objects": max(given, default=0) if counted else len(given),
            "size": size_text(self._first.shape) if self._first else "unknown",
        }


def _number(name: str) -> str:
    """The number of a frame, such as 0 for 00000, or its name."""
    return str(int(name)) if name.isdecimal() else name


def _values_of(labels: Labels) -> set[int]:
    """The values of an annotation but for the background's."""
    return set(np.flatnonzero(np.bincount(labels.ravel())).tolist()) - {0}


def _are_shades(values: set[int], *, numbered: bool) -> bool:
    """Whether values besides 255 are shades: labels are few, and if `numbered` 1, 2, ..."""
    labels = values - {VOID}
    if VOID not in values or len(labels) < 2:
        return False
    return (numbered and max(labels) > 2 * len(labels)) or len(labels) > _MOST_OBJECTS


_MOST_OBJECTS = 50


def _listed(values: set[int]) -> str:
    """A few of the values, in order."""
    few = sorted(values)[:_SHOWN]
    return ", ".join(map(str, few)) + ", ..." * (len(values) > _SHOWN)


def _of_each(paths: list[Path], problem: str) -> str:
    """The line of a problem that several annotations of a sequence have."""
    if len(paths) == 1:
        return f"{paths[0]}: {problem}"
    what, *to_do = problem.split("; ")
    counted = f"{what} (and in {len(paths) - 1} more annotations, to {paths[-1].name})"
    return f"{paths[0]}: {'; '.join([counted, *to_do])}"
