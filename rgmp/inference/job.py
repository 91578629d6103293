"""Descriptions of inference and timing jobs, whether planned or from the command line."""

from pathlib import Path
from typing import Any

from pydantic import Field

from rgmp.config.base import AtOnce, Closed, Line, Seed
from rgmp.config.method import Inference
from rgmp.config.study import Device, Speed
from rgmp.data.videos import Videos
from rgmp.runtime.files import digest_of

MARK = ".made-by.json"
"""The file that says what produced a folder of masks."""


class NetworkJob(Closed):
    """What trained networks are run on, and where.

    Attributes:
        threads: CPU threads; None: PyTorch's choice.
        jobs_per_gpu: how many jobs may share a GPU.
        variant, seed: names for the record.
        record: path of the record; None: none is written.
        reads: digests of the input data, if a plan knows them.
    """

    videos: Videos
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
    """Masks of every frame, written below the folder `masks`.

    Attributes:
        weights: our file, or the authors' released one.
        settings: how the network is run.
    """

    weights: Path
    settings: Inference = Inference()
    masks: Path


class Computation(Closed):
    """A network to time, and how it is run.

    Attributes:
        name: of the variant that stands for all with the same computation.
        identity: what tells it from others in a plan; None: there is none.
        weights: any that fit: their values do not change the time.
        again: the first computation once more, to see how quiet the machine is.
    """

    name: str
    identity: str | None = None
    weights: Path
    settings: Inference = Inference()
    again: bool = False


class SpeedJob(NetworkJob):
    """Seconds per frame of some computations on the same videos, written to `out`.

    Attributes:
        computations: the first is what the others are compared with.
        limits: how much is timed.
    """

    computations: tuple[Computation, ...] = Field(min_length=1)
    limits: Speed = Speed()
    out: Path

    @property
    def digest(self) -> str:
        """A digest of everything that can change the result.

        It does not matter which variants stand for the computations, nor what their weights are;
        nor in which order the others follow the first.
        """
        first, *others = (
            digest_of(computation.model_dump(mode="json", exclude={"name", "weights"}))
            for computation in self.computations
        )
        rest = self.model_dump(mode="json", exclude={**_CHANGES_NOTHING, "computations": True})
        return digest_of([first, sorted(others), rest])
