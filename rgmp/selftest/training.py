"""Samples a second of both stages at the paper's sizes, waiting for data, memory, and gains."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rgmp.config.base import Stage
from rgmp.config.method import Compute, Finetune, Pretrain
from rgmp.config.study import Machine
from rgmp.data.loader import PREFETCHED, Samples
from rgmp.data.roots import DataRoots
from rgmp.data.sample import Sample
from rgmp.inference.timing_statistics import ratio
from rgmp.model.network import RGMP
from rgmp.provenance.machine import peak_device_memory
from rgmp.runtime import cores
from rgmp.runtime.distributed import ALONE
from rgmp.runtime.files import atomic_folder
from rgmp.runtime.precisions import Precision
from rgmp.selftest import papers_study, workload
from rgmp.selftest.bench import Bench
from rgmp.selftest.finding import Condition, Finding, at_most
from rgmp.selftest.loading_processes import affordable_workers
from rgmp.selftest.made_data import stills_in, write_stills, write_videos
from rgmp.selftest.papers_study import Trained
from rgmp.selftest.turns import failed, interval_finding, reason_of
from rgmp.selftest.workload import Workload
from rgmp.training import speed
from rgmp.training.job import TrainingJob
from rgmp.training.update import Update

WAITING_AIM = 0.02
"""Most of the time that training may spend waiting for data."""

_STILL = 375, 500
"""Height and width of a still, as of most of Pascal VOC."""
_FRAMES_OF_A_VIDEO = 40
_CACHED_MEGABYTES = 16
"""Few: of a set as large as DAVIS hardly a frame is in the cache, and the made one is small."""
_LONG, _SHORT = 8.0, 3.0
"""Seconds of timed steps: where waiting for data is looked at, and elsewhere."""
_LOADED = {"cuda": 40, "cpu": 10}
"""Batches that the loader draws alone, by device."""
_LEAST_ROUNDS = 4
"""However little time there is: an interval of two would be 12.7 standard errors wide."""
_SHARE_OF_ROUNDS = 0.5
"""Of the time that is left, for the rounds of a stage."""


class Variation(NamedTuple):
    """Something that may make training faster or smaller, on top of what is built or without it.

    Attributes:
        name: of it.
        prepare: changes a network before it is trained, in place.
        fused: whether the optimiser is one kernel for all parameters.
        recompute: whether activations are computed again in the backward pass.
    """

    name: str
    prepare: Callable[[RGMP], None] = lambda _: None
    fused: bool = False
    recompute: bool = False


def _channels_first(network: RGMP) -> None:
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()


def _compile(network: RGMP) -> None:
    network.reference = torch.compile(network.reference, dynamic=False)  # type: ignore[method-assign]
    network.heads = torch.compile(network.heads, dynamic=False)  # type: ignore[method-assign]


BUILT = Variation("as built")
VARIATIONS = (
    Variation("as built, once more"),
    Variation("channels first", prepare=_channels_first),
    Variation("fused optimiser", fused=True),
    Variation("recomputed activations", recompute=True),
)
COMPILED = Variation("torch.compile", prepare=_compile)


def section(bench: Bench) -> Iterator[Finding]:
    """Measure training: the fastest precision first, since data has to keep up with that."""
    work = workload.of(bench.device)
    trained = papers_study.load()
    jobs = jobs_of(bench, work, trained)
    for number, precision in enumerate(work.precisions):
        took: dict[str, float] = {}
        for stage, job in jobs.items():
            conditions: dict[str, Condition] = {"stage": stage, "precision": precision}
            try:
                seconds = _SHORT if number else _LONG
                took |= yield from _rate(bench, work, job, precision, seconds, conditions)
            except Exception as error:  # the others go on
                yield failed("training", conditions, reason_of(error))
        if work.is_papers and {*took} == {"pretrain", "finetune, first", "finetune, last"}:
            yield from _hours(trained, took, precision)
        if not number:
            for stage, job in jobs.items():
                yield _loading(bench, job, stage)
    for stage, job in jobs.items():
        yield from compared(bench, work, job, stage, VARIATIONS)


def jobs_of(bench: Bench, work: Workload, trained: Trained) -> dict[Stage, TrainingJob]:
    """A training job of each stage, the longer one first, on made data that are written once."""
    root = bench.work / "training"
    if not root.is_dir():
        with atomic_folder(root) as folder:
            write_videos(folder / "davis", work.videos, _FRAMES_OF_A_VIDEO, work.size, 2)
            write_stills(folder / "stills", work.stills, _STILL)
    first, second = workload.training_of(trained.full, work)
    settings: dict[Stage, Pretrain | Finetune] = {"finetune": second, "pretrain": first}
    return {
        stage: TrainingJob(
            identity="selftest",
            seed=bench.seed,
            network=work.network,
            settings=each,
            machine=Machine(
                workers=affordable_workers(each, cores.usable_cores() - 2),
                decoded_megabytes=_CACHED_MEGABYTES,
            ),
            data=DataRoots(davis=root / "davis", stills=(stills_in(root / "stills"),)),
            folder=bench.work / f"trained-{stage}",
        )
        for stage, each in settings.items()
    }


def in_precision(job: TrainingJob, precision: Precision) -> TrainingJob:
    """The same in another precision; tf32 is fp32 within `rounding`."""
    settled = "bf16" if precision == "bf16" else "fp32"
    return job.model_copy(update={"compute": Compute(precision=settled)})


@contextmanager
def rounding(precision: Precision) -> Iterator[None]:
    """A block in which the products of fp32 are rounded as tf32 has them, or are not."""
    convolutions, products = torch.backends.cudnn, torch.backends.cuda.matmul
    before = convolutions.allow_tf32, products.allow_tf32
    convolutions.allow_tf32 = products.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        convolutions.allow_tf32, products.allow_tf32 = before


def _rate(
    bench: Bench,
    work: Workload,
    job: TrainingJob,
    precision: Precision,
    seconds: float,
    conditions: Mapping[str, Condition],
) -> Generator[Finding, None, dict[str, float]]:
    """How fast a stage trains with its loader.

    Clips grow over stage 2: its last steps are the longest, and its first ones the shortest.

    Returns:
        Seconds per step, of stage 2 those of its last and of its first steps.
    """
    took: dict[str, float] = {}
    for when in ("last",) if job.stage == "pretrain" else ("last", "first"):
        if bench.on_gpu:
            torch.cuda.reset_peak_memory_stats(bench.device)
        with rounding(precision):
            found = speed.measure(
                in_precision(job, precision),
                bench.device,
                work.steps,
                enough=seconds if when == "last" else _SHORT,
                last=when == "last",
                warm_up=speed.WARM_UP_STEPS + PREFETCHED * job.machine.workers,
            )
        key = job.stage if job.stage == "pretrain" else f"{job.stage}, {when}"
        took[key] = found["seconds_per_step"]
        described = {
            **conditions,
            "crop": "x".join(map(str, job.settings.crop)),
            "batch": job.settings.batch,
            "frames": int(found["frames"]),
        }
        rate = found["samples_per_second"]
        yield Finding("samples trained on in a second", described, rate, "samples/s")
        if when == "last":
            waiting = at_most(
                "share of training spent waiting for data",
                {**described, "workers": job.machine.workers, "steps": int(found["steps"])},
                found["waiting"],
                WAITING_AIM,
            )
            yield waiting if work.is_papers else _without_limit(waiting)
            peak = found["peak_memory_bytes"] / 1e9
            yield Finding("peak memory of training", described, peak, "GB")
    return took


def _without_limit(finding: Finding) -> Finding:
    """The same as a figure alone: limits are about the paper's sizes."""
    return Finding(finding.quantity, finding.conditions, finding.value, finding.unit)


def _hours(trained: Trained, took: Mapping[str, float], precision: Precision) -> Iterator[Finding]:
    """How long the paper's study trains at this rate, on one GPU."""
    grown = (took["finetune, first"] + took["finetune, last"]) / 2
    steps = {"pretrain": trained.full.pretrain.steps, "finetune": trained.full.finetune.steps}
    hours = {
        "pretrain": steps["pretrain"] * took["pretrain"] / 3600,
        "finetune": steps["finetune"] * grown / 3600,
    }
    for stage, each in hours.items():
        conditions: dict[str, Condition] = {"stage": stage, "precision": precision}
        conditions["steps"] = steps[stage]
        yield Finding("hours of a training run of the paper's study", conditions, each, "h")
    runs = {f"runs of {stage}": count for stage, count in trained.runs.items()}
    yield Finding(
        "hours of training of the paper's study, if every run took as long as full's",
        {"precision": precision, **runs},
        sum(hours[stage] * count for stage, count in trained.runs.items()),
        "h",
    )


def _loading(bench: Bench, job: TrainingJob, stage: Stage) -> Finding:
    """How many samples a second the loader gives when nobody trains."""
    samples = Samples(job.data, job.settings, job.seed, job.machine.decoded_megabytes)
    count = _LOADED[bench.device.type]
    ahead = PREFETCHED * job.machine.workers + 1
    first = job.settings.steps - count - ahead
    batches = samples.batches(first, torch.device("cpu"), job.machine.workers)
    for _ in range(ahead):  # the start of the workers, and what they draw before it is asked for
        next(batches)
    begun = time.perf_counter()
    for _ in range(count):
        next(batches)
    rate = count * job.settings.batch / (time.perf_counter() - begun)
    conditions = {"stage": stage, "workers": job.machine.workers}
    return Finding(
        "samples that the loader gives in a second, alone", conditions, rate, "samples/s"
    )


def compared(
    bench: Bench,
    work: Workload,
    job: TrainingJob,
    stage: Stage,
    variations: tuple[Variation, ...],
) -> Iterator[Finding]:
    """What each variation gains, in turns with what is built, on one batch on the device."""
    precision = work.precisions[0]
    conditions: dict[str, Condition] = {"stage": stage, "precision": precision}
    with rounding(precision):
        running: dict[str, _Run] = {}
        for variation in (BUILT, *variations):
            try:
                running[variation.name] = _Run(bench, in_precision(job, precision), variation)
            except Exception as error:  # the others go on
                where = {**conditions, "variation": variation.name}
                yield failed("training step", where, reason_of(error))
        if BUILT.name not in running:
            return
        rows: list[dict[str, float]] = []
        trial = bench.seconds(lambda: [run.seconds(1) for run in running.values()])
        given = _SHARE_OF_ROUNDS * bench.seconds_left()
        steps = affordable_steps(trial, given, work)
        while len(rows) < _LEAST_ROUNDS or (len(rows) < work.rounds and bench.seconds_left() > 0):
            rows.append({name: run.seconds(steps) for name, run in running.items()})
    took: dict[str, NDArray[np.float64]] = {
        name: np.array([row[name] for row in rows]) for name in running
    }
    built = running.pop(BUILT.name)
    rate = job.settings.batch / float(np.median(took[BUILT.name]))
    yield Finding("samples trained on in a second, without a loader", conditions, rate, "samples/s")
    for name, run in running.items():
        where = {**conditions, "variation": name}
        gain = ratio(took[name], took[BUILT.name])
        yield interval_finding("speed of a step relative to what is built", where, gain, "times")
        if bench.on_gpu:
            memory = run.peak / built.peak
            yield Finding("memory of a step relative to what is built", where, memory, "times")


def affordable_steps(trial: float, given: float, work: Workload) -> int:
    """How many steps of a round there is time for.

    Args:
        trial: seconds of a round of one step, which has another before it that is not counted.
        given: seconds for all rounds.
        work: its rounds, and the most steps of one.
    """
    affordable = 2 * given / (max(work.rounds, _LEAST_ROUNDS) * trial) - 1
    return int(np.clip(affordable, 1, work.steps_of_a_round))


class _Run:
    """A network in training on one batch, which stays on the device; warmed up."""

    def __init__(self, bench: Bench, job: TrainingJob, variation: Variation) -> None:
        if variation.recompute:
            machine = job.machine.model_copy(update={"recompute_activations": True})
            job = job.model_copy(update={"machine": machine})
        torch.manual_seed(job.seed)
        network = RGMP(job.network).train()
        network = network.to(bench.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        variation.prepare(network)
        self._update, self._bench, self._step = Update(network, job, ALONE), bench, 0
        if variation.fused:
            for group in self._update.optimiser.param_groups:
                group["fused"], group["foreach"] = True, False
        samples = Samples(job.data, job.settings, job.seed, job.machine.decoded_megabytes)
        drawn = samples.of_step(job.settings.steps - 1, job.settings.batch)
        self._batch = Sample(*(tensor.to(bench.device) for tensor in drawn))
        self._train()
        bench.synchronise()
        before = 0
        if bench.on_gpu:
            torch.cuda.reset_peak_memory_stats(bench.device)
            before = torch.cuda.memory_allocated(bench.device)
        self._train()
        bench.synchronise()
        self.peak = peak_device_memory() - before
        """Bytes that a step takes on top of weights, optimiser and batch: of a GPU."""

    def _train(self) -> None:
        self._update(self._step, [self._batch])
        self._step += 1

    def seconds(self, steps: int) -> float:
        """Seconds of a step, over so many, after one that is not counted."""
        self._train()

        def run() -> None:
            for _ in range(steps):
                self._train()

        return self._bench.seconds(run) / steps
