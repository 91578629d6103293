"""How many processes may load data: their batches wait in shared memory, which may be small."""

from pathlib import Path
from shutil import disk_usage

from rgmp.config.method import Finetune, Pretrain
from rgmp.data.loader import PREFETCHED

_BYTES_OF_A_PIXEL = 3 * 4 + 1
"""Of a frame and its mask in a batch."""
_IN_MEMORY = PREFETCHED + 1
"""Batches of each loading process at most: those ahead, and the one that is drawn."""


def affordable_workers(settings: Pretrain | Finetune, most: int) -> int:
    """How many loading processes the free shared memory has room for.

    Too many end in a bus error, which takes the whole process with it.

    Args:
        settings: of the stage, with its batch.
        most: how many are wanted; at least one is, where there is room.
    """
    frames = settings.frames[1] if isinstance(settings, Finetune) else 2
    batch = settings.batch * frames * settings.crop[0] * settings.crop[1] * _BYTES_OF_A_PIXEL
    return min(max(most, 1), int(free_shared_memory() // (_IN_MEMORY * batch)))


def free_shared_memory() -> int:
    """Bytes of shared memory that are free: where Linux has a place for it, else no limit."""
    shared = Path("/dev/shm")  # noqa: S108 - containers have little of it
    return disk_usage(shared).free if shared.is_dir() else 2**40
