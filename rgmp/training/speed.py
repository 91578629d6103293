"""The speed of training: samples per second, share of time waiting for data, memory."""

import math
import time

import torch
from torch import Tensor

from rgmp.data.loader import Samples
from rgmp.errors import UserError
from rgmp.model.network import RGMP
from rgmp.provenance.machine import peak_device_memory
from rgmp.runtime import cores
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.timers import Moments
from rgmp.training.job import TrainingJob
from rgmp.training.update import Update

WARM_UP_STEPS = 2
"""Steps before those that are timed."""

LEAST_STEPS = 4
"""Steps that are timed however long they take."""


def measure(
    job: TrainingJob,
    device: torch.device,
    steps: int,
    *,
    enough: float = math.inf,
    last: bool = True,
    warm_up: int = WARM_UP_STEPS,
    team: Team = ALONE,
) -> dict[str, float]:
    """Train a new network for a few steps and discard it.

    As in training, the outcome of a step is read after the next one was given to the device.

    Args:
        job: what would be trained; none of its files is written.
        device: where to compute.
        steps: how many to time at most, after a warm-up.
        enough: seconds of timed steps after which no more follow, once there are `LEAST_STEPS`; a
            team, whose clocks differ, has none.
        last: whether to time the last steps of the training run, where its clips are longest; else
            the first.
        warm_up: steps before those that are timed; what the loader has drawn ahead of them makes
            their waiting too short, unless they outnumber it.
        team: the processes that share each batch; all of them measure.

    Returns:
        samples_per_second of the team, seconds per step, `waiting`: the share of the time in which
        the device had done a step and had not yet the batch of the next; frames per clip; peak
        memory in bytes: of tensors on the GPU, or of this process without its workers; all that the
        GPU gives for that (`device_memory_bytes`; without one, the same); and the share of the
        machine's cores used by others meanwhile (their use of a GPU is not seen).

    Raises:
        UserError: the data cannot be used, or the training run has too few steps.
    """
    settings = job.settings
    if settings.steps <= warm_up:
        raise UserError(
            f"{job.stage}: has {settings.steps} steps; more than {warm_up} are needed to "
            "measure its speed"
        )
    samples = Samples(job.data, settings, job.seed, job.machine.decoded_megabytes)
    network = RGMP(job.network).train()
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    update = Update(network, job, team)
    first = max(settings.steps - steps - warm_up, 0) if last else 0
    timed, frames, begun, watch = 0, 0, 0.0, cores.Watch()
    moments, outcome = Moments(device), torch.zeros(())
    for step, parts, _ in samples.batches(first, device, job.machine.workers, update.parts, team):
        moments.note()
        outcome = _after(outcome, update(step, parts))
        frames = parts[0].frames.shape[1]
        timed = step - first + 1 - warm_up
        if timed == 0:
            _synchronise(device, team)
            begun, watch, moments = time.perf_counter(), cores.Watch(), Moments(device)
        moments.note()
        if timed == steps or (timed >= LEAST_STEPS and time.perf_counter() - begun >= enough):
            break
    _synchronise(device, team)
    took, others = time.perf_counter() - begun, watch.others_share()
    return {
        "steps": timed,
        "frames": frames,
        "samples_per_second": timed * settings.batch / took,
        "seconds_per_step": took / timed,
        "waiting": sum(moments.seconds()[::2]) / took,  # the others are steps
        "peak_memory_bytes": peak_device_memory(),
        "device_memory_bytes": _taken(device),
        "others_share": others,
    }


def _after(before: Tensor, outcome: Tensor) -> Tensor:
    """The outcome of a step, once that of the step before is there (`rgmp.training.journal`)."""
    before.tolist()
    return outcome


def _taken(device: torch.device) -> int:
    """The most that this process took of the device so far: bytes.

    Of a GPU with what PyTorch kept for later tensors, and what CUDA and other processes hold.
    """
    if device.type != "cuda":
        return peak_device_memory()
    free, total = torch.cuda.mem_get_info(device)
    beside = total - free - torch.cuda.memory_reserved(device)
    return torch.cuda.max_memory_reserved(device) + max(beside, 0)


def _synchronise(device: torch.device, team: Team) -> None:
    """Wait for what the device does, and for the others."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    team.any(0)
