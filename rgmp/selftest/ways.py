"""Ways to compute the step, in turns: their speed relative to what is built, and their labels."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch

from rgmp.config.method import Inference
from rgmp.inference.propagator import Propagator
from rgmp.inference.speed import PropagatorMaker
from rgmp.inference.timing_statistics import Interval
from rgmp.model.network import RGMP
from rgmp.runtime.precisions import Precision
from rgmp.runtime.processes import apart
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.scenes import random_network
from rgmp.selftest.turns import Contestant, Turn, interval_finding, reason_of, take_turns
from rgmp.selftest.variations import (
    ChannelsFirstPasses,
    StreamedPasses,
    Varied,
    compiled,
    fused,
    unfolded,
)
from rgmp.selftest.workload import Workload

BUILT = "as built"
"""The product's own step: a CUDA graph on a GPU, else eager."""

_SHARE_OF_TURNS = 0.3
_COMPILE_SECONDS = 75.0
"""Most that compiling may take in all: kernels of every shape are chosen by trying them."""
_LEAST_COMPILE_SECONDS = 25.0
MODES: tuple[str | None, ...] = (None, "max-autotune-no-cudagraphs")
"""Of `torch.compile`; the second tries many more kernels."""


def section(bench: Bench) -> Iterator[Finding]:
    """Compare the ways."""
    work = workload.of(bench.device)
    precision, scales = work.precisions[0], work.scales[0]
    network = random_network(work.network, bench.seed)
    settings = Inference(scales=scales, precision=precision)
    contestants = [
        Contestant({"way": name, "precision": precision, "scales": len(scales)}, maker)
        for name, maker in ways(network, settings, bench.device).items()
    ]
    yield from _compared(bench, work, contestants, _SHARE_OF_TURNS)
    yield from _compiled(bench, precision)


def ways(network: RGMP, settings: Inference, device: torch.device) -> dict[str, PropagatorMaker]:
    """What makes each way's propagator; what is built comes first."""
    varied: Mapping[str, Callable[[], Propagator]] = {
        "eager": partial(Varied, network, settings, device, graph=False),
        "scales on streams": partial(Varied, network, settings, device, passes=StreamedPasses),
        "ReLU and shortcut in the convolution": partial(
            Varied, network, settings, device, passes=fused
        ),
        "channels first": partial(Varied, network, settings, device, passes=ChannelsFirstPasses),
        "batch norm not folded": partial(Varied, network, settings, device, passes=unfolded),
    }
    built, eager = partial(Propagator, network, settings, device), varied["eager"]
    precision: Precision = settings.precision  # type: ignore[assignment]  # never auto here
    made = {name: PropagatorMaker(make, precision, eager) for name, make in varied.items()}
    return {
        BUILT: PropagatorMaker(built, precision, eager),
        "as built, once more": PropagatorMaker(built, precision, again=True),
        **made,
    }


def _compared(
    bench: Bench, work: Workload, contestants: list[Contestant], share: float
) -> Iterator[Finding]:
    """Time ways in turns on one object, and compare their labels with the eager path's."""
    clip = timed_clip(bench.work / "ways", work.most_frames, work.size, 1)
    turns: dict[str, Turn] = {}
    for outcome in take_turns(bench, "ways", contestants, [clip], share):
        if isinstance(outcome, Finding):
            yield outcome
            continue
        turn, conditions = outcome, {**outcome.contestant.conditions, "objects": outcome.objects}
        turns[str(conditions["way"])] = turn
        fps = turn.fps("network")
        yield interval_finding("frames a second, network only", conditions, fps, "frames/s")
        if BUILT in turns and turn is not turns[BUILT]:
            gain = turn.ratio_to(turns[BUILT])
            yield interval_finding("speed relative to what is built", conditions, gain, "times")
        if "labels_as_fp32" in turn.summary:  # here: as the eager path's
            alike = turn.summary["labels_as_fp32"]
            yield Finding("pixels labelled as by the eager path", conditions, alike)


def _compiled(bench: Bench, precision: Precision) -> Iterator[Finding]:
    """The compiled step, at scale 1 alone, in a process that may be ended."""
    conditions = {"precision": precision, "scales": 1, "objects": 1}
    seconds = min(_COMPILE_SECONDS, bench.seconds_left() - 5)
    waiting = [_name(mode) for mode in MODES]
    if seconds < _LEAST_COMPILE_SECONDS:
        reason = f"not tried: {max(seconds, 0):.0f} s are left"
        yield from (Finding(f"{name}: no figure", conditions, reason) for name in waiting)
        return
    reason = f"not ready after {seconds:.0f} s"
    try:
        for finding in apart(partial(compile_and_compare, bench, precision), seconds):
            way = str(finding.conditions["way"])
            waiting = [name for name in waiting if name != way]
            yield finding
    except Exception as error:  # the speeds above stand
        reason = reason_of(error)
    yield from (Finding(f"{name}: no figure", conditions, reason) for name in waiting)


def _name(mode: str | None) -> str:
    return "torch.compile" + (f", {mode}" if mode else "")


def compile_and_compare(bench: Bench, precision: Precision) -> Iterator[Finding]:
    """Compile the step in each mode and time it, in turns with what is built.

    On a GPU both are replayed as CUDA graphs.
    """
    bench.prepare()
    work = workload.of(bench.device)
    network = random_network(work.network, bench.seed)
    settings = Inference(scales=work.scales[1], precision=precision)
    of = partial(Varied, network, settings, bench.device)
    eager = partial(of, graph=False)
    built = PropagatorMaker(partial(Propagator, network, settings, bench.device), precision)
    clip = timed_clip(bench.work / "compiled", work.most_frames, work.size, 1)
    for mode in MODES:
        maker = PropagatorMaker(partial(of, passes=partial(compiled, mode)), precision, eager)
        contestants = [
            Contestant({"way": name, "precision": precision, "scales": 1}, each)
            for name, each in ((BUILT, built), (_name(mode), maker))
        ]
        turns: dict[str, Turn] = {}
        for outcome in take_turns(bench, "compiled", contestants, [clip], 0.1):
            if isinstance(outcome, Finding):
                if "way" in outcome.conditions:
                    yield outcome
                continue
            turns[str(outcome.contestant.conditions["way"])] = outcome
        if {*turns} == {BUILT, _name(mode)}:
            yield from _gain(turns[_name(mode)], turns[BUILT])


def _gain(turn: Turn, built: Turn) -> Iterator[Finding]:
    conditions = {**turn.contestant.conditions, "objects": 1}
    gain: Interval = turn.ratio_to(built)
    yield interval_finding("speed relative to what is built", conditions, gain, "times")
    alike = turn.summary["labels_as_fp32"]
    yield Finding("pixels labelled as by the eager path", conditions, alike)
