"""Methods to compare, each given by masks or by scores of every frame, of one training or several.

What is wrong with any of them is reported together: first whatever shows before an image is
decoded, then what the images show.
"""

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from rgmp.config.base import AtOnce, Closed, Location, Name
from rgmp.config.load import read_yaml, validated
from rgmp.config.protocol import Protocol
from rgmp.config.study import MARGIN, Margin
from rgmp.data.mask_source import open_masks
from rgmp.data.videos import Videos
from rgmp.errors import ProblemsError, UserError, nearest, refuse
from rgmp.evaluation.external_scores import adopt
from rgmp.evaluation.scoring import Judged, Located, Truth, judge_all, locate, open_truths
from rgmp.runtime.files import digest_of_file, no_such

_LONGEST_NAME = 200
"""Bytes: files are named after a method."""


class Method(Closed):
    """A method and where its results lie.

    Attributes:
        name: of its file and its rows.
        trainings: of each training of it a folder or zip of masks, or a table of scores.
        label: in print; empty: its name.
        protocol: by which it was trained and run, as far as that is known.
    """

    name: Name
    trainings: tuple[Path, ...]
    label: str = ""
    protocol: Protocol = Protocol()

    def seed_of(self, training: int) -> int | None:
        """The number of a training in score tables; None of a single one."""
        return training if len(self.trainings) > 1 else None


class ComparisonJob(Closed):
    """Methods to compare.

    Attributes:
        videos: the ground truth.
        methods: two or more.
        title: of what is made; empty: how many methods on what.
        out: the folder for what is made.
        margin: points of J&F: a difference that is surely smaller is none in practice.
        strict: whether a likely mistake in what is given is an error.
        processes: how many share the frames; no result depends on it.
    """

    videos: Videos
    methods: tuple[Method, ...]
    title: str = ""
    out: Location
    margin: Margin = MARGIN
    strict: bool = False
    processes: AtOnce = 1


@dataclass
class Entry:
    """One training of a method.

    Attributes:
        method: its name.
        path: where its results lie.
        seed: its number (`Method.seed_of`).
        is_table: whether these are scores, which are used unchanged.
        judged: its rows, and what was found on the way.
    """

    method: str
    path: Path
    seed: int | None
    is_table: bool
    judged: Judged = field(default_factory=Judged)

    @property
    def name(self) -> str:
        """The method's name, and the number of the training if there are several, from 1 on."""
        return self.method if self.seed is None else f"{self.method} (training {self.seed + 1})"


def methods_of(given: Sequence[str]) -> tuple[Method, ...]:
    """The methods that are given as `NAME=PATH` or `NAME=PATH,PATH,...`.

    Raises:
        ProblemsError: all of them: what is not of that form, names that are no file's or are there
            twice, paths that do not exist or are there twice, fewer than two methods.
    """
    methods: list[Method] = []
    problems: list[str] = []
    for text in given:
        name, is_named, places = text.partition("=")
        if not is_named:
            problems.append(f"{text}: no name; give NAME=FOLDER, such as rgmp={text}")
            continue
        if wrong := _wrong_name(name):
            problems.append(f"{text}: {wrong}")
        trainings = _split(places)
        problems += (f"{name}: {problem}" for problem in _wrong_paths(trainings))
        methods.append(Method.model_construct(name=name, trainings=tuple(map(Path, trainings))))
    counts = Counter(method.name.casefold() for method in methods)
    twice = dict.fromkeys(one.name for one in methods if counts[one.name.casefold()] > 1)
    if twice:
        problems.append(f"{', '.join(twice)}: a name is given twice; name each method once")
    if len(given) < 2:
        problems.append(f"{', '.join(given)}: one method; name two or more to compare")
    refuse(problems)
    return tuple(methods)


def _wrong_name(name: str) -> str:
    """What is wrong with a name, if anything."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        return (
            "not a name of a method; allowed: 1 to 100 printable characters without /, of which "
            "the first is neither - nor a dot"
        )
    return "name too long; name it shorter" * (len(os.fsencode(name)) > _LONGEST_NAME)


def _split(places: str) -> list[str]:
    """The paths; a single one where that exists with its commas."""
    return [places] if _exists(Path(places)) else places.split(",")


def _exists(path: Path) -> bool:
    """Whether anything is there; what no path can be is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _wrong_paths(trainings: Sequence[str]) -> Iterator[str]:
    what_to_do = "name a folder or zip of masks, or a CSV of scores"
    for place, count in Counter(trainings).items():
        if not place:
            yield f"no path; {what_to_do}"
        elif not _exists(Path(place)):
            yield f"{place}: {no_such('file or folder', Path(place))}; {what_to_do}"
        elif not (Path(place).is_dir() or Path(place).is_file()):
            yield f"{place}: neither a file nor a folder; {what_to_do}"
        elif count > 1:
            yield f"{place}: is given {count} times; name each training once"


def with_protocols(methods: Sequence[Method], path: Path) -> tuple[Method, ...]:
    """The methods with the protocols that a YAML file has of them; of some it may have none.

    Raises:
        ProblemsError: the file has names of no method, or cards that are not `Protocol`'s.
        UserError: it cannot be read.
    """
    cards, names = read_yaml(path), [method.name for method in methods]
    known = ", ".join(names)
    problems = [
        f"{path}: {name}: no such method; there are {known}{nearest(name, names)}"
        for name in cards
        if name not in names
    ]
    found = []
    for method in methods:
        try:
            card = validated(Protocol, cards.get(method.name, {}), path, f"{method.name}.")
        except UserError as error:
            problems.append(str(error))
        else:
            found.append(method.model_copy(update={"protocol": card}))
    refuse(problems)
    return tuple(found)


def score_methods(videos: Videos, methods: Sequence[Method], *, processes: int) -> list[Entry]:
    """Score the masks of all methods, and adopt the scores of those that are given by a table.

    Args:
        videos: with their ground truth.
        methods: each with a name of its own.
        processes: how many share the frames; the result does not depend on it.

    Returns:
        Every training of every method, in the order given.

    Raises:
        UserError: sequences are unknown, or the tree lacks ground truth.
        ProblemsError: everything that is wrong with any of the methods.
    """
    truths = open_truths(videos)
    entries = [
        Entry(method.name, path, method.seed_of(number), _is_table(path))
        for method in methods
        for number, path in enumerate(method.trainings)
    ]
    located = [one for entry in entries if (one := _opened(entry, videos, truths))]
    _refuse_all(entries)
    if located:
        judge_all(located, processes=processes)
    _refuse_all(entries)
    return entries


def _is_table(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() != ".zip" and not zipfile.is_zipfile(path)


def _opened(entry: Entry, videos: Videos, truths: list[Truth]) -> Located | None:
    """Read the table of scores of a method; find its masks, if it has masks."""
    names = [truth.sequence.name for truth in truths]
    try:
        if entry.is_table:
            rows = adopt(videos, entry.path, variant=entry.method, seed=entry.seed)
            entry.judged.rows += rows
            return None
        source = open_masks(entry.path, names)
        if source.folders.keys().isdisjoint(names):
            raise UserError(
                f"{entry.path}: has no folder of any of the {len(names)} sequences ({names[0]}, "
                "...); name the folder that holds those"
            )
        found = locate(videos, source, truths, variant=entry.method, seed=entry.seed)
    except ProblemsError as error:
        entry.judged.problems += error.problems
    except UserError as error:
        entry.judged.problems.append(str(error))
    else:
        entry.judged = found.judged
        return found
    return None


def _refuse_all(entries: Sequence[Entry]) -> None:
    """Stop if there are problems, each with the method's name before it.

    Raises:
        ProblemsError: there are.
    """
    refuse(f"{one.name}: {problem}" for one in entries for problem in one.judged.problems)


def digest_of_entry(entry: Entry, sequences: Sequence[str]) -> str:
    """SHA-256 of a table of scores, or of the masks of some sequences.

    Raises:
        UserError: one of the files cannot be read any more.
    """
    if entry.is_table:
        return digest_of_file(entry.path)
    return open_masks(entry.path, sequences).digest_of(sequences)
