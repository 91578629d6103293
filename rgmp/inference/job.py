"""What an inference, or the measurement of its speed, needs, whoever asks for it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from rgmp.config.base import AtOnce, Closed, Seed
from rgmp.config.method import Inference
from rgmp.config.study import Speed
from rgmp.data.videos import Videos
from rgmp.runtime.files import digest_of


class NetworkJob(Closed):
    """A trained network, what it is run on, and how.

    Attributes:
        weights: our file, or the authors' released one.
        threads: of the CPU; None: PyTorch's choice.
        jobs_per_gpu: that may share one.
        variant, seed: what the record names.
        record: where that goes; None: there is none.
        reads: what stands for the bytes that are read, where a plan knows it.
    """

    weights: Path
    videos: Videos
    settings: Inference = Inference()
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: AtOnce | None = None
    jobs_per_gpu: AtOnce = 1
    variant: str | None = None
    seed: Seed = 0
    record: Path | None = None
    reads: dict[str, str] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """What tells this job of a plan from one with another result.

        The device and where files lie change none: `reads` stands for their bytes.
        """
        return digest_of(self.model_dump(mode="json", exclude=_CHANGES_NOTHING))


_CHANGES_NOTHING: dict[str, Any] = {
    **dict.fromkeys(("weights", "device", "jobs_per_gpu", "masks", "out", "record"), True),
    "videos": {"davis"},
}


class InferenceJob(NetworkJob):
    """Masks of every frame, below the folder `masks`."""

    masks: Path


class SpeedJob(NetworkJob):
    """Seconds a frame, of as many sequences, frames and repeats as `limits` says, into `out`."""

    limits: Speed = Speed()
    out: Path
