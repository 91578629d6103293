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

_held: list[FileLock] = []  # until the process ends


def choose(name: str, threads: int | None = None, jobs_per_gpu: int = 1) -> torch.device:
    """Set the process up for reproducible work and give it a device.

    A place on a GPU is taken by a lock on the machine, and waited for while all are taken.

    Args:
        name: `auto` (a GPU where there is one), `cpu` or `cuda`.
        threads: of the CPU; None leaves PyTorch's choice. On a CPU they decide the last bits.
        jobs_per_gpu: places on each GPU; more than one pays only where one job cannot fill it.

    Raises:
        UserError: `cuda` is asked for and there is no GPU.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    gpus = torch.cuda.device_count() if name != "cpu" and torch.cuda.is_available() else 0
    if name == "cuda" and not gpus:
        raise UserError("--device cuda: PyTorch sees no GPU here; allowed: auto, cpu, cuda")
    if not gpus:
        torch.use_deterministic_algorithms(True)
        return torch.device("cpu")
    # deterministic upsampling is many times slower here; the record says what was asked for
    torch.backends.cudnn.benchmark = True
    device = torch.device("cuda", _take_gpu(gpus, jobs_per_gpu))
    torch.cuda.set_device(device)
    return device


def _take_gpu(count: int, places: int) -> int:
    """The index of a GPU that this process now holds."""
    said = False
    while True:
        for place, index in itertools.product(range(places), range(count)):
            uuid = torch.cuda.get_device_properties(index).uuid
            # one name a user: the file of another's could not be opened
            name = f"rgmp-{os.getuid()}-gpu-{uuid}-{place}.lock"
            lock = FileLock(Path(tempfile.gettempdir()) / name, timeout=0)
            try:
                lock.acquire()
            except Timeout:
                continue
            _held.append(lock)
            return index
        if not said:
            print("every GPU is held by another job of ours; waiting", file=sys.stderr, flush=True)
            said = True
        time.sleep(1)
