"""Ways to compute the step, in turns: their speed relative to what is built, and their labels."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch

from rgmp.config.method import Inference
from rgmp.inference.propagator import Propagator
from rgmp.inference.speed import PropagatorMaker
from rgmp.model.network import RGMP
from rgmp.runtime.precisions import Precision
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.scenes import random_network
from rgmp.selftest.turns import Contestant, Turn, interval_finding, take_turns
from rgmp.selftest.variations import (
    ChannelsFirstPasses,
    StreamedPasses,
    fused,
    unfolded,
)
from rgmp.selftest.workload import Workload

BUILT = "as built"
"""The product's own step: a CUDA graph on a GPU, else eager."""

_SHARE_OF_TURNS = 0.3


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


def ways(network: RGMP, settings: Inference, device: torch.device) -> dict[str, PropagatorMaker]:
    """What makes each way's propagator; what is built comes first."""
    of = partial(Propagator, network, settings, device)
    varied: Mapping[str, Callable[[], Propagator]] = {
        "eager": partial(of, graphs=False),
        "scales on streams": partial(of, passes=StreamedPasses),
        "ReLU and shortcut in the convolution": partial(of, passes=fused),
        "channels first": partial(of, passes=ChannelsFirstPasses),
        "batch norm not folded": partial(of, passes=unfolded),
    }
    eager = varied["eager"]
    precision: Precision = settings.precision  # type: ignore[assignment]  # never auto here
    made = {name: PropagatorMaker(make, precision, eager) for name, make in varied.items()}
    return {
        BUILT: PropagatorMaker(of, precision, eager),
        "as built, once more": PropagatorMaker(of, precision, again=True),
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
