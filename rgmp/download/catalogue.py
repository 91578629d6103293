"""The data sets that can be fetched: addresses, sizes, digests, licences and layouts.

`catalogue.yaml` lists them, with the source of each fact.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict, StringConstraints, field_validator, model_validator

from rgmp.config.base import Benchmark, Closed, Line, unique
from rgmp.config.load import read_yaml, validated
from rgmp.errors import UserError, nearest, shown

PACKAGED = Path(__file__).with_name("catalogue.yaml")

ArchiveKind = Literal["zip", "tar", "plain"]
"""How a file is unpacked; `plain`: it is no archive."""

_RELATIVE = r"^\w[\w.-]*(/\w[\w.-]*)*$"

Relative = Annotated[str, StringConstraints(pattern=_RELATIVE, max_length=200)]
"""A path below a folder, whose parts begin with a letter or digit."""

Bytes = Annotated[int, Field(gt=0, le=10**13)]

Pattern = Annotated[str, StringConstraints(pattern=r"^[\w*][\w.*-]*(/[\w*][\w.*-]*)*$")]
"""A pattern of paths below a folder, as `Path.glob` takes it."""


class Address(Closed):
    """A place where the archives of a set lie.

    Attributes:
        url: to which an archive's `file` is appended.
        verified: the day on which `rgmp download` fetched the set from there; False: not yet tried.
    """

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+/([^\s?#]+/)?$")]
    verified: Annotated[date, Strict()] | Literal[False]


class Archive(Closed):
    """A file of a set, and what is in it.

    Attributes:
        file: its path below an address.
        size: in bytes, exactly; absent: not known.
        about: its size in bytes, roughly, where `size` is not known.
        digest: of its bytes: SHA-256, or git's id of the file; absent: none is published.
        note: what else is known of its size and digest, for whoever gets a file that has others.
        into: folder of the set into which it is unpacked.
        strip: top folders of its members that are left out; members elsewhere keep their paths.
        counts: the number of files that match a pattern in `into`, once unpacked.
    """

    file: Relative
    size: Bytes | None = None
    about: Bytes | None = None
    digest: (
        Annotated[str, StringConstraints(pattern=r"^(sha256:[0-9a-f]{64}|gitblob:[0-9a-f]{40})$")]
        | None
    ) = None
    note: Line | None = None
    into: Relative | None = None
    strip: Relative | None = None
    counts: Mapping[Pattern, Bytes] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_one_size(self) -> "Archive":
        if (self.size is None) == (self.about is None):
            raise ValueError("give either size or about")
        return self

    @property
    def kind(self) -> ArchiveKind:
        """How it is unpacked, by its name."""
        suffixes: dict[str, ArchiveKind] = {".zip": "zip", ".tar": "tar"}
        return suffixes.get(Path(self.file).suffix, "plain")

    @property
    def expected(self) -> int:
        """Its size in bytes, at least roughly."""
        return self.size or self.about or 0


class DataSet(Closed):
    """A data set, as `rgmp download` makes it.

    Attributes:
        title: what it is.
        licence: terms of use.
        citation: what to cite.
        layout: where its files are, below its folder.
        addresses: where its archives lie, in the order in which they are tried.
        by_hand: pages from which a browser may download the archives, to be given.
        archives: all are needed.
        pairs: patterns of images and of masks that are named alike.
        splits: benchmarks whose lists of sequences are written if no archive has them.
        apart: whether each archive is of use without the others, in a folder of its own (`into`).
    """

    title: Line
    licence: Line
    citation: Line
    layout: Line
    addresses: Annotated[tuple[Address, ...], Field(min_length=1)]
    by_hand: tuple[Line, ...] = ()
    archives: Annotated[tuple[Archive, ...], Field(min_length=1)]
    pairs: tuple[tuple[Pattern, Pattern], ...] = ()
    splits: tuple[Benchmark, ...] = ()
    apart: bool = False

    @field_validator("archives")
    @classmethod
    def _each_once(cls, archives: tuple[Archive, ...]) -> tuple[Archive, ...]:
        unique([archive.file for archive in archives])
        return archives

    @model_validator(mode="after")
    def _has_archives_that_stand_alone(self) -> "DataSet":
        if self.apart and (self.pairs or self.splits or not all(a.into for a in self.archives)):
            raise ValueError("apart: give into of every archive, and neither pairs nor splits")
        return self


class Catalogue(Closed):
    """The data sets by their names, which are also the names of their folders."""

    sets: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")], DataSet]


def load(path: Path = PACKAGED) -> dict[str, DataSet]:
    """The data sets by name.

    Raises:
        UserError: the catalogue has a key or value that is not allowed.
    """
    return validated(Catalogue, read_yaml(path), path).sets


def find(name: str, path: Path = PACKAGED) -> DataSet:
    """The data set of that name.

    Raises:
        UserError: there is none.
    """
    sets = load(path)
    if name not in sets:
        known = f"there are {', '.join(sets)}{nearest(name, sets)}"
        raise UserError(f"{shown(name)}: no such data set; {known}")
    return sets[name]
