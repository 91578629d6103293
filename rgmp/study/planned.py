"""What a plan consists of: training runs, runs, variants, external methods, paths of data."""

from pathlib import Path
from typing import Any

from pydantic import model_validator

from rgmp.config.base import Benchmark, Closed, Stage
from rgmp.config.method import Compute, Finetune, Inference, Network, Pretrain
from rgmp.config.study import External, Stills, Variant
from rgmp.data.roots import DataRoots
from rgmp.study import layout


class Training(Closed):
    """One stage, trained once for all variants that share it.

    Attributes:
        parent: the identity of the training run before it.
        data: the digest of the data.
        folder: below the study folder.
        variants: those that share it.
    """

    identity: str
    stage: Stage
    slug: str
    seed: int
    parent: str | None
    data: str
    folder: str
    variants: tuple[str, ...]
    network: Network
    settings: Pretrain | Finetune
    compute: Compute

    @property
    def config(self) -> dict[str, Any]:
        """All its settings by their keys in a study file, as JSON values: for its record."""
        return {
            "network": self.network.model_dump(mode="json"),
            self.stage: self.settings.model_dump(mode="json"),
            "compute": self.compute.model_dump(mode="json"),
        }

    @model_validator(mode="before")
    @classmethod
    def _of_an_earlier_plan(cls, value: Any) -> Any:
        """Read plans that have `config` in place of its three parts: studies of days have them."""
        match value:
            case {"stage": stage, "settings": {"network": network, "compute": compute, **rest}}:
                taken = {"network": network, "compute": compute, "settings": rest.get(stage)}
                return {**value, **taken}
        return value


class Run(Closed):
    """One variant with one seed: its training runs in order, the last of which gives the weights.

    Without training runs the weights are a given file, the same for every seed. They are identified
    by the identity of the last training run, or by the digest of that file.
    """

    seed: int
    trainings: tuple[str, ...]
    weights: Path
    weights_digest: str


class PlannedVariant(Variant):
    """A variant with its resolved runs and settings."""

    name: str
    inference: Inference
    threads: int
    runs: tuple[Run, ...]


class PlannedExternal(External):
    """An external method, with the digest of its masks or scores per benchmark."""

    digests: dict[Benchmark, str]


class DataPaths(DataRoots):
    """The paths of the study's data, and their digests."""

    digests: dict[str, str]
    mini_seed: int | None


def embedded_roots(folder: Path, resolution: str) -> DataRoots:
    """Where the embedded benchmark is rendered, below the study's folder."""
    stills = folder / layout.STILLS
    return DataRoots(
        davis=folder / layout.DAVIS,
        stills=(Stills(images=stills / "images", masks=stills / "masks"),),
        resolution=resolution,
    )
