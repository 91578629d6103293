"""List scheduling: known answers, all orders by brute force, bounds, jobs that share a core."""

import itertools
import random
from collections.abc import Mapping

import pytest

from rgmp.study.costs import Slowdown
from rgmp.study.schedule import Pace, Schedule, Task, schedule, undisturbed

ONE = {"cores": 1}


def seconds(tasks: list[Task], cores: int, pace: Pace = undisturbed) -> float:
    return schedule(tasks, {"cores": cores}, pace).seconds


def chain(*lengths: float, name: str = "job") -> list[Task]:
    """Jobs that wait for one another."""
    names = [f"{name} {number}" for number in range(len(lengths))]
    befores: list[tuple[str, ...]] = [(), *((before,) for before in names)]
    return [Task(*one, ONE) for one in zip(names, lengths, befores, strict=False)]


def test_jobs_that_wait_for_each_other_take_their_sum_whatever_there_is() -> None:
    found = schedule(chain(3, 4, 5), {"cores": 9})
    assert (found.seconds, found.bound, found.path_seconds) == (12, 12, 12)
    assert found.path == ("job 0", "job 1", "job 2")
    assert found.bound_by == "chain"
    assert found.starts == {"job 0": 0, "job 1": 3, "job 2": 7}
    assert found.idle("cores") == pytest.approx(1 - 12 / (9 * 12))


def test_of_jobs_that_may_start_the_one_with_most_behind_it_starts_first() -> None:
    """In the order given, the long chain would begin last: 2 + 2 + 6."""
    tasks = [Task("a", 2, (), ONE), Task("b", 2, (), ONE), *chain(1, 5)]
    assert seconds(tasks, 2) == 6
    assert schedule(tasks, {"cores": 2}).starts["job 0"] == 0


def test_longest_first_misses_the_best_order_by_no_more_than_is_known() -> None:
    """The classic example: 11 where 9 is possible, 4/3 - 1/(3 x 3) of it."""
    tasks = [Task(str(n), t, (), ONE) for n, t in enumerate((5, 5, 4, 4, 3, 3, 3))]
    assert seconds(tasks, 3) == 11
    found = schedule(tasks, {"cores": 3})
    assert (found.bound, found.bound_by) == (9, "cores")


def test_a_job_that_takes_all_runs_alone_and_what_takes_two_kinds_waits_for_both() -> None:
    tasks = [
        Task("whole", 1, (), {"cores": 99}),
        Task("left", 2, ("whole",), {"cores": 1, "gpus": 1}),
        Task("right", 2, ("whole",), {"cores": 1, "gpus": 1}),
        Task("beside", 3, ("whole",), {"cores": 1, "gpus": 0}),
        Task("last", 1, ("left",), {"cores": 99}),
    ]
    found = schedule(tasks, {"cores": 4, "gpus": 1})
    assert found.starts == {"whole": 0, "beside": 1, "left": 1, "right": 3, "last": 5}
    assert found.seconds == 6
    assert found.idle("gpus") == pytest.approx(1 - 4 / 6)


def test_jobs_at_once_slow_each_other_down_while_they_are_at_once() -> None:
    """Two of 4 s, at 1.5 times: until 3 is left of neither; the third has the machine alone."""
    pace = Slowdown(at_once=2, factor=1.5).pace
    tasks = [Task("a", 4, (), ONE), Task("b", 2, (), ONE)]
    assert seconds(tasks, 1, pace) == 6
    assert seconds(tasks, 2, pace) == pytest.approx(2 * 1.5 + 2)
    assert Slowdown(at_once=3, factor=2).pace(2) == 1.5
    assert Slowdown(at_once=3, factor=2).pace(7) == 2


def test_no_jobs_take_no_time() -> None:
    assert schedule([], {"cores": 2}).seconds == 0
    assert schedule([], {"cores": 2}).idle("cores") == 0


def test_what_cannot_end_is_refused() -> None:
    with pytest.raises(ValueError, match="a waits for b, which is no job"):
        schedule([Task("a", 1, ("b",), ONE)], ONE)
    with pytest.raises(ValueError, match="a waits for itself"):
        schedule([Task("a", 1, ("b",), ONE), Task("b", 1, ("a",), ONE)], ONE)


CASES = [*itertools.product(range(40), (1, 2, 3))]


@pytest.mark.parametrize(("seed", "cores"), CASES)
def test_the_schedule_keeps_every_rule_and_every_bound(seed: int, cores: int) -> None:
    """The best of all orders of up to six jobs lies between the bound and the schedule."""
    tasks = drawn(seed, 6)
    found = schedule(tasks, {"cores": cores})
    check(found, tasks, cores)
    best = min(in_order(order, cores) for order in itertools.permutations(tasks))
    assert found.bound <= best + 1e-9
    assert best <= found.seconds + 1e-9
    if all(task.needs == ONE for task in tasks):
        assert found.seconds <= (2 - 1 / cores) * best + 1e-9, "Graham 1969"


@pytest.mark.parametrize("seed", range(20))
def test_with_a_pace_the_bound_holds_and_work_is_done_in_full(seed: int) -> None:
    slowdown = Slowdown(at_once=2, factor=1.6)
    tasks = drawn(seed, 12)
    found = schedule(tasks, {"cores": 3}, slowdown.pace)
    check(found, tasks, 3, slowdown.pace)
    assert found.bound <= found.seconds + 1e-9
    assert found.seconds <= 1.6 * sum(task.seconds for task in tasks)


def test_ten_thousand_jobs_on_64_gpus() -> None:
    """A chain of two for each, some that all others wait for, and one at the end."""
    rng = random.Random(0)
    tasks = [Task("data", 60, (), {"cores": 512})]
    for number in range(5000):
        tasks.append(Task(f"a{number}", rng.uniform(9, 11), ("data",), {"cores": 8, "gpus": 1}))
        tasks.append(
            Task(f"b{number}", rng.uniform(1, 2), (f"a{number}",), {"cores": 1, "gpus": 1})
        )
    tasks.append(Task("end", 5, tuple(task.name for task in tasks), {"cores": 1}))
    found = schedule(tasks, {"cores": 512, "gpus": 64})
    work = sum(task.seconds for task in tasks if (task.needs or {}).get("gpus"))
    assert found.bound == pytest.approx(work / 64)
    assert found.seconds == pytest.approx(65 + work / 64, rel=0.02)


def drawn(seed: int, most: int) -> list[Task]:
    """Jobs at random; each may wait for earlier ones."""
    rng = random.Random(seed)
    tasks: list[Task] = []
    for number in range(rng.randint(1, most)):
        after = tuple(task.name for task in tasks if rng.random() < 0.3)
        needs = {"cores": rng.choice((1, 1, 2)) if seed % 2 else 1}
        tasks.append(Task(str(number), rng.randint(1, 9), after, needs))
    return tasks


def check(found: Schedule, tasks: list[Task], cores: int, pace: Pace = undisturbed) -> None:
    """Everything runs once, after what it waits for, with no more at once than there is."""
    assert found.starts.keys() == found.ends.keys() == {task.name for task in tasks}
    moments = sorted({*found.starts.values(), *found.ends.values()})
    done = dict.fromkeys(found.starts, 0.0)
    for start, end in itertools.pairwise(moments):
        running = [t for t in tasks if found.starts[t.name] <= start < found.ends[t.name]]
        assert sum(takes(task, cores) for task in running) <= cores
        for task in running:
            done[task.name] += (end - start) / pace(len(running))
    for task in tasks:
        assert done[task.name] == pytest.approx(task.seconds)
        assert all(found.ends[before] <= found.starts[task.name] for before in task.after)


def takes(task: Task, cores: int) -> int:
    return min((task.needs or {})["cores"], cores)


def in_order(order: tuple[Task, ...], cores: int) -> float:
    """How long jobs take if each starts as early as it fits, one after another: plain and slow."""
    starts: dict[str, float] = {}
    ends: dict[str, float] = {}
    for task in order:
        if any(before not in ends for before in task.after):
            return float("inf")
        earliest = max((ends[before] for before in task.after), default=0.0)
        for start in sorted({earliest, *(end for end in ends.values() if end > earliest)}):
            if fits(task, start, starts, ends, {t.name: takes(t, cores) for t in order}, cores):
                starts[task.name], ends[task.name] = start, start + task.seconds
                break
    return max(ends.values())


def fits(
    task: Task,
    start: float,
    starts: Mapping[str, float],
    ends: Mapping[str, float],
    amounts: Mapping[str, int],
    cores: int,
) -> bool:
    """Whether there is room for a job from `start` on, beside those that are placed."""
    moments = [start, *(at for at in starts.values() if start < at < start + task.seconds)]
    held = [
        sum(amounts[name] for name in starts if starts[name] <= at < ends[name]) for at in moments
    ]
    return max(held) + amounts[task.name] <= cores
