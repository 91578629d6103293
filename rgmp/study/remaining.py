"""How long a run of a study still takes, while it runs: the schedule of the jobs that are left.

The costs may be of another machine, or of this one under another load. So the time that is left is
scaled by what the work that is done took, relative to what it was to take (Snakemake's own time
included), as soon as there is enough of it.
"""

from collections.abc import Sequence
from pathlib import Path

from rgmp.study.costs import Costs, find_costs, guessed
from rgmp.study.estimate import Room, device_here, schedule_of
from rgmp.study.jobs import Job
from rgmp.study.plan import Plan

_ENOUGH = 0.05
"""The share of a run's work that has to be done before it says how fast the rest goes."""


class Remaining:
    """The jobs that are left of a run.

    Attributes:
        room: what they may use at once.
        sources: where their costs are from.
        device: that some of them are not of, but of another; None: all are of it.
    """

    device: str | None = None

    def __init__(self, jobs: Sequence[Job], costs: Costs, room: Room) -> None:
        """Of the jobs that the run has to do, from its start.

        Args:
            jobs: each after those that it waits for; what they wait for besides is done.
            costs: of them; a job whose cost is not known takes no time, unless it computes on what
                trainings do: then nothing is known of the whole.
            room: what they may use at once.
        """
        self._left = {job.name: job for job in jobs}
        self._costs, self.room = costs, room
        known = [cost for job in jobs if (cost := costs.known.get(job.cost))]
        self.sources = tuple(dict.fromkeys(cost.source for cost in known))
        self._began: dict[str, float] = {}
        self._given_up: dict[str, dict[str, Job]] = {}
        self._whole = schedule_of(jobs, costs, room).seconds
        self._pace = 1.0

    @property
    def seconds(self) -> float | None:
        """What all jobs are expected to take before the first has started; None: not known."""
        jobs = self._left.values()
        known = all(self._costs.seconds_alone(job) is not None for job in jobs if job.gpus)
        return self._whole if known and self._whole else None

    def begin(self, name: str, now: float) -> None:
        """A job starts, `now` seconds after the run did: for the first time, or again."""
        if again := self._given_up.pop(name, None):
            before = self._planned(now)
            self._left |= again
            self._whole += self._planned(now) - before
        self._began[name] = now

    def end(self, name: str) -> None:
        """A job is done."""
        self._left.pop(name, None)

    def give_up(self, name: str, now: float) -> None:
        """A job has failed: unless it starts again, what waits for it will not be done either."""
        before = self._planned(now)
        del self._began[name]
        failed = {name}
        for job in self._left.values():  # each after those that it waits for
            if failed.intersection(job.after):
                failed.add(job.name)
        self._given_up[name] = {k: job for k, job in self._left.items() if k in failed}
        self._left = {k: job for k, job in self._left.items() if k not in failed}
        self._whole -= before - self._planned(now)

    def at(self, now: float) -> float | None:
        """The seconds that are left, `now` seconds after the start of the run; None: not known."""
        if self.seconds is None:
            return None
        left = self._planned(now)
        done = self._whole - left
        if done > _ENOUGH * self._whole:
            self._pace = now / done
        return left * self._pace

    def _planned(self, now: float) -> float:
        """The seconds that were planned for what is left, less the work of what runs."""
        worked = {
            name: (now - began) / self._pace
            for name, began in self._began.items()
            if name in self._left
        }
        return schedule_of([*self._left.values()], self._costs, self.room, worked).seconds


def remaining_of(
    plan: Plan, folder: Path, jobs: Sequence[Job], cores: int | None
) -> Remaining | None:
    """The jobs that a run has to do on this machine; None: they run elsewhere.

    Args:
        plan: of the study.
        folder: of the study.
        jobs: that the run has to do.
        cores: that they may use at once; None: they run elsewhere.

    Raises:
        UserError: a file of the study is broken.
    """
    device, gpus = device_here(plan.machine)
    if cores is None or device is None:
        return None
    known = find_costs(folder, jobs, device)
    costs = guessed(known, folder, jobs)
    remaining = Remaining(jobs, costs, Room(cores, gpus, plan.machine.jobs_per_gpu))
    remaining.device = None if costs.known.keys() == known.known.keys() else device
    return remaining
