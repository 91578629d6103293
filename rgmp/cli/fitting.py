"""What `rgmp plan --fit` tries here: steps with small parts of a batch, then its proposals."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from rgmp.cli.measuring import Tried, data_of, distinct_trainings, side_by_side, try_training
from rgmp.config.study import Machine
from rgmp.errors import UserError
from rgmp.reporting.planning import proposals_in_words
from rgmp.study.estimate import device_here
from rgmp.study.fit import Line, Need, Proposal, can_share, least, proposals
from rgmp.study.plan import Plan
from rgmp.study.planned import Training
from rgmp.training.job import TrainingJob


def fit(plan: Plan, folder: Path, limit: int, gpus: Sequence[int]) -> Iterator[str]:
    """Propose settings with which every training run of a study fits into a device.

    Args:
        plan: of the study.
        folder: of the study; nothing is written there.
        limit: bytes of the device.
        gpus: how many may share a batch; none: as many as now.

    Yields:
        What fits, line by line.

    Raises:
        UserError: nothing fits, there is no training, or the data cannot be used.
    """
    if not plan.trainings:
        raise UserError(f"{plan.file}: trains nothing; leave out --fit")
    shared, left_out = _shared(plan, gpus)
    yield from left_out
    device, is_gpu = _device(plan.machine)
    if not is_gpu:
        yield (
            "Measured on a CPU: the main memory of the process with its libraries, which is not "
            "what a GPU holds; run --fit on the GPU that it is for"
        )
    with data_of(plan, folder) as (place, _):
        trainings = {_name(training): training for training in distinct_trainings(plan).values()}
        jobs = {name: plan.job(training, place) for name, training in trainings.items()}
        needs = [_need(name, job) for name, job in jobs.items()]
        found = [
            (proposal, _taken(proposal, jobs[proposal.largest]))
            for proposal in proposals(needs, limit, shared)
        ]
    fitting = [(proposal, measured) for proposal, measured in found if measured <= limit]
    if not fitting:
        smallest = least(needs, shared[-1])
        raise UserError(
            f"--fit: no settings that leave the training what it is; with {smallest.accumulate} "
            f"parts of a batch and recompute_activations it takes {smallest.bytes / 1e9:.3g} GB "
            f"on {device} ({smallest.largest}); take a larger GPU, or change the crop or the frames"
        )
    yield from proposals_in_words(fitting, limit, device)


def _shared(plan: Plan, gpus: Sequence[int]) -> tuple[list[int], list[str]]:
    """How many GPUs may share a batch, in order, and a line on those that cannot evenly.

    Raises:
        UserError: none can.
    """
    batches = sorted({training.settings.batch for training in plan.trainings})
    asked = sorted({*gpus} or {plan.machine.processes})
    shared = [count for count in asked if can_share(batches, count)]
    if shared == asked:
        return shared, []
    uneven = " and ".join(str(count) for count in asked if count not in shared)
    samples = " and ".join(map(str, batches))
    told = f"--gpus {uneven}: cannot share batches of {samples} samples evenly"
    if not shared:
        raise UserError(f"{told}; name numbers of GPUs that can")
    return shared, [f"{told}: left out"]


def _device(machine: Machine) -> tuple[str, bool]:
    """What steps are measured on here, in words, and whether it is a GPU."""
    device, gpus = device_here(machine)
    return device or "a GPU", bool(gpus) or device is None


def _name(training: Training) -> str:
    return f"{training.stage} {training.slug}"


def _need(name: str, job: TrainingJob) -> Need:
    """What parts of one and of two samples take; a batch of one has no other part."""
    batch = job.settings.batch
    lines = {}
    for recompute in (False, True):
        one, two = (_try(job, min(part, batch), recompute) for part in (1, 2))
        lines[recompute] = Line.through(one.memory_bytes, two.memory_bytes)
    return Need(name, batch, lines, shared=one.gradient_bytes)


def _taken(proposal: Proposal, job: TrainingJob) -> int:
    """What a step takes with the settings of a proposal: bytes."""
    part = job.settings.batch // (proposal.accumulate * proposal.processes)
    tried = _try(job, part, proposal.recompute)
    return tried.memory_bytes + (tried.gradient_bytes if proposal.processes > 1 else 0)


def _try(job: TrainingJob, part: int, recompute: bool) -> Tried:
    """Try a step on that part of a batch in one process."""
    alone = {"recompute_activations": recompute, "processes": 1}
    update = {
        "settings": job.settings.model_copy(update={"batch": part}),
        "compute": job.compute.model_copy(update={"accumulate": 1}),
        "machine": job.machine.model_copy(update=alone),
    }
    how = ", activations recomputed" if recompute else ""
    what = f"{job.stage} {job.name}, {part} in a part{how}"
    (tried,) = side_by_side(what, partial(try_training, job.model_copy(update=update), 1), 1)
    return tried
