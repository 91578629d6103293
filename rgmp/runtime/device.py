"""Where to compute: the CPU, or a GPU that no other rgmp job holds."""

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
    """Set the process up for reproducible computation and choose its device.

    A slot on a GPU is reserved by a lock file; if all are taken, this waits.

    Args:
        name: `auto` (a GPU if there is one), `cpu` or `cuda`.
        threads: CPU threads; None: PyTorch's choice. On a CPU they decide the last bits.
        jobs_per_gpu: slots on each GPU; more than one pays only if one job cannot fill it.
        team: the processes of this job, which take one GPU slot each.

    Raises:
        UserError: `cuda` is requested and there is no GPU, or fewer slots than processes.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    gpus = torch.cuda.device_count() if name != "cpu" and torch.cuda.is_available() else 0
    if name == "cuda" and not gpus:
        raise UserError("device cuda: PyTorch sees no GPU here; choose auto or cpu")
    if not gpus:
        # use_deterministic_algorithms(True) does the same, after a second of importing the compiler
        torch.set_deterministic_debug_mode("error")
        # else new memory is filled first, which costs a small network a tenth of its time
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        return torch.device("cpu")
    if team.size > gpus * jobs_per_gpu:
        raise UserError(
            f"{team.size} processes: PyTorch sees {gpus} GPUs here with {jobs_per_gpu} slots each; "
            "start fewer, or compute on the CPU"
        )
    # deterministic upsampling is many times slower on a GPU; the record has the settings
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32; tf32 is a separate choice
    device = torch.device("cuda", _take_gpus(gpus, jobs_per_gpu, team))
    torch.cuda.set_device(device)
    return device


def _take_gpus(count: int, places: int, team: Team) -> int:
    """Reserve a GPU slot for this process of a team and return the GPU's index.

    Two teams that each held part of what they need would deadlock, so one team at a time reserves
    its slots.
    """
    gate = FileLock(_lock_path("gate"))
    if team.size > 1 and team.leads:
        acquire(gate)
    with team.one_first_on_each_machine():
        index = _take_gpu(count, places)
    team.any(False)  # wait until every process has its slot
    gate.release()
    return index


def _lock_path(name: str) -> Path:
    # one name per user: another user's file could not be opened
    return Path(tempfile.gettempdir()) / f"rgmp-{os.getuid()}-{name}.lock"


def _take_gpu(count: int, places: int) -> int:
    """Reserve a GPU slot and return the GPU's index."""
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
            print("every GPU is locked by another rgmp job; waiting", file=sys.stderr, flush=True)
            said = True
        time.sleep(1)
