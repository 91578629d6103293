"""What the jobs of a study cost on a device: seconds and memory, from records, or measured.

A cost is what every job of its kind takes, plus what each unit of its work takes (`Job.units`).

From records: the median over the jobs of a finished or unfinished study, so that one that was
disturbed does not count. The time of a job begins where the last one before it ended: to start
Python and to import torch takes seconds, which no record has, and Snakemake takes its own.

Jobs that share a core slow each other down, and a record does not say by how much. It says how many
jobs ran meanwhile (`Cost.at_once`): with as many, the time is that of the record. How much faster
a job is alone is known where it was measured (`Costs.slowdown`), else taken to be nothing.
"""

import sys
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import fmean, median

from pydantic import Field, ValidationError

from rgmp.config.base import Closed
from rgmp.config.load import validated
from rgmp.errors import UserError, shown
from rgmp.provenance.machine import MachineInfo, cpu_capability, this_machine
from rgmp.provenance.record import Record, read_all
from rgmp.runtime.files import files_below, read_json
from rgmp.study import layout
from rgmp.study.jobs import Job, Sizes, embedded_sizes, jobs_of
from rgmp.study.plan import Plan, is_comparison, load_plan
from rgmp.study.references import is_reference, reference_of
from rgmp.training.job import WEIGHTS

_PAUSE = 30.0
"""Seconds between two jobs from which a study did not run, rather than wait for a job to start."""
_ROUNDED = 0.5
"""By how many seconds a job may seem to start before the end of the one that it waited for."""


class Cost(Closed):
    """What the jobs of one kind cost.

    Attributes:
        fixed: seconds of each job, whatever it has to do.
        each: seconds per unit.
        at_once: how many jobs ran meanwhile, itself included: a mean.
        memory_bytes: the most that one took, of the GPU or of its process; None: not known.
        process_bytes: the most of main memory that the process of one took, without its workers;
            None: not known.
        disk_fixed: bytes that each job leaves on disk, of a training run for each set of weights
            that it keeps (`Job.kept`); None: not known.
        disk_each: bytes per unit.
        of_part: whether it was measured of one process's part of each batch: without what the
            processes send each other.
        source: where this is from.
    """

    fixed: float = Field(ge=0)
    each: float = Field(ge=0)
    at_once: float = Field(1.0, ge=1)
    memory_bytes: int | None = None
    process_bytes: int | None = None
    disk_fixed: float | None = None
    disk_each: float = 0.0
    of_part: bool = False
    source: str

    def seconds(self, units: float) -> float:
        """Of a job with so many units, beside as many others as when this was found."""
        return self.fixed + self.each * units

    def times(self, factor: float) -> "Cost":
        """The same where everything takes `factor` times as long."""
        return self.model_copy(
            update={
                "fixed": self.fixed * factor,
                "each": self.each * factor,
                "source": f"{self.source} times {factor:.2f}, as the measured steps",
            }
        )


class Slowdown(Closed):
    """How much slower each of several jobs is that run at once.

    Attributes:
        at_once: how many ran.
        factor: the time of one beside the others, relative to its time alone.
    """

    at_once: int = Field(ge=2)
    factor: float = Field(ge=1)

    def pace(self, count: float) -> float:
        """The factor with `count` jobs at once: linear in between, and no higher beyond."""
        share = (min(count, self.at_once) - 1) / (self.at_once - 1)
        return 1 + (self.factor - 1) * max(share, 0.0)


class Costs(Closed):
    """What is known of a device.

    Attributes:
        device: GPU, or CPU (`device_of`).
        known: the costs by their identity (`Job.cost`).
        slowdown: of jobs that share its cores; None: not known.
        others_share: of the cores, that other processes used while costs were measured.
    """

    device: str
    known: dict[str, Cost] = Field(default_factory=dict)
    slowdown: Slowdown | None = None
    others_share: float = 0.0

    def beside(self, others: "Costs") -> "Costs":
        """These costs, and of the others what is not known here."""
        return self.model_copy(
            update={
                "known": {**others.known, **self.known},
                "slowdown": self.slowdown or others.slowdown,
            }
        )

    def scaled_to(self, measured: "Costs") -> "Costs":
        """These costs as they are on a device, now, of which some were measured.

        The factor is what the same steps took there relative to here: the median over all that are
        known of both. With nothing in common, costs of the same device stay as they are.
        """
        common = [name for name, cost in self.known.items() if cost.each and name in measured.known]
        if not common:
            return self if self.device == measured.device else Costs(device=measured.device)
        factor = median(measured.known[name].each / self.known[name].each for name in common)
        scaled = {name: cost.times(factor) for name, cost in self.known.items()}
        return Costs(device=measured.device, known=scaled)

    def seconds_alone(self, job: Job) -> float | None:
        """How long a job takes with no other on the machine; None: not known."""
        cost = self.known.get(job.cost)
        if cost is None or job.units is None:
            return None
        slower = self.slowdown.pace(cost.at_once) if self.slowdown else 1.0
        return cost.seconds(job.units) / slower


def find_costs(folder: Path, jobs: Collection[Job], device: str) -> Costs:
    """What is known of a device, from the studies beside a study and itself.

    The first that knows a cost decides: what was measured for this study, its own records, those of
    its reference, those of the other studies and references in the folder of results. Where steps
    were measured, records are scaled by what the same steps took there, and may then be of another
    device. A study with a broken file is left out, and a line on standard error says so.
    """
    measured = costs = read_measured(folder, device)
    wanted = {job.cost for job in jobs if job.cost}
    for place in places(folder):
        if wanted <= costs.known.keys():
            break
        try:
            costs = costs.beside(_recorded(place, measured))
        except UserError as error:
            print(f"its costs are not used: {error}", file=sys.stderr)
    return costs


def guessed(costs: Costs, folder: Path, jobs: Collection[Job]) -> Costs:
    """Costs, and of what they lack, those of the nearest studies on whatever device they ran.

    A study with a broken file is left out.
    """
    wanted = {job.cost for job in jobs if job.cost}
    for place in places(folder):
        if wanted <= costs.known.keys():
            break
        with suppress(UserError):  # `find_costs` has said so
            for device in devices_of(place):
                costs = costs.beside(costs_of(place, device))
    return costs


def _recorded(folder: Path, measured: Costs) -> Costs:
    """What the records of a study say of a device, where some of its steps may be measured."""
    devices = devices_of(folder)
    if measured.device in devices or not measured.known:
        return costs_of(folder, measured.device).scaled_to(measured)
    return costs_of(folder, devices[0]).scaled_to(measured) if devices else measured


def places(folder: Path) -> Iterator[Path]:
    """The folders of studies that may know costs, the nearest first."""
    reference = reference_of(folder)
    others = (*folder.parent.glob("*"), *reference.parent.glob("*"))
    for place in dict.fromkeys((folder, reference, *sorted(others))):
        if (place / layout.PLAN).is_file() and not _only_compares(place):
            yield place


def _only_compares(place: Path) -> bool:
    """Whether a study has external methods alone, and so no costs; a broken plan is told later."""
    try:
        return is_comparison(place)
    except UserError:
        return False


def read_measured(folder: Path, device: str) -> Costs:
    """What was measured for a study on a device: nothing, if it was not.

    Raises:
        UserError: the file is broken.
    """
    measured = read_costs(folder)
    return measured if measured and measured.device == device else Costs(device=device)


def read_costs(folder: Path) -> Costs | None:
    """What was measured for a study, on whatever device; None: nothing was.

    Raises:
        UserError: the file is broken.
    """
    path = folder / layout.COSTS
    if not path.is_file():
        return None
    try:
        return validated(Costs, read_json(path), path)
    except UserError as error:
        raise UserError(f"{error}; remove it, and measure again") from error


def device_of(record: Record) -> str:
    """What costs are compared by: the GPU that a job used, or the CPU and its cores.

    A CPU is named with the vector instructions that torch used: CPUs of one name can differ in
    them, and in speed by a factor of two and more.
    """
    return _device(record["machine"], record["determinism"].get("cpu_capability"))


def cpu_here() -> str:
    """This machine's CPU, named as `device_of` a job that torch computed here without a GPU."""
    return _device(this_machine(), cpu_capability())


def _device(machine: MachineInfo, capability: object) -> str:
    parts = (machine["cpu"], capability, f"{machine['cores']} cores")
    return machine["gpu"] or ", ".join(str(part) for part in parts if part)


def devices_of(folder: Path, *, on_gpu: bool | None = None) -> list[str]:
    """The devices that trained and segmented in a study's folder, the most used first.

    Args:
        folder: of the study.
        on_gpu: only GPUs, or only CPUs; None: both.

    Raises:
        UserError: one of its records is broken.
    """
    records = [r for r in read_all(folder) if r["kind"] in {"train", "infer"}]
    if on_gpu is not None:
        records = [r for r in records if bool(r["machine"]["gpu"]) == on_gpu]
    names = [device_of(record) for record in records]
    return sorted(dict.fromkeys(names), key=names.count, reverse=True)


def costs_of(folder: Path, device: str) -> Costs:
    """The costs of the jobs that a study's folder has records of, as far as they ran on a device.

    Of jobs that use no GPU it suffices that the machine has the CPU beside that GPU.

    Raises:
        UserError: it is not the folder of a study, or one of its files is broken.
    """
    plan, every = load_plan(folder), read_all(folder)
    ran = ran_of(jobs_of(plan, recorded_sizes(plan, every)), every)
    processors = {r["machine"]["cpu"] for r in every if device_of(r) == device}
    timeline = Timeline(ran)
    found: dict[str, list[Ran]] = defaultdict(list)
    for one in ran:
        devices = {device_of(record) for record in one.records}
        cpus = {record["machine"]["cpu"] for record in one.records}
        if devices == {device} or (not one.job.gpus and cpus <= processors):
            found[one.job.cost].append(one)
    try:
        known = {cost: _cost(several, timeline, folder) for cost, several in found.items()}
        return Costs(device=device, known=known)
    except ValidationError as error:
        raise UserError(
            f"{folder}: its records have times that cannot be; run its jobs again, or remove it"
        ) from error


def ran_of(jobs: Iterable[Job], records: Iterable[Record]) -> list["Ran"]:
    """The jobs that have all their records, and whose work is known."""
    by_name = {record["name"]: record for record in records}
    return [
        Ran(job, tuple(by_name[name] for name in job.records))
        for job in jobs
        if job.records and by_name.keys() >= {*job.records} and job.units
    ]


def recorded_sizes(plan: Plan, records: Iterable[Record]) -> Sizes:
    """The sizes of a study's benchmarks by its records: its data need not be there any more."""
    unit = "sequences" if plan.embedded else "frames"
    found = {_segmented(r): r["results"].get(unit) for r in records if r["kind"] == "infer"}
    wanted = (*plan.benchmarks, *([layout.SUBMISSION] if plan.submission else []))
    known = {name: size for name in wanted if isinstance(size := found.get(name), int | float)}
    return known | (embedded_sizes(plan) if plan.embedded else {})


def _segmented(record: Record) -> str:
    """What a record of masks is of, as `Sizes` names it."""
    withheld = record["name"].startswith(f"{layout.masks(layout.SUBMISSION)}/")
    return layout.SUBMISSION if withheld else record["benchmark"] or ""


@dataclass(frozen=True)
class Ran:
    """A job that has all its records.

    Attributes:
        job: as its study plans it.
        records: what it wrote about itself.
    """

    job: Job
    records: tuple[Record, ...]

    @cached_property
    def start(self) -> float:
        """When its work began, in seconds since 1970: records have whole ones, rounded down."""
        return min(map(_began, self.records)) + 0.5

    @property
    def end(self) -> float:
        """When its work ended."""
        return self.start + self.wall

    @cached_property
    def wall(self) -> float:
        """Seconds of its work; of a training run that was resumed, of the last attempt."""
        return sum(record["wall_seconds"] for record in self.records)

    @property
    def seconds(self) -> float:
        """Seconds of its work, all attempts together as far as they are known."""
        return max(self.wall, self.trained or 0.0)

    @property
    def cpu(self) -> float | None:
        """CPU seconds of its work, as `wall`; None: records from before they were kept."""
        seconds = [record.get("cpu_seconds") for record in self.records]
        known = [one for one in seconds if one is not None]
        return sum(known) if len(known) == len(seconds) else None

    @property
    def trained(self) -> float | None:
        """Seconds of the steps of a training run, all attempts together."""
        seconds = self.records[0]["results"].get("seconds") if self.job.kind == "train" else None
        return seconds if isinstance(seconds, int | float) else None

    @property
    def memory_bytes(self) -> int:
        """The most that it took, of a GPU if it used one, else of its process."""
        return max(r["peak_gpu_memory_bytes"] or r["peak_memory_bytes"] for r in self.records)


def _began(record: Record) -> float:
    """When a job began, by its record: seconds since 1970.

    Raises:
        UserError: the record has no time there.
    """
    try:
        return datetime.fromisoformat(record["started"]).timestamp()
    except ValueError as error:
        raise UserError(
            f"the record {record['name']}: started (={shown(record['started'])}) is no time; "
            "remove it and run the job again"
        ) from error


class Timeline:
    """When the jobs of a study ran, by their records."""

    def __init__(self, ran: Collection[Ran]) -> None:
        """Of all jobs of a study that have records."""
        self._ends = sorted(one.end for one in ran)
        self._changes = sorted([*((o.start, 1) for o in ran), *((o.end, -1) for o in ran)])
        counts = [*accumulate(change for _, change in self._changes)]
        times = [time for time, _ in self._changes]
        spans = (
            count * (after - at)
            for count, (at, after) in zip(counts, pairwise(times), strict=False)
        )
        self._times, self._counts = times, counts
        self._areas = [0.0, *accumulate(spans)]

    def waited(self, one: Ran) -> float | None:
        """Seconds from the end of a job before it to the start of its work.

        None: none ended before, or so long ago that the study did not run meanwhile.
        """
        place = bisect_right(self._ends, one.start + _ROUNDED)
        if not place:
            return None
        waited = max(one.start - self._ends[place - 1], 0.0)
        return waited if waited < _PAUSE else None

    def at_once(self, one: Ran) -> float:
        """How many jobs ran while a job did, itself included: the mean over its time."""
        if one.wall <= 0:
            return 1.0
        return max((self._area(one.end) - self._area(one.start)) / one.wall, 1.0)

    def _area(self, until: float) -> float:
        """The number of jobs at work, integrated over time up to a moment."""
        place = bisect_right(self._times, until) - 1
        return self._areas[place] + self._counts[place] * (until - self._times[place])

    @property
    def seconds(self) -> float:
        """From the first start to the last end, without the pauses of the study."""
        spans = zip(self._counts, pairwise(self._times), strict=False)
        idle = (after - at for count, (at, after) in spans if not count and after - at >= _PAUSE)
        return self._times[-1] - self._times[0] - sum(idle) if self._times else 0.0


def _cost(several: Sequence[Ran], timeline: Timeline, folder: Path) -> Cost:
    """The cost of jobs of the same cost."""
    waits = [waited for one in several if (waited := timeline.waited(one)) is not None]
    work = [(one.trained or one.wall) / one.job.units for one in several if one.job.units]
    # of a training run that was resumed, the last attempt may be shorter than the steps of all
    beside = [max(one.wall - one.trained, 0.0) for one in several if one.trained is not None]
    return Cost(
        fixed=median(waits or [0.0]) + median(beside or [0.0]),
        each=median(work),
        at_once=fmean(map(timeline.at_once, several)),
        memory_bytes=max(one.memory_bytes for one in several),
        process_bytes=max(r["peak_memory_bytes"] for one in several for r in one.records),
        source=str(folder),
        **_disk(several[0].job, folder),
    )


def _disk(job: Job, folder: Path) -> dict[str, float]:
    """What a job has left on disk, if that is still there; a reference keeps scores alone."""
    left = folder / job.leaves if job.leaves else None
    if left is None or not left.is_dir() or not job.units or is_reference(folder):
        return {}
    if job.kind == "train":
        weights = left / WEIGHTS
        return {"disk_fixed": float(weights.stat().st_size)} if weights.is_file() else {}
    size = sum(path.stat().st_size for path in files_below(left))
    if job.kind == "evaluate":
        return {"disk_fixed": 0.0, "disk_each": size / job.units}
    return {"disk_fixed": float(size)}
