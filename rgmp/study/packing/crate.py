"""An archive of a study described as a Workflow Run RO-Crate, for tools that know no `rgmp`.

The profiles are Workflow Run Crate 0.5 and Process Run Crate 0.5 (w3id.org/ro/wfrun) on RO-Crate
1.1: the workflow is the main entity, its run an action from the plan to the results, and every file
has its size and digest. Masks are listed by folder: the manifest has each.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from rgmp import __version__
from rgmp.provenance.record import Record
from rgmp.runtime.archives import Content
from rgmp.study import layout
from rgmp.study.packing.manifest import RESULTS
from rgmp.study.plan import Plan

WORKFLOW = "Snakefile"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
_FORMATS = {
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".safetensors": "application/octet-stream",
    ".tex": "application/x-tex",
}


def describe(
    plan: Plan, finished: Sequence[Record], planned: int, contents: Sequence[Content]
) -> dict[str, Any]:
    """The JSON-LD of an archive; the same for the same content.

    Args:
        plan: of the study.
        finished: the records of the jobs whose results are packed, at least one.
        planned: jobs of the study.
        contents: all members but this description and the manifest; one is the workflow.
    """
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(_TERMS)
    for address, (name, version) in _PROFILES.items():
        profile = {"@type": "CreativeWork", "name": name, "version": version}
        crate.add(ContextEntity(crate, address, profile))
    licence = crate.add(ContextEntity(crate, "#licence", _LICENCE))
    crate.root_dataset["conformsTo"] = [{"@id": address} for address in _PROFILES]
    crate.root_dataset["license"] = licence
    crate.name, crate.datePublished = plan.title, max(map(_ended, finished))
    crate.description = (
        f"Study {plan.study} of rgmp {__version__}: {len(plan.variants)} variants of RGMP with "
        f"{len(plan.seeds)} seeds on {' and '.join(plan.benchmarks)}. Scores of every frame, "
        "timings, records of all jobs, tables and figures; `rgmp unpack` verifies and unpacks it."
    )
    entities = {
        name: crate.add_dataset(dest_path=name, properties={"name": "masks of one set of weights"})
        for name in sorted({_masks_of(one.name, plan) for one in contents} - {""})
    }
    for one in contents:
        if not _masks_of(one.name, plan) and one.name != WORKFLOW:
            entities[one.name] = crate.add_file(dest_path=one.name, properties=_properties(one))
    workflow = crate.add_workflow(dest_path=WORKFLOW, main=True, lang="snakemake")
    for key, value in _properties(next(one for one in contents if one.name == WORKFLOW)).items():
        workflow[key] = value
    workflow["name"] = "RGMP, reproduced: from data to report"
    workflow["version"] = __version__
    workflow["license"] = {"@id": _APACHE}
    status = "Completed" if len(finished) == planned else "Active"
    settings = entities[f"{RESULTS}/{plan.study}/{layout.PLAN}"]
    results = [one for name, one in entities.items() if name.startswith(f"{RESULTS}/")]
    action = crate.add_action(
        workflow,
        "#run",
        object=[settings],
        result=[one for one in results if one is not settings],
        properties={
            "name": f"run of the study {plan.study}",
            "description": f"snakemake all --configfile {plan.file}: "
            f"{len(finished)} of {planned} jobs",
            "startTime": min(record["started"] for record in finished),
            "endTime": max(map(_ended, finished)),
            "actionStatus": {"@id": f"http://schema.org/{status}ActionStatus"},
        },
    )
    crate.root_dataset["mentions"] = [action]
    described: dict[str, Any] = crate.metadata.generate()
    return described


_APACHE = "https://spdx.org/licenses/Apache-2.0"
_LICENCE = {
    "@type": "CreativeWork",
    "name": "Apache-2.0 for the software; none is stated for the results",
    "description": "Whoever publishes the results states their licence. DAVIS is for "
    "non-commercial research: its terms hold for what shows its frames.",
}


def _masks_of(name: str, plan: Plan) -> str:
    """The folder of the masks of some weights in which a member lies; empty: in none."""
    top = PurePosixPath(RESULTS, plan.study, layout.MASKS)
    path = PurePosixPath(name)
    return f"{top / path.relative_to(top).parts[0]}/" if path.is_relative_to(top) else ""


def _properties(content: Content) -> dict[str, Any]:
    suffix = PurePosixPath(content.name).suffix
    return {
        "name": PurePosixPath(content.name).name,
        "contentSize": str(content.size),
        "sha256": content.sha256,
        "encodingFormat": _FORMATS.get(suffix, "text/plain"),
    }


def _ended(record: Record) -> str:
    """When a job ended, ISO 8601 to the second."""
    started = datetime.fromisoformat(record["started"])
    ended = started + timedelta(seconds=round(record["wall_seconds"]))
    return ended.strftime("%Y-%m-%dT%H:%M:%SZ")
