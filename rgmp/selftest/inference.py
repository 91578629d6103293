"""Frames a second: by objects, scales and precision; in one batch or not; and what stalls a GPU."""

from collections.abc import Iterator
from functools import cache

import torch

from rgmp.inference.timing_statistics import geometric_mean, mean_share, ratio
from rgmp.runtime.precisions import Precision
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.cases import (
    CLIP,
    CONVOLUTIONS,
    EAGER,
    NETWORK,
    ONE_BY_ONE,
    PRODUCT,
    RATE,
    STEP,
    TIMINGS,
    Case,
    Measured,
    measure,
)
from rgmp.selftest.finding import Condition, Finding, estimate
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.scenes import random_network
from rgmp.selftest.whole_clips import COMPUTING, WAITING, of_one_thread
from rgmp.selftest.workload import Workload

AIMS = 350.0, 650.0
"""Frames a second of one object at three scales in bf16: the first aim, and the second."""
AIMED_AT = "H100", "H200"
"""What the names of the cards contain that the aims are for; others have figures alone."""
BATCH_AIM = 4.0
"""How many times as fast five objects are in one batch as one after the other."""

_LEAST_SECONDS = 8.0
"""With less left, or less than an earlier one took at least, a case does not begin: what it found
would be lost."""
_SHARE = 0.8
"""Of the time that is left, for rounds: one that has begun is not cut short."""
_FIRST, _OF_FIRST = 2, 2
"""How many cases have so many times the time of each other."""


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
        case = Case(bench, work, network, clip_of(objects), objects, scales)
        if not number:
            yield from of_one_thread(case.clip, bench.work)
        measured = yield from measure(case, _share(number, len(cases)))
        yield from findings(case, measured)
        needed = max(needed, measured.least)
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


def findings(case: Case, measured: Measured) -> Iterator[Finding]:
    """What the rounds of a case amount to."""
    for precision in case.work.precisions:
        if (STEP, precision) in measured.rounds.measured:
            yield from _speeds(case, measured, precision)
            yield from _against_limits(case, measured, precision)
            yield from _waiting(case, measured, precision)
    yield from _precisions(case, measured)
    yield from _one_by_one(case, measured)
    others = "share of the cores used by other processes meanwhile"
    conditions = {"section": "inference", **case.conditions}
    yield Finding(others, conditions, measured.rounds.others_share)


def _speeds(case: Case, measured: Measured, precision: Precision) -> Iterator[Finding]:
    """Frames a second by all three timings."""
    conditions, seconds = case.of(precision), measured.rounds.measured[STEP, precision]
    aimed_at = {"precision": "bf16", "objects": 1, "scales": len(case.work.scales[0])}
    is_aimed_at = conditions == aimed_at and has_aims(case.bench, case.work)
    for timing in TIMINGS:
        fps = geometric_mean(1 / seconds[timing])
        quantity = f"frames a second, {timing}"
        frames = {"frames": measured.plan.clip} if timing == CLIP else {}
        if timing == NETWORK and is_aimed_at:
            yield estimate(quantity, conditions, fps, "frames/s", AIMS[0])
            yield estimate(f"{quantity}, second aim", conditions, fps, "frames/s", AIMS[1])
        else:
            yield estimate(quantity, {**conditions, **frames}, fps, "frames/s")


def _against_limits(case: Case, measured: Measured, precision: Precision) -> Iterator[Finding]:
    """How near a step comes to its convolutions alone, and to a large matrix product."""
    conditions, found = case.of(precision), measured.rounds.measured
    seconds = found[STEP, precision][NETWORK]
    rate = measured.operations / seconds
    yield estimate("operations a second", conditions, geometric_mean(rate / 1e12), "TFLOP/s")
    if product := found.get((PRODUCT, precision)):
        share = geometric_mean(rate / product[RATE])
        yield estimate("share of the speed of a large matrix product", conditions, share)
    if alone := found.get((CONVOLUTIONS, precision)):
        fps = geometric_mean(1 / alone[NETWORK])
        quantity = "frames a second, if a step were its convolutions alone"
        yield estimate(quantity, conditions, fps, "frames/s")
        share = ratio(seconds, alone[NETWORK])
        yield estimate("share of a step's time that its convolutions take alone", conditions, share)


def _waiting(case: Case, measured: Measured, precision: Precision) -> Iterator[Finding]:
    """What of a whole clip's time the device spends on computing, and what it waits for else."""
    conditions = {**case.of(precision), "frames": measured.plan.clip}
    shares = measured.rounds.measured[STEP, precision]
    yield estimate(
        "share of a whole clip in which the device waits",
        conditions,
        mean_share(1 - shares[COMPUTING]),
    )
    computing = shares[COMPUTING] * shares[CLIP]
    yield estimate(
        "frames a second, whole clip if the device never waited",
        conditions,
        geometric_mean(1 / computing),
        "frames/s",
    )
    if precision != case.work.precisions[0]:
        return
    for what in WAITING:
        yield estimate(
            f"share of a whole clip in which the device waits for {what}",
            conditions,
            mean_share(shares[what]),
        )
    for kind, told in (("reading", "decoded"), ("writing", "computed and written")):
        what = "frames" if kind == "reading" else "masks"
        yield estimate(
            f"share of a whole clip in which the segmenting thread waits for {what} to be {told}",
            conditions,
            mean_share(shares[kind]),
        )


def _precisions(case: Case, measured: Measured) -> Iterator[Finding]:
    """How many times as fast each precision is as fp32."""
    found = measured.rounds.measured
    *others, exact = case.work.precisions
    if (STEP, exact) not in found:
        return
    for precision in others:
        for timing in TIMINGS if (STEP, precision) in found else ():
            own, first = (found[STEP, p][timing] for p in (precision, exact))
            conditions = {**case.of(precision), "timing": timing}
            yield estimate(f"speed relative to {exact}", conditions, ratio(own, first), "times")


def _one_by_one(case: Case, measured: Measured) -> Iterator[Finding]:
    """How many times as fast objects are in one batch as one after the other."""
    found, fastest = measured.rounds.measured, case.work.precisions[0]
    for name in (ONE_BY_ONE, EAGER):
        if {(STEP, fastest), (name, fastest)} <= found.keys():
            batch, each = (found[n, fastest][NETWORK] for n in (STEP, name))
            is_aimed_at = case.objects == 5 and name == ONE_BY_ONE
            least = BATCH_AIM if is_aimed_at and has_aims(case.bench, case.work) else None
            quantity = f"speed of all objects in one batch, relative to {name}"
            gain = ratio(batch, each)
            yield estimate(quantity, case.of(fastest), gain, "times", least)
