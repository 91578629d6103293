"""Pack what a study has finished into one archive, from which it can go on elsewhere.

In the archive, files lie as where Snakemake runs: `results/<study>/...`, and `requirements.lock`
and the workflow beside. `manifest.json` has the digest of each, `snakemake.json` what Snakemake
remembers of them, and `ro-crate-metadata.json` describes it all to other tools. The same content
gives the same bytes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from rgmp.errors import UserError, refuse
from rgmp.provenance.code import LOCK, checkout
from rgmp.provenance.record import Record, read
from rgmp.runtime.archives import Content, write_zip
from rgmp.runtime.files import Kind, digest_of_file, files_below, require_target
from rgmp.study import layout
from rgmp.study.packing.crate import WORKFLOW, describe
from rgmp.study.packing.jobs import (
    FOR_READERS,
    Job,
    faults_of,
    jobs_of,
    masks_at,
    places_of,
)
from rgmp.study.packing.manifest import CRATE, MANIFEST, MEMORY, RESULTS, Manifest
from rgmp.study.packing.memory import recall
from rgmp.study.packing.unpack import require_pack
from rgmp.study.plan import load_plan
from rgmp.training.job import WEIGHTS


class Packed(NamedTuple):
    """What was packed.

    Attributes:
        finished: jobs whose results are in the archive.
        planned: all jobs of the study.
        files: members of the archive.
        digest: SHA-256 of the archive.
        remembered: whether Snakemake remembers how any of them was made.
        locked: whether the lock file is that with which all of them were made.
    """

    finished: int
    planned: int
    files: int
    digest: str
    remembered: bool
    locked: bool


def pack(folder: Path, out: Path, *, masks: bool = False, weights: bool = False) -> Packed:
    """Write the archive of a study, whole or not at all.

    Args:
        folder: of the study.
        out: the archive; an earlier one is replaced.
        masks: whether masks go in, which inference would make again.
        weights: whether weights go in, which training would.

    Raises:
        UserError: it is no study's folder, nothing is finished, a result is not what its record
            says or is asked for and not there, or `out` cannot be written.
    """
    plan = load_plan(folder)
    require_target(out, Kind("packed study", require_pack), files_below(folder))
    jobs = [*jobs_of(plan)]
    finished = {job: read(folder / job.record) for job in jobs if job.is_finished(folder)}
    if not finished:
        raise UserError(f"{folder}: nothing of the study is finished; run it, then pack it")
    refuse(
        f"{folder}: {fault}; restore the file, or remove both and run the study again"
        for job, record in finished.items()
        for fault in faults_of(job, record, folder)
    )
    refuse(_lacking(folder, finished, masks=masks, weights=weights))
    outputs = [path for job in finished for path in job.outputs]
    asked = [path for path in outputs if weights or Path(path).name != WEIGHTS]
    places = {place for record in finished.values() if masks for place in places_of(record)}
    chosen = [
        *(layout.PLAN, *_below(folder, layout.FIRST), *asked),
        *(path for place in places for path in masks_at(folder, place)),
        *(path for name in FOR_READERS for path in _below(folder, name)),
    ]
    top = f"{RESULTS}/{plan.study}"
    contents = [
        Content.of_file(f"{top}/{path}", folder / path)
        for path in dict.fromkeys(chosen)
        if (folder / path).is_file()
    ]
    memory = recall(folder, outputs)
    contents.append(Content.of_bytes(MEMORY, _json(memory.model_dump(mode="json"))))
    contents += _workflow()
    lock = _lock(finished.values())
    contents += lock
    described = describe(plan, [*finished.values()], len(jobs), contents)
    contents.append(Content.of_bytes(CRATE, _json(described)))
    manifest = Manifest.of(plan.study, contents)
    contents.append(Content.of_bytes(MANIFEST, _json(manifest.model_dump(mode="json"))))
    write_zip(out, contents)
    return Packed(
        len(finished),
        len(jobs),
        len(contents),
        digest_of_file(out),
        remembered=bool(memory.outputs),
        locked=bool(lock),
    )


def _lacking(
    folder: Path, finished: Mapping[Job, Record], *, masks: bool, weights: bool
) -> Iterator[str]:
    """What is asked for and not there, a line each."""
    for job, record in finished.items():
        if weights and job.weights and not (folder / job.weights).is_file():
            yield f"{folder / job.weights}: missing; train again, or pack no weights"
        for place in places_of(record) if masks else ():
            if not (folder / place).is_dir():
                yield f"{folder / place}: missing; segment again, or pack no masks"


def _below(folder: Path, name: str) -> list[str]:
    """The files below a folder of the study's, or the file of that name, as paths below its own."""
    path = folder / name
    found = [path] if path.is_file() else files_below(path)
    return [str(file.relative_to(folder)) for file in found]


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def _lock(finished: Iterable[Record]) -> list[Content]:
    """The versions of all packages, if they are still those with which the jobs ran."""
    path = checkout() / LOCK
    recorded = {record["code"].get("lock") for record in finished}
    content = Content.of_file(LOCK, path) if path.is_file() else None
    return [content] if content and recorded == {content.sha256} else []


def _workflow() -> list[Content]:
    """The rules that ran the jobs, for readers: they are not unpacked.

    Raises:
        UserError: they are not beside this package.
    """
    root = checkout()
    rules = [root / WORKFLOW, *sorted((root / "workflow/rules").glob("*.smk"))]
    if not rules[0].is_file():
        raise UserError(
            f"{rules[0]}: missing; a study is packed with the workflow that ran it: run this from "
            "a checkout of the project"
        )
    return [Content.of_file(path.relative_to(root).as_posix(), path) for path in rules]
