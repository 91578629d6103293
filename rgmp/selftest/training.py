"""Samples a second of both stages at the paper's sizes, waiting for data, memory, and gains."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rgmp.config.base import Stage
from rgmp.config.method import Compute, Finetune, Pretrain
from rgmp.config.study import Machine
from rgmp.data.loader import Samples
from rgmp.data.roots import DataRoots
from rgmp.data.sample import Sample
from rgmp.inference.timing_statistics import ratio
from rgmp.model.network import RGMP
from rgmp.provenance.machine import peak_gpu_memory
from rgmp.runtime import cores
from rgmp.runtime.distributed import ALONE
from rgmp.runtime.files import atomic_folder
from rgmp.runtime.precisions import Precision
from rgmp.runtime.processes import apart
from rgmp.selftest import papers_study, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding
from rgmp.selftest.inference import interval_finding
from rgmp.selftest.made_data import write_stills, write_videos
from rgmp.selftest.turns import failed, reason_of
from rgmp.selftest.workload import Workload
from rgmp.training import speed
from rgmp.training.job import TrainingJob
from rgmp.training.update import Update

WAITING_AIM = 0.02
"""Most of a step that may be spent waiting for data."""

_STILL = 375, 500
"""Height and width of a still, as of most of Pascal VOC."""
_FRAMES = 40
_CACHED_MEGABYTES = 16
"""Few: a set as large as DAVIS hardly ever has a frame in the cache, and the made one is small."""
_SECONDS = {"long": 8.0, "short": 3.0}
"""Of timed steps."""
_ROUNDS = 5
_STEPS_OF_A_ROUND = 4
_COMPILE_SECONDS = 90.0
_LEAST_COMPILE_SECONDS = 25.0


class Rate(NamedTuple):
    """How fast one stage trains."""

    seconds_per_step: float
    samples_per_second: float


def section(bench: Bench) -> Iterator[Finding]:
    """Measure training."""
    work = workload.of(bench.device)
    jobs = jobs_of(bench, work)
    trained = papers_study.load()
    for precision in work.precisions:
        steps: dict[str, float] = {}
        for stage, job in jobs.items():
            conditions: dict[str, Condition] = {"stage": stage, "precision": precision}
            try:
                yield from _rate(bench, work, job, conditions, steps)
            except Exception as error:  # the others go on
                yield failed("training", conditions, reason_of(error))
        if work.is_papers and len(steps) == 3:
            yield from _hours(trained, steps, precision)
        if precision == work.precisions[0]:
            yield from _loader(bench, work, jobs)
    for stage, job in jobs.items():
        yield from _gains(bench, work, job, {"stage": stage, "precision": work.precisions[0]})
    yield from _compiled(bench, work)


def jobs_of(bench: Bench, work: Workload) -> dict[Stage, TrainingJob]:
    """A training job of each stage, the longer one first, on made data that are written once.

    Raises:
        UserError: the paper's study is not here.
    """
    method = papers_study.load().full
    root = bench.work / "training"
    if not root.is_dir():
        with atomic_folder(root) as folder:
            names = [f"video{i:02d}" for i in range(work.videos)]
            write_videos(folder / "davis", names, _FRAMES, work.size, 2)
            write_stills(folder / "stills", work.stills, _STILL)
    stills = papers_stills(root)
    first, second = workload.training_of(method, work)
    settings: dict[Stage, Pretrain | Finetune] = {"finetune": second, "pretrain": first}
    workers = max(cores.usable_cores() - 2, 1)
    return {
        stage: TrainingJob(
            identity="selftest",
            seed=bench.seed,
            network=work.network,
            settings=each,
            machine=Machine(workers=workers, decoded_megabytes=_CACHED_MEGABYTES),
            data=DataRoots(davis=root / "davis", stills=(stills,)),
            folder=bench.work / f"trained-{stage}",
        )
        for stage, each in settings.items()
    }
