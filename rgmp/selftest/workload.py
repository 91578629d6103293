"""What the throughput of is measured: on a GPU the paper's sizes, on a CPU small ones.

This is the one place that chooses sizes and numbers of repetitions.
"""

from pathlib import Path
from typing import NamedTuple

import torch

import rgmp
from rgmp.config.load import load_study, load_variants
from rgmp.config.method import Finetune, Method, Network, Pretrain
from rgmp.errors import UserError
from rgmp.model.network import RGMP, calibrate
from rgmp.runtime import precision
from rgmp.runtime.precisions import Precision
from rgmp.selftest.bench import Bench, NotHereError

Scales = tuple[float, ...]

PROJECT = Path(rgmp.__file__).parents[1]
PAPERS_STUDY = Path("workflow/config/davis.yaml")
"""The study whose training is timed, below the project's folder."""


class Workload(NamedTuple):
    """Sizes and repetitions.

    Attributes:
        network: the network, with random weights: speed does not depend on them.
        size: of a frame, (H, W).
        objects: how many a frame has.
        scales: sets of scales; the paper's first.
        precisions: the fastest first.
        most_frames: of the clips on which computations take turns.
        clip: frames of the clip that is read from and written to a disk.
        product: rows and columns of a large matrix product.
        crops: of the training samples of each stage; None: the paper's.
        videos, stills: how many made ones training reads.
        steps: training steps that are timed, of the precision whose waiting counts.
    """

    network: Network
    size: tuple[int, int]
    objects: tuple[int, ...]
    scales: tuple[Scales, ...]
    precisions: tuple[Precision, ...]
    most_frames: int
    clip: int
    crops: tuple[tuple[int, int], tuple[int, int]] | None
    batches: tuple[int, int] | None
    videos: int
    stills: int
    steps: int

    @property
    def is_papers(self) -> bool:
        """Whether speeds are of the sizes that the aims are about."""
        return self.size == (480, 854)


_ON_GPU = Workload(
    network=Network(),
    size=(480, 854),
    objects=(1, 2, 5),
    scales=((0.5, 0.75, 1.0), (1.0,)),
    precisions=("bf16", "tf32", "fp32"),
    most_frames=12,
    clip=70,  # as a video of DAVIS
    crops=None,
    batches=None,
    videos=12,
    stills=400,
    steps=120,
)
_ON_CPU = Workload(
    network=Network(backbone="resnet18", width=8, decoder_width=16),
    size=(120, 214),
    objects=(1, 2),
    scales=((0.5, 0.75, 1.0), (1.0,)),
    precisions=("bf16", "fp32"),
    most_frames=4,
    clip=12,
    crops=((64, 64), (64, 96)),
    batches=(4, 2),
    videos=2,
    stills=12,
    steps=10,
)


def of(device: torch.device) -> Workload:
    """What is measured on a device, in the precisions that it has instructions for."""
    if device.type == "cuda":
        return _ON_GPU
    bf16 = precision.choose("auto", device, training=False)
    return _ON_CPU._replace(precisions=tuple(dict.fromkeys((bf16, "fp32"))))


def network_of(bench: Bench, work: Workload) -> RGMP:
    """A network with random weights in eval mode, on the CPU, whose maps stay within bounds.

    Its batch norms have the statistics of noise: left at the identity they would let the
    activations grow from block to block until nothing but one label is left.
    """
    torch.manual_seed(bench.seed)
    network = RGMP(work.network).eval()
    norms = [m for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    frames, masks = torch.rand(2, 3, 128, 128), (torch.rand(2, 1, 128, 128) > 0.5).float()
    calibrate(norms, lambda: network.encoder(frames, masks))
    return network.eval()


def papers_methods() -> dict[str, Method]:
    """The methods of the paper's study by variant.

    Raises:
        NotHereError: this installation has no study files.
    """
    path, ablations = PROJECT / PAPERS_STUDY, PROJECT / "ablations"
    try:
        study = load_study(path)
        variants = load_variants(study, path, ablations)
    except UserError as error:
        raise NotHereError(f"the paper's study is not here: {error}") from error
    return {name: method for name, (_, method) in variants.items()}


def papers_seeds() -> int:
    """How many seeds the paper's study has."""
    return len(load_study(PROJECT / PAPERS_STUDY).seeds)


def training_of(method: Method, work: Workload) -> tuple[Pretrain, Finetune]:
    """The settings of both stages, with the workload's crops and batches if it has any."""
    first, second = method.pretrain, method.finetune
    if work.crops is not None and work.batches is not None:
        first, second = (
            stage.model_copy(update={"crop": crop, "batch": batch})
            for stage, crop, batch in zip((first, second), work.crops, work.batches, strict=True)
        )
    return first, second
