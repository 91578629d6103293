"""Put a data set into a folder of its own: fetch, verify, unpack, check, and only then rename.

All that is unfinished is in a hidden folder beside it. A process that is killed leaves archives,
whole or in part, for the next one to go on with, and never a folder that is not complete. Archives
of a set that stand apart have folders below that of the set, each made in this way by itself.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from urllib3.util.retry import Retry

from rgmp import facts
from rgmp.config.base import Benchmark
from rgmp.config.load import validated
from rgmp.data.tree import davis_tree
from rgmp.download.catalogue import Archive, DataSet
from rgmp.download.receipt import Fetched, Pins, is_whole, write_receipt
from rgmp.download.transfer import (
    RETRIES,
    PartState,
    UnavailableError,
    fetch,
    part_path,
    state_path,
)
from rgmp.download.unpack import ArchiveError, require_room, unpack
from rgmp.download.verify import Wanted, fault_of, tagged_digest_of
from rgmp.errors import ProblemsError, UserError, refuse
from rgmp.runtime.clock import utc_now
from rgmp.runtime.files import (
    read_json,
    reading,
    require_regular,
    require_writable,
    writing,
)
from rgmp.runtime.locks import alone_in


class Obtained(NamedTuple):
    """What `obtain` made.

    Attributes:
        files: in the folder; 0: it was whole before.
        pinned: archives without a published digest that were fetched for the first time.
        lock: the file that later downloads of these must match.
    """

    files: int
    pinned: tuple[Fetched, ...]
    lock: Path


class Job(NamedTuple):
    """A data set and the place where it is to be.

    Attributes:
        name: of the set.
        dataset: its description.
        root: the folder in which the set gets a folder of its name.
        given: archives that are already downloaded.
        plain_http: allow http though no digest is known.
        retries: how often an address is tried again.
    """

    name: str
    dataset: DataSet
    root: Path
    given: tuple[Path, ...] = ()
    plain_http: bool = False
    retries: Retry = RETRIES

    @property
    def folder(self) -> Path:
        """Where the set is when it is whole."""
        return self.root / self.name

    @property
    def work(self) -> Path:
        """Where it is until then."""
        return self.root / f".{self.name}.download"

    def parts(self) -> Iterator["Job"]:
        """A job for each archive, of a set whose archives stand apart."""
        for archive in self.dataset.archives:
            folder = self.folder / (archive.into or "")
            alone = (archive.model_copy(update={"into": None}),)
            dataset = self.dataset.model_copy(update={"archives": alone})
            yield self._replace(name=folder.name, root=folder.parent, dataset=dataset)


def obtain(job: Job, accept: Callable[[Sequence[Archive]], None]) -> Obtained:
    """Make the folder of a data set, unless it is there.

    Args:
        job: what to make, and where.
        accept: called once with the archives that would be fetched, before anything is done;
            raises an error if they must not be.

    Raises:
        UnavailableError: an archive cannot be fetched.
        UserError: the folder has something else, an archive is not what it should be, or the disk
            is full.
        ProblemsError: archives that stand apart cannot be had; the others are in their folders.
    """
    require_writable(job.root)
    pins = Pins(job.root, job.name)
    with writing(job.folder):
        if job.dataset.apart:
            return _obtain_each(job, accept, pins)
        if not _is_due(job):
            return Obtained(0, (), pins.path)
        given = _match(job, pins)
        accept(_missing(job, given))
        return _obtain_alone(job, given, pins)


def _is_due(job: Job) -> bool:
    """Whether the folder is to be made; if not, what a process killed at the end left is removed.

    Raises:
        UserError: something else is there.
    """
    if not is_whole(job.folder, job.dataset):
        return True
    shutil.rmtree(job.work, ignore_errors=True)
    return False


def _obtain_alone(job: Job, given: Mapping[str, Path], pins: Pins) -> Obtained:
    """Make the folder, unless another process has made it meanwhile."""
    with alone_in(job.folder):
        return _make(job, given, pins) if _is_due(job) else Obtained(0, (), pins.path)


def _obtain_each(job: Job, accept: Callable[[Sequence[Archive]], None], pins: Pins) -> Obtained:
    """Make the folder of each archive that stands apart, whatever becomes of the others.

    Raises:
        ProblemsError: some archives cannot be had, or something else is in their places.
        UserError: the disk is full.
    """
    parts, left, faults = [*job.parts()], list[Job](), list[UserError]()
    for part in parts:
        try:
            left += [part] if _is_due(part) else []
        except UserError as fault:
            faults.append(fault)
    given = _match(job, pins) if left else {}
    if left:
        accept([archive for part in left for archive in _missing(part, given)])
        job.folder.mkdir(parents=True, exist_ok=True)
        require_room(job.folder, sum(_needed(part, _missing(part, given)) for part in left))
    made = [*_made_each(left, given, pins, faults)]
    if faults:
        there = f"{len(parts) - len(faults)} of {len(parts)}"
        raise _all_of(
            faults,
            f"{job.folder}: {there} archives are in their folders; run this again for the others",
        )
    pinned = tuple(fetched for one in made for fetched in one.pinned)
    return Obtained(sum(one.files for one in made), pinned, pins.path)


def _made_each(
    parts: Iterable[Job], given: Mapping[str, Path], pins: Pins, faults: list[UserError]
) -> Iterator[Obtained]:
    """What could be made; to `faults` is added why the others could not.

    The network may be down: after one archive that could not be fetched, the others are asked for
    once.
    """
    is_down = False
    for part in parts:
        try:
            retries = part.retries.new(total=0) if is_down else part.retries
            yield _obtain_alone(part._replace(retries=retries), given, pins)
        except (ArchiveError, ProblemsError) as fault:
            faults.append(fault)
            is_down |= isinstance(fault, UnavailableError)


def _all_of(faults: Iterable[UserError], before: str) -> ProblemsError:
    """One error for the faults of several archives, a line each after a first one."""
    lines = (before, *map(str, faults))
    unavailable = [fault for fault in faults if isinstance(fault, UnavailableError)]
    if not unavailable:
        return ProblemsError(*lines)
    refused = any(fault.http_refused for fault in unavailable)
    return UnavailableError(*lines, http_refused=refused)


def _missing(job: Job, given: Mapping[str, Path]) -> list[Archive]:
    """The archives that have to be fetched."""
    return [archive for archive in job.dataset.archives if archive.file not in given]


def _make(job: Job, given: Mapping[str, Path], pins: Pins) -> Obtained:
    """Make the folder; see `obtain`."""
    missing = _missing(job, given)
    job.work.mkdir(exist_ok=True)
    require_room(job.work, _needed(job, missing))
    for archive in missing:
        _fetch(job, archive, pins.wanted(archive))
    made = job.work / "unpacked"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    _fill(job, given, made)
    fetched = [_fetched(job, archive, given) for archive in job.dataset.archives]
    files = len(write_receipt(made, fetched).files)
    pinned = pins.add(fetched)
    if job.folder.exists():
        job.folder.rmdir()  # it is empty
    made.rename(job.folder)
    shutil.rmtree(job.work, ignore_errors=True)
    return Obtained(files, tuple(pinned), pins.path)


def _needed(job: Job, missing: Iterable[Archive]) -> int:
    """Bytes of disk for what is still to be fetched, and for all of it unpacked."""
    fetching = sum(
        archive.expected
        - sum(path.stat().st_size for path in (file, part_path(file)) if path.exists())
        for archive in missing
        for file in [job.work / archive.file]
    )
    return max(0, fetching) + sum(archive.expected for archive in job.dataset.archives)


def _match(job: Job, pins: Pins) -> dict[str, Path]:
    """The given archives by the name that the catalogue has for them, whatever they are called.

    Raises:
        UserError: one is not an archive of this set, or not readable.
    """
    found: dict[str, Path] = {}
    for path in job.given:
        require_regular(path, "name an archive")
        faults = []
        for archive in job.dataset.archives:
            wanted = pins.wanted(archive)
            with reading(path, "name a readable archive"):
                fault = fault_of(path, wanted)
            if fault is None:
                found[archive.file] = path
                break
            faults.append(f"{archive.file}: {fault}")
        else:
            raise UserError(f"{path}: not an archive of {job.name} ({'; '.join(faults)})")
    return found


def _fetch(job: Job, archive: Archive, wanted: Wanted) -> None:
    """Fetch an archive into the work folder, unless it is there.

    Raises:
        UnavailableError: no address has it.
    """
    target = job.work / archive.file
    if target.exists():  # of an earlier run, perhaps by an older catalogue
        if fault_of(target, wanted) is None:
            return
        target.unlink()
    target.parent.mkdir(parents=True, exist_ok=True)
    addresses = [address.url + archive.file for address in job.dataset.addresses]
    try:
        fetch(addresses, target, wanted, plain_http=job.plain_http, retries=job.retries)
    except UnavailableError as error:
        pages = f" (such as from {' or '.join(job.dataset.by_hand)})" if job.dataset.by_hand else ""
        raise UnavailableError(
            *error.problems,
            f"{archive.file}: could not be fetched; run this again later, or download the file "
            f"with a browser{pages} and run this with it",
            http_refused=error.http_refused,
        ) from error


def _fill(job: Job, given: Mapping[str, Path], made: Path) -> None:
    """Unpack all archives and check what came out.

    Raises:
        UserError: an archive cannot be unpacked or does not have what it should; those that were
            fetched and have no digest are then removed, to be fetched again.
    """
    try:
        for archive in job.dataset.archives:
            folder = made / (archive.into or "")
            folder.mkdir(parents=True, exist_ok=True)
            unpack(given.get(archive.file, job.work / archive.file), archive, folder)
            refuse(_miscounted(archive, folder))
        refuse(_unpaired(job.dataset, made))
    except (ArchiveError, ProblemsError):
        for archive in _missing(job, given):
            if archive.digest is None:
                (job.work / archive.file).unlink()
        raise
    for benchmark in job.dataset.splits:
        _write_splits(made, benchmark)


def _miscounted(archive: Archive, folder: Path) -> Iterable[str]:
    for pattern, wanted in archive.counts.items():
        found = sum(1 for _ in folder.glob(pattern))
        if found != wanted:
            yield f"{archive.file}: has {found} files {pattern} instead of {wanted}"


def _unpaired(dataset: DataSet, folder: Path) -> Iterable[str]:
    """Images without masks and masks without images."""
    for patterns in dataset.pairs:
        images, masks = (
            {_stem(path, pattern) for path in folder.glob(pattern)} for pattern in patterns
        )
        for stem in sorted(images ^ masks):
            yield f"{stem}: in only one of {' and '.join(patterns)}"


def _stem(path: Path, pattern: str) -> str:
    """What the stars of a pattern stand for: the end of a path, without suffix."""
    return "/".join(path.with_suffix("").parts[-pattern.count("*") :])


def _write_splits(folder: Path, benchmark: Benchmark) -> None:
    """Write a benchmark's lists of sequences, as published, unless the archive has them."""
    rows = [row for row in facts.read("davis_sequences.csv") if row["benchmark"] == benchmark]
    for split in dict.fromkeys(row["split"] for row in rows):
        tree = davis_tree(folder, benchmark, split)
        if tree.split_file and not tree.split_file.exists():
            tree.write_split(row["sequence"] for row in rows if row["split"] == split)


def _fetched(job: Job, archive: Archive, given: Mapping[str, Path]) -> Fetched:
    """The receipt's entry for an archive that is there."""
    known = archive.digest or ""
    file = given.get(archive.file)
    if file is None:
        file = job.work / archive.file
        path = state_path(file)
        address = validated(PartState, read_json(path), path).address
    else:
        address = str(file)
    return Fetched(
        file=archive.file,
        address=address,
        size=file.stat().st_size,
        sha256=known if known.startswith("sha256:") else tagged_digest_of(file),
        digest=archive.digest,
        time=utc_now(),
    )
