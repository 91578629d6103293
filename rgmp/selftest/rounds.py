"""Computations that take turns, round after round: what slows the machine slows all of them.

In a round each has one turn, in an order that is shuffled anew, so that a clock that changes or a
card that warms up hits all alike. They are compared within rounds
(`rgmp.inference.timing_statistics`).
"""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from rgmp.runtime import cores
from rgmp.selftest.bench import Bench

LEAST, MOST = 3, 7
"""Rounds. However little time there is: an interval of two would be 12.7 standard errors wide."""
_LEAST_OF_ALL = 2
"""Once the section has no time left: with less there is no interval, with more nothing is kept."""

Name = TypeVar("Name", bound=Hashable)
Turn = Callable[[], Mapping[str, float]]
"""Takes a turn: what was measured, by its name."""


@dataclass
class Rounds(Generic[Name]):
    """What was measured in rounds.

    Attributes:
        measured: of each that took every turn, by what was measured: a value for each round.
        failures: of each other, what it raised.
        seconds: of a round.
        others_share: of the cores, used by other processes meanwhile: 0 to 1.
    """

    measured: dict[Name, dict[str, NDArray[np.float64]]] = field(default_factory=dict)
    failures: dict[Name, Exception] = field(default_factory=dict)
    seconds: float = 0.0
    others_share: float = 0.0


def take_turns(bench: Bench, turns: Mapping[Name, Turn], seconds: float) -> Rounds[Name]:
    """Let all take turns, `LEAST` to `MOST` rounds.

    Args:
        bench: where; once it has no time left, two rounds are enough, and a third is not finished.
        turns: of each.
        seconds: after which no further round begins.
    """
    taken: dict[Name, list[Mapping[str, float]]] = {name: [] for name in turns}
    found: Rounds[Name] = Rounds()
    begun, watch = time.monotonic(), cores.Watch()
    for done in range(MOST):
        least = LEAST if bench.seconds_left() > 0 else _LEAST_OF_ALL
        if done >= least and time.monotonic() - begun >= seconds:
            break
        round_ = _one_round(bench, turns, done, found.failures)
        if len(round_) + len(found.failures) < len(turns):
            break
        for name, values in round_.items():
            taken[name].append(values)
        found.seconds = (time.monotonic() - begun) / (done + 1)
    for name, rounds in taken.items():
        if name not in found.failures:
            found.measured[name] = {
                kind: np.array([values[kind] for values in rounds]) for kind in rounds[0]
            }
    found.others_share = watch.others_share()
    return found


def _one_round(
    bench: Bench, turns: Mapping[Name, Turn], number: int, failures: dict[Name, Exception]
) -> dict[Name, Mapping[str, float]]:
    """A turn of each that has not failed; fewer if time is over and there are rounds enough."""
    found: dict[Name, Mapping[str, float]] = {}
    waiting = [name for name in turns if name not in failures]
    for index in np.random.default_rng(number).permutation(len(waiting)):
        if number >= _LEAST_OF_ALL and bench.seconds_left() <= 0:
            break
        name = waiting[index]
        try:
            found[name] = turns[name]()
        except Exception as error:  # whatever it is, the others go on
            failures[name] = error
    return found
