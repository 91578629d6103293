"""Lists of sequences: the names that a split has, and what is wrong with the others."""

from collections import Counter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rgmp.errors import UserError
from rgmp.runtime.files import reading, require_regular

READABLE_ROOT = "name the root of a readable data set"


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


def read_names(path: Path) -> list[str]:
    """The names in a list of sequences, one per line, in the file's order.

    Raises:
        UserError: it is not a readable file, or an entry is not a plain name or is a duplicate.
    """
    return list_names(path).required()


def list_names(path: Path) -> Listing:
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
    with reading(path, READABLE_ROOT):
        require_regular(path, READABLE_ROOT)
        return path.read_text(encoding="utf-8-sig", errors="replace")


def _is_plain(name: str) -> bool:
    """Whether a name leads to no other folder."""
    return Path(name).name == name and name not in {".", ".."} and "\0" not in name


def list_pairs(path: Path) -> Listing:
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
