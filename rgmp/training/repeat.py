"""The earlier checkpoints of a finished training run that did not keep them: it is run once more.

A training run repeats bit by bit on a CPU of one type, and is known by its last weights: where the
repeated run ends with the same, its checkpoints are those of the finished one, whose files are not
touched. It runs, and resumes, in a folder of its own below.
"""

import shutil
from collections.abc import Callable, Sequence

import torch

from rgmp.errors import UserError
from rgmp.provenance.machine import (
    Determinism,
    MachineInfo,
    determinism,
    processor_of,
    this_machine,
)
from rgmp.provenance.record import Circumstances
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.files import digest_of, digest_of_file
from rgmp.training.job import TrainingJob
from rgmp.training.train import train


def repeat(
    job: TrainingJob,
    lacking: Sequence[int],
    made: Circumstances,
    choose_device: Callable[[], torch.device],
    team: Team = ALONE,
) -> dict[str, float | str]:
    """Run a finished training run again and take the checkpoints that it lacks.

    Args:
        job: of the finished training run.
        lacking: the steps after which its weights were not kept, or are not as they were.
        made: its record.
        choose_device: where to compute, asked once a GPU is ruled out: none is waited for.
        team: the processes of this training run.

    Returns:
        What `train` returns of the repeated run.

    Raises:
        UserError: as `train`; or it does not repeat bit by bit here, and nothing has changed.
    """
    on_gpu = job.machine.device == "cuda" or made["machine"]["gpu"]
    device = None if on_gpu else choose_device()
    if device is None or device.type != "cpu":
        raise UserError(_refusal(job, lacking, "a training run on a GPU does not repeat its bits"))
    here, there = _how(this_machine(), determinism()), _how(made["machine"], made["determinism"])
    if here != there:
        raise UserError(_refusal(job, lacking, f"{here}, gives other bits than {there}"))
    kept = digest_of(job.settings.earlier_checkpoints)[:8]
    again = job.model_copy(update={"folder": job.folder / f"repeated-{kept}"})
    summary = train(again, device, team)
    if not team.leads:
        return summary
    same = digest_of_file(again.weights) == digest_of_file(job.weights)
    if same:
        for step in lacking:
            again.checkpoint(step).replace(job.checkpoint(step))
    for folder in job.folder.glob("repeated-*"):
        shutil.rmtree(folder)
    if not same:
        raise UserError(_refusal(job, lacking, "repeated here, it ended with other weights"))
    return summary


def _how(machine: MachineInfo, flags: Determinism) -> str:
    """What decides the bits of a training run on a CPU."""
    return f"{processor_of(machine, flags)}, threads: {flags.get('threads')}"


def _refusal(job: TrainingJob, lacking: Sequence[int], reason: str) -> str:
    steps = ", ".join(map(str, lacking))
    return (
        f"{job.folder}: its checkpoints after step {steps} were not kept, and {reason}, so they "
        f"would be those of another; remove {job.folder} to train it again and keep them, or set "
        "finetune.keep_last to 1"
    )
