"""The training loop of both stages; a killed run resumes and reaches the same bits.

The same on one type of CPU, that is: other types have other kernels and so other last bits.

Source: paper sections 3.2 and 3.3, facts/rgmp.md "Training". Stage 1 is a clip of two frames with
a synthesised previous mask; stage 2 is a longer clip in which the network's own soft mask is fed
back, and the gradient with it (back-propagation through time).
"""

import signal
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from types import FrameType

import torch

from rgmp.data.loader import Samples
from rgmp.model import weights
from rgmp.model.network import RGMP, calibrate
from rgmp.provenance.machine import processor_here
from rgmp.runtime import slurm
from rgmp.runtime.device import gpu_name
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.files import digest_of
from rgmp.runtime.progress import Progress
from rgmp.runtime.signals import OUT_OF_TIME, STOPPING
from rgmp.training.checkpoints import Checkpoints
from rgmp.training.job import TrainingJob
from rgmp.training.journal import Journal
from rgmp.training.moving_average import MovingAverage
from rgmp.training.update import Update

_CALIBRATION_BATCHES = 8


def train(job: TrainingJob, device: torch.device, team: Team = ALONE) -> dict[str, float | str]:
    """Run one training job to its end, resuming from an earlier attempt's checkpoint.

    Args:
        job: what to train, and the files to write. Its `states` are kept until the caller has
            written the record.
        device: where to compute.
        team: the processes of this training run; only its leader writes.

    Returns:
        For the record: `precision` and what `Journal.summary` says.

    Raises:
        UserError: the data or the weights to start from cannot be used, or the loss is not finite.
    """
    settings, machine = job.settings, job.machine
    samples = Samples(job.data, settings, job.seed, machine.decoded_megabytes)
    network = _start(job, samples)
    # makes convolutions faster, on a CPU and on a GPU's tensor cores
    network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    update = Update(network, job, team)
    checkpoints = checkpoints_of(job)
    processors = team.all_of(processor_here(gpu_name(device)))
    curve = job.curve if team.leads else None
    journal = Journal(curve, settings, samples.identity_of, processors)
    ratio = settings.ema_ratio
    average = MovingAverage(network, settings, ratio) if ratio else None
    averaged = average.network if average else None
    state = network, update.optimiser, journal, averaged
    first = checkpoints.resume(*state, team)
    if team.leads and len(journal.processors) > 1:
        _say_that_it_is_mixed(journal.processors)
    total, done = (count * settings.batch for count in (settings.steps, first))
    progress = Progress(f"{job.stage} {job.name}", "samples", total, done)
    drawn = samples.batches(first, device, machine.workers, update.parts, team)
    saved = time.monotonic()
    with _Stop() as stop, closing(drawn) as batches:
        for step, parts, waited in batches:
            journal.add(step, update(step, parts), waited)
            if average:
                average.update(step)
            if team.leads and step + 1 in settings.earlier_checkpoints:
                journal.settle()  # weights that are not finite are not kept
                _save(job, averaged or network, step + 1)
            if team.leads:
                progress.at((step + 1) * settings.batch, f"step {step + 1} loss {journal.loss:.4f}")
            if step + 1 == settings.steps:
                break
            stopping = team.any(stop.asked)
            due = stopping or time.monotonic() - saved > machine.checkpoint_seconds
            if team.leads and due:
                checkpoints.save(step + 1, *state)
                saved = time.monotonic()
                if stopping:
                    print(
                        f"stopped by signal after step {step + 1}; checkpoint saved",
                        file=sys.stderr,
                    )
            if stopping:
                team.any(stopping)  # the leader has saved
                if team.leads and stopping == OUT_OF_TIME:
                    slurm.requeue()
                sys.exit(128 + stopping)
    if team.leads:
        journal.write()
        _save(job, averaged or network)
    return {"precision": update.precision, **journal.summary()}


def _say_that_it_is_mixed(processors: Iterable[str]) -> None:
    print(
        f"computed on several types of processor ({'; '.join(sorted(processors))}): the last bits "
        "of the weights are those of none of them, and tables mark it",
        file=sys.stderr,
    )


def checkpoints_of(job: TrainingJob) -> Checkpoints:
    """The checkpoints of a training job."""
    return Checkpoints(job.states, job.identity)


def _save(job: TrainingJob, network: RGMP, step: int | None = None) -> None:
    """Write the weights that a training run leaves, or those after an earlier step."""
    metadata = {"identity": job.identity, "stage": job.stage, "seed": str(job.seed)}
    if step is None:
        weights.save(job.weights, network, metadata)
    else:
        weights.save(job.checkpoint(step), network, {**metadata, "step": str(step)})


def _start(job: TrainingJob, samples: Samples) -> RGMP:
    """The initial network: with its parent's weights, or a new one."""
    settings = job.network
    if job.parent is not None:
        network = weights.load(job.parent)[0]
        network.settings = settings  # the reference mode may differ in this stage
        return network
    # the same initial weights for every variant of a seed, for paired comparisons
    torch.manual_seed(int(digest_of(["initial weights", job.seed])[:15], 16))
    network = RGMP(settings)
    norms = [m for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if settings.initial_weights is not None:
        norms, absent = weights.load_imagenet(network, settings.initial_weights)
        said = ", ".join(absent) or "nothing"
        print(f"{settings.initial_weights}: not found, left random: {said}", file=sys.stderr)
    _calibrate(network, norms, samples)
    return network


def _calibrate(network: RGMP, norms: list[torch.nn.BatchNorm2d], samples: Samples) -> None:
    """Set the statistics of batch norms that are not pretrained from the first batches."""

    def look_at_the_first_batches() -> None:
        batches = samples.batches(0, torch.device("cpu"))
        for _, (_, (batch,), _) in zip(range(_CALIBRATION_BATCHES), batches, strict=False):
            network.encoder(batch.frames[:, 0], (batch.masks[:, :1] == 1).float())
            network.encoder(batch.frames[:, 1], batch.guidance[:, None])

    if norms:
        calibrate(norms, look_at_the_first_batches)


class _Stop:
    """Records a signal to stop instead of dying, so that the step can finish and be saved."""

    def __init__(self) -> None:
        self.asked = 0

    def __enter__(self) -> "_Stop":
        self._before = {s: signal.signal(s, self._note) for s in STOPPING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = number
