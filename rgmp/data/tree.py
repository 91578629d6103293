"""Where the files of a data set lie: its splits, its sequences, and which files are missing.

How a set lies on disk, its description says (`rgmp.config.dataset.Dataset`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from rgmp.config.base import RESOLUTION, Benchmark
from rgmp.config.dataset import DAVIS, Dataset
from rgmp.data.davis import masks_in
from rgmp.data.listing import READABLE_ROOT, Listing, list_names, list_pairs
from rgmp.data.sequence import Sequence
from rgmp.errors import UserError
from rgmp.runtime.files import exists, files_below, no_such, reading, visible_files, write_text


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
        with reading(path, READABLE_ROOT):
            if self.dataset.pairs and not exists(path):
                pairs = self.root / self._formatted(self.dataset.pairs)
                if exists(pairs):
                    return list_pairs(pairs)
            if not exists(path):
                raise UserError(self._no_split(path))
        return list_names(path)

    def list_sequence(self, name: str) -> Sequence:
        """The files of one sequence as they are there, whether or not they match.

        Raises:
            UserError: a folder is not readable.
        """
        suffix = PurePosixPath(self.dataset.frames).suffix
        frames = visible_files(self.frames_of(name), suffix, READABLE_ROOT)
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
        with reading(folder, READABLE_ROOT):
            if not folder.is_dir():
                raise UserError(
                    f"{folder}: {no_such('folder', folder)} of {self.name}/{self.split}; "
                    f"{READABLE_ROOT}, or another split"
                )
            names = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
        problems = [f"{folder}: has no folder of a sequence; {READABLE_ROOT}"] if not names else []
        return Listing(folder, names, problems)

    def _no_split(self, path: Path) -> str:
        """The problem of a list that is not there."""
        if exists(self.root) and not self.root.is_dir():
            return f"{self.root}: {no_such('folder', self.root)}; {READABLE_ROOT}"
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
