"""Cases of inference: a clip with some objects at some scales, and all that takes turns on it."""

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from rgmp.config.method import Inference
from rgmp.inference.multiscale import Passes
from rgmp.inference.propagator import Propagator
from rgmp.inference.speed import TimedClip, matrix_products
from rgmp.model.network import RGMP
from rgmp.runtime.precisions import Precision
from rgmp.selftest.bench import Bench
from rgmp.selftest.contestants import Contestant, Ready, affordable_frames, made_ready
from rgmp.selftest.convolutions import RUNS, Alone, convolutions_of
from rgmp.selftest.finding import Condition, Finding, failed
from rgmp.selftest.rounds import Rounds, Turn, take_turns
from rgmp.selftest.whole_clips import WatchedPropagator, segmented
from rgmp.selftest.workload import Scales, Workload

Name = tuple[str, Precision]
"""What takes a turn, and its precision."""
STEP, CONVOLUTIONS, PRODUCT = "step", "convolutions", "product"
ONE_BY_ONE, EAGER = "one by one", "one by one, without CUDA graph"
"""The step with one mask after the other."""

NETWORK, END_TO_END, CLIP = "network only", "end to end", "whole clip from JPEGs to PNGs"
TIMINGS = NETWORK, END_TO_END, CLIP
"""Seconds of a frame that a turn of `STEP` has; others have the first alone."""
RATE = "operations a second"
"""That a turn of `PRODUCT` has."""

_PRODUCTS = 3
"""Matrix products of a turn."""
_ROUNDS = 5
"""That a case's time is to suffice for."""
_ALONE = 0.4
"""Of a round's time, for frames that are timed one by one; the rest is for the whole clip."""
_LEAST_FRAMES, _LEAST_CLIP = 3, 12
_WARM_UP = 2
"""Frames before those that are timed one by one."""


class Case(NamedTuple):
    """A clip, and how it is segmented.

    Attributes:
        bench, work: where, and at what sizes.
        network: on the device.
        clip: with as many objects as the case has.
        objects, scales: of the case.
    """

    bench: Bench
    work: Workload
    network: RGMP
    clip: TimedClip
    objects: int
    scales: Scales

    @property
    def conditions(self) -> dict[str, Condition]:
        """What its findings have in common."""
        return {"objects": self.objects, "scales": len(self.scales)}

    def of(self, precision: Precision) -> dict[str, Condition]:
        """The same, and a precision."""
        return {"precision": precision, **self.conditions}


class Plan(NamedTuple):
    """How many frames a turn has: timed one by one, and of the whole clip."""

    frames: int
    clip: int


class Measured(NamedTuple):
    """What was measured of a case.

    Attributes:
        plan: of its turns.
        operations: of a step.
        rounds: of all that took turns.
        least: seconds that it would have taken at least: until all was ready, and two rounds.
    """

    plan: Plan
    operations: int
    rounds: Rounds[Name]
    least: float


def measure(case: Case, share: float) -> Generator[Finding, None, Measured]:
    """Let all take turns on a case, for a share of the time that is left when they are ready.

    Yields:
        Why one does not.

    Returns:
        What was measured of the others.
    """
    began = time.monotonic()
    ready: dict[Name, Ready[WatchedPropagator]] = {}
    for outcome in made_ready(case.bench, "inference", [*_contestants(case)], case.clip):
        if isinstance(outcome, Finding):
            yield outcome
        else:
            precision: Precision = outcome.conditions["precision"]  # type: ignore[assignment]
            ready[outcome.name, precision] = outcome
    limits = yield from _limits(case, dict.fromkeys(precision for _, precision in ready))
    until_ready, given = time.monotonic() - began, share * case.bench.seconds_left()
    plan = _plan(case, ready, given)
    steps = {name: partial(_turn, case, plan, each) for name, each in ready.items()}
    rounds = take_turns(case.bench, {**steps, **limits}, given)
    for (name, precision), error in rounds.failures.items():
        yield failed("inference", {**case.of(precision), "computed": name}, error)
    least = until_ready + 2 * rounds.seconds
    return Measured(plan, _operations(case, ready), rounds, least)


def _limits(
    case: Case, precisions: Iterable[Precision]
) -> Generator[Finding, None, dict[Name, Turn]]:
    """What steps are compared with: a matrix product, and the step's convolutions alone."""
    turns: dict[Name, Turn] = {}
    for precision in precisions:
        turns[PRODUCT, precision] = partial(_product, case.bench, precision)
        try:
            turns[CONVOLUTIONS, precision] = _convolutions(case, precision)
        except Exception as error:  # the others go on
            yield failed("convolutions alone", case.of(precision), error)
    return turns


def _operations(case: Case, ready: Mapping[Name, Ready[WatchedPropagator]]) -> int:
    """Floating-point operations of a step, which are the same in every precision."""
    for each in ready.values():
        return each.propagator.operations(each.propagator.upload(case.clip.frames[1]))
    return 0


def _contestants(case: Case) -> Iterator[Contestant[WatchedPropagator]]:
    """Every precision; at the paper's scales the fastest with one object after the other, too."""
    for precision in case.work.precisions:
        yield _contestant(case, STEP, precision)
    if case.objects > 1 and case.scales == case.work.scales[0]:
        fastest = case.work.precisions[0]
        yield _contestant(case, ONE_BY_ONE, fastest, at_once=1)
        if case.bench.on_gpu:
            yield _contestant(case, EAGER, fastest, at_once=1, graphs=False)


def _contestant(
    case: Case,
    name: str,
    precision: Precision,
    at_once: int | None = None,
    graphs: bool = True,
) -> Contestant[WatchedPropagator]:
    settings = Inference(scales=case.scales, precision=precision)
    passes = Passes if at_once is None else partial(Passes, at_once=at_once)
    make = partial(
        WatchedPropagator,
        case.network,
        settings,
        case.bench.device,
        graphs=graphs,
        passes=passes,
    )
    conditions = {**case.of(precision), **({} if name == STEP else {"computed": name})}
    return Contestant(name, conditions, make)


def _product(bench: Bench, precision: Precision) -> Mapping[str, float]:
    return {RATE: matrix_products(bench.device, precision, _PRODUCTS)}


def _convolutions(case: Case, precision: Precision) -> Turn:
    """The convolutions of the case's step alone, ready for their turns."""
    settings = Inference(scales=case.scales, precision=precision)
    eager = Propagator(case.network, settings, case.bench.device, graphs=False)
    wanted = convolutions_of(eager, case.clip.frames, case.clip.labels)
    alone = Alone(case.bench, wanted, precision)
    return lambda: {NETWORK: float(np.median(alone.times()))}


def _plan(case: Case, ready: Mapping[Name, Ready[WatchedPropagator]], given: float) -> Plan:
    """As many frames as `_ROUNDS` rounds have time for."""
    steps = sum(each.seconds for (name, _), each in ready.items() if name == STEP)
    of_round = given / _ROUNDS - RUNS * steps  # in which convolutions have their turns
    all_of_them = steps + sum(each.seconds for each in ready.values())  # end to end only steps
    frames = affordable_frames(all_of_them, _ALONE * of_round, _LEAST_FRAMES, case.work.frames)
    rest = of_round - (frames + _WARM_UP) * all_of_them
    return Plan(frames, affordable_frames(steps, rest, _LEAST_CLIP, case.work.clip))


def _turn(case: Case, plan: Plan, each: Ready[WatchedPropagator]) -> Mapping[str, float]:
    """Seconds of a frame, and of a whole clip; objects one by one have the network alone."""
    network = {NETWORK: each.network(plan.frames)}
    if each.name != STEP:
        return network
    sequence = case.clip.sequence
    shorter = replace(sequence, frames=sequence.frames[: plan.clip])
    whole = segmented(each.propagator, shorter, case.bench.work)
    return {
        **network,
        END_TO_END: each.end_to_end(plan.frames),
        **whole,
        CLIP: whole["clip"] / len(shorter.frames),
    }
