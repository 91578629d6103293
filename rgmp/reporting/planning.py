"""What a study takes, in words: for `rgmp plan` before it runs, and for its report after it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rgmp.config.base import STAGES
from rgmp.config.method import Finetune
from rgmp.runtime.cores import BUSY
from rgmp.runtime.quantities import counted, duration, minus
from rgmp.study import layout
from rgmp.study.costs import Cost, Costs
from rgmp.study.estimate import Came, Estimate, Planned, Sort
from rgmp.study.fit import Proposal
from rgmp.study.jobs import training_cost
from rgmp.study.paper_order import trainings_in_order
from rgmp.study.plan import Plan
from rgmp.study.planned import Training
from rgmp.study.schedule import PACE

_CHECKPOINTS = 2
"""As many as a training run keeps (`rgmp.training.checkpoints`)."""
_LEFT_OUT = (
    "Not counted: what Snakemake takes before the first job, `rgmp cross-check`, and `rgmp agree` "
    "after the last; on the disk scores, tables, figures and archives for a server."
)


def sharing_in_words(plan: Plan, folder: Path) -> Iterator[str]:
    """Every training run, the variants that share it, and the checkpoints that it keeps."""
    for training in trainings_in_order(plan):
        kept = _kept(training, folder)
        yield f"{training.folder}  for {', '.join(training.variants)}{kept}"


def _kept(training: Training, folder: Path) -> str:
    """The earlier checkpoints of a training run, and whether it has to be repeated for them."""
    steps = training.settings.earlier_checkpoints
    if not steps:
        return ""
    lacking = [s for s in steps if not (folder / layout.checkpoint(training.folder, s)).is_file()]
    trained = (folder / layout.record(training.folder)).is_file()
    again = "; trained once more for them, its weights stay" if lacking and trained else ""
    return f"; checkpoints kept after step {', '.join(map(str, steps))}{again}"


def size_in_words(plan: Plan) -> str:
    """How much a study trains."""
    samples = sum(training.settings.samples for training in plan.trainings)
    return (
        f"{counted(len(plan.trainings), 'training run')} of {samples:,} samples, "
        f"{counted(len(plan.variants), 'variant')}"
    )


def estimate_in_words(plan: Plan, costs: Costs, estimated: Estimate) -> Iterator[str]:
    """An estimate, line by line: trainings, memory, disk, time by stage and in all."""
    sources = ", ".join(estimated.sources) or "nothing"
    yield f"Costs of {estimated.device}, from {sources}"
    yield from _trainings(plan, costs)
    yield f"Memory of an evaluation: {_bytes(estimated.sorts['evaluate'].memory_bytes)}"
    yield _disk(plan, costs, estimated)
    yield "Time of the jobs, one after another:"
    for name, sort in estimated.sorts.items():
        yield f"  {name:9} {_time(sort)}"
    for planned in estimated.planned:
        yield _in_all(planned, whole=not estimated.unknown)
    yield from _assumptions(plan, costs, estimated)


def _trainings(plan: Plan, costs: Costs) -> Iterator[str]:
    """A line for all training runs of the same cost."""
    groups: dict[str, list[Training]] = {}
    for training in plan.trainings:
        groups.setdefault(training_cost(plan, training), []).append(training)
    for name, trainings in groups.items():
        yield f"  {_described(trainings)}: {_cost(costs.known.get(name), trainings[0])}"


def _described(trainings: Sequence[Training]) -> str:
    """The training runs of a cost: `finetune, batch 8, crop 64x96, 3 to 5 frames, full and ...`."""
    settings = trainings[0].settings
    height, width = settings.crop
    parts = [trainings[0].stage, f"batch {settings.batch}", f"crop {height}x{width}"]
    if isinstance(settings, Finetune):
        parts.append(" to ".join(dict.fromkeys(map(str, settings.frames))) + " frames")
    first, *others = dict.fromkeys(training.variants[0] for training in trainings)
    named = f"{first} and {counted(len(others), 'other')}" if others else first
    return f"{', '.join(parts)} ({named}), {counted(len(trainings), 'run')}"


def _cost(cost: Cost | None, training: Training) -> str:
    samples = training.settings.samples
    if cost is None:
        return f"{samples:,} samples each; time and memory not known"
    return (
        f"{samples:,} samples each, {1000 * cost.each:.3g} ms a sample, "
        f"{duration(cost.seconds(samples))} each; memory {_bytes(cost.memory_bytes)}"
    )


def _disk(plan: Plan, costs: Costs, estimated: Estimate) -> str:
    """What a study leaves on the disk, as far as it is known, and checkpoints meanwhile."""
    parts = {"weights": STAGES, "masks": ("evaluate",), "rendered data": ("mini",)}
    told = [
        f"{what} {_bytes(_left([estimated.sorts[name] for name in names]))}"
        for what, every in parts.items()
        if (names := [name for name in every if name in estimated.sorts])
    ]
    states = [_checkpoints(training, plan, costs) for training in plan.trainings]
    if known := [size for size in states if size is not None]:
        told.append(f"checkpoints of each training run while it goes on {_bytes(max(known))}")
    return f"Disk: {', '.join(told)}"


def _checkpoints(training: Training, plan: Plan, costs: Costs) -> float | None:
    """The bytes of both checkpoints of a training run.

    In each are weights, as much for each moment, and their average where there is one.
    """
    cost = costs.known.get(training_cost(plan, training))
    if cost is None or cost.disk_fixed is None:
        return None
    moments = 1 if training.settings.optimiser == "sgd" else 2
    averages = 1 if training.settings.ema_ratio else 0
    return _CHECKPOINTS * (1 + moments + averages) * cost.disk_fixed


def _left(sorts: Sequence[Sort]) -> float | None:
    """The bytes that some sorts of jobs leave; None: not known of one."""
    left = [sort.disk_bytes for sort in sorts]
    known = [size for size in left if size is not None]
    return sum(known) if len(known) == len(left) else None


def _time(sort: Sort) -> str:
    """The time of a sort of jobs."""
    if sort.unknown == sort.jobs:
        return f"not known ({counted(sort.jobs, 'job')})"
    more = f", and {sort.unknown} of which it is not known" if sort.unknown else ""
    return f"{duration(sort.seconds)} ({counted(sort.jobs - sort.unknown, 'job')}{more})"


def _in_all(planned: Planned, *, whole: bool) -> str:
    """The time of the whole study with some room."""
    gpus = f"{counted(planned.gpus, 'GPU')} and " if planned.gpus else ""
    least = "" if whole else "at least "
    bound = f"{duration(planned.bound)}{_bounding(planned)}"
    return (
        f"In all, with {gpus}{counted(planned.cores, 'core')}: {least}{duration(planned.seconds)}; "
        f"in no order less than {bound}; the longest chain of jobs takes "
        f"{duration(planned.longest)}; {planned.idle:.0%} idle"
    )


def _bounding(planned: Planned) -> str:
    """What more of would make the bound lower."""
    words = {"gpus": "GPUs", "cores": "cores", PACE: "cores"}
    return f" without more {words[planned.bound_by]}" if planned.bound_by in words else ""


def _assumptions(plan: Plan, costs: Costs, estimated: Estimate) -> Iterator[str]:
    """What the estimate rests on, and what it leaves out."""
    trained = [costs.known.get(training_cost(plan, training)) for training in plan.trainings]
    if any(cost.of_part for cost in trained if cost):
        yield (
            f"Training was measured with the part of a batch that one of {plan.machine.processes} "
            "processes has, since there are fewer GPUs here: its time does not count what they "
            "send each other; its memory has the gradients that each keeps for it"
        )
    if costs.others_share > BUSY:
        yield (
            f"Other processes used {costs.others_share:.0%} of the cores while this was measured: "
            "it says what the study takes beside them; measure again on an idle machine"
        )
    if estimated.unknown:
        yield f"Not known: {', '.join(estimated.unknown)}"
    beside = max((sort.at_once for sort in estimated.sorts.values()), default=1.0)
    if costs.slowdown:
        at_once, factor = costs.slowdown.at_once, costs.slowdown.factor
        yield (
            f"Measured: each of {at_once} jobs at once takes {factor:.2f} times as long as alone; "
            "taken to be so for all jobs, and for more of them"
        )
    elif beside > 1.05:
        yield (
            f"The costs are of up to {beside:.1f} jobs at once, and taken to be the same with "
            "another number: with fewer, jobs that share a core are faster, which can be measured"
        )
    yield _LEFT_OUT


def proposals_in_words(
    found: Sequence[tuple[Proposal, float]], limit: float, device: str
) -> Iterator[str]:
    """Settings that fit, each with the memory that was measured with it on a device."""
    if any(proposal.processes > 1 for proposal, _ in found):
        yield (
            "Several processes: measured with the part of a batch that one of them has, and the "
            "gradients that each keeps for the others, as much as the weights, added"
        )
    for proposal, measured in found:
        settings = {
            "compute.accumulate": proposal.accumulate,
            "machine.recompute_activations": str(proposal.recompute).lower(),
            "machine.processes": proposal.processes,
        }
        told = ", ".join(f"{key}: {value}" for key, value in settings.items())
        yield (
            f"  {told}: {_bytes(int(measured))} measured on {device}, "
            f"{_bytes(int(proposal.bytes))} predicted (of {_bytes(int(limit))}), "
            f"for {proposal.largest}"
        )
    yield (
        "These leave the training what it is: the same batches, samples and learning rates, and "
        "the same gradients but for the last bits of a sum. compute.accumulate is part of the "
        "identity of a training run, since it changes those bits: set it before the study begins."
    )


def what_came_in_words(came: Came) -> str:
    """What was planned and what it took, for the report."""
    planned = came.estimate.planned[0]
    gpus = f"{counted(planned.gpus, 'GPU')} and " if planned.gpus else ""
    expected = planned.seconds - came.estimate.sorts["report"].seconds
    told = (
        f"{duration(expected)} planned with {gpus}{counted(planned.cores, 'core')}, from "
        f"{', '.join(came.estimate.sources)}; {duration(came.seconds)} taken "
        f"({minus(f'{came.seconds / expected - 1:+.0%}')})"
    )
    by_sort = ", ".join(
        f"{name} {duration(expected)} / {duration(actual)}"
        for name, (expected, actual) in came.sorts.items()
    )
    before = came.estimate.ran
    late = f"; made when {counted(before, 'job')} had run" if before else ""
    cpu = ", ".join(f"{name} {duration(seconds)}" for name, seconds in came.cpu.items())
    worked = f". CPU time: {cpu}" if cpu else ""
    return f"{told}. Jobs, planned / taken: {by_sort}{late}{worked}"


def _bytes(size: float | None) -> str:
    """A size for people: `12 kB`, `3.4 GB`."""
    if size is None:
        return "not known"
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.0f} B"
