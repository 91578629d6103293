"""The description of a training job."""

from pathlib import Path

from rgmp.config.base import Closed, Stage
from rgmp.config.method import Compute, Finetune, Network, Pretrain
from rgmp.config.study import Machine
from rgmp.data.roots import DataRoots

WEIGHTS = "weights.safetensors"
CURVE = "metrics.jsonl"


def checkpoint_name(step: int) -> str:
    """The file of the weights after a step before the last."""
    return f"weights-step{step}.safetensors"


class TrainingJob(Closed):
    """One stage to train: settings, data, initial weights and output folder.

    Attributes:
        identity: of everything that can change the weights; a state of another is not resumed.
        seed: of the initial weights and of every sample.
        parent: the weights to start from; None: random or ImageNet weights.
        folder: where weights, metrics and checkpoints go.
    """

    identity: str
    seed: int
    network: Network
    settings: Pretrain | Finetune
    compute: Compute = Compute()
    machine: Machine = Machine()
    data: DataRoots
    parent: Path | None = None
    folder: Path

    @property
    def stage(self) -> Stage:
        """Which of the two stages this is."""
        return "pretrain" if isinstance(self.settings, Pretrain) else "finetune"

    @property
    def name(self) -> str:
        """Its name for display: `full-seed0`."""
        return self.folder.name.removesuffix(f"-{self.identity}")

    @property
    def weights(self) -> Path:
        """The file of the trained weights."""
        return self.folder / WEIGHTS

    def checkpoint(self, step: int) -> Path:
        """The file of the weights after a step before the last."""
        return self.folder / checkpoint_name(step)

    @property
    def curve(self) -> Path:
        """The metrics file, one JSON object per line."""
        return self.folder / CURVE

    @property
    def states(self) -> Path:
        """The folder of checkpoints."""
        return self.folder / "checkpoints"
