"""What was fetched: a receipt in the folder of each set, and a lock file beside the folders.

The receipt proves that a folder is whole. The lock file pins archives of which no digest is
published: the first download is trusted, and every later one must match it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from rgmp.config.base import Closed
from rgmp.config.load import validated
from rgmp.download.catalogue import Archive, DataSet
from rgmp.download.verify import Wanted
from rgmp.errors import UserError
from rgmp.runtime.files import files_below, read_json, write_json
from rgmp.runtime.locks import alone_in

_RECEIPT = ".download.json"
_LOCK = "download-lock.json"


class Fetched(Closed):
    """An archive that was fetched.

    Attributes:
        file: as in the catalogue.
        address: the URL it came from, or the file that was given.
        size: in bytes.
        sha256: of its bytes, with the algorithm's name before it.
        digest: the digest of the catalogue that it was checked against.
        time: of the download, UTC.
    """

    file: str
    address: str
    size: int
    sha256: str
    digest: str | None
    time: str


class Receipt(Closed):
    """What a folder was made from, and the sizes in bytes of the files that it had then."""

    archives: tuple[Fetched, ...]
    files: dict[str, int]


class Lock(Closed):
    """Archives without published digests, by set and file: as they were first fetched."""

    archives: dict[str, Fetched] = Field(default_factory=dict)


def write_receipt(folder: Path, archives: Sequence[Fetched]) -> Receipt:
    """Write the receipt of a folder that is complete, and return it."""
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size for path in files_below(folder)
    }
    receipt = Receipt(archives=tuple(archives), files=files)
    write_json(folder / _RECEIPT, receipt.model_dump())
    return receipt


def is_whole(folder: Path, dataset: DataSet) -> bool:
    """Whether a set is in its folder; False: nothing is there.

    Raises:
        UserError: something else is there, another version of the set, or one that lacks files.
    """
    remove = "move it away or remove it, and run this again"
    try:
        if not any(folder.iterdir()):
            return False
    except FileNotFoundError:
        return False
    except NotADirectoryError as error:
        raise UserError(f"{folder}: is not a folder; {remove}") from error
    path = folder / _RECEIPT
    if not path.exists():
        raise UserError(
            f"{folder}: was not made by `rgmp download`; {remove}, or name another folder"
        )
    receipt = validated(Receipt, read_json(path), path)
    if [(a.file, a.digest) for a in receipt.archives] != [
        (a.file, a.digest) for a in dataset.archives
    ]:
        raise UserError(f"{folder}: is another version of this data set; {remove}")
    damaged = list(_damaged(folder, receipt))
    if damaged:
        raise UserError(
            f"{folder}: {len(damaged)} files are missing or differ in size from those that were "
            f"unpacked, such as {damaged[0]}; {remove}"
        )
    return True


def _damaged(folder: Path, receipt: Receipt) -> Iterator[str]:
    for name, size in receipt.files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size:
            yield name


class Pins:
    """The lock file of a folder of data sets."""

    def __init__(self, root: Path, name: str) -> None:
        """For the set of that name below `root`."""
        self.path = root / _LOCK
        self._name = name

    def wanted(self, archive: Archive) -> Wanted:
        """What is known of an archive, by the catalogue or by its first download.

        Raises:
            UserError: the lock file is not one.
        """
        pinned = None if archive.digest else self._read().archives.get(self._key(archive.file))
        if pinned is None:
            return Wanted.of(archive)
        return Wanted(archive.kind, pinned.size, pinned.sha256)

    def add(self, fetched: Sequence[Fetched]) -> list[Fetched]:
        """Pin what has no published digest and is not pinned; return what was added."""
        with alone_in(self.path):
            known = self._read().archives
            new = [f for f in fetched if f.digest is None and self._key(f.file) not in known]
            if new:
                lock = Lock(archives={**known, **{self._key(f.file): f for f in new}})
                write_json(self.path, lock.model_dump())
        return new

    def _read(self) -> Lock:
        if not self.path.exists():
            return Lock()
        return validated(Lock, read_json(self.path), self.path)

    def _key(self, file: str) -> str:
        return f"{self._name}/{file}"
