"""Frames a second: by objects, scales and precision; in one batch or not; and what stalls a GPU."""

import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

import torch

from rgmp.config.method import Inference
from rgmp.inference.multiscale import Passes
from rgmp.inference.propagator import Propagator
from rgmp.inference.speed import TimedClip, matrix_products
from rgmp.inference.timing_statistics import geometric_mean, mean, ratio
from rgmp.model.network import RGMP
from rgmp.runtime.precisions import Precision
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.contestants import Contestant, Ready, affordable_frames, made_ready
from rgmp.selftest.convolutions import Alone, convolutions_of
from rgmp.selftest.finding import Condition, Finding, estimate, failed
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.rounds import Rounds, Turn, take_turns
from rgmp.selftest.scenes import random_network
from rgmp.selftest.whole_clips import (
    COMPUTING,
    WAITING,
    WatchedPropagator,
    of_one_thread,
    segmented,
)
from rgmp.selftest.workload import Scales, Workload

AIMS = 350.0, 650.0
"""Frames a second of one object at three scales in bf16: the first aim, and the second."""
AIMED_AT = "H100", "H200"
"""What the names of the cards contain that the aims are for; others have figures alone."""
BATCH_AIM = 4.0
"""How many times as fast five objects are in one batch as one after the other."""

NETWORK, END_TO_END, CLIP = "network only", "end to end", "whole clip from JPEGs to PNGs"
TIMINGS = NETWORK, END_TO_END, CLIP
_ONE_BY_ONE = "one by one"
_EAGER = "one by one, without CUDA graph"
_PRODUCTS = 3
"""Matrix products of a turn."""

_ROUNDS = 5
"""That a case's time is to suffice for."""
_ALONE = 0.4
"""Of a round's time, for frames that are timed one by one; the rest is for the whole clip."""
_LEAST_FRAMES, _LEAST_CLIP = 3, 12
_LEAST_SECONDS = 8.0
"""With less left, or less than another took until it was ready, a case does not begin: what it
found would be lost."""
_SHARE = 0.8
"""Of the time that is left, for rounds: one that has begun is not cut short."""
_FIRST, _OF_FIRST = 2, 2
"""How many cases have so many times the time of each other."""

Name = tuple[str, Precision]
"""What takes a turn, and its precision."""
_STEP, _CONVOLUTIONS, _PRODUCT = "step", "convolutions", "product"


class _Case(NamedTuple):
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


class _Plan(NamedTuple):
    """How many frames a turn has: timed one by one, and of the whole clip."""

    frames: int
    clip: int


def section(bench: Bench) -> Iterator[Finding]:
    """Measure the throughput of inference, case by case, what matters most first.

    In a case all precisions take turns, with a matrix product and the step's convolutions alone.
    """
    work = workload.of(bench.device)
    network = random_network(work.network, bench.seed).to(bench.device)
    clip_of = cache(lambda n: timed_clip(bench.work / f"inference-{n}", work.clip, work.size, n))
    cases = [*work.cases]
    needed = _LEAST_SECONDS
    for number, (objects, scales) in enumerate(cases):
        left = bench.seconds_left()
        if left < needed:
            conditions: dict[str, Condition] = {"objects": objects, "scales": len(scales)}
            reason = f"{max(left, 0):.0f} s were left"
            yield Finding("not measured for lack of time", conditions, reason)
            continue
        case = _Case(bench, work, network, clip_of(objects), objects, scales)
        if not number:
            yield from of_one_thread(case.clip, bench.work)
        needed = max(needed, (yield from _measured(case, _share(number, len(cases)))))
        bench.release()


def _share(number: int, cases: int) -> float:
    """Of the time that is left, for the rounds of a case; the first ones have more of it."""
    parts = [_OF_FIRST if each < _FIRST else 1 for each in range(number, cases)]
    return _SHARE * parts[0] / sum(parts)


def has_aims(bench: Bench, work: Workload) -> bool:
    """Whether speeds have to reach the aims: on a card that they are for, at the paper's sizes."""
    if not bench.on_gpu or not work.is_papers:
        return False
    card = torch.cuda.get_device_name(bench.device)
    return any(name in card for name in AIMED_AT)


def _measured(case: _Case, share: float) -> Generator[Finding, None, float]:
    """All of a case, in rounds for a share of the time that is left when all is ready for them.

    Returns:
        Seconds until that was so.
    """
    began = time.monotonic()
    ready: dict[Name, Ready[WatchedPropagator]] = {}
    for outcome in made_ready(case.bench, "inference", [*_contestants(case)], case.clip):
        if isinstance(outcome, Finding):
            yield outcome
        else:
            precision: Precision = outcome.conditions["precision"]  # type: ignore[assignment]
            ready[outcome.name, precision] = outcome
    turns: dict[Name, Turn] = {}
    for precision in dict.fromkeys(precision for _, precision in ready):
        turns[_PRODUCT, precision] = partial(_product, case.bench, precision)
        try:
            turns[_CONVOLUTIONS, precision] = _convolutions(case, precision)
        except Exception as error:  # the others go on
            yield failed("convolutions alone", case.of(precision), error)
    until_ready, given = time.monotonic() - began, share * case.bench.seconds_left()
    plan = _plan(case, ready, given)
    turns |= {name: partial(_turn, case, plan, each) for name, each in ready.items()}
    found = take_turns(case.bench, turns, given)
    yield from _findings(case, plan, ready, found)
    return until_ready


def _contestants(case: _Case) -> Iterator[Contestant[WatchedPropagator]]:
    """Every precision; at the paper's scales the fastest with one object after the other, too."""
    for precision in case.work.precisions:
        yield _contestant(case, _STEP, precision)
    if case.objects > 1 and case.scales == case.work.scales[0]:
        fastest = case.work.precisions[0]
        yield _contestant(case, _ONE_BY_ONE, fastest, at_once=1)
        if case.bench.on_gpu:
            yield _contestant(case, _EAGER, fastest, at_once=1, graphs=False)


def _contestant(
    case: _Case,
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
    conditions = {**case.of(precision), **({} if name == _STEP else {"computed": name})}
    return Contestant(name, conditions, make)


def _product(bench: Bench, precision: Precision) -> Mapping[str, float]:
    return {"rate": matrix_products(bench.device, precision, _PRODUCTS)}


def _convolutions(case: _Case, precision: Precision) -> Turn:
    """The convolutions of the case's step alone, ready for their turns."""
    settings = Inference(scales=case.scales, precision=precision)
    eager = Propagator(case.network, settings, case.bench.device, graphs=False)
    wanted = convolutions_of(eager, case.clip.frames, case.clip.labels)
    alone = Alone(case.bench, wanted, precision)
    return lambda: {NETWORK: alone.seconds()}


def _plan(case: _Case, ready: Mapping[Name, Ready[WatchedPropagator]], given: float) -> _Plan:
    """As many frames as `_ROUNDS` rounds have time for."""
    of_round = given / _ROUNDS
    steps = sum(each.seconds for (name, _), each in ready.items() if name == _STEP)
    all_of_them = steps + sum(each.seconds for each in ready.values())  # end to end only steps
    frames = affordable_frames(all_of_them, _ALONE * of_round, _LEAST_FRAMES, case.work.frames)
    rest = of_round - frames * all_of_them
    return _Plan(frames, affordable_frames(steps, rest, _LEAST_CLIP, case.work.clip))


def _turn(case: _Case, plan: _Plan, each: Ready[WatchedPropagator]) -> Mapping[str, float]:
    """Seconds of a frame, and of a whole clip; objects one by one have the network alone."""
    network = {NETWORK: each.network(plan.frames)}
    if each.name != _STEP:
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


def _findings(
    case: _Case,
    plan: _Plan,
    ready: Mapping[Name, Ready[WatchedPropagator]],
    found: Rounds[Name],
) -> Iterator[Finding]:
    """What rounds amount to."""
    for (name, precision), error in found.failures.items():
        yield failed("inference", {**case.of(precision), "computed": name}, error)
    for (name, precision), each in ready.items():
        if (name, precision) in found.measured and name == _STEP:
            yield from _speeds(case, plan, precision, found)
            yield from _against_limits(case, precision, each, found)
            yield from _waiting(case, plan, precision, found)
    yield from _precisions(case, found)
    yield from _one_by_one(case, found)
    others = "share of the cores used by other processes meanwhile"
    yield Finding(others, {"section": "inference", **case.conditions}, found.others_share)


def _speeds(
    case: _Case, plan: _Plan, precision: Precision, found: Rounds[Name]
) -> Iterator[Finding]:
    """Frames a second by all three timings."""
    conditions, measured = case.of(precision), found.measured[_STEP, precision]
    aimed_at = {"precision": "bf16", "objects": 1, "scales": len(case.work.scales[0])}
    is_aimed_at = conditions == aimed_at and has_aims(case.bench, case.work)
    for timing in TIMINGS:
        fps = geometric_mean(1 / measured[timing])
        quantity = f"frames a second, {timing}"
        frames = {"frames": plan.clip} if timing == CLIP else {}
        if timing == NETWORK and is_aimed_at:
            yield estimate(quantity, conditions, fps, "frames/s", AIMS[0])
            yield estimate(f"{quantity}, second aim", conditions, fps, "frames/s", AIMS[1])
        else:
            yield estimate(quantity, {**conditions, **frames}, fps, "frames/s")


def _against_limits(
    case: _Case, precision: Precision, each: Ready[WatchedPropagator], found: Rounds[Name]
) -> Iterator[Finding]:
    """How near a step comes to its convolutions alone, and to a large matrix product."""
    conditions, seconds = case.of(precision), found.measured[_STEP, precision][NETWORK]
    whole = each.propagator.upload(case.clip.frames[1])
    rate = each.propagator.operations(whole) / seconds
    yield estimate("operations a second", conditions, geometric_mean(rate / 1e12), "TFLOP/s")
    if product := found.measured.get((_PRODUCT, precision)):
        share = geometric_mean(rate / product["rate"])
        yield estimate("share of the speed of a large matrix product", conditions, share)
    if alone := found.measured.get((_CONVOLUTIONS, precision)):
        fps = geometric_mean(1 / alone[NETWORK])
        quantity = "frames a second, if a step were its convolutions alone"
        yield estimate(quantity, conditions, fps, "frames/s")
        share = ratio(seconds, alone[NETWORK])
        yield estimate("share of a step's time that its convolutions take alone", conditions, share)


def _waiting(
    case: _Case, plan: _Plan, precision: Precision, found: Rounds[Name]
) -> Iterator[Finding]:
    """What of a whole clip's time the device spends on computing, and what it waits for else."""
    conditions = {**case.of(precision), "frames": plan.clip}
    measured = found.measured[_STEP, precision]
    yield estimate(
        "share of a whole clip in which the device waits for data",
        conditions,
        mean(1 - measured[COMPUTING]),
    )
    if precision != case.work.precisions[0]:
        return
    for what in WAITING:
        yield estimate(
            "share of a whole clip in which the device waits for",
            {"what": what, **conditions},
            mean(measured[what]),
        )
    for kind, told in (("reading", "decoded"), ("writing", "computed and written")):
        what = "frames" if kind == "reading" else "masks"
        yield estimate(
            f"share of a whole clip in which the segmenting thread waits for {what} to be {told}",
            conditions,
            mean(measured[kind]),
        )


def _precisions(case: _Case, found: Rounds[Name]) -> Iterator[Finding]:
    """How many times as fast each precision is as fp32."""
    *others, exact = case.work.precisions
    if (_STEP, exact) not in found.measured:
        return
    for precision in others:
        for timing in TIMINGS if (_STEP, precision) in found.measured else ():
            own, first = (found.measured[_STEP, p][timing] for p in (precision, exact))
            conditions = {**case.of(precision), "timing": timing}
            yield estimate(f"speed relative to {exact}", conditions, ratio(own, first), "times")


def _one_by_one(case: _Case, found: Rounds[Name]) -> Iterator[Finding]:
    """How many times as fast objects are in one batch as one after the other."""
    fastest = case.work.precisions[0]
    for name in (_ONE_BY_ONE, _EAGER):
        if {(_STEP, fastest), (name, fastest)} <= found.measured.keys():
            batch, each = (found.measured[n, fastest][NETWORK] for n in (_STEP, name))
            is_aimed_at = case.objects == 5 and name == _ONE_BY_ONE
            least = BATCH_AIM if is_aimed_at and has_aims(case.bench, case.work) else None
            quantity = f"speed of all objects in one batch, relative to {name}"
            gain = ratio(batch, each)
            yield estimate(quantity, case.of(fastest), gain, "times", least)
