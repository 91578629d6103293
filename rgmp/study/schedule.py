"""When the jobs of a study run on a machine of some size: list scheduling, and bounds to it.

Data alone, of any jobs: a name, seconds, what it waits for and what it needs of the machine. Of the
jobs that may start, the one with the longest way to the end starts first (highest level first), and
none waits while it fits. With one kind of place this takes at most (2 - 1/places) times as long as
the best order (Graham, Bounds on multiprocessing timing anomalies, 1969).

Jobs that share a core slow each other down. `pace` says by how much: the seconds that a second of
work takes with so many jobs at once. It is the same for all that run, so work is counted on a clock
of its own, and n jobs take O(n log n).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush

Pace = Callable[[int], float]

CHAIN = "chain"
PACE = "pace"


@dataclass(frozen=True)
class Task:
    """A job as the schedule sees it.

    Attributes:
        name: of the job.
        seconds: that it takes alone on the machine.
        after: the names of the jobs that it waits for.
        needs: how much of each resource it takes, such as cores; more than there is means all.
    """

    name: str
    seconds: float
    after: tuple[str, ...] = ()
    needs: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Schedule:
    """When every job starts and ends, in seconds from the first.

    Attributes:
        starts, ends: by the name of the job, in the order of their starts.
        capacity: how much there is of each resource.
        used: resource -> amount times seconds in which jobs hold it.
        bound: seconds below which no order of the jobs gets.
        bound_by: what sets that bound: a resource, of which no more work fits into the time;
            `CHAIN`, the longest way through; or `PACE`, that jobs slow each other down.
        path: the names of the jobs on a longest way through, in order.
        path_seconds: how long those take one after another.
    """

    starts: dict[str, float]
    ends: dict[str, float]
    capacity: dict[str, int]
    used: dict[str, float]
    bound: float
    bound_by: str
    path: tuple[str, ...]
    path_seconds: float

    @cached_property
    def seconds(self) -> float:
        """From the start of the first job to the end of the last."""
        return max(self.ends.values(), default=0.0)

    def idle(self, resource: str) -> float:
        """The share of a resource that no job holds: 0 to 1."""
        whole = self.capacity[resource] * self.seconds
        return 1 - self.used[resource] / whole if whole else 0.0


def undisturbed(_: int) -> float:
    """The pace of jobs that do not slow each other down."""
    return 1.0


def schedule(
    tasks: Iterable[Task], capacity: Mapping[str, int], pace: Pace = undisturbed
) -> Schedule:
    """Schedule jobs on a machine.

    Args:
        tasks: in any order; names are unique.
        capacity: how much there is of each resource, at least one.
        pace: by the number of jobs at once; at least 1, and no less with more jobs.

    Raises:
        ValueError: a job waits for one that there is not, or for itself.
    """
    by_name = {task.name: task for task in tasks}
    level = _levels(by_name)
    order = {name: place for place, name in enumerate(by_name)}
    needs = {name: _needs(task, capacity) for name, task in by_name.items()}
    waits = {name: len({*task.after}) for name, task in by_name.items()}
    followers = _followers(by_name)
    free, used = dict(capacity), dict.fromkeys(capacity, 0.0)
    # by what they need, since where the first of a kind does not fit, no other of it does
    ready: dict[tuple[tuple[str, int], ...], list[tuple[float, int, str]]] = defaultdict(list)
    running: list[tuple[float, int, str]] = []
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    now = worked = 0.0

    def make_ready(name: str) -> None:
        heappush(ready[needs[name]], (-level[name], order[name], name))

    def start_what_fits() -> None:
        while True:
            fits = [
                (queue[0], kind)
                for kind, queue in ready.items()
                if queue and all(free[resource] >= amount for resource, amount in kind)
            ]
            if not fits:
                return
            (_, place, name), kind = min(fits)
            heappop(ready[kind])
            for resource, amount in kind:
                free[resource] -= amount
            starts[name] = now
            heappush(running, (worked + by_name[name].seconds, place, name))

    for name, count in waits.items():
        if not count:
            make_ready(name)
    start_what_fits()
    while running:
        until = running[0][0]
        now, worked = now + (until - worked) * pace(len(running)), until
        while running and running[0][0] <= worked:
            _, _, name = heappop(running)
            ends[name] = now
            for resource, amount in needs[name]:
                free[resource] += amount
                used[resource] += amount * (now - starts[name])
            for follower in followers[name]:
                waits[follower] -= 1
                if not waits[follower]:
                    make_ready(follower)
        start_what_fits()
    path = _longest(by_name, level)
    long = level[path[0]] if path else 0.0
    bounds = {CHAIN: long, **_bounds_by_work(by_name, needs, capacity, pace)}
    bound_by = max(bounds, key=bounds.__getitem__)
    return Schedule(starts, ends, dict(capacity), used, bounds[bound_by], bound_by, path, long)


def _needs(task: Task, capacity: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    """What a job takes of the resources that there are."""
    asked = task.needs or {}
    return tuple(
        (name, min(asked[name], most)) for name, most in capacity.items() if asked.get(name)
    )


def _followers(tasks: Mapping[str, Task]) -> dict[str, list[str]]:
    """The jobs that wait for each."""
    found: dict[str, list[str]] = {name: [] for name in tasks}
    for name, task in tasks.items():
        for before in {*task.after}:
            if before not in found:
                raise ValueError(f"{name} waits for {before}, which is no job")
            found[before].append(name)
    return found


def _levels(tasks: Mapping[str, Task]) -> dict[str, float]:
    """The seconds from the start of each job to the end of the last that rests on it."""
    followers = _followers(tasks)
    open_ends = {name: len(found) for name, found in followers.items()}
    last = [name for name, count in open_ends.items() if not count]
    levels: dict[str, float] = {}
    while last:
        name = last.pop()
        levels[name] = tasks[name].seconds + max((levels[f] for f in followers[name]), default=0.0)
        for before in {*tasks[name].after}:
            open_ends[before] -= 1
            if not open_ends[before]:
                last.append(before)
    if len(levels) < len(tasks):
        raise ValueError(f"{min(tasks.keys() - levels.keys())} waits for itself, through others")
    return levels


def _longest(tasks: Mapping[str, Task], levels: Mapping[str, float]) -> tuple[str, ...]:
    """A longest way from a job that waits for none to one that none waits for."""
    followers = _followers(tasks)
    at = [name for name, task in tasks.items() if not task.after]
    path = []
    while at:
        path.append(max(at, key=levels.__getitem__))
        at = followers[path[-1]]
    return tuple(path)


def _bounds_by_work(
    tasks: Mapping[str, Task],
    needs: Mapping[str, tuple[tuple[str, int], ...]],
    capacity: Mapping[str, int],
    pace: Pace,
) -> dict[str, float]:
    """Seconds that the work takes if nothing is ever idle: of each resource, and by the pace."""
    work = dict.fromkeys(capacity, 0.0)
    for name, kind in needs.items():
        for resource, amount in kind:
            work[resource] += amount * tasks[name].seconds
    bounds = {resource: work[resource] / most for resource, most in capacity.items()}
    if all(needs.values()):  # else any number may run at once
        most = sum(capacity.values())
        every = sum(task.seconds for task in tasks.values())
        bounds[PACE] = every / max(count / pace(count) for count in range(1, most + 1))
    return bounds
