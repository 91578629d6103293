"""What the throughput of is measured: on a GPU the paper's sizes, on a CPU small ones.

This is the one place that chooses sizes and numbers of repetitions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from rgmp.config.method import Finetune, Method, Network, Pretrain
from rgmp.runtime import precision
from rgmp.runtime.precisions import Precision

Scales = tuple[float, ...]


class Workload(NamedTuple):
    """Sizes and repetitions.

    Attributes:
        network: the network, with random weights: speed does not depend on them.
        size: of a frame, (H, W).
        objects: how many a frame has, what matters most first.
        scales: sets of scales; the paper's first.
        precisions: the fastest first, and fp32 last.
        frames: of a clip that are timed one by one, at most.
        clip: frames of a clip that is read from and written to a disk, at most.
        samples: crop and batch of each training stage; None: the paper's.
        videos, stills: how many made ones training reads.
        steps: most training steps that are timed with the loader.
        steps_of_a_round: training steps without it, at most.
    """

    network: Network
    size: tuple[int, int]
    objects: tuple[int, ...]
    scales: tuple[Scales, ...]
    precisions: tuple[Precision, ...]
    frames: int
    clip: int
    samples: tuple[tuple[tuple[int, int], int], ...] | None
    videos: int
    stills: int
    steps: int
    steps_of_a_round: int

    @property
    def cases(self) -> Iterator[tuple[int, Scales]]:
        """Objects and scales of a clip, what matters most first."""
        return ((objects, scales) for scales in self.scales for objects in self.objects)

    @property
    def is_papers(self) -> bool:
        """Whether speeds are of the sizes that the aims are about."""
        return self.size == (480, 854)


_ON_GPU = Workload(
    network=Network(),
    size=(480, 854),
    objects=(1, 5, 2),
    scales=((0.5, 0.75, 1.0), (1.0,)),
    precisions=("bf16", "tf32", "fp32"),
    frames=12,
    clip=70,  # as a video of DAVIS
    samples=None,
    videos=12,
    stills=400,
    steps=120,
    steps_of_a_round=4,
)
_ON_CPU = Workload(
    network=Network(backbone="resnet18", width=8, decoder_width=16),
    size=(120, 214),
    objects=(1, 2),
    scales=((0.5, 0.75, 1.0), (1.0,)),
    precisions=("bf16", "fp32"),
    frames=4,
    clip=12,
    samples=(((64, 64), 4), ((64, 96), 2)),
    videos=2,
    stills=12,
    steps=8,
    steps_of_a_round=1,
)


def of(device: torch.device) -> Workload:
    """What is measured on a device, in the precisions that it has instructions for."""
    if device.type == "cuda":
        return _ON_GPU
    bf16 = precision.choose("auto", device, training=False)
    return _ON_CPU._replace(precisions=tuple(dict.fromkeys((bf16, "fp32"))))


def training_of(method: Method, work: Workload) -> tuple[Pretrain, Finetune]:
    """The settings of both stages, with the workload's own samples if it has any."""
    first, second = method.pretrain, method.finetune
    if work.samples is not None:
        changes = [{"crop": crop, "batch": batch} for crop, batch in work.samples]
        first, second = first.model_copy(update=changes[0]), second.model_copy(update=changes[1])
    return first, second
