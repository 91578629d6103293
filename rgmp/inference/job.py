"""Descriptions of inference and timing jobs, whether planned or from the command line."""

from pathlib import Path
from typing import Any

from pydantic import Field

from rgmp.config.base import AtOnce, Closed, Line, Seed
from rgmp.config.method import Inference
from rgmp.config.study import Device, Speed
from rgmp.data.videos import Videos
from rgmp.runtime.files import digest_of


class NetworkJob(Closed):
    """A trained network, what it is run on, and how.

    Attributes:
        weights: our file, or the authors' released one.
        threads: CPU threads; None: PyTorch's choice.
        jobs_per_gpu: how many jobs may share a GPU.
        variant, seed: names for the record.
        record: path of the record; None: none is written.
        reads: digests of the input data, if a plan knows them.
    """

    weights: Path
    videos: Videos
    settings: Inference = Inference()
    device: Device = "auto"
    threads: AtOnce | None = None
    jobs_per_gpu: AtOnce = 1
    variant: Line | None = None
    seed: Seed = 0
    record: Path | None = None
    reads: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """A digest of everything that can change the result.

        The device and the paths of files cannot: `reads` has the digests of their content.
        """
        return digest_of(self.model_dump(mode="json", exclude=_CHANGES_NOTHING))


_CHANGES_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("weights", "device", "jobs_per_gpu", "masks", "out", "record"), True),
    "videos": {"davis"},
}


class InferenceJob(NetworkJob):
    """Masks of every frame, written below the folder `masks`."""

    masks: Path


class SpeedJob(NetworkJob):
    """Seconds per frame, written to `out`; `limits` sets how much is timed."""

    limits: Speed = Speed()
    out: Path
