"""Unpack an archive of `rgmp pack` beside what is there, so that only what is missing is run.

An archive is trusted no further than its digests: all of it is unpacked into a hidden folder first,
as `rgmp.download.unpack` does, and verified there against its manifest, its plan and its records.
Only files that a job of its plan leaves are then moved to the study's folder, a job at a time with
its record last, so that what a killed process has moved counts, and what it has not is missing. No
code, page or picture is taken from an archive, and nothing that is there is replaced.
"""

import os
import re
import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from rgmp.config.load import validated
from rgmp.download.unpack import Member, opened, require_room, write_member
from rgmp.errors import ProblemsError, UserError, refuse, shown
from rgmp.minidavis import generate
from rgmp.provenance.record import Record, read
from rgmp.runtime.files import (
    digest_of_all,
    digest_of_file,
    files_below,
    halves_beside,
    hidden_beside,
    read_json,
    require_regular,
    require_writable,
)
from rgmp.runtime.locks import alone_in
from rgmp.runtime.progress import Progress
from rgmp.study import layout
from rgmp.study.packing.jobs import (
    Job,
    faults_of,
    is_for_readers,
    jobs_of,
    masks_at,
    places_of,
)
from rgmp.study.packing.manifest import MEMORY, RESULTS, Manifest, read_manifest
from rgmp.study.packing.memory import Memory, remember
from rgmp.study.plan import Plan, load_plan

_NAME_IT = "name an archive of `rgmp pack`"
_OF_FIRST = re.compile(rf"{layout.FIRST}/[\w-]+\.json")


class Unpacked(NamedTuple):
    """What became of the results in an archive: names of records, below the study's folder.

    Attributes:
        folder: of the study.
        taken: unpacked now.
        kept: not unpacked, since the study has them.
        other: not unpacked, since the plan there has no such job, or another.
        remembered: whether Snakemake now remembers how any of them was made.
    """

    folder: Path
    taken: tuple[str, ...]
    kept: tuple[str, ...]
    other: tuple[str, ...]
    remembered: bool


class _Pack(NamedTuple):
    """A verified archive, unpacked into a folder: its plan, its finished jobs and their files."""

    folder: Path
    plan: Plan
    finished: Mapping[Job, Record]
    files: Mapping[Job, tuple[str, ...]]
    memory: Memory


def unpack(file: Path, project: Path, processes: int = 1) -> Unpacked:
    """Unpack an archive into `results/` of the folder in which Snakemake runs.

    The embedded benchmark is rendered, if the study has it and it is not there.

    Args:
        file: the archive.
        project: that folder.
        processes: how many may render.

    Raises:
        UserError: the archive is damaged, or not what it says; or the study there has files that
            differ from those in it.
    """
    require_regular(file, _NAME_IT)
    with opened(file, "zip") as members:
        manifest = read_manifest(file, members)
        folder = project / RESULTS / manifest.study
        require_writable(folder.parent)
        with alone_in(folder):
            real = folder.resolve()  # files are moved, which takes one disk
            for half in halves_beside(real):
                shutil.rmtree(half, ignore_errors=True)
            with hidden_beside(real) as hidden:
                stage = hidden.parent / manifest.study
                stage.mkdir()
                require_room(stage, sum(member.size for member in members))
                memory = _stage(file, members, manifest, stage)
                with _named(file, stage):
                    pack = _verified(manifest.study, stage, memory)
                return _merged(pack, folder, processes)


@contextmanager
def _named(file: Path, stage: Path) -> Iterator[None]:
    """Let problems name the archive, not the hidden folder that it is unpacked into."""
    try:
        yield
    except ProblemsError as error:
        raise ProblemsError(*(p.replace(str(stage), str(file)) for p in error.problems)) from error
    except UserError as error:
        raise UserError(str(error).replace(str(stage), str(file))) from error


def require_pack(file: Path) -> None:
    """Check that a file is an archive of `rgmp pack`.

    Raises:
        UserError: it is not.
    """
    require_regular(file, _NAME_IT)
    with opened(file, "zip") as members:
        read_manifest(file, members)


def _stage(file: Path, members: Sequence[Member], manifest: Manifest, stage: Path) -> Memory:
    """Verify every member by its digest, and put those of the study into a folder.

    Raises:
        ProblemsError: some are not what the manifest lists.
    """
    problems: list[str] = []
    progress = Progress(f"unpacking {file.name}", "files", len(members))
    beside = stage.parent / ".beside"
    for number, member in enumerate(members, 1):
        name = member.path.as_posix()
        of_study = name.startswith(manifest.folder)
        path = PurePosixPath(name.removeprefix(manifest.folder))
        target = stage if of_study else beside
        write_member(member._replace(path=Path(path)), target)
        listed = manifest.files.get(name)  # all but the manifest itself are
        if listed and digest_of_file(target / path) != listed.sha256:
            problems.append(f"{file}: {name} is not what was packed (digest); fetch it again")
        progress.at(number)
    refuse(problems)
    if not (beside / MEMORY).is_file():
        raise UserError(f"{file}: lacks {MEMORY}; {_NAME_IT}")
    return validated(Memory, read_json(beside / MEMORY), file / MEMORY)


def _verified(study: str, stage: Path, memory: Memory) -> _Pack:
    """Read what an archive says, and check that it has that and nothing else.

    Raises:
        UserError: its plan or a record is broken or leads elsewhere, a result is not what its
            record has the digest of, or a file is of no job of the plan.
    """
    plan = load_plan(stage)
    if plan.study != study:
        raise UserError(f"{stage}: is the plan of {plan.study}, not of {study}; not unpacked")
    jobs = [*jobs_of(plan)]
    for path in (path for job in jobs for path in job.outputs):
        _require_below(stage, path)
    finished = {job: read(stage / job.record) for job in jobs if job.is_finished(stage)}
    for place in (place for record in finished.values() for place in places_of(record)):
        _require_below(stage, place)
    files = {
        job: (
            *(path for place in places_of(record) for path in masks_at(stage, place)),
            *(path for path in job.outputs if (stage / path).is_file()),
        )
        for job, record in finished.items()
    }
    known = {layout.PLAN, *(path for of_job in files.values() for path in of_job)}
    found = [path.relative_to(stage).as_posix() for path in stage.rglob("*") if path.is_file()]
    refuse(
        f"{stage / name}: is of no finished job of its plan; not unpacked"
        for name in found
        if name not in known and not (_OF_FIRST.fullmatch(name) or is_for_readers(name))
    )
    refuse(
        f"{stage}: {fault}; not unpacked"
        for job, record in finished.items()
        for fault in faults_of(job, record, stage)
    )
    return _Pack(stage, plan, finished, files, memory)


def _require_below(stage: Path, path: str) -> None:
    """Refuse a path in a plan or a record that leads out of the study's folder.

    Raises:
        UserError: it does.
    """
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise UserError(f"{stage}: {shown(path)} leads out of the study's folder; not unpacked")


def _merged(pack: _Pack, folder: Path, processes: int) -> Unpacked:
    """Move what is missing in a study's folder; that nothing is contradicted is checked before.

    Raises:
        ProblemsError: files there are others than those to be unpacked.
    """
    there = folder / layout.PLAN
    planned = (
        {job.record: job.digest for job in jobs_of(load_plan(folder))} if there.is_file() else {}
    )
    other = [j for j in pack.finished if planned and planned.get(j.record) != j.digest]
    kept = [j for j in pack.finished if j not in other and (folder / j.record).is_file()]
    taken = [j for j in pack.finished if j not in other and j not in kept]
    refuse(_contradictions(pack, folder, kept, taken))
    _render(pack, folder, {*kept, *taken}, processes)
    beside = [path.relative_to(pack.folder).as_posix() for path in pack.folder.glob("first/*")]
    moved = [path for path in (layout.PLAN, *beside) if _move(pack.folder, folder, path)]
    for job in kept:
        for path in pack.files[job]:
            _move(pack.folder, folder, path)
    remembered = False
    for job in taken:
        known = {path: pack.memory.outputs.get(path) for path in job.outputs}
        remember(folder, {path: one for path, one in known.items() if one})
        remembered = remembered or any(known.values())
        for path in pack.files[job]:
            _move(pack.folder, folder, path)
            moved.append(path)
    _make_as_old(folder, moved)
    return Unpacked(folder, _records(taken), _records(kept), _records(other), remembered)


def _records(jobs: Iterable[Job]) -> tuple[str, ...]:
    return tuple(job.record for job in jobs)


def _contradictions(
    pack: _Pack, folder: Path, kept: Sequence[Job], taken: Sequence[Job]
) -> Iterator[str]:
    """What is there and is not as in the archive, a line each.

    A job that is there already may have been another run: what it made has to be the same, unless
    it timed something.
    """
    elsewhere = "unpack it in another folder, or move this away"
    for job in kept:
        record = read(folder / job.record)
        if not job.is_timing and record["outputs"] != pack.finished[job]["outputs"]:
            yield f"{folder / job.record}: its results are others than in the archive; {elsewhere}"
    for job in taken:
        for path in pack.files[job]:
            target = folder / path
            if os.path.lexists(target) and not (
                target.is_file() and digest_of_file(target) == digest_of_file(pack.folder / path)
            ):
                yield f"{target}: differs from that in the archive; {elsewhere}"


def _render(pack: _Pack, folder: Path, jobs: Collection[Job], processes: int) -> None:
    """Render the embedded benchmark where a study has its record and not its files.

    Raises:
        UserError: the pictures are not those that the study was scored on.
    """
    found = [job for job in jobs if layout.DATA in job.beside]
    seed, target = pack.plan.data.mini_seed, folder / layout.DATA
    if not found or seed is None or target.exists():
        return
    made = pack.folder / layout.DATA
    generate.render(made, seed, processes=processes)
    if digest_of_all(files_below(made)) != pack.finished[found[0]]["outputs"].get("data"):
        raise UserError(
            f"{target}: the embedded benchmark is rendered otherwise here than where the study "
            "ran; unpack it with the versions of its requirements.lock"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    made.replace(target)


def _move(source: Path, target: Path, path: str) -> bool:
    """Move a file to its path in another folder, unless one is there; whether none was."""
    if (target / path).exists():
        return False
    (target / path).parent.mkdir(parents=True, exist_ok=True)
    (source / path).replace(target / path)
    return True


def _make_as_old(folder: Path, paths: Sequence[str]) -> None:
    """Give files one time, now: to Snakemake what is older than what it is made from is due."""
    now = time.time()
    for path in paths:
        os.utime(folder / path, (now, now))
