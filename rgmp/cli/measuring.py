"""What `rgmp plan --measure` tries out here: a few steps of each training, some of the videos.

Each measurement is made in a process of its own, as the workflow's jobs are, or in as many as share
the batches of a training run: so it has its own peak of memory, and its own start. On a CPU as many
run at once as the workflow would run, since jobs that share a core slow each other down; one
training is also measured alone, which says by how much. Nothing is written but into a temporary
folder.
"""

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import psutil

from rgmp.config.method import Finetune
from rgmp.config.study import Device
from rgmp.inference.job import InferenceJob
from rgmp.runtime import cores, processes
from rgmp.runtime.digest_cache import Digests
from rgmp.runtime.files import files_below
from rgmp.study import layout
from rgmp.study.costs import Cost, Costs, Slowdown
from rgmp.study.evaluation_job import EvaluationJob
from rgmp.study.jobs import evaluation_cost, render_cost, size_of, training_cost
from rgmp.study.plan import Plan
from rgmp.study.planned import Training
from rgmp.training.job import TrainingJob

_STEPS = 200
"""Most steps that are timed of a training run."""
_SECONDS = 8.0
"""How long steps of a training run are timed at most, as far as that makes a few.

The first ones wait for data, until a cache has what every image takes to decode: ten steps of the
embedded benchmark took 1.4 times as long each as all the 400.
"""
_STEPS_OF_TEAM = 20
"""Most steps that are timed of one by several processes: their clocks differ, so time is no end."""
_ONE_SEQUENCE_IN = 10
"""How many sequences there are for one that is segmented and scored, if there are two."""

_SOURCE = "a measurement here"


class Tried(NamedTuple):
    """What a process measured.

    Attributes:
        startup: seconds from its start to the first unit of work.
        each: seconds per unit.
        memory_bytes: its peak, of the GPU or of itself.
        disk_bytes: what a job leaves: weights; or masks, per unit.
        gradient_bytes: those of a training run; each of several processes keeps them for the
            others from one step to the next, where one alone frees them before the next.
        of_part: whether it is of one process's part of each batch, as all cannot run here.
    """

    startup: float
    each: float
    memory_bytes: int
    disk_bytes: float
    gradient_bytes: int = 0
    of_part: bool = False


Work = Callable[[], Tried]
"""A measurement, which can be sent to another process."""


def measure(plan: Plan, folder: Path, device: str, *, on_gpu: bool) -> Costs:
    """Measure what training and evaluation of a study cost on this machine.

    The embedded benchmark is rendered for it, and that timed, where the study has not done it yet.

    Args:
        plan: of the study.
        folder: of the study; nothing is written there.
        device: what the costs are said to be of.
        on_gpu: whether it is a GPU.

    Raises:
        UserError: the data cannot be used, or the GPU is not there.
    """
    watch = cores.Watch()
    with data_of(plan, folder) as (place, rendered):
        measuring = _Measuring(plan, place, on_gpu=on_gpu)
        known = {**rendered, **measuring.trainings(), **measuring.evaluations()}
        slowdown = None if on_gpu else measuring.slowdown()
        others = watch.others_share()
        return Costs(device=device, known=known, slowdown=slowdown, others_share=others)


@contextmanager
def data_of(plan: Plan, folder: Path) -> Iterator[tuple[Path, dict[str, Cost]]]:
    """A folder below which a study finds its data: its own, or a temporary one.

    Yields:
        The folder; and the cost of rendering the embedded benchmark, if that had to be done.
    """
    if not plan.embedded or (folder / layout.DATA).is_dir():
        yield folder, {}
        return
    with tempfile.TemporaryDirectory(prefix="rgmp-plan-") as temporary:
        yield Path(temporary), {render_cost(): _render(plan, Path(temporary))}


def _render(plan: Plan, here: Path) -> Cost:
    """Render the embedded benchmark and time it: it takes every core and runs alone."""
    from rgmp.minidavis import generate

    began, out = time.perf_counter(), here / layout.DATA
    generate.render(out, plan.data.mini_seed or 0, processes=cores.usable_cores())
    took = time.perf_counter() - began
    size = sum(path.stat().st_size for path in files_below(out))
    return Cost(fixed=0, each=took, disk_fixed=size, source=_SOURCE)


class _Measuring:
    """Measurements of a plan whose data lie below `place`, as many at once as will run."""

    def __init__(self, plan: Plan, place: Path, *, on_gpu: bool) -> None:
        self._plan, self._place = plan, place
        self._at_once = self._jobs_at_once(1, on_gpu=on_gpu)
        self._trained_at_once = self._jobs_at_once(plan.machine.processes, on_gpu=on_gpu)
        self._factor = 1.0

    def _jobs_at_once(self, processes: int, *, on_gpu: bool) -> int:
        """How many jobs of so many processes share a GPU, or the cores; several share none."""
        if on_gpu:
            return self._plan.machine.jobs_per_gpu if processes == 1 else 1
        threads = max(variant.threads for variant in self._plan.variants)
        return max(cores.usable_cores() // (threads * processes), 1)

    def trainings(self) -> dict[str, Cost]:
        """The costs of all training runs: the mean of their first and their last steps.

        Clips grow evenly from the first step to the last, so that is the mean over all steps.
        """
        distinct = distinct_trainings(self._plan)
        found = {}
        for number, (cost, training) in enumerate(distinct.items()):
            job, name = self._plan.job(training, self._place), f"{training.stage} {training.slug}"
            most = max(min(_STEPS, job.settings.steps // 2), 1)  # from the second half
            last = partial(try_training, job, most, _SECONDS)
            tried = side_by_side(name, last, self._trained_at_once)
            each = fmean(one.each for one in tried)
            if not number and self._trained_at_once > 1:
                (alone,) = side_by_side(f"{name}, alone", last, 1)
                self._factor = max(each / alone.each, 1.0)
            if _grows(training):
                first = partial(try_training, job, most, _SECONDS, last=False)
                early = side_by_side(f"{name}, first steps", first, self._trained_at_once)
                each = fmean([each, fmean(one.each for one in early)])
            found[cost] = self._cost(tried, each, disk_fixed=tried[0].disk_bytes)
        return found

    def evaluations(self) -> dict[str, Cost]:
        """The costs of all evaluations, on some of the sequences and with untrained networks."""
        distinct = {
            evaluation_cost(self._plan, variants, step): (variants, step)
            for variants in self._plan.sharing.values()
            for step in (*self._plan.earlier_checkpoints(variants[0]), None)
        }
        found = {}
        for cost, (variants, step) in distinct.items():
            name = layout.evaluation(variants[0].name, variants[0].runs[0].seed, step)
            work = partial(try_evaluation, self._plan, name, variants[0].threads, self._place)
            tried = side_by_side(f"evaluate {name}", work, self._at_once)
            each, left = fmean(one.each for one in tried), tried[0].disk_bytes
            found[cost] = self._cost(tried, each, disk_fixed=0.0, disk_each=left)
        return found

    def slowdown(self) -> Slowdown | None:
        """How much slower jobs are side by side; None: none are."""
        if self._trained_at_once == 1:
            return None
        return Slowdown(at_once=self._trained_at_once, factor=self._factor)

    def _cost(self, tried: list[Tried], each: float, **disk: float) -> Cost:
        return Cost(
            fixed=fmean(one.startup for one in tried),
            each=each,
            at_once=len(tried),
            of_part=tried[0].of_part,
            memory_bytes=max(one.memory_bytes for one in tried),
            source=_SOURCE,
            **disk,
        )


def distinct_trainings(plan: Plan) -> dict[str, Training]:
    """The first training run of each cost, in the order of the plan."""
    return {training_cost(plan, t): t for t in reversed(plan.trainings)}


def _grows(training: Training) -> bool:
    """Whether clips are longer in the last steps than in the first."""
    settings = training.settings
    return isinstance(settings, Finetune) and settings.frames[0] < settings.frames[1]


def side_by_side(name: str, work: Work, count: int) -> list[Tried]:
    """Measure in several processes of their own at once, and say so.

    Raises:
        UserError: as the work.
    """
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    return processes.side_by_side(work, count)


def try_training(
    job: TrainingJob, steps: int, enough: float = math.inf, *, last: bool = True
) -> Tried:
    """Time some steps of a training run, by as many processes as share its batches.

    Where there are GPUs, but fewer, it is one process's part of each batch that is timed.

    Raises:
        UserError: the data cannot be used, or the GPU is not there.
    """
    processes = job.machine.processes
    if processes == 1:
        return _try_alone(job, steps, enough, last=last)
    if _has_room(job.machine.device, processes):
        return _try_team(job, min(steps, _STEPS_OF_TEAM), last=last)
    tried = _try_alone(_part_of(job), steps, enough, last=last)
    return tried._replace(
        each=tried.each / processes,
        memory_bytes=tried.memory_bytes + tried.gradient_bytes,
        of_part=True,
    )


def _has_room(device: Device, processes: int) -> bool:
    """Whether so many processes can run here: on a CPU they share it."""
    from torch import cuda

    return device == "cpu" or not cuda.is_available() or cuda.device_count() >= processes


def _part_of(job: TrainingJob) -> TrainingJob:
    """A training run on the part of each batch that one of its processes has."""
    settings, machine = job.settings, job.machine
    update = {
        "settings": settings.model_copy(update={"batch": settings.batch // machine.processes}),
        "machine": machine.model_copy(update={"processes": 1}),
    }
    return job.model_copy(update=update)


def _try_alone(job: TrainingJob, steps: int, enough: float, *, last: bool) -> Tried:
    """Time steps in this process alone (`rgmp.training.speed`)."""
    from rgmp.runtime import device
    from rgmp.training import speed

    threads = cores.threads(job.compute.threads)
    chosen = device.choose(job.machine.device, threads, job.machine.jobs_per_gpu)
    measured = speed.measure(job, chosen, steps, enough=enough, last=last)
    timed = (measured["steps"] + speed.WARM_UP_STEPS) * measured["seconds_per_step"]
    return _tried(job, timed, measured["samples_per_second"], measured["device_memory_bytes"])


def _try_team(job: TrainingJob, steps: int, *, last: bool) -> Tried:
    """Time steps in processes that share each batch (`rgmp.training.scaling`)."""
    from rgmp.training import scaling, speed

    (measured,) = scaling.measure(job, steps, [job.machine.processes], last=last)
    samples = (steps + speed.WARM_UP_STEPS) * job.settings.batch
    timed = samples / measured.samples_per_second
    return _tried(job, timed, measured.samples_per_second, measured.memory_bytes)


def _tried(job: TrainingJob, timed: float, samples_per_second: float, memory: float) -> Tried:
    """What was measured of a training run, of which this process has spent `timed` seconds."""
    from rgmp.model.network import RGMP

    network = RGMP(job.network)
    return Tried(
        startup=max(_age() - timed, 0.0),
        each=1 / samples_per_second,
        memory_bytes=int(memory),
        disk_bytes=sum(tensor.nbytes for tensor in network.state_dict().values()),
        gradient_bytes=sum(p.nbytes for p in network.parameters() if p.requires_grad),
    )


def try_evaluation(plan: Plan, name: str, threads: int, place: Path) -> Tried:
    """Segment and score some sequences as an evaluation does, in this process alone."""
    from rgmp.inference.evaluation import Evaluation
    from rgmp.provenance.machine import peak_device_memory

    with tempfile.TemporaryDirectory(prefix="rgmp-plan-") as temporary, redirect_stderr(StringIO()):
        own = Path(temporary)
        job = _on_some_sequences(plan.evaluation_of(name, place), _untrained(plan, name, own), own)
        evaluation = Evaluation(own, job.runs, job.unscored, cores.threads(threads), Digests())
        startup, began = _age(), time.perf_counter()
        evaluation.run()
        took = time.perf_counter() - began
        scored = {i.videos.benchmark: size_of(plan, i.videos) for i, _ in job.runs}
        withheld = (size_of(plan, i.videos) for i in job.unscored[:1])
        units = sum((*scored.values(), *withheld))
        left = sum(path.stat().st_size for path in files_below(job.runs[0][0].masks))
    return Tried(startup, took / units, peak_device_memory(), left / units)


def _untrained(plan: Plan, name: str, folder: Path) -> Path:
    """The weights of an evaluation: a given file, or new ones of the network that is trained."""
    from rgmp.model import weights
    from rgmp.model.network import RGMP

    run = plan.inferences[plan.evaluations[name][0]].run
    if not run.trainings:
        return run.weights
    file = folder / "weights.safetensors"
    weights.save(file, RGMP(plan.training(run.trainings[-1]).network), {})
    return file


def _on_some_sequences(job: EvaluationJob, weights: Path, folder: Path) -> EvaluationJob:
    """An evaluation of given weights on a few sequences, with files in a folder of its own."""
    runs = []
    for number, (inference, scoring) in enumerate(job.runs):
        some = _segmenting_some(inference, weights, folder)
        made = {"videos": some.videos, "record": None, "source": some.masks}
        runs.append((some, scoring.model_copy(update={**made, "out": folder / f"{number}.csv"})))
    unscored = (_segmenting_some(inference, weights, folder) for inference in job.unscored)
    return EvaluationJob(runs=tuple(runs), unscored=tuple(unscored))


def _segmenting_some(job: InferenceJob, weights: Path, folder: Path) -> InferenceJob:
    """What is segmented of a few sequences, with masks in a folder of its own."""
    some = job.videos.model_copy(update={"sequences": _some(job.videos.names())})
    made = {"videos": some, "record": None, "weights": weights, "masks": folder / layout.MASKS}
    return job.model_copy(update=made)


def _some(names: list[str]) -> tuple[str, ...]:
    """A share of the sequences, spread over the split, and at least two where there are two."""
    count = min(max(len(names) // _ONE_SEQUENCE_IN, 2), len(names))
    return tuple(names[number * len(names) // count] for number in range(count))


def _age() -> float:
    """Seconds since this process was started."""
    return time.time() - psutil.Process().create_time()
