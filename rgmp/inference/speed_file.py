"""What a speed file says: how every computation of a job was timed, and what came of it."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from rgmp.config.method import Inference
from rgmp.data import davis
from rgmp.data.images import read_frame
from rgmp.inference import speed
from rgmp.inference.job import SpeedJob
from rgmp.inference.propagator import Propagator
from rgmp.model import weights
from rgmp.provenance import machine
from rgmp.runtime import device, precision


def timed_sequences(job: SpeedJob, sequences: list[davis.Sequence]) -> list[davis.Sequence]:
    """The sequences to time, cut to the frames to time."""
    limits = job.limits
    return [
        replace(s, frames=s.frames[: limits.frames], annotations=s.annotations[:1])
        for s in speed.choose_sequences(sequences, job.videos.benchmark, limits.sequences)
    ]


def measure(job: SpeedJob, sequences: list[davis.Sequence]) -> dict[str, Any]:
    """The content of the speed file: what was timed and how, raw seconds, their summary."""
    benchmark = job.videos.benchmark
    clips = [
        speed.TimedClip(
            s,
            [read_frame(path) for path in s.frames],
            davis.read_annotation(s.annotations[0], benchmark),
        )
        for s in sequences
    ]
    makers, settings = zip(*_makers(job), strict=True)
    measured = speed.measure(makers, clips, benchmark, job.limits)
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
        "benchmark": benchmark,
        "seed": job.seed,
        "device": machine.device_of(machine.this_machine()),
        "threads": torch.get_num_threads(),
        **measured,
        "computations": described,
    }


def _makers(job: SpeedJob) -> Iterator[tuple[speed.PropagatorMaker, Inference]]:
    """What is to be timed, and the settings with the precision that `auto` stands for."""
    chosen = device.choose(job.device, job.threads)  # alone on it
    for computation in job.computations:
        network, _ = weights.load(computation.weights)
        settings = computation.settings
        settled = precision.choose(settings.precision, chosen, training=False)
        of = {p: settings.model_copy(update={"precision": p}) for p in (settled, "fp32")}
        make, exact = (partial(Propagator, network, of[p], chosen) for p in (settled, "fp32"))
        yield (
            speed.PropagatorMaker(
                make, settled, None if settled == "fp32" else exact, computation.again
            ),
            of[settled],
        )
