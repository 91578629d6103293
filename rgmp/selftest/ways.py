"""Ways to compute the step, in turns: their speed relative to what is built, and their labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch

from rgmp.config.method import Inference
from rgmp.inference.probes import share_labelled_alike
from rgmp.inference.propagator import Propagator
from rgmp.inference.speed import TimedClip
from rgmp.inference.timing_statistics import geometric_mean, ratio
from rgmp.model.network import RGMP
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.contestants import Contestant, Ready, affordable_frames, made_ready
from rgmp.selftest.finding import Condition, Finding, estimate, failed
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.rounds import MOST, take_turns
from rgmp.selftest.scenes import random_network
from rgmp.selftest.variations import (
    ChannelsFirstPasses,
    StreamedPasses,
    fused,
    unfolded,
)

Maker = Callable[[], Propagator]

BUILT = "as built"
"""The product's own step: a CUDA graph on a GPU, else eager."""
EAGER = "eager"
_SHARE = 0.7
"""Of the time that is left, for the turns; the rest is for the labels."""
_LEAST_FRAMES = 3
_FRAMES_OF_LABELS = 12


def section(bench: Bench) -> Iterator[Finding]:
    """Compare the ways on one object at the paper's scales, in the fastest precision."""
    work = workload.of(bench.device)
    precision, scales = work.precisions[0], work.scales[0]
    network = random_network(work.network, bench.seed).to(bench.device)
    settings = Inference(scales=scales, precision=precision)
    conditions: dict[str, Condition] = {"precision": precision, "scales": len(scales), "objects": 1}
    made = ways(network, settings, bench.device)
    contestants = [
        Contestant(name, {"way": name, **conditions}, make) for name, make in made.items()
    ]
    clip = timed_clip(bench.work / "ways", work.frames + 1, work.size, 1)
    yield from compared(bench, contestants, made[EAGER], clip, _SHARE)


def ways(network: RGMP, settings: Inference, device: torch.device) -> dict[str, Maker]:
    """What makes each way's propagator; what is built comes first."""
    of = partial(Propagator, network, settings, device)
    return {
        BUILT: of,
        "as built, once more": of,
        EAGER: partial(of, graphs=False),
        "scales on streams": partial(of, passes=StreamedPasses),
        "ReLU and shortcut in the convolution": partial(of, passes=fused),
        "channels first": partial(of, passes=ChannelsFirstPasses),
        "batch norm not folded": partial(of, passes=unfolded),
    }


def compared(
    bench: Bench,
    contestants: Sequence[Contestant[Propagator]],
    eager: Maker,
    clip: TimedClip,
    share: float,
) -> Iterator[Finding]:
    """Time the network in turns on a clip, and compare labels with the eager path's.

    Args:
        bench: where.
        contestants: the ways; the first of them is what is built.
        eager: makes a propagator that takes the same step without a CUDA graph.
        clip: that they segment.
        share: of the time that is left once they are warmed up, for the turns.
    """
    ready: dict[str, Ready[Propagator]] = {}
    for outcome in made_ready(bench, "way", contestants, clip):
        if isinstance(outcome, Finding):
            yield outcome
        else:
            ready[outcome.name] = outcome
    seconds = share * bench.seconds_left()
    all_of_them = sum(each.seconds for each in ready.values())
    frames = affordable_frames(MOST * all_of_them, seconds, _LEAST_FRAMES, len(clip.frames) - 1)
    turns = {name: partial(_turn, each, frames) for name, each in ready.items()}
    found = take_turns(bench, turns, seconds)
    built = found.measured.get(contestants[0].name)
    for name, error in found.failures.items():
        yield failed("way", ready[name].conditions, error)
    for name, measured in found.measured.items():
        conditions, own = ready[name].conditions, measured["network"]
        fps = geometric_mean(1 / own)
        yield estimate("frames a second of a way, network only", conditions, fps, "frames/s")
        if built is not None and measured is not built:
            gain = ratio(own, built["network"])
            yield estimate("speed relative to what is built", conditions, gain, "times")
    yield from _labels(eager, [each for name, each in ready.items() if name in found.measured])


def _turn(each: Ready[Propagator], frames: int) -> Mapping[str, float]:
    return {"network": each.network(frames)}


def _labels(eager: Maker, ready: Sequence[Ready[Propagator]]) -> Iterator[Finding]:
    """Whether ways label as the eager path does, which is not compared with itself."""
    for each in ready:
        if each.name != EAGER:
            video = each.clip.frames[: _FRAMES_OF_LABELS + 1], each.clip.labels
            alike = share_labelled_alike(each.propagator, eager(), [video])
            yield Finding("share of pixels labelled as by the eager path", each.conditions, alike)
