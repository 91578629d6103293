"""What every section of the selftest is given."""

import gc
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from rgmp.runtime.device import set_up


@dataclass(frozen=True)
class Bench:
    """Where a section runs, and for how long. Each section has a process of its own.

    Attributes:
        device: where to compute, chosen and set up as for any job (`rgmp.runtime.device`).
        folder: what a section leaves there comes back with the results.
        work: scratch that all sections of a run share, and that is removed after it.
        deadline: when the section must have ended, on the clock of `time.monotonic`; some seconds
            later it is killed. What it has yielded by then is kept.
        seed: of everything random.
        davis: root of a DAVIS tree with real frames; None: none is given.
    """

    device: torch.device
    folder: Path
    work: Path
    deadline: float
    seed: int = 0
    davis: Path | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.device.type == "cuda"

    def seconds_left(self) -> float:
        """Seconds until the section must have ended; negative: it should have."""
        return self.deadline - time.monotonic()

    def synchronise(self) -> None:
        """Wait for what the device does."""
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def release(self) -> None:
        """Give back the memory of the device that nothing uses, and forget its peak."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def prepare(self) -> None:
        """Set up a further process as the section's own is; the device is already reserved."""
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.work / "compiled-kernels")
        if self.on_gpu:
            set_up(self.device)


def importing_the_same() -> dict[str, str]:
    """The environment of a command in another folder that is to import what this process does.

    A relative path in `PYTHONPATH` would be taken from that folder.
    """
    places = (str(Path(place).absolute()) for place in sys.path)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


class NotHereError(Exception):
    """A section cannot run in this place; says why. It is no failure."""
