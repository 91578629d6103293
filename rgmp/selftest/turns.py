"""Computations that take turns: each is tried first, and one that fails leaves the others alone."""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from rgmp.config.study import Speed
from rgmp.data.images import Labels
from rgmp.inference import speed
from rgmp.inference.propagator import Propagator, download
from rgmp.inference.speed import PropagatorMaker, TimedClip
from rgmp.inference.timing_statistics import Interval, geometric_mean, ratio, seconds_by_round
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding

ROUNDS = 5
_LEAST_FRAMES = 3
_PASSES = 4
"""How often a round runs a clip: the network alone, end to end, whole; and the warm-up."""


@dataclass(frozen=True)
class Contestant:
    """A computation that takes turns with others.

    Attributes:
        conditions: what tells it from the others.
        maker: makes its propagator.
    """

    conditions: Mapping[str, Condition]
    maker: PropagatorMaker


@dataclass(frozen=True)
class Turn:
    """What one computation took on one clip.

    Attributes:
        contestant: whose it is.
        objects: of the clip.
        raw: a clip's raw times by round, as `rgmp.inference.speed.measure` returns them.
        summary: of the computation over all clips, likewise.
    """

    contestant: Contestant
    objects: int
    raw: Mapping[str, Any]
    summary: Mapping[str, float]

    def fps(self, kind: str) -> Interval:
        """Frames a second of `network`, `end_to_end`; or of whole `clip`s with their frame 0."""
        if kind == "clip":
            return geometric_mean(self.raw["frames"] / np.asarray(self.raw["clip"]))
        return geometric_mean(1 / seconds_by_round([self.raw], kind))

    def ratio_to(self, other: "Turn") -> Interval:
        """Frames a second of the network relative to another's, within rounds."""
        own, first = (seconds_by_round([turn.raw], "network") for turn in (self, other))
        return ratio(own, first)


def reason_of(error: BaseException) -> str:
    """An error in a line: its kind, and the first line of what it says.

    The line stands in the results, in place of what was to be found; its traceback goes to the log.
    """
    traceback.print_exception(error)
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0][:300]}" if said else type(error).__name__


def failed(what: str, conditions: Mapping[str, Condition], reason: str) -> Finding:
    """Something that should have run, and why it did not."""
    return Finding(what, conditions, reason, limit="runs", holds=False)


def interval_finding(
    quantity: str,
    conditions: Mapping[str, Condition],
    found: Interval,
    unit: str = "",
    least: float | None = None,
) -> Finding:
    """An estimate with its 95 % interval, which has to be as large as `least` if that is given."""
    finding = Finding(quantity, conditions, found.mean, unit, found.low, found.high)
    if least is None:
        return finding
    return replace(finding, limit=f">= {least:g}", holds=found.mean >= least)


def tried(
    bench: Bench, what: str, contestants: Sequence[Contestant], clips: Sequence[TimedClip]
) -> Iterator[Finding | tuple[Contestant, float]]:
    """Run each computation on the first frames of every clip.

    Yields:
        Each that runs, with the seconds that one pass over the second frame of every clip takes; of
        another why it does not.
    """
    for contestant in contestants:
        try:
            propagator, seconds = contestant.maker.make(), 0.0
            is_to_be_captured = propagator.records
            for clip in clips:
                propagator.start(clip.frames[0], clip.labels)
                step = partial(_step, propagator, clip.frames[1])
                step()
                seconds += bench.seconds(step)
        except Exception as error:  # whatever it is, the others go on
            yield failed(what, contestant.conditions, reason_of(error))
        else:
            if is_to_be_captured and not propagator.records:
                reason = "it cannot be captured; selftest.log says why; eager steps are timed"
                yield failed("CUDA graph", contestant.conditions, reason)
            yield contestant, seconds


def _step(propagator: Propagator, frame: Labels) -> None:
    """Segment the next frame, with its way there and back."""
    download(propagator.step(frame))()


def take_turns(
    bench: Bench,
    what: str,
    contestants: Sequence[Contestant],
    clips: Sequence[TimedClip],
    share: float = 1.0,
) -> Iterator[Finding | Turn]:
    """Time computations in turns, `ROUNDS` rounds or more, on as many frames as there is time for.

    Args:
        bench: where, and how long.
        what: is said to fail where a computation does.
        contestants: what takes turns.
        clips: on which.
        share: of the time that is left.
    """
    running: list[Contestant] = []
    seconds = 0.0
    for outcome in tried(bench, what, contestants, clips):
        if isinstance(outcome, Finding):
            yield outcome
        else:
            running.append(outcome[0])
            seconds += outcome[1]
    if not running:
        return
    given = share * bench.seconds_left()
    shorter = [_cut(clip, affordable_frames(seconds, given, len(clip.frames))) for clip in clips]
    limits = Speed(repeats=ROUNDS, seconds=0)
    measured = speed.measure([each.maker for each in running], shorter, limits)
    for contestant, computed in zip(running, measured["computations"], strict=True):
        for raw in computed["clips"]:
            yield Turn(contestant, raw["objects"], raw, computed["summary"])
    others = float(measured["others_share"])
    yield Finding("cores used by others meanwhile", {"section": what}, others)


def affordable_frames(seconds: float, given: float, most: int) -> int:
    """How many frames of a clip rounds have time for.

    Args:
        seconds: that all computations take for a frame of every clip.
        given: the time there is.
        most: frames of the clip.
    """
    if seconds <= 0:
        return most
    return int(np.clip(given / (seconds * ROUNDS * _PASSES), _LEAST_FRAMES, most))


def _cut(clip: TimedClip, frames: int) -> TimedClip:
    """The first frames of a clip."""
    sequence = replace(clip.sequence, frames=clip.sequence.frames[:frames])
    return clip._replace(sequence=sequence, frames=clip.frames[:frames])
