"""The time that is left of a run: known answers, and what is not known."""

import pytest

from rgmp.study.costs import Cost, Costs
from rgmp.study.estimate import Room
from rgmp.study.jobs import Job
from rgmp.study.remaining import Remaining

COSTS = Costs(
    device="any",
    known={
        "long": Cost(fixed=100, each=0, source="a"),
        "short": Cost(fixed=10, each=0, source="b"),
    },
)


def job(name: str, cost: str, *after: str, gpus: int = 0) -> Job:
    return Job("check", name, after, 1, gpus, (name,), None, cost, 1)


FOUR = [job("a", "long"), job("b", "long"), job("c", "long", "a", "b"), job("d", "short", "c")]


def test_before_the_first_job_it_is_the_schedule() -> None:
    """a and b at once where there are two cores, c after both, then d."""
    assert Remaining(FOUR, COSTS, Room(2)).seconds == 210
    assert Remaining(FOUR, COSTS, Room(1)).seconds == 310
    assert Remaining(FOUR, COSTS, Room(2)).sources == ("a", "b")


def test_it_goes_down_with_the_work_of_what_runs_and_what_is_done() -> None:
    left = Remaining(FOUR, COSTS, Room(2))
    left.begin("a", 0)
    left.begin("b", 0)
    assert left.at(0) == 210
    assert left.at(50) == pytest.approx(160)
    left.end("a")
    left.end("b")
    assert left.at(100) == pytest.approx(110)
    left.begin("c", 100)
    left.end("c")
    assert left.at(200) == pytest.approx(10)
    left.end("d")
    assert left.at(210) == 0


def test_a_machine_that_takes_twice_as_long_is_found_out() -> None:
    left = Remaining(FOUR, COSTS, Room(2))
    for name in "ab":
        left.begin(name, 0)
        left.end(name)
    assert left.at(200) == pytest.approx(220)


def test_what_waits_for_a_failed_job_is_not_waited_for() -> None:
    left = Remaining([*FOUR, job("e", "long")], COSTS, Room(1))
    left.begin("a", 0)
    left.give_up("a", 50)
    assert left.at(50) == pytest.approx(200), "b and e; neither c nor d"
    left.begin("b", 50)
    left.end("b")
    assert left.at(150) == pytest.approx(100)
    left.begin("a", 150)
    assert left.at(150) == pytest.approx(310), "tried again: a, c, d and e"


def test_a_job_that_takes_longer_than_planned_takes_no_negative_time() -> None:
    left = Remaining([job("a", "short")], COSTS, Room(1))
    left.begin("a", 0)
    assert left.at(1000) == 0


def test_what_is_not_known_of_a_training_is_known_of_nothing() -> None:
    unknown = Remaining([*FOUR, job("e", "new", gpus=1)], COSTS, Room(2))
    assert unknown.seconds is None
    assert unknown.at(50) is None
    assert Remaining([*FOUR, job("e", "new")], COSTS, Room(2)).seconds == 210, "seconds of a table"
