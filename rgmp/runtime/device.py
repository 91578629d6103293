"""Where to compute: the CPU, or a GPU that no other job of ours holds."""

import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from rgmp.errors import UserError
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.locks import acquire

_held: list[FileLock] = []  # until the process ends


def choose(
    name: str, threads: int | None = None, jobs_per_gpu: int = 1, team: Team = ALONE
) -> torch.device:
    """Set the process up for reproducible work and give it a device.

    A place on a GPU is taken by a lock on the machine, and waited for while all are taken.

    Args:
        name: `auto` (a GPU where there is one), `cpu` or `cuda`.
        threads: of the CPU; None leaves PyTorch's choice. On a CPU they decide the last bits.
        jobs_per_gpu: places on each GPU; more than one pays only where one job cannot fill it.
        team: whose processes take a GPU each.

    Raises:
        UserError: `cuda` is asked for and there is no GPU, or fewer than the team has processes.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    gpus = torch.cuda.device_count() if name != "cpu" and torch.cuda.is_available() else 0
    if name == "cuda" and not gpus:
        raise UserError("--device cuda: PyTorch sees no GPU here; allowed: auto, cpu, cuda")
    if not gpus:
        torch.use_deterministic_algorithms(True)
        # else memory is filled before it is used, a tenth of a small network's time
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        return torch.device("cpu")
    if team.size > gpus * jobs_per_gpu:
        raise UserError(
            f"machine.processes (={team.size}): PyTorch sees {gpus} GPUs here with "
            f"{jobs_per_gpu} places each; lower it, or set machine.device to cpu"
        )
    # deterministic upsampling is many times slower here; the record says what was asked for
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # fp32 is fp32; who wants tf32 asks for it
    device = torch.device("cuda", _take_gpus(gpus, jobs_per_gpu, team))
    torch.cuda.set_device(device)
    return device


def _take_gpus(count: int, places: int, team: Team) -> int:
    """The index of the GPU that this process of a team now holds.

    Two teams that each held a part of what they need would wait for one another for ever, so one
    team at a time takes its places.
    """
    gate = FileLock(_lock_path("gate"))
    if team.size > 1 and team.leads:
        acquire(gate)
    with team.leader_first():
        index = _take_gpu(count, places)
    team.any(False)  # until the last of them has its own
    gate.release()
    return index


def _lock_path(name: str) -> Path:
    # one name a user: the file of another's could not be opened
    return Path(tempfile.gettempdir()) / f"rgmp-{os.getuid()}-{name}.lock"


def _take_gpu(count: int, places: int) -> int:
    """The index of a GPU that this process now holds."""
    said = False
    while True:
        for place, index in itertools.product(range(places), range(count)):
            uuid = torch.cuda.get_device_properties(index).uuid
            lock = FileLock(_lock_path(f"gpu-{uuid}-{place}"))
            try:
                acquire(lock, timeout=0)
            except Timeout:
                continue
            _held.append(lock)
            return index
        if not said:
            print("every GPU is held by another job of ours; waiting", file=sys.stderr, flush=True)
            said = True
        time.sleep(1)
