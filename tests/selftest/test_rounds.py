"""All take turns in every round; one that fails leaves the others alone; rounds end in time."""

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.videos import CPU

from rgmp.selftest import rounds
from rgmp.selftest.bench import Bench
from rgmp.selftest.rounds import LEAST, MOST, take_turns


class Machine:
    """Notes whose turn it was, on a clock that only turns move on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.said = 1000.0, ""
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def turn(self, name: str) -> Mapping[str, float]:
        self.now += 1
        self.said += name
        return {"seconds": self.now}


def bench(seconds: float) -> Bench:
    return Bench(CPU, Path(), Path(), time.monotonic() + seconds)


def test_all_take_turns_in_another_order_each_round(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)
    turns = {name: lambda name=name: machine.turn(name) for name in "abc"}
    found = take_turns(bench(1000), turns, seconds=1000)
    orders = [machine.said[i : i + 3] for i in range(0, len(machine.said), 3)]
    assert ["".join(sorted(order)) for order in orders] == ["abc"] * MOST
    assert len({*orders}) > 1
    for name in "abc":
        times = [1001 + i for i, said in enumerate(machine.said) if said == name]
        assert found.measured[name]["seconds"].tolist() == times
    assert 0 <= found.others_share <= 1


@pytest.mark.parametrize(
    ("left", "seconds", "wanted"), [(1000, 0, LEAST), (1000, 10, 5), (0, 0, 2), (1000, 1e6, MOST)]
)
def test_rounds_end_when_their_time_is_up(
    left: float, seconds: float, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A round takes 2 s. Where the section's time is over, two are enough for an interval."""
    machine = Machine(monkeypatch)
    turns = {name: lambda name=name: machine.turn(name) for name in "ab"}
    found = take_turns(bench(left), turns, seconds)
    assert len(found.measured["a"]["seconds"]) == wanted


def test_a_round_that_time_ends_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time ends after five turns of three computations: the first two rounds are finished."""
    machine = Machine(monkeypatch)
    turns = {name: lambda name=name: machine.turn(name) for name in "abc"}
    found = take_turns(bench(5.5), turns, seconds=1000)
    assert [len(found.measured[name]["seconds"]) for name in "abc"] == [2, 2, 2]
    assert found.seconds == 3
    found = take_turns(bench(7.5), turns, seconds=1000)
    assert machine.said[6:].startswith(machine.said[:6])
    assert len(machine.said) == 6 + 8, "the third round began, and ended in the midst"
    assert len(found.measured["a"]["seconds"]) == 2


def test_who_fails_is_left_out_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch)

    def failing() -> Mapping[str, float]:
        if machine.said.count("a") == 2:
            raise RuntimeError("no memory")
        return machine.turn("b")

    found = take_turns(bench(100), {"a": lambda: machine.turn("a"), "b": failing}, 100)
    assert {*found.measured} == {"a"}
    assert len(found.measured["a"]["seconds"]) == MOST
    assert str(found.failures["b"]) == "no memory"
    assert rounds.Rounds().measured == {}
