"""What training waits for data: both stages with the product's own loader, at the paper's sizes.

Training is the loop of `rgmp train-speed`. It waits when its device has done a step and has not yet
the batch of the next.
"""

import time
from collections.abc import Generator, Iterator, Mapping
from typing import NamedTuple

import torch

from rgmp.config.base import Stage
from rgmp.data.loader import PREFETCHED, Samples
from rgmp.runtime.precision import rounding
from rgmp.runtime.precisions import Precision
from rgmp.selftest import papers_study, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, at_most, failed
from rgmp.selftest.loading_processes import free_shared_memory
from rgmp.selftest.papers_study import Trained
from rgmp.selftest.training_jobs import in_precision, jobs_of
from rgmp.selftest.workload import Workload
from rgmp.training import speed
from rgmp.training.job import TrainingJob

AIM = 0.02
"""Most of its time that training may spend waiting for data."""
WAITING = "share of training time spent waiting for data"

_TRAINED, _LOADED = 8.0, 4.0
"""Seconds of steps that are timed, and of the loader alone."""
_LATE = 0.9
"""Of a stage's steps, after which the loader alone is judged: there clips are longest."""
_LEAST_TURNS = 4
"""Batches of each loading process, at least, by which the loader alone is judged."""


class _Pace(NamedTuple):
    """How fast a stage trains: seconds of a step, and the share of them that it waits for data."""

    seconds: float
    waiting: float


def section(bench: Bench) -> Iterator[Finding]:
    """Measure waiting in the fastest precision: with that data have to keep up."""
    work, trained = workload.of(bench.device), papers_study.load()
    precision = work.precisions[0]
    paces: dict[Stage, _Pace] = {}
    for stage, job in jobs_of(bench, work, trained).items():
        conditions: dict[str, Condition] = {
            "stage": stage,
            "precision": precision,
            "loading processes": job.machine.workers,
        }
        if not job.machine.workers:
            room = f"{free_shared_memory() / 1e6:.0f} MB of shared memory are free"
            yield Finding("no room for a loading process, training loads itself", conditions, room)
        try:
            paces[stage] = yield from _measured(bench, work, job, precision, conditions)
        except Exception as error:  # the other stage goes on
            yield failed("training with its loader", conditions, error)
        bench.release()
    if len(paces) == 2:
        yield _limited(work, _of_both(trained, paces, precision))


def _measured(
    bench: Bench,
    work: Workload,
    job: TrainingJob,
    precision: Precision,
    conditions: Mapping[str, Condition],
) -> Generator[Finding, None, _Pace]:
    """The loader alone, then training with it: the last steps, whose clips are longest."""
    alone = loader_rate(job)
    yield Finding(
        "samples that the loader gives in a second, alone", conditions, alone, "samples/s"
    )
    with rounding(precision):
        found = speed.measure(
            in_precision(job, precision),
            bench.device,
            work.steps,
            enough=_TRAINED,
            # as many as were drawn ahead of them, and more: those make the waiting too short
            warm_up=speed.WARM_UP_STEPS + PREFETCHED * job.machine.workers,
        )
    described = {
        **conditions,
        "crop": "x".join(map(str, job.settings.crop)),
        "batch": job.settings.batch,
        "frames": int(found["frames"]),
        "steps": int(found["steps"]),
    }
    rate = found["samples_per_second"]
    yield Finding("samples trained on in a second", described, rate, "samples/s")
    rates: dict[str, Condition] = {
        "trained on, samples/s": round(rate, 1),
        "loader alone, samples/s": round(alone, 1),
    }
    yield _limited(work, at_most(WAITING, {**described, **rates}, found["waiting"], AIM))
    if bench.on_gpu:
        peak = found["peak_memory_bytes"] / 1e9
        yield Finding("peak memory of training", described, peak, "GB")
    return _Pace(found["seconds_per_step"], found["waiting"])


def loader_rate(job: TrainingJob) -> float:
    """Samples a second that the loader gives when nobody trains."""
    samples = Samples(job.data, job.settings, job.seed, job.machine.decoded_megabytes)
    processes = max(job.machine.workers, 1)
    ahead = PREFETCHED * processes  # they are drawn while the processes start
    first = int(_LATE * job.settings.steps)
    batches = samples.batches(first, torch.device("cpu"), job.machine.workers)
    for _ in range(ahead):
        next(batches)
    begun, count = time.perf_counter(), 0
    # whole rounds of all processes: each of them draws one batch of a round
    while count < _LEAST_TURNS * processes or time.perf_counter() - begun < _LOADED:
        for _ in range(processes):
            next(batches)
        count += processes
    rate = count * job.settings.batch / (time.perf_counter() - begun)
    batches.close()
    return rate


def _of_both(trained: Trained, paces: Mapping[Stage, _Pace], precision: Precision) -> Finding:
    """What both stages wait together, each by its steps in the paper's study."""
    steps = {"pretrain": trained.full.pretrain.steps, "finetune": trained.full.finetune.steps}
    seconds = {stage: steps[stage] * pace.seconds for stage, pace in paces.items()}
    waited = sum(seconds[stage] * pace.waiting for stage, pace in paces.items())
    conditions: dict[str, Condition] = {
        "stage": "both, by their steps in the paper's study",
        "precision": precision,
    }
    return at_most(WAITING, conditions, waited / sum(seconds.values()), AIM)


def _limited(work: Workload, finding: Finding) -> Finding:
    """The finding, without its limit at other sizes than the paper's."""
    if work.is_papers:
        return finding
    return Finding(finding.quantity, finding.conditions, finding.value, finding.unit)
