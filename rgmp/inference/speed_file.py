"""What a speed file says: how every computation of a job was timed, and what came of it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from rgmp.config.method import Inference
from rgmp.data.davis import VOID
from rgmp.data.images import Labels, read_frame
from rgmp.data.sequence import Sequence
from rgmp.inference import speed
from rgmp.inference.job import SpeedJob
from rgmp.inference.propagator import Propagator
from rgmp.model import weights
from rgmp.provenance import machine
from rgmp.runtime import device, precision


def timed_sequences(job: SpeedJob, sequences: list[Sequence]) -> list[Sequence]:
    """The sequences to time, cut to the frames to time, from the first that gives an object on."""
    chosen = speed.choose_sequences(sequences, job.limits.sequences)
    return [_cut(sequence.as_given, job.limits.frames) for sequence in chosen]


def _cut(sequence: Sequence, count: int) -> Sequence:
    """A sequence with that many frames and its first annotation."""
    first = sequence.names.index(sequence.annotated[0])
    frames = sequence.frames[first : first + count]
    return replace(sequence, frames=frames, annotations=sequence.annotations[:1])


def _counted(sequence: Sequence) -> Labels:
    """What the first annotation gives, uint8 (H, W), with the ids 1, 2, ... in place of its own."""
    table = np.zeros(VOID + 1, dtype=np.uint8)
    table[[*sequence.objects]] = range(1, len(sequence.objects) + 1)
    found: Labels = table[sequence.read_given(0)]
    return found


def measure(job: SpeedJob, sequences: list[Sequence]) -> dict[str, Any]:
    """The content of the speed file: what was timed and how, raw seconds, their summary."""
    clips = [
        speed.TimedClip(
            s,
            [read_frame(path) for path in s.frames],
            _counted(s),
        )
        for s in sequences
    ]
    makers, settings = zip(*computations_of(job), strict=True)
    measured = speed.measure(makers, clips, job.limits)
    described = [
        {
            **computation.model_dump(include={"name", "identity", "again"}),
            **settled.model_dump(mode="json"),
            **timed,
        }
        for computation, settled, timed in zip(
            job.computations, settings, measured["computations"], strict=True
        )
    ]
    return {
        "benchmark": job.videos.benchmark,
        "seed": job.seed,
        "device": machine.device_of(machine.this_machine()),
        "threads": torch.get_num_threads(),
        **measured,
        "computations": described,
    }


def computations_of(job: SpeedJob) -> Iterator[tuple[speed.PropagatorMaker, Inference]]:
    """What is to be timed, and the settings with the precision that `auto` stands for."""
    chosen = device.choose(job.device, job.threads)  # alone on it
    settle = cache(partial(precision.choose, device=chosen, training=False))
    for computation in job.computations:
        network, _ = weights.load(computation.weights)
        settings = computation.settings
        settled = settle(settings.precision)
        of = {p: settings.model_copy(update={"precision": p}) for p in (settled, "fp32")}
        make, exact = (partial(Propagator, network, of[p], chosen) for p in (settled, "fp32"))
        yield (
            speed.PropagatorMaker(
                make, settled, None if settled == "fp32" else exact, computation.again
            ),
            of[settled],
        )
