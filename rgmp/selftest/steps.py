"""Training steps on a made-up batch, for sections that look at their bits and their time."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from rgmp.config.method import Finetune, Network
from rgmp.data.roots import DataRoots
from rgmp.data.sample import Sample
from rgmp.runtime.distributed import ALONE, Team
from rgmp.selftest.bench import Bench
from rgmp.selftest.scenes import discs, random_network, video
from rgmp.training.job import TrainingJob
from rgmp.training.update import Update

LEARNING_RATE = 1e-4


class Size(NamedTuple):
    """Of a training step: the network, and a batch of so many clips."""

    network: Network
    batch: int
    frames: int
    height: int
    width: int


ON_GPU = Size(Network(), 4, 3, 256, 448)
ON_CPU = Size(Network(backbone="resnet10", width=16, decoder_width=32), 2, 3, 64, 96)


def on(bench: Bench) -> Size:
    """What a step is on a device."""
    return ON_GPU if bench.on_gpu else ON_CPU


class Steps:
    """A training run on one batch, over and over."""

    def __init__(self, bench: Bench, size: Size, team: Team = ALONE) -> None:
        """Start from the random network of the bench's seed."""
        settings = Finetune(
            steps=1000,
            batch=size.batch,
            learning_rate=LEARNING_RATE,
            crop=(size.height, size.width),
            frames=(size.frames, size.frames),
        )
        job = TrainingJob(
            identity="selftest",
            seed=bench.seed,
            network=size.network,
            settings=settings,
            data=DataRoots(),
            folder=bench.work,
        )
        network = random_network(size.network, bench.seed).train()
        self._network = network.to(bench.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._update = Update(self._network, job, team)
        self._batch = batch_of(bench, size)
        self._done = 0

    def step(self) -> None:
        """Take the next step."""
        self._update(self._done, [self._batch])
        self._done += 1

    def weights(self) -> dict[str, Tensor]:
        """The network's parameters and buffers as they are now."""
        return {key: value.detach().clone() for key, value in self._network.state_dict().items()}


def batch_of(bench: Bench, size: Size) -> Sample:
    """Clips of a texture with a disc, on the device."""
    clips = [video(size.frames, size.height, size.width, bench.seed + i) for i in range(size.batch)]
    frames = torch.from_numpy(np.stack(clips)).permute(0, 1, 4, 2, 3).float() / 255
    disc = torch.from_numpy(discs(1, size.height, size.width))
    masks = disc.expand(size.batch, size.frames, -1, -1).contiguous()
    batch = Sample(frames.contiguous(), masks, masks[:, 0].float())
    return Sample(*(tensor.to(bench.device) for tensor in batch))


def settle(bench: Bench, *, deterministic: bool) -> None:
    """Ask for deterministic algorithms, or for the fastest, as `rgmp.runtime.device` does.

    Where an operation has no deterministic one, PyTorch warns and goes on.
    """
    torch.set_deterministic_debug_mode("warn" if deterministic else "default")
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = bench.on_gpu and not deterministic


@contextmanager
def repeatable(bench: Bench) -> Iterator[list[Any]]:
    """A block with deterministic algorithms.

    Yields:
        The warnings of operations that have none, as `warnings.catch_warnings` records them.
    """
    with warnings.catch_warnings(record=True) as noted:
        warnings.filterwarnings("always", message=".*deterministic")
        settle(bench, deterministic=True)
        try:
            yield noted
        finally:
            settle(bench, deterministic=False)
