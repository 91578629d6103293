"""Where to compute: the CPU, or a GPU, of which each rgmp job has its own or its share."""

import fcntl
import itertools
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import torch
from filelock import FileLock

from rgmp.errors import UserError
from rgmp.runtime.distributed import ALONE, Team
from rgmp.runtime.kernel_locks import acquire, try_flock

_held: list[ExitStack] = []  # until the process ends


def choose(
    name: str, threads: int | None = None, jobs_per_gpu: int = 1, team: Team = ALONE
) -> torch.device:
    """Set the process up for reproducible computation and choose its device.

    A GPU, or a place on one, is reserved by lock files; if all are taken, this waits.

    Args:
        name: `auto` (a GPU if there is one), `cpu` or `cuda`.
        threads: CPU threads; None: PyTorch's choice. On a CPU they decide the last bits.
        jobs_per_gpu: places on each GPU; 1: the job has its GPU alone, as a timing must. More than
            one pays only if one job cannot fill it.
        team: the processes of this job, which take a GPU each, alone.

    Raises:
        UserError: `cuda` is requested and there is no GPU, or fewer than processes on this machine.
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
    if team.local_size > gpus:
        raise UserError(
            f"{team.local_size} processes: PyTorch sees {gpus} GPUs here, of which each needs one; "
            "start fewer, or compute on the CPU"
        )
    device = torch.device("cuda", _take_gpus(gpus, jobs_per_gpu, team))
    set_up(device)
    return device


def set_up(device: torch.device) -> None:
    """Let this process compute on a GPU that is reserved for it, or for its parent."""
    # deterministic upsampling is many times slower on a GPU; the record has the settings
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32; tf32 is a separate choice
    torch.cuda.set_device(device)


def gpu_name(device: torch.device) -> str | None:
    """What a GPU is called; None: it is the CPU."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else None


def _take_gpus(count: int, places: int, team: Team) -> int:
    """Reserve a GPU, or a place on one, for this process of a team and return the GPU's index.

    Two teams that each held part of what they need would deadlock, so on each machine one team at a
    time reserves. On several machines that is left to their scheduler.
    """
    if team.size == 1:
        return _take_gpu(count, places)
    gate = FileLock(_lock_path("gate"))
    if not team.local_rank:
        acquire(gate)
    with team.one_first_on_each_machine():
        index = _take_gpu(count, 1)  # NCCL takes no two processes on one GPU
    team.any(False)  # wait until every process has its GPU
    gate.release()
    return index


def _lock_path(name: str) -> Path:
    # one name per user: another user's file could not be opened
    return Path(tempfile.gettempdir()) / f"rgmp-{os.getuid()}-{name}.lock"


def _take_gpu(count: int, places: int) -> int:
    """Reserve a GPU, or one of its places if there are several, and return the GPU's index."""
    said = False
    while True:
        for place, index in itertools.product(range(places), range(count)):
            if _reserve(str(torch.cuda.get_device_properties(index).uuid), place, places):
                return index
        if not said:
            print("every GPU is locked by another rgmp job; waiting", file=sys.stderr, flush=True)
            said = True
        time.sleep(1)


def _reserve(gpu: str, place: int, places: int) -> bool:
    """Lock a GPU for this process if nobody else uses it; of several places, one on it.

    Those that share a GPU hold a shared lock on it, however many places each of them sees.
    """
    alone = [(f"gpu-{gpu}", fcntl.LOCK_EX)]
    shared = [(f"gpu-{gpu}", fcntl.LOCK_SH), (f"gpu-{gpu}-{place}", fcntl.LOCK_EX)]
    with ExitStack() as locks:
        for name, how in shared if places > 1 else alone:
            file = try_flock(_lock_path(name), how)
            if file is None:
                return False
            locks.enter_context(file)
        _held.append(locks.pop_all())
    return True
