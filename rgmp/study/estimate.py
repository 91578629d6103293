"""What a study takes before it runs: time by stage and in all, memory, disk; and what came of it.

A function of the study's jobs and their costs alone. The estimate that stood when a study began to
run is kept in its folder, `first/estimate-<identity>.json`, and the report compares it with the
records. The identity is that of all jobs and their work, so a study that has changed since is
compared with none.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from rgmp.config.base import Closed
from rgmp.config.load import validated
from rgmp.config.study import Machine
from rgmp.errors import UserError
from rgmp.provenance.machine import gpus_here
from rgmp.provenance.record import Record, read_all
from rgmp.runtime.clock import utc_now
from rgmp.runtime.files import digest_of, read_json, write_json
from rgmp.study import layout
from rgmp.study.costs import Costs, Timeline, cpu_here, find_costs, ran_of, recorded_sizes
from rgmp.study.jobs import Job, jobs_of, sizes_of
from rgmp.study.plan import Plan
from rgmp.study.schedule import Schedule, Task, schedule, undisturbed


class Room(NamedTuple):
    """What a study may use at once.

    Attributes:
        cores: CPU cores.
        gpus: GPUs; 0: it computes on the CPU.
        jobs_per_gpu: places on each of them.
    """

    cores: int
    gpus: int = 0
    jobs_per_gpu: int = 1


class Planned(Closed):
    """What a study is estimated to take with some room.

    Attributes:
        cores, gpus: as in `Room`.
        seconds: from the first job to the last.
        bound: seconds below which no order of the jobs gets.
        bound_by: what sets it, as in `Schedule`; None: not known, of an estimate kept earlier.
        longest: seconds of the longest chain of jobs, each of which waits for the one before.
        idle: the share of the GPUs, or of the cores, that no job holds.
    """

    cores: int
    gpus: int
    seconds: float
    bound: float
    bound_by: str | None = None
    longest: float
    idle: float


class Sort(Closed):
    """The jobs of one sort: a stage of training, or those of one command.

    Attributes:
        jobs: how many.
        unknown: of how many the cost is not known.
        seconds: of those that are known, one after another, each beside as many others as when its
            cost was found.
        at_once: how many that was: the mean over the jobs.
        memory_bytes: the most that one takes; None: not known.
        disk_bytes: what all of them leave; None: not known.
    """

    jobs: int
    unknown: int
    seconds: float
    at_once: float
    memory_bytes: int | None
    disk_bytes: float | None


class Estimate(Closed):
    """An estimate of a study.

    Attributes:
        since: when it was made.
        identity: of the study's jobs.
        device: that the costs are of.
        sources: where they are from.
        ran: how many of the jobs had run already.
        sorts: by `Job.sort`, in the order of the jobs.
        planned: by room.
    """

    since: str
    identity: str
    device: str
    sources: tuple[str, ...]
    ran: int
    sorts: dict[str, Sort]
    planned: tuple[Planned, ...]

    @property
    def unknown(self) -> list[str]:
        """The sorts of which the cost of a job is not known."""
        return [name for name, sort in self.sorts.items() if sort.unknown]


def estimate(
    jobs: Sequence[Job], costs: Costs, rooms: Iterable[Room], ran: Collection[str] = ()
) -> Estimate:
    """Estimate what a study takes.

    Args:
        jobs: of the study (`rgmp.study.jobs`).
        costs: of the device.
        rooms: what it may use at once: one schedule for each.
        ran: the names of the jobs that have run; they count like all others.
    """
    counted = [job for job in jobs if job.cost]
    sources = (cost.source for job in counted if (cost := costs.known.get(job.cost)))
    return Estimate(
        since=utc_now(),
        identity=identity_of(counted),
        device=costs.device,
        sources=tuple(dict.fromkeys(sources)),
        ran=sum(job.name in ran for job in counted),
        sorts={
            name: _sort([job for job in counted if job.sort == name], costs)
            for name in dict.fromkeys(job.sort for job in counted)
        },
        planned=tuple(_planned(counted, costs, room) for room in rooms),
    )


def identity_of(jobs: Iterable[Job]) -> str:
    """Twelve hexadecimal digits that identify the jobs of a study and their work, in any order."""
    return digest_of({job.name: [job.cost, job.units] for job in jobs if job.cost})[:12]


def _sort(jobs: Sequence[Job], costs: Costs) -> Sort:
    """What the jobs of a sort take."""
    known = [
        (cost, job.units, job.kept)
        for job in jobs
        if (cost := costs.known.get(job.cost)) and job.units is not None
    ]
    memory = [cost.memory_bytes for cost, _, _ in known if cost.memory_bytes]
    left = [
        cost.disk_fixed * kept + cost.disk_each * units
        for cost, units, kept in known
        if cost.disk_fixed is not None
    ]
    return Sort(
        jobs=len(jobs),
        unknown=len(jobs) - len(known),
        seconds=sum(cost.seconds(units) for cost, units, _ in known),
        at_once=fmean(cost.at_once for cost, _, _ in known) if known else 1.0,
        memory_bytes=max(memory, default=None),
        disk_bytes=sum(left) if len(left) == len(jobs) else None,
    )


def _planned(jobs: Sequence[Job], costs: Costs, room: Room) -> Planned:
    """The schedule of a study with some room, summed up."""
    found = schedule_of(jobs, costs, room)
    return Planned(
        cores=room.cores,
        gpus=room.gpus,
        seconds=found.seconds,
        bound=found.bound,
        bound_by=found.bound_by,
        longest=found.path_seconds,
        idle=found.idle("gpus" if room.gpus else "cores"),
    )


def schedule_of(
    jobs: Sequence[Job], costs: Costs, room: Room, worked: Mapping[str, float] | None = None
) -> Schedule:
    """When every job of a study would run; one of unknown cost takes no time.

    On GPUs, jobs do not slow each other down: each has its own.

    Args:
        jobs: of the study, or those that are left of it.
        costs: of the device.
        room: what it may use at once.
        worked: the seconds of its work that a job has behind it, by its name.
    """
    names = {job.name for job in jobs}
    behind = worked or {}
    tasks = (
        Task(
            name=job.name,
            seconds=max((costs.seconds_alone(job) or 0.0) - behind.get(job.name, 0.0), 0.0),
            after=tuple(before for before in job.after if before in names),
            needs={
                "cores": room.cores if job.threads is None else job.threads,
                "gpus": job.places(room.jobs_per_gpu),
            },
        )
        for job in jobs
    )
    places = room.gpus * room.jobs_per_gpu
    capacity = {"cores": room.cores} | ({"gpus": places} if places else {})
    slowed = costs.slowdown.pace if costs.slowdown and not room.gpus else undisturbed
    return schedule(tasks, capacity, slowed)


def remember_estimate(plan: Plan, folder: Path, cores: int) -> None:
    """Keep what a study is expected to take that begins to run on this machine, if that is known.

    What is kept of the same jobs stays: a study that was interrupted goes on.

    Args:
        plan: of the study.
        folder: of the study.
        cores: that it may use.

    Raises:
        UserError: the data, or a file of the study, cannot be read.
    """
    jobs = jobs_of(plan, sizes_of(plan, folder))
    path = _path(identity_of(jobs), folder)
    device, gpus = device_here(plan.machine)
    if path.exists() or device is None:
        return
    ran = {one.job.name for one in ran_of(jobs, read_all(folder))}
    costs = find_costs(folder, jobs, device)
    room = Room(cores, gpus, plan.machine.jobs_per_gpu)
    estimated = estimate(jobs, costs, [room], ran)
    if not estimated.unknown:
        write_json(path, estimated.model_dump(mode="json"))


def device_here(machine: Machine) -> tuple[str | None, int]:
    """The device of this machine that a study computes on, and how many GPUs there are of it.

    None: it computes on GPUs, and there is none here.
    """
    gpus = gpus_here() if machine.device != "cpu" else []
    if gpus:
        return gpus[0], len(gpus)
    return (None if machine.device == "cuda" else cpu_here()), 0


class Came(NamedTuple):
    """What was planned of a study, and what came of it, in seconds.

    Attributes:
        estimate: as it was kept, with the room that the study had.
        seconds: from the first job to the last, without pauses.
        sorts: the seconds of the jobs of each sort, planned and actual.
        cpu: the CPU seconds of the jobs of each sort, as far as their records have them.
    """

    estimate: Estimate
    seconds: float
    sorts: dict[str, tuple[float, float]]
    cpu: dict[str, float]


def what_came(plan: Plan, folder: Path, records: Sequence[Record]) -> Came | None:
    """Compare the estimate that was kept with the records; None: none was, or jobs are missing.

    Raises:
        UserError: the kept estimate is broken.
    """
    jobs = [job for job in jobs_of(plan, recorded_sizes(plan, records)) if job.cost]
    path = _path(identity_of(jobs), folder)
    if not path.is_file():
        return None
    what_to_do = "remove it: what was planned is then not shown"
    try:
        kept = validated(Estimate, read_json(path), path)
    except UserError as error:
        raise UserError(f"{error}; {what_to_do}") from error
    compared = [job for job in jobs if job.kind != "report"]  # it is what is being made
    ran = ran_of(compared, records)
    if len(ran) < len(compared) or not kept.planned:
        return None
    timeline = Timeline(ran)
    actual: dict[str, float] = defaultdict(float)
    cpu: dict[str, float] = defaultdict(float)
    for one in ran:
        actual[one.job.sort] += one.seconds + (timeline.waited(one) or 0.0)
        if one.cpu is not None:
            cpu[one.job.sort] += one.cpu
    sorts = {name: (kept.sorts[name].seconds, seconds) for name, seconds in actual.items()}
    return Came(kept, timeline.seconds, sorts, cpu)


def _path(identity: str, folder: Path) -> Path:
    return folder / layout.FIRST / f"estimate-{identity}.json"
