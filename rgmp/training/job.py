"""What one training needs, whoever asks for it."""

from pathlib import Path

from rgmp.config.base import Closed, Stage
from rgmp.config.method import Compute, Finetune, Network, Pretrain
from rgmp.config.study import Machine
from rgmp.data.roots import DataRoots

WEIGHTS = "weights.safetensors"
CURVE = "metrics.jsonl"


class TrainingJob(Closed):
    """One stage to train: the settings, the data, what it starts from, where it goes.

    Attributes:
        identity: stands for all that can change the weights; a state of another is not resumed.
        seed: of the initial weights and of every sample.
        parent: the weights to start from; None: new ones, or ImageNet's.
        folder: where the weights, the curve and the states to resume from go.
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
        """As it is called where people read it: `full-seed0`."""
        return self.folder.name.removesuffix(f"-{self.identity}")

    @property
    def weights(self) -> Path:
        """What the training makes."""
        return self.folder / WEIGHTS

    @property
    def curve(self) -> Path:
        """What its steps measured, a JSON object a line."""
        return self.folder / CURVE

    @property
    def states(self) -> Path:
        """The folder of what a killed training resumes from."""
        return self.folder / "checkpoints"
