"""Frames a second: by objects, scales and precision; in one batch or not; and what stalls a GPU."""

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from rgmp.config.method import Inference
from rgmp.data import davis
from rgmp.data.images import read_frame
from rgmp.inference.multiscale import Passes
from rgmp.inference.propagator import Propagator, download
from rgmp.inference.segment import Waits, segment_sequence
from rgmp.inference.speed import PropagatorMaker, TimedClip
from rgmp.inference.timing_statistics import geometric_mean, mean
from rgmp.model.network import RGMP
from rgmp.runtime.precisions import Precision
from rgmp.selftest import workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Finding
from rgmp.selftest.made_data import timed_clip
from rgmp.selftest.scenes import random_network
from rgmp.selftest.turns import Contestant, Turn, failed, interval_finding, reason_of, take_turns
from rgmp.selftest.workload import Scales, Workload

AIMS = 350.0, 650.0
"""Frames a second of one object at three scales in bf16: the first aim, and the second."""
AIMED_AT = "H100", "H200"
"""What the names of the cards contain that the aims are for; others have figures alone."""
BATCH_AIM = 4.0
"""How many times as fast five objects are in one batch as one after the other."""

_KINDS = {
    "network": "frames a second, network only",
    "end_to_end": "frames a second, end to end",
    "clip": "frames a second, whole short clip with frame 0",
}
_SHARE_OF_TURNS = 0.3
"""Of the time that is left, for the turns of a precision."""
_CLIPS = 5
"""How often the long clip is segmented."""


def section(bench: Bench) -> Iterator[Finding]:
    """Measure the throughput of inference, the fastest precision first.

    Those of one precision take turns. Precisions do not: fp32 takes so much longer on a GPU that
    the others would get few frames.
    """
    work = workload.of(bench.device)
    network = random_network(work.network, bench.seed)
    clips = [
        timed_clip(bench.work / f"inference-{n}", work.most_frames, work.size, n)
        for n in work.objects
    ]
    for number, precision in enumerate(work.precisions):
        contestants = [*_contestants(bench, work, network, precision)]
        yield from _compared(bench, work, contestants, clips)
        if number:
            continue
        try:
            settings = _settings(work.scales[0], precision)
            yield from _long_clip(bench, work, Propagator(network, settings, bench.device))
        except Exception as error:  # the others go on
            yield failed("whole clip", {"precision": precision}, reason_of(error))


def _compared(
    bench: Bench, work: Workload, contestants: list[Contestant], clips: list[TimedClip]
) -> Iterator[Finding]:
    """The speeds of computations that take turns."""
    turns: list[Turn] = []
    for outcome in take_turns(bench, "inference", contestants, clips, _SHARE_OF_TURNS):
        if isinstance(outcome, Finding):
            yield outcome
            continue
        turns.append(outcome)
        if outcome.contestant.conditions["at once"] == "all":
            yield from _speeds(outcome, work, has_aims=has_aims(bench, work))
    yield from _batches(turns, has_aims=has_aims(bench, work))


def has_aims(bench: Bench, work: Workload) -> bool:
    """Whether speeds have to reach the aims: on a card that they are for, at the paper's sizes."""
    if not bench.on_gpu or not work.is_papers:
        return False
    card = torch.cuda.get_device_name(bench.device)
    return any(name in card for name in AIMED_AT)


def _settings(scales: Scales, precision: Precision) -> Inference:
    return Inference(scales=scales, precision=precision)


def _contestants(
    bench: Bench, work: Workload, network: RGMP, precision: Precision
) -> Iterator[Contestant]:
    """A precision at every set of scales; the fastest of all object by object, too."""
    for scales in work.scales:
        make = partial(Propagator, network, _settings(scales, precision), bench.device)
        conditions = {"precision": precision, "scales": len(scales)}
        yield Contestant({**conditions, "at once": "all"}, PropagatorMaker(make, precision))
        if scales == work.scales[0] and precision == work.precisions[0]:
            each = partial(make, passes=partial(Passes, at_once=1))
            yield Contestant({**conditions, "at once": "one"}, PropagatorMaker(each, precision))


def _conditions(turn: Turn) -> dict[str, str | int | float]:
    kept = ("precision", "scales")
    return {
        **{key: turn.contestant.conditions[key] for key in kept},
        "objects": turn.objects,
    }


def _speeds(turn: Turn, work: Workload, *, has_aims: bool) -> Iterator[Finding]:
    """The three speeds of a computation on a clip, and how near it comes to matrix products."""
    conditions = _conditions(turn)
    aimed_at = {"precision": "bf16", "scales": len(work.scales[0]), "objects": 1}
    is_aimed_at = has_aims and conditions == aimed_at
    for kind, quantity in _KINDS.items():
        fps = turn.fps(kind)
        aims = AIMS if kind == "network" and is_aimed_at else (None,)
        frames = {"frames": int(turn.raw["frames"])} if kind == "clip" else {}
        for number, aim in enumerate(aims, start=1):
            named = quantity if number == 1 else f"{quantity}, aim {number}"
            yield interval_finding(named, {**conditions, **frames}, fps, "frames/s", aim)
    rate = turn.raw["flops_per_frame"] * turn.fps("network").mean
    yield Finding("operations a second", conditions, rate / 1e12, "TFLOP/s")
    product = turn.summary["matmul_flops_per_second"]
    yield Finding("share of the speed of a large matrix product", conditions, rate / product)


def _batches(turns: list[Turn], *, has_aims: bool) -> Iterator[Finding]:
    """How many times as fast objects are in one batch as one after the other."""
    for turn in turns:
        if turn.contestant.conditions["at once"] == "one":
            wanted = {**turn.contestant.conditions, "at once": "all"}
            batch = [
                t for t in turns if t.contestant.conditions == wanted and t.objects == turn.objects
            ]
            for other in batch:
                yield interval_finding(
                    "speed in one batch, relative to object by object",
                    _conditions(turn),
                    other.ratio_to(turn),
                    "times",
                    BATCH_AIM if has_aims and turn.objects == 5 else None,
                )


def _long_clip(bench: Bench, work: Workload, propagator: Propagator) -> Iterator[Finding]:
    """From JPEGs to PNGs: speed, what the segmenting thread waits for, how long a device idles."""
    clip = timed_clip(bench.work / "long", work.clip, work.size, 1)
    conditions: dict[str, str | int | float] = {
        "precision": work.precisions[0],
        "scales": len(work.scales[0]),
        "objects": 1,
        "frames": work.clip,
    }
    rounds = [_clip_round(bench, propagator, clip) for _ in range(1 + _CLIPS)][1:]
    frames = work.clip
    whole = np.array([each["clip"] for each in rounds])
    yield interval_finding(
        "frames a second, whole clip from JPEGs to PNGs",
        conditions,
        geometric_mean(frames / whole),
        "frames/s",
    )
    end_to_end = np.array([each["end_to_end"] for each in rounds])
    pipelined = np.array([each["pipelined"] for each in rounds])
    yield interval_finding(
        "time of a whole clip, relative to the same end to end without a disk",
        conditions,
        geometric_mean(whole / end_to_end),
        "times",
    )
    for kind, told in (("reading", "decoding"), ("writing", "masks to be computed and written")):
        waited = mean([each[kind] / each["clip"] for each in rounds])
        yield interval_finding(f"share of a clip spent waiting for {told}", conditions, waited)
    stalled = mean(np.maximum(1 - pipelined / whole, 0))
    yield interval_finding(
        "share of a clip that reading and writing add to computing", conditions, stalled
    )
    yield from _threads(clip, conditions)


def _clip_round(bench: Bench, propagator: Propagator, clip: TimedClip) -> dict[str, float]:
    """Seconds of a whole clip, and of its parts, one after the other."""

    def pipelined() -> None:
        """What a whole clip computes, with nothing read or written: the next frame never waits."""
        propagator.start(clip.frames[0], clip.labels)
        pending = [download(propagator.step(frame)) for frame in clip.frames[1:]]
        for ready in pending:
            ready()

    def end_to_end() -> None:
        propagator.start(clip.frames[0], clip.labels)
        for frame in clip.frames[1:]:
            download(propagator.step(frame))()

    waits = Waits()

    def whole() -> None:
        nonlocal waits
        with tempfile.TemporaryDirectory(dir=bench.work) as folder:
            waits = segment_sequence(propagator, clip.sequence, Path(folder) / "masks")

    found = {work.__name__: bench.seconds(work) for work in (pipelined, end_to_end, whole)}
    found["clip"] = found.pop("whole")
    return {**found, "reading": waits.reading, "writing": waits.writing}


def _threads(clip: TimedClip, conditions: dict[str, str | int | float]) -> Iterator[Finding]:
    """What one thread decodes and encodes in a second, alone."""
    begun = time.perf_counter()
    for path in clip.sequence.frames:
        read_frame(path)
    rate = len(clip.sequence.frames) / (time.perf_counter() - begun)
    yield Finding("frames that one thread decodes in a second", conditions, rate, "frames/s")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        for number in range(len(clip.frames)):
            davis.write_mask(Path(folder) / f"{number}.png", clip.labels)
        rate = len(clip.frames) / (time.perf_counter() - begun)
    yield Finding("masks that one thread writes in a second", conditions, rate, "masks/s")
    size = np.mean([path.stat().st_size for path in clip.sequence.frames])
    yield Finding("size of a frame's JPEG", conditions, float(size) / 1e3, "kB")
