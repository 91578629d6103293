"""Steps of tiny trainings by one process or several; what torchrun starts in a test."""

import copy
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from rgmp.config.method import Compute
from rgmp.config.study import Machine
from rgmp.data.roots import DataRoots
from rgmp.data.sample import IGNORE, Sample
from rgmp.runtime import distributed
from rgmp.runtime.distributed import Team
from rgmp.training.job import TrainingJob
from rgmp.training.update import Update
from support.tiny_training import clip, finetune, network

BATCH = 6
CASES: dict[str, tuple[dict[str, Any], Machine]] = {
    "a head has no loss, and a clip has several windows": (
        {"frames_per_update": 2},
        Machine(device="cpu"),
    ),
    "every head has a loss, and activations are recomputed": (
        {"coarse_loss": 0.3},
        Machine(device="cpu", recompute_activations=True),
    ),
}


def steps(case: str, team: Team, *, parts: int, interrupted: bool) -> dict[str, torch.Tensor]:
    """The weights after three steps, and the last outcome.

    Args:
        case: of `CASES`.
        team: the processes that share each batch.
        parts: into how many each splits its share.
        interrupted: whether everything but the state is made anew after the first.
    """
    changes, machine = CASES[case]
    job = TrainingJob(
        identity="",
        seed=0,
        network=network().settings,
        settings=finetune(batch=BATCH, frames=(4, 4), **changes),
        compute=Compute(accumulate=parts),
        machine=machine,
        data=DataRoots(davis=Path("nowhere")),
        folder=Path("nowhere"),
    )
    whole = clip(frames=4, batch=BATCH)
    whole.masks[2:, 1:, :30] = IGNORE
    shares = [
        Sample(*(t[team.rank + part * team.size :: parts * team.size] for t in whole))
        for part in range(parts)
    ]
    net = network()
    update = Update(net, job, team)
    for step in range(3):
        if interrupted and step == 1:
            before, net = update.optimiser.state_dict(), copy.deepcopy(net)
            update = Update(net, job, team)
            update.optimiser.load_state_dict(before)
        outcome = update(step, shares)
    return {**net.state_dict(), "outcome": outcome}


if __name__ == "__main__":
    with distributed.process_group() as processes:
        torch.set_num_threads(1)
        for number, name in enumerate(CASES):
            for again in (False, True):
                ended = steps(name, processes, parts=2, interrupted=again)
                if processes.leads:
                    save_file(ended, Path(sys.argv[1]) / f"{number}-{again}.safetensors")
