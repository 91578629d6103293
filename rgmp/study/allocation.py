"""What a job asks a cluster's scheduler for: time and memory, by what is known of its cost.

The study runs on other machines than the one that plans it, so costs of any of their kind are used,
GPUs or CPUs (`rgmp.study.costs`). Limits of time and memory end a job, so there is room in both.
"""

import math
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rgmp.errors import UserError
from rgmp.study.costs import Costs, costs_of, devices_of, places, read_costs
from rgmp.study.jobs import Job, jobs_of, sizes_of
from rgmp.study.plan import Plan

_TIMES = 3
"""How often its expected time a job may take: nodes differ, and others may use theirs."""
_LEAST_MINUTES = 10
"""To start Python and to import torch from a busy shared disk takes minutes."""
_SPARE_MEGABYTES = 1000
"""For the two processes of Snakemake around a job, and what its memory varies by."""


def allocations(plan: Plan, folder: Path) -> dict[str, dict[str, int]]:
    """What each job of a study asks for, by its name (`rgmp.study.jobs`).

    Args:
        plan: of the study.
        folder: of the study.

    Returns:
        By Snakemake's names, as far as they are known: `runtime`, the time limit in minutes, and
        `mem_mb`, main memory of each of its nodes.

    Raises:
        UserError: the data, or a file of the study, cannot be read.
    """
    jobs = jobs_of(plan, sizes_of(plan, folder))
    costs = _costs_elsewhere(plan, folder, jobs)
    return {job.name: dict(_allocated(plan, job, costs)) for job in jobs}


def _allocated(plan: Plan, job: Job, costs: Costs) -> Iterator[tuple[str, int]]:
    cost = costs.known.get(job.cost)
    if cost is None or job.units is None:
        return
    yield "runtime", max(math.ceil(_TIMES * cost.seconds(job.units) / 60), _LEAST_MINUTES)
    held = cost.process_bytes if plan.machine.device != "cpu" else cost.memory_bytes
    if held is not None:
        # of one node; workers share theirs with the training, and none takes more than it does
        machine = plan.machine
        each = machine.processes // machine.nodes * (1 + machine.workers)
        count = each if job.kind == "train" else 1
        yield "mem_mb", count * held // 10**6 + _SPARE_MEGABYTES


def _costs_elsewhere(plan: Plan, folder: Path, jobs: Iterable[Job]) -> Costs:
    """What is known of machines with GPUs, or without, as the study asks for.

    First what was measured for the study, on whatever machine, then records, the nearest first. A
    study with a broken file is left out, and a line on standard error says so.
    """
    wanted = {job.cost for job in jobs if job.cost}
    costs = read_costs(folder) or Costs(device="another machine")
    for place in places(folder):
        if wanted <= costs.known.keys():
            break
        try:
            for device in devices_of(place, on_gpu=plan.machine.device != "cpu"):
                costs = costs.beside(costs_of(place, device))
        except UserError as error:
            print(f"its costs are not used: {error}", file=sys.stderr)
    return costs
