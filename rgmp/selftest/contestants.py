"""Propagators that are compared: each is tried first; one that fails leaves the others alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from rgmp.inference.propagator import Propagator
from rgmp.inference.speed import TimedClip, end_to_end_seconds, network_seconds
from rgmp.runtime.timers import seconds_of
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, failed

P = TypeVar("P", bound=Propagator)


class Contestant(NamedTuple, Generic[P]):
    """A way to compute the step.

    Attributes:
        name: of it among the others.
        conditions: what tells it from them, in its findings.
        make: makes its propagator.
    """

    name: str
    conditions: Mapping[str, Condition]
    make: Callable[[], P]


class Ready(NamedTuple, Generic[P]):
    """A contestant that runs.

    Attributes:
        name, conditions: as it has them.
        propagator: that was made, warmed up on the clip's shape.
        clip: that it segments.
        seconds: for a frame, end to end, about.
    """

    name: str
    conditions: Mapping[str, Condition]
    propagator: P
    clip: TimedClip
    seconds: float

    def network(self, frames: int) -> float:
        """Seconds of the network for a frame: the median over so many, after a warm-up."""
        self._warm_up()
        later = self.clip.frames[1 : 1 + frames]
        return float(np.median([network_seconds(self.propagator, frame) for frame in later]))

    def end_to_end(self, frames: int) -> float:
        """Seconds of a frame from main memory to its labels there: likewise."""
        self._warm_up()
        later = self.clip.frames[1 : 1 + frames]
        return float(np.median([end_to_end_seconds(self.propagator, frame) for frame in later]))

    def _warm_up(self) -> None:
        """Run frame 0 and the next, after another's turn."""
        self.propagator.start(self.clip.frames[0], self.clip.labels)
        self.propagator.step(self.clip.frames[1])


def made_ready(
    bench: Bench, what: str, contestants: Sequence[Contestant[P]], clip: TimedClip
) -> Iterator[Finding | Ready[P]]:
    """Make each and let it segment the first frames of a clip.

    Args:
        bench: where.
        what: is said to fail where one does.
        contestants: all.
        clip: that they segment.

    Yields:
        Each that runs; of another why it does not.
    """
    for each in contestants:
        try:
            propagator = each.make()
            is_to_be_captured = propagator.records
            propagator.start(clip.frames[0], clip.labels)
            propagator.step(clip.frames[1])
            seconds = seconds_of(partial(propagator.step, clip.frames[1]), bench.device)
        except Exception as error:  # whatever it is, the others go on
            yield failed(what, each.conditions, error)
        else:
            if is_to_be_captured and not propagator.records:
                reason = "it cannot be captured; selftest.log says why; eager steps are timed"
                yield failed("CUDA graph", each.conditions, reason)
            yield Ready(each.name, each.conditions, propagator, clip, seconds)


def affordable_frames(seconds: float, given: float, least: int, most: int) -> int:
    """How many frames there is time for.

    Args:
        seconds: that a frame takes.
        given: the time there is.
        least: of the frames, whatever they take.
        most: of the frames.
    """
    if seconds <= 0:
        return most
    return int(np.clip(given / seconds, least, most))
